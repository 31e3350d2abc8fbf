//! Resizes of init containers, sidecars, and Pods as a whole.

use serde_json::{Value, json};

use super::{
    case::{Case, Request, edit, operations, strategic},
    fixture::{DECLARED_NODE, HALF, NODE, ONE, of_one, on, sizes},
    resize::{Row, cases_of, resize},
};

pub fn cases() -> Vec<Case> {
    let rows = [init_containers(), ordinary_init_containers(), pod_level(), pod_level_removed(), pod_level_limits()];
    cases_of(rows)
}

/// A Pod on `node` with a sidecar, `mesh`, and an ordinary init container, `first`.
fn init(node: &str) -> Value {
    let mut pod = of_one(&sizes(HALF, ONE));
    pod["spec"]["initContainers"] = json!([
        { "name": "mesh", "image": "mesh:1", "restartPolicy": "Always", "resources": sizes(["50m", "64Mi"], ["100m", "128Mi"]) },
        { "name": "first", "image": "first:1", "resources": sizes(["50m", "64Mi"], ["100m", "128Mi"]) },
    ]);
    on(node, pod)
}

/// A strategic patch of one init container.
fn list(changes: &Value) -> Request {
    strategic("pods/web/resize", &json!({ "spec": { "initContainers": [changes] } }))
}

fn init_containers() -> Vec<Row> {
    let grow = json!({ "requests": { "cpu": "80m" } });

    vec![
        ("a-sidecar-grows", init(NODE), list(&json!({ "name": "mesh", "resources": grow }))),
        (
            "a-sidecar-loses-a-limit",
            init(NODE),
            list(&json!({ "name": "mesh", "resources": { "limits": { "cpu": null } } })),
        ),
        (
            "a-sidecar-gains-storage",
            init(NODE),
            list(&json!({ "name": "mesh", "resources": { "requests": { "ephemeral-storage": "1Gi" } } })),
        ),
        (
            "a-sidecar-gains-a-resize-policy",
            init(NODE),
            list(&json!({ "name": "mesh", "resizePolicy": [
            { "resourceName": "cpu", "restartPolicy": "RestartContainer" },
        ] })),
        ),
        (
            "a-sidecar-is-no-longer-one",
            init(NODE),
            list(&json!({ "name": "mesh", "restartPolicy": null, "resources": grow })),
        ),
    ]
}

fn ordinary_init_containers() -> Vec<Row> {
    let grow = json!({ "requests": { "cpu": "80m" } });

    vec![
        ("an-init-container-grows-on-an-old-node", init(NODE), list(&json!({ "name": "first", "resources": grow }))),
        (
            "an-init-container-grows-on-a-new-node",
            init(DECLARED_NODE),
            list(&json!({ "name": "first", "resources": grow })),
        ),
        (
            "an-init-container-loses-a-request",
            init(DECLARED_NODE),
            list(&json!({ "name": "first", "resources": { "limits": null, "requests": null } })),
        ),
        (
            "an-init-container-gains-storage",
            init(DECLARED_NODE),
            list(&json!({ "name": "first", "resources": { "requests": { "ephemeral-storage": "1Gi" } } })),
        ),
        (
            "an-init-container-gains-a-restart",
            init(DECLARED_NODE),
            list(&json!({ "name": "first", "resizePolicy": [
            { "resourceName": "cpu", "restartPolicy": "RestartContainer" },
        ] })),
        ),
        (
            "init-containers-are-reordered",
            init(NODE),
            edit(
                "pods/web/resize",
                "pods/web",
                &[("/spec/initContainers/0/name", json!("first")), ("/spec/initContainers/1/name", json!("mesh"))],
            ),
        ),
        (
            "an-init-container-is-removed",
            init(NODE),
            edit("pods/web/resize", "pods/web", &[("/spec/initContainers/1", json!(null))]),
        ),
        (
            "init-and-main-containers-lose-limits",
            init(NODE),
            strategic(
                "pods/web/resize",
                &json!({ "spec": {
            "containers": [{ "name": "app", "resources": { "limits": { "cpu": null } } }],
            "initContainers": [{ "name": "mesh", "resources": { "limits": { "cpu": null } } }],
        } }),
            ),
        ),
    ]
}

fn pod_level() -> Vec<Row> {
    let sized = |resources: &Value, own: &Value| {
        let mut pod = of_one(own);
        pod["spec"]["resources"] = resources.clone();
        on(DECLARED_NODE, pod)
    };
    let burstable = || sized(&sizes(["1", "1Gi"], ["2", "2Gi"]), &sizes(HALF, ["1", "1Gi"]));
    let spec = |changes: &Value| strategic("pods/web/resize", &json!({ "spec": changes }));
    let pod = |resources: &Value| spec(&json!({ "resources": resources }));
    vec![
        ("a-pod-grows-as-a-whole", burstable(), pod(&json!({ "requests": { "cpu": "1500m" } }))),
        (
            "a-pod-grows-as-a-whole-on-an-old-node",
            on(NODE, burstable()),
            pod(&json!({ "requests": { "cpu": "1500m" } })),
        ),
        ("a-container-grows-within-its-pod", burstable(), resize(&json!({ "requests": { "cpu": "600m" } }))),
        (
            "a-container-grows-within-its-pod-on-an-old-node",
            on(NODE, burstable()),
            resize(&json!({ "requests": { "cpu": "600m" } })),
        ),
        (
            "a-container-outgrows-its-pod",
            burstable(),
            resize(&json!({ "requests": { "cpu": "1500m" }, "limits": { "cpu": "2" } })),
        ),
        ("a-container-limit-outgrows-its-pod", burstable(), resize(&json!({ "limits": { "cpu": "3" } }))),
        (
            "a-pod-and-its-container-grow",
            burstable(),
            spec(&json!({
                "resources": sizes(["2", "2Gi"], ["3", "3Gi"]),
                "containers": [{ "name": "app", "resources": sizes(["2", "2Gi"], ["3", "3Gi"]) }],
            })),
        ),
        ("a-pod-shrinks-below-its-containers", burstable(), pod(&json!({ "requests": { "cpu": "100m" } }))),
    ]
}

fn pod_level_removed() -> Vec<Row> {
    let sized = |resources: &Value, own: &Value| {
        let mut pod = of_one(own);
        pod["spec"]["resources"] = resources.clone();
        on(DECLARED_NODE, pod)
    };
    let burstable = || sized(&sizes(["1", "1Gi"], ["2", "2Gi"]), &sizes(HALF, ["1", "1Gi"]));
    let spec = |changes: &Value| strategic("pods/web/resize", &json!({ "spec": changes }));
    let pod = |resources: &Value| spec(&json!({ "resources": resources }));
    let plain = |node: &str| on(node, of_one(&sizes(HALF, ONE)));

    vec![
        ("a-pod-level-request-is-removed", burstable(), pod(&json!({ "requests": { "cpu": null } }))),
        ("pod-level-requests-are-removed", burstable(), pod(&json!({ "requests": null }))),
        ("a-pod-level-limit-is-removed", burstable(), pod(&json!({ "limits": { "cpu": null } }))),
        ("pod-level-limits-are-removed", burstable(), pod(&json!({ "limits": null }))),
        ("pod-level-resources-are-removed", burstable(), spec(&json!({ "resources": null }))),
        (
            "pod-level-resources-are-removed-by-json-patch",
            burstable(),
            operations("pods/web/resize", &json!([{ "op": "remove", "path": "/spec/resources" }])),
        ),
        ("pod-level-resources-are-added", plain(DECLARED_NODE), pod(&sizes(["2", "2Gi"], ["3", "3Gi"]))),
        ("pod-level-resources-are-added-on-an-old-node", plain(NODE), pod(&sizes(["2", "2Gi"], ["3", "3Gi"]))),
        (
            "pod-level-limits-are-added-below-the-containers",
            plain(DECLARED_NODE),
            pod(&json!({ "limits": { "cpu": "100m" } })),
        ),
    ]
}

fn pod_level_limits() -> Vec<Row> {
    let sized = |resources: &Value, own: &Value| {
        let mut pod = of_one(own);
        pod["spec"]["resources"] = resources.clone();
        on(DECLARED_NODE, pod)
    };
    let burstable = || sized(&sizes(["1", "1Gi"], ["2", "2Gi"]), &sizes(HALF, ["1", "1Gi"]));
    let spec = |changes: &Value| strategic("pods/web/resize", &json!({ "spec": changes }));
    let pod = |resources: &Value| spec(&json!({ "resources": resources }));
    vec![
        ("pod-level-storage-is-added", burstable(), pod(&json!({ "requests": { "ephemeral-storage": "1Gi" } }))),
        ("pod-level-resources-change-the-class", burstable(), pod(&sizes(["2", "2Gi"], ["2", "2Gi"]))),
        (
            "pod-level-resources-of-a-guaranteed-pod-grow",
            sized(&sizes(ONE, ONE), &json!({})),
            pod(&sizes(["2", "2Gi"], ["2", "2Gi"])),
        ),
        ("a-pod-level-memory-limit-shrinks", burstable(), pod(&json!({ "limits": { "memory": "1536Mi" } }))),
        (
            "filled-pod-level-resources-stay-when-containers-shrink",
            sized(&json!({ "limits": { "cpu": "2", "memory": "2Gi" } }), &sizes(HALF, ["1", "1Gi"])),
            resize(&json!({ "requests": { "cpu": "100m" } })),
        ),
        (
            "filled-pod-level-resources-do-not-grow-with-containers",
            sized(&json!({ "limits": { "cpu": "2", "memory": "2Gi" } }), &sizes(HALF, ["1", "1Gi"])),
            resize(&json!({ "requests": { "cpu": "800m" } })),
        ),
    ]
}
