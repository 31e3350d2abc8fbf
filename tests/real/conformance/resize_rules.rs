//! What a resize may not do to containers: each reason for a 422, alone and together.

use serde_json::{Value, json};

use super::{
    case::{Case, case, create, edit, get, merge, strategic},
    fixture::{HALF, NODE, ONE, container, of_one, on, pod, pod_of, sizes},
    resize::{Row, cases_of, resize},
};

pub fn cases() -> Vec<Case> {
    let rows = [classes(), resources(), other_resources(), policies(), containers(), containers_by_patch()];
    let mut cases = cases_of(rows);
    cases.extend(special());
    cases
}

fn classes() -> Vec<Row> {
    let guaranteed = || of_one(&sizes(ONE, ONE));
    let burstable = || of_one(&sizes(HALF, ONE));
    let best_effort = || of_one(&json!({}));
    let cpu = |request: &str| json!({ "requests": { "cpu": request } });
    vec![
        ("a-guaranteed-pod-grows", guaranteed(), resize(&sizes(["2", "2Gi"], ["2", "2Gi"]))),
        ("a-guaranteed-pod-shrinks", guaranteed(), resize(&sizes(HALF, HALF))),
        ("a-guaranteed-pod-becomes-burstable", guaranteed(), resize(&cpu("500m"))),
        ("a-guaranteed-pod-loses-its-limits", guaranteed(), resize(&json!({ "limits": null }))),
        ("a-burstable-pod-becomes-guaranteed", burstable(), resize(&sizes(ONE, ONE))),
        ("a-burstable-pod-shrinks-its-memory-limit", burstable(), resize(&json!({ "limits": { "memory": "768Mi" } }))),
        (
            "a-burstable-pod-without-limits-gains-them",
            of_one(&json!({ "requests": { "cpu": "500m" } })),
            resize(&json!({ "limits": { "cpu": "1", "memory": "1Gi" } })),
        ),
        (
            "a-burstable-pod-gains-equal-limits",
            of_one(&json!({ "requests": { "cpu": "500m", "memory": "1Gi" } })),
            resize(&json!({ "limits": { "cpu": "500m", "memory": "1Gi" } })),
        ),
        ("a-best-effort-pod-gains-a-request", best_effort(), resize(&cpu("500m"))),
        ("a-best-effort-pod-gains-a-memory-limit", best_effort(), resize(&json!({ "limits": { "memory": "1Gi" } }))),
        ("a-best-effort-pod-gains-nothing", best_effort(), resize(&json!({}))),
        ("a-best-effort-pod-gains-zero", best_effort(), resize(&cpu("0"))),
        (
            "a-class-stays-when-one-container-is-burstable",
            pod_of("web", &[container("app", &sizes(HALF, ONE)), container("log", &json!({}))]),
            resize(&sizes(ONE, ONE)),
        ),
    ]
}

fn resources() -> Vec<Row> {
    let web = || of_one(&sizes(HALF, ONE));
    vec![
        (
            "a-request-is-removed",
            of_one(&json!({ "requests": { "cpu": "1", "memory": "1Gi" } })),
            resize(&json!({ "requests": { "memory": null } })),
        ),
        ("a-request-is-removed-whose-limit-stays", web(), resize(&json!({ "requests": { "memory": null } }))),
        ("a-limit-is-removed", web(), resize(&json!({ "limits": { "memory": null } }))),
        ("all-limits-are-removed", web(), resize(&json!({ "limits": null }))),
        (
            "all-requests-are-removed",
            of_one(&json!({ "requests": { "cpu": "1", "memory": "1Gi" } })),
            resize(&json!({ "requests": null })),
        ),
        (
            "all-resources-are-removed",
            of_one(&json!({ "requests": { "cpu": "1", "memory": "1Gi" } })),
            strategic("pods/web/resize", &json!({ "spec": { "containers": [{ "name": "app", "resources": null }] } })),
        ),
        (
            "requests-and-limits-are-removed-in-two-containers",
            pod_of("web", &[container("app", &sizes(HALF, ONE)), container("log", &sizes(HALF, ONE))]),
            strategic(
                "pods/web/resize",
                &json!({ "spec": { "containers": [
                { "name": "app", "resources": { "limits": null, "requests": { "cpu": null } } },
                { "name": "log", "resources": { "limits": { "cpu": null } } },
            ] } }),
            ),
        ),
        ("a-resize-above-the-limit", web(), resize(&json!({ "requests": { "cpu": "2" } }))),
        ("a-resize-below-the-request", web(), resize(&json!({ "limits": { "memory": "256Mi" } }))),
        ("a-negative-resize", web(), resize(&json!({ "requests": { "cpu": "-1" } }))),
        ("a-resize-to-zero", web(), resize(&json!({ "requests": { "cpu": "0", "memory": "0" } }))),
        ("a-resize-in-tiny-amounts", web(), resize(&json!({ "requests": { "cpu": "100u", "memory": "1500m" } }))),
    ]
}

fn other_resources() -> Vec<Row> {
    let web = || of_one(&sizes(HALF, ONE));
    let more = |more: &Value| {
        let mut resources = sizes(HALF, ONE);
        json_patch::merge(&mut resources, more);
        of_one(&resources)
    };
    let storage =
        || more(&json!({ "requests": { "ephemeral-storage": "1Gi" }, "limits": { "ephemeral-storage": "2Gi" } }));
    let device = || more(&json!({ "requests": { "example.com/gpu": "1" }, "limits": { "example.com/gpu": "1" } }));
    vec![
        ("storage-is-changed", storage(), resize(&json!({ "requests": { "ephemeral-storage": "1536Mi" } }))),
        ("storage-is-added", web(), resize(&json!({ "requests": { "ephemeral-storage": "1Gi" } }))),
        (
            "storage-is-removed",
            storage(),
            resize(&json!({ "requests": { "ephemeral-storage": null }, "limits": { "ephemeral-storage": null } })),
        ),
        ("storage-stays-and-cpu-grows", storage(), resize(&json!({ "requests": { "cpu": "600m" } }))),
        (
            "a-device-is-changed",
            device(),
            resize(&json!({ "requests": { "example.com/gpu": "2" }, "limits": { "example.com/gpu": "2" } })),
        ),
        ("a-device-is-added", web(), resize(&json!({ "limits": { "example.com/gpu": "2" } }))),
        ("a-device-stays-and-cpu-grows", device(), resize(&json!({ "requests": { "cpu": "600m" } }))),
        ("an-unknown-resource-is-added", web(), resize(&json!({ "requests": { "coffee": "1" } }))),
        ("claims-are-added", web(), resize(&json!({ "claims": [{ "name": "gpu" }] }))),
    ]
}

fn policies() -> Vec<Row> {
    let web = || of_one(&sizes(HALF, ONE));
    let policy = |list: &Value| {
        strategic("pods/web/resize", &json!({ "spec": { "containers": [{ "name": "app", "resizePolicy": list }] } }))
    };
    let restarts = |resource: &str| json!([{ "resourceName": resource, "restartPolicy": "RestartContainer" }]);

    vec![
        ("a-resize-policy-is-added", web(), policy(&restarts("cpu"))),
        (
            "a-resize-policy-that-is-the-default-is-added",
            web(),
            policy(&json!([{ "resourceName": "cpu", "restartPolicy": "NotRequired" }])),
        ),
        ("a-bad-resize-policy-is-added", web(), policy(&restarts("disk"))),
        (
            "a-resize-policy-is-changed",
            {
                let mut pod = web();
                pod["spec"]["containers"][0]["resizePolicy"] = restarts("cpu");
                pod
            },
            policy(&json!([{ "resourceName": "cpu", "restartPolicy": "NotRequired" }])),
        ),
        (
            "a-resize-policy-and-cpu-are-changed",
            web(),
            strategic(
                "pods/web/resize",
                &json!({ "spec": { "containers": [
            { "name": "app", "resizePolicy": restarts("cpu"), "resources": { "requests": { "cpu": "600m" } } },
        ] } }),
            ),
        ),
        (
            "everything-is-wrong",
            web(),
            resize(&json!({
                "requests": { "cpu": "3", "memory": null, "ephemeral-storage": "1Gi" }, "limits": { "memory": null, "cpu": "2" },
            })),
        ),
    ]
}

fn containers() -> Vec<Row> {
    let two = || pod_of("web", &[container("app", &sizes(HALF, ONE)), container("log", &sizes(HALF, ONE))]);
    let put = |edits: &[(&'static str, Value)]| edit("pods/web/resize", "pods/web", edits);
    let swapped = |first: &Value, second: &Value| {
        put(&[("/spec/containers/0/name", first.clone()), ("/spec/containers/1/name", second.clone())])
    };
    let named = |name: &str| json!(name);

    vec![
        ("a-container-is-added", two(), put(&[("/spec/containers/-", container("new", &json!({})))])),
        ("a-container-is-removed", two(), put(&[("/spec/containers/1", json!(null))])),
        ("all-containers-are-removed", two(), put(&[("/spec/containers", json!([]))])),
        ("a-container-is-renamed", two(), put(&[("/spec/containers/1/name", named("other"))])),
        ("containers-are-reordered", two(), swapped(&named("log"), &named("app"))),
        (
            "containers-are-renamed-and-grow",
            two(),
            put(&[
                ("/spec/containers/0/name", named("one")),
                ("/spec/containers/1/name", named("two")),
                ("/spec/containers/1/resources/requests/cpu", named("600m")),
            ]),
        ),
        (
            "a-container-is-added-and-the-class-changes",
            two(),
            put(&[
                ("/spec/containers/-", container("new", &json!({}))),
                ("/spec/containers/0/resources", sizes(ONE, ONE)),
                ("/spec/containers/1/resources", sizes(ONE, ONE)),
            ]),
        ),
        (
            "a-container-is-removed-and-a-limit-too",
            two(),
            put(&[("/spec/containers/1", json!(null)), ("/spec/containers/0/resources/limits/cpu", json!(null))]),
        ),
    ]
}

fn containers_by_patch() -> Vec<Row> {
    let two = || pod_of("web", &[container("app", &sizes(HALF, ONE)), container("log", &sizes(HALF, ONE))]);
    let put = |edits: &[(&'static str, Value)]| edit("pods/web/resize", "pods/web", edits);
    vec![
        (
            "an-init-container-is-added",
            two(),
            put(&[("/spec/initContainers", json!([container("first", &json!({}))]))]),
        ),
        (
            "a-container-is-deleted-by-directive",
            two(),
            strategic(
                "pods/web/resize",
                &json!({ "spec": { "containers": [
            { "name": "log", "$patch": "delete" },
        ] } }),
            ),
        ),
        (
            "a-container-is-added-by-patch",
            two(),
            strategic(
                "pods/web/resize",
                &json!({ "spec": { "containers": [
            { "name": "new", "image": "new:1", "resources": { "requests": { "cpu": "1" } } },
        ] } }),
            ),
        ),
        (
            "a-name-alone-is-added-by-patch",
            two(),
            strategic(
                "pods/web/resize",
                &json!({ "spec": { "containers": [
            { "name": "new", "resources": { "requests": { "cpu": "1" } } },
        ] } }),
            ),
        ),
        (
            "ephemeral-containers-are-added",
            two(),
            merge(
                "pods/web/resize",
                &json!({ "spec": { "ephemeralContainers": [
            { "name": "debug", "image": "debug:1" },
        ] } }),
            ),
        ),
    ]
}

/// Pods that are refused whatever is asked for, and with what else that goes together.
fn special() -> Vec<Case> {
    let grow = || resize(&json!({ "requests": { "cpu": "600m" } }));
    let much_wrong =
        || resize(&json!({ "requests": { "cpu": "3", "ephemeral-storage": "1Gi" }, "limits": { "memory": null } }));
    let mirror = pod("web", &json!({ "metadata": { "annotations": { "kubernetes.io/config.mirror": "abc" } } }));
    let windows = pod("web", &json!({ "spec": { "os": { "name": "windows" } } }));
    // An older kubelet reports that the container runs, and not with which resources.
    let silent = json!({
        "name": "app", "image": "a", "imageID": "", "ready": true, "restartCount": 0,
        "state": { "running": { "startedAt": "2026-01-01T00:00:00Z" } },
    });
    let unsupported = |name| {
        let status = json!({ "status": { "containerStatuses": [silent] } });
        case(name).running(&pod("web", &json!({}))).given(merge("pods/web/status", &status))
    };
    vec![
        case("a-mirror-pod-is-not-resized").running(&mirror).ask(grow()),
        case("a-mirror-pod-is-refused-for-that-alone").running(&mirror).ask(much_wrong()),
        case("a-mirror-pod-is-refused-even-nothing").running(&mirror).ask(resize(&json!({}))),
        case("a-windows-pod-is-not-resized").running(&windows).ask(grow()),
        case("a-windows-pod-is-refused-for-that-alone").running(&windows).ask(much_wrong()),
        unsupported("a-node-without-support").ask(grow()).ask(get("pods/web")),
        unsupported("a-node-without-support-is-one-reason-of-many").ask(much_wrong()),
        unsupported("a-node-without-support-is-refused-even-nothing").ask(resize(&json!({}))),
        case("a-container-that-does-not-run-says-nothing-of-support")
            .given(create("pods", &on(NODE, pod("web", &json!({})))))
            .given(merge("pods/web/status", &json!({ "status": { "phase": "Running", "containerStatuses": [
                { "name": "app", "image": "a", "imageID": "", "ready": false, "restartCount": 0, "state": { "waiting": {} } },
            ] } })))
            .ask(grow()),
    ]
}
