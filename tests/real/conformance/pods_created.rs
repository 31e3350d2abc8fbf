//! Pods that are created: defaults, classes, and what makes them invalid.

use serde_json::{Value, json};

use super::{
    case::{Case, Request, case, create, get},
    fixture::{container, pod, pod_of, sizes},
    known::{GO_TEXT, NO_DUPLICATES},
};

pub fn cases() -> Vec<Case> {
    let of_one = |(name, request): (&'static str, Request)| case(name).ask(request).in_any_order();
    let stored = |(name, pod): (&'static str, Value)| case(name).ask(create("pods", &pod)).ask(get("pods/web"));
    let mut cases: Vec<Case> =
        accepted().into_iter().chain(parts()).chain(whole_pods()).chain(special_pods()).map(stored).collect();
    cases.extend(classes().into_iter().map(stored));
    cases.extend(
        invalid()
            .into_iter()
            .chain(invalid_objects())
            .chain(invalid_policies())
            .chain(invalid_parts())
            .map(|(name, pod)| of_one((name, create("pods", &pod)))),
    );
    cases.extend(requests().into_iter().map(of_one));
    let unreadable =
        |(name, request): (&'static str, Request)| of_one((name, request)).differs("/body/message", GO_TEXT);
    cases.extend(unreadable_requests().into_iter().map(unreadable));
    let twice = r#"{"metadata":{"name":"web","name":"web"},"spec":{"containers":[{"name":"app","image":"a"}]}}"#;
    cases.push(
        case("a-field-that-is-there-twice")
            .ask(create("pods", &json!({})).text(twice))
            .differs("/headers", NO_DUPLICATES),
    );
    cases.push(
        case("a-pod-s-name-is-taken")
            .given(create("pods", &pod("web", &json!({}))))
            .ask(create("pods", &pod("web", &json!({})))),
    );
    cases
}

fn spec(changes: &Value) -> Value {
    pod("web", &json!({ "spec": changes }))
}

fn app(changes: &Value) -> Value {
    let mut app = container("app", &json!({}));
    json_patch::merge(&mut app, changes);
    pod_of("web", &[app])
}

fn app_resources(resources: &Value) -> Value {
    pod_of("web", &[container("app", resources)])
}

fn accepted() -> Vec<(&'static str, Value)> {
    vec![
        ("a-pod-gets-its-defaults", pod("web", &json!({}))),
        ("a-pod-without-resources-gets-its-defaults", app(&json!({}))),
        (
            "a-limit-without-a-request-is-a-request",
            app_resources(&json!({ "limits": { "cpu": "1", "memory": "1Gi" } })),
        ),
        (
            "some-limits-without-requests-are-requests",
            app_resources(&json!({
                "requests": { "cpu": "200m" }, "limits": { "cpu": "1", "memory": "1Gi", "example.com/gpu": "2" },
            })),
        ),
        (
            "amounts-are-spelled-canonically",
            app_resources(&json!({
                "requests": { "cpu": "0.50", "memory": "262144Ki" }, "limits": { "cpu": 1, "memory": "0.5Gi" },
            })),
        ),
        (
            "amounts-in-exponents-and-tiny-ones",
            app_resources(&json!({
                "requests": { "cpu": "0.0001", "memory": "1e8" }, "limits": { "cpu": "1k", "memory": "12E7" },
            })),
        ),
        ("a-fraction-of-a-byte-is-warned-of", app_resources(&json!({ "requests": { "memory": "100m" } }))),
        ("an-image-without-a-tag-is-pulled-always", app(&json!({ "image": "registry.example:5000/app" }))),
        ("the-latest-image-is-pulled-always", app(&json!({ "image": "app:latest" }))),
        (
            "an-image-by-digest-is-pulled-once",
            app(&json!({
                "image": "app@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
            })),
        ),
    ]
}

fn parts() -> Vec<(&'static str, Value)> {
    let probe = json!({ "httpGet": { "path": "/", "port": 80 } });

    vec![
        (
            "ports-and-environment-get-their-defaults",
            app(&json!({
                "ports": [{ "containerPort": 80 }, { "containerPort": 53, "protocol": "UDP", "name": "dns" }],
                "env": [
                    { "name": "A", "value": "b" },
                    { "name": "B" },
                    { "name": "C", "valueFrom": { "fieldRef": { "fieldPath": "metadata.name" } } },
                ],
            })),
        ),
        (
            "probes-get-their-defaults",
            app(&json!({
                "livenessProbe": probe, "readinessProbe": probe, "startupProbe": { "tcpSocket": { "port": "http" } },
                "lifecycle": { "preStop": { "httpGet": { "port": 80 } } },
            })),
        ),
        (
            "volumes-get-their-defaults",
            spec(&json!({ "serviceAccountName": "robot", "volumes": [
            { "name": "nothing-said" },
            { "name": "scratch", "emptyDir": {} },
            { "name": "settings", "configMap": { "name": "settings" } },
            { "name": "secret", "secret": { "secretName": "secret" } },
            { "name": "host", "hostPath": { "path": "/tmp" } },
            { "name": "about", "downwardAPI": { "items": [
                { "path": "name", "fieldRef": { "fieldPath": "metadata.name" } },
            ] } },
            { "name": "all", "projected": { "sources": [{ "serviceAccountToken": { "path": "token" } }] } },
        ] })),
        ),
        ("a-pod-in-the-host-s-network", {
            let mut pod = app(&json!({ "ports": [{ "containerPort": 80 }] }));
            pod["spec"]["hostNetwork"] = json!(true);
            pod
        }),
    ]
}

fn whole_pods() -> Vec<(&'static str, Value)> {
    vec![
        ("a-pod-that-is-bound-when-made", spec(&json!({ "nodeName": "roomy" }))),
        ("a-pod-with-scheduling-gates", spec(&json!({ "schedulingGates": [{ "name": "example.com/wait" }] }))),
        (
            "a-pod-with-tolerations",
            spec(&json!({ "tolerations": [
            { "operator": "Exists", "effect": "NoSchedule" },
            { "key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute" },
        ] })),
        ),
        ("a-pod-that-tolerates-everything", spec(&json!({ "tolerations": [{ "operator": "Exists" }] }))),
        ("a-pod-with-a-negative-grace-period", spec(&json!({ "terminationGracePeriodSeconds": -5 }))),
        ("a-pod-of-a-system-priority-class", spec(&json!({ "priorityClassName": "system-cluster-critical" }))),
        ("a-pod-with-a-service-account", spec(&json!({ "serviceAccountName": "robot" }))),
        ("a-pod-with-the-old-name-of-its-service-account", spec(&json!({ "serviceAccount": "robot" }))),
        ("a-status-and-system-fields-are-not-taken", {
            let mut pod = pod("web", &json!({ "status": { "phase": "Running", "qosClass": "Guaranteed" } }));
            let given = json!({
                "uid": "11111111-1111-4111-8111-111111111111", "generation": 7, "selfLink": "/here",
                "creationTimestamp": "2001-01-01T00:00:00Z", "deletionTimestamp": "2001-01-01T00:00:00Z",
                "deletionGracePeriodSeconds": 5, "labels": { "app": "web" }, "annotations": { "note": "a" },
                "finalizers": ["example.com/hold"],
            });
            json_patch::merge(&mut pod["metadata"], &given);
            pod
        }),
    ]
}

fn special_pods() -> Vec<(&'static str, Value)> {
    vec![
        (
            "resize-policies-stay-as-they-are",
            app(&json!({ "resizePolicy": [
            { "resourceName": "cpu", "restartPolicy": "NotRequired" },
            { "resourceName": "memory", "restartPolicy": "RestartContainer" },
        ] })),
        ),
        (
            "sidecars-and-init-containers-get-their-defaults",
            spec(&json!({ "initContainers": [
            { "name": "mesh", "image": "mesh", "restartPolicy": "Always", "resources": { "limits": { "cpu": "50m" } } },
            { "name": "first", "image": "first:1", "resources": { "requests": { "cpu": "2" } } },
        ] })),
        ),
        ("a-windows-pod", spec(&json!({ "os": { "name": "windows" } }))),
        (
            "a-mirror-pod",
            pod(
                "web",
                &json!({
                    "metadata": { "annotations": { "kubernetes.io/config.mirror": "abc" } }, "spec": { "nodeName": "roomy" },
                }),
            ),
        ),
        (
            "an-affinity-and-spread-stay-as-they-are",
            spec(&json!({
                "affinity": { "nodeAffinity": { "requiredDuringSchedulingIgnoredDuringExecution": { "nodeSelectorTerms": [
                    { "matchExpressions": [{ "key": "zone", "operator": "In", "values": ["a"] }] },
                ] } } },
                "nodeSelector": { "zone": "a" },
                "topologySpreadConstraints": [{
                    "maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule",
                    "labelSelector": { "matchLabels": { "app": "web" } },
                }],
            })),
        ),
    ]
}

fn classes() -> Vec<(&'static str, Value)> {
    let same = sizes(["1", "1Gi"], ["1000m", "1024Mi"]);
    let pod_level = |resources: &Value, own: &Value| {
        let mut pod = app_resources(own);
        pod["spec"]["resources"] = resources.clone();
        pod
    };
    vec![
        ("equal-requests-and-limits-are-guaranteed", app_resources(&same)),
        ("cpu-alone-is-burstable", app_resources(&json!({ "limits": { "cpu": "1" } }))),
        ("one-container-of-two-is-burstable", pod_of("web", &[container("app", &same), container("log", &json!({}))])),
        ("an-init-container-without-makes-burstable", {
            let mut pod = app_resources(&same);
            pod["spec"]["initContainers"] = json!([container("first", &json!({}))]);
            pod
        }),
        ("storage-alone-is-best-effort", app_resources(&json!({ "requests": { "ephemeral-storage": "1Gi" } }))),
        ("zero-is-nothing", app_resources(&sizes(["0", "0"], ["0", "0"]))),
        ("pod-level-resources-alone-decide", pod_level(&same, &json!({}))),
        (
            "pod-level-limits-are-requests-too",
            pod_level(&json!({ "limits": { "cpu": "1", "memory": "1Gi" } }), &json!({})),
        ),
        (
            "pod-level-requests-are-filled-from-containers",
            pod_level(&json!({ "limits": { "cpu": "2", "memory": "1Gi" } }), &sizes(["200m", "64Mi"], ["1", "128Mi"])),
        ),
        (
            "pod-level-limits-are-filled-from-containers",
            pod_level(
                &json!({ "requests": { "cpu": "1", "memory": "1Gi" } }),
                &sizes(["200m", "64Mi"], ["1", "128Mi"]),
            ),
        ),
        ("empty-pod-level-resources", pod_level(&json!({}), &same)),
        (
            "pod-level-cpu-only",
            pod_level(&json!({ "requests": { "cpu": "1" } }), &sizes(["200m", "64Mi"], ["1", "128Mi"])),
        ),
    ]
}

fn invalid() -> Vec<(&'static str, Value)> {
    vec![
        ("a-request-above-its-limit", app_resources(&sizes(["2", "1Gi"], ["1", "512Mi"]))),
        ("a-negative-request", app_resources(&json!({ "requests": { "cpu": "-1" } }))),
        ("a-negative-limit", app_resources(&json!({ "limits": { "memory": "-1Mi" } }))),
        ("an-unknown-resource", app_resources(&json!({ "requests": { "coffee": "1" } }))),
        ("half-a-device", app_resources(&json!({ "limits": { "example.com/gpu": "1500m" } }))),
        ("a-device-that-is-requested-only", app_resources(&json!({ "requests": { "example.com/gpu": "1" } }))),
        (
            "a-device-whose-limit-differs",
            app_resources(&json!({
                "requests": { "example.com/gpu": "1" }, "limits": { "example.com/gpu": "2" },
            })),
        ),
        ("huge-pages-without-cpu-and-memory", app_resources(&json!({ "limits": { "hugepages-2Mi": "4Mi" } }))),
        (
            "huge-pages-that-do-not-fit-their-size",
            app_resources(&json!({
                "limits": { "cpu": "1", "memory": "1Gi", "hugepages-2Mi": "3Mi" },
            })),
        ),
    ]
}

fn invalid_objects() -> Vec<(&'static str, Value)> {
    let init = |one: &Value| spec(&json!({ "initContainers": [one] }));

    vec![
        ("no-containers", spec(&json!({ "containers": [] }))),
        ("no-containers-at-all", spec(&json!({ "containers": null }))),
        ("a-container-without-name-and-image", spec(&json!({ "containers": [{}] }))),
        ("a-container-with-a-bad-name", app(&json!({ "name": "App_1" }))),
        ("two-containers-of-one-name", pod_of("web", &[container("app", &json!({})), container("app", &json!({}))])),
        ("an-init-container-of-a-known-name", init(&container("app", &json!({})))),
        ("a-pod-with-a-bad-name", pod("Web_1", &json!({}))),
        ("a-pod-without-a-name", pod("web", &json!({ "metadata": { "name": null } }))),
        (
            "bad-labels-and-annotations",
            pod(
                "web",
                &json!({ "metadata": {
            "labels": { "app": "not a value", "-bad": "x" }, "annotations": { "not a key": "x" },
        } }),
            ),
        ),
        ("bad-policies", spec(&json!({ "restartPolicy": "Sometimes", "dnsPolicy": "Never" }))),
        ("a-deadline-of-nothing", spec(&json!({ "activeDeadlineSeconds": 0 }))),
        ("a-bad-toleration", spec(&json!({ "tolerations": [{ "operator": "Exists", "key": "a", "value": "b" }] }))),
        ("an-unknown-priority-class", spec(&json!({ "priorityClassName": "nobility" }))),
        ("a-priority-given-by-hand", spec(&json!({ "priority": 7 }))),
        ("an-overhead-given-by-hand", spec(&json!({ "overhead": { "cpu": "100m" } }))),
    ]
}

fn invalid_policies() -> Vec<(&'static str, Value)> {
    let policies = |list: &Value| app(&json!({ "resizePolicy": list }));
    let init = |one: &Value| spec(&json!({ "initContainers": [one] }));

    vec![
        (
            "a-resize-policy-twice",
            policies(&json!([
                { "resourceName": "cpu", "restartPolicy": "NotRequired" },
                { "resourceName": "cpu", "restartPolicy": "RestartContainer" },
            ])),
        ),
        (
            "a-resize-policy-of-another-resource",
            policies(&json!([
                { "resourceName": "ephemeral-storage", "restartPolicy": "NotRequired" },
            ])),
        ),
        ("an-unknown-resize-policy", policies(&json!([{ "resourceName": "cpu", "restartPolicy": "PreferNoRestart" }]))),
        ("a-resize-policy-that-says-nothing", policies(&json!([{ "resourceName": "", "restartPolicy": "" }]))),
        ("a-restart-in-a-pod-that-never-restarts", {
            let mut pod = policies(&json!([{ "resourceName": "cpu", "restartPolicy": "RestartContainer" }]));
            pod["spec"]["restartPolicy"] = json!("Never");
            pod
        }),
        (
            "a-sidecar-restarts-in-a-pod-that-never-does",
            spec(&json!({
                "restartPolicy": "Never",
                "initContainers": [{
                    "name": "mesh", "image": "mesh:1", "restartPolicy": "Always",
                    "resizePolicy": [{ "resourceName": "cpu", "restartPolicy": "RestartContainer" }],
                }],
            })),
        ),
        (
            "an-init-container-that-restarts-to-resize",
            init(&json!({
                "name": "first", "image": "first:1",
                "resizePolicy": [{ "resourceName": "cpu", "restartPolicy": "RestartContainer" }],
            })),
        ),
        ("a-container-that-is-a-sidecar", app(&json!({ "restartPolicy": "Sometimes" }))),
    ]
}

fn invalid_parts() -> Vec<(&'static str, Value)> {
    let pod_level = |resources: &Value, own: &Value| {
        let mut pod = app_resources(own);
        pod["spec"]["resources"] = resources.clone();
        pod
    };
    vec![
        (
            "pod-level-requests-below-the-containers",
            pod_level(&sizes(["100m", "64Mi"], ["4", "4Gi"]), &sizes(["500m", "128Mi"], ["1", "256Mi"])),
        ),
        (
            "a-container-limit-above-the-pod-s",
            pod_level(&sizes(["1", "1Gi"], ["2", "2Gi"]), &sizes(["500m", "128Mi"], ["3", "3Gi"])),
        ),
        ("a-pod-level-request-above-its-limit", pod_level(&sizes(["2", "1Gi"], ["1", "1Gi"]), &json!({}))),
        ("pod-level-storage", pod_level(&json!({ "requests": { "ephemeral-storage": "1Gi" } }), &json!({}))),
        (
            "a-mirror-pod-without-a-node",
            pod(
                "web",
                &json!({
                    "metadata": { "annotations": { "kubernetes.io/config.mirror": "abc" } },
                }),
            ),
        ),
        (
            "a-token-of-no-account",
            spec(&json!({ "volumes": [
            { "name": "all", "projected": { "sources": [{ "serviceAccountToken": { "path": "token" } }] } },
        ] })),
        ),
        ("a-bad-port", app(&json!({ "ports": [{ "containerPort": 70_000 }] }))),
        ("a-mount-of-no-volume", app(&json!({ "volumeMounts": [{ "name": "nothing", "mountPath": "/a" }] }))),
    ]
}

fn requests() -> Vec<(&'static str, Request)> {
    let web = || create("pods", &pod("web", &json!({})));
    let with = |changes: &Value| create("pods", &pod("web", changes));
    vec![
        ("a-pod-gets-a-name-of-its-prefix", with(&json!({ "metadata": { "name": null, "generateName": "web-" } }))),
        ("a-name-wins-over-a-prefix", with(&json!({ "metadata": { "generateName": "other-" } }))),
        ("a-version-of-a-new-pod", with(&json!({ "metadata": { "resourceVersion": "5" } }))),
        ("a-pod-for-another-namespace", with(&json!({ "metadata": { "namespace": "default" } }))),
        ("a-pod-of-no-kind", with(&json!({ "kind": null, "apiVersion": null }))),
        ("a-pod-without-a-spec", create("pods", &json!({ "metadata": { "name": "web" } }))),
        ("an-amount-that-cannot-be-read", create("pods", &app_resources(&json!({ "requests": { "cpu": "much" } })))),
        ("a-body-in-another-form", web().content_type("text/csv")),
        (
            "a-pod-in-yaml",
            web()
                .content_type("application/yaml")
                .text("metadata: {name: web}\nspec:\n  containers:\n  - name: app\n    image: app:1\n"),
        ),
        ("an-unknown-field-is-warned-of", with(&json!({ "spec": { "colour": "red" } }))),
        (
            "an-unknown-field-is-refused-when-asked",
            with(&json!({ "spec": { "colour": "red" } })).query("fieldValidation=Strict"),
        ),
        (
            "an-unknown-field-is-ignored-when-asked",
            with(&json!({ "spec": { "colour": "red" } })).query("fieldValidation=Ignore"),
        ),
        ("an-unknown-way-to-validate", web().query("fieldValidation=Sometimes")),
        ("a-dry-run-of-a-new-pod", web().query("dryRun=All")),
        ("a-dry-run-of-another-kind", web().query("dryRun=Some")),
        ("a-manager-with-a-bad-name", web().query("fieldManager=a%00b")),
        ("a-pod-in-no-namespace", {
            let mut request = web();
            request.path = "/api/v1/namespaces/nowhere/pods".to_owned();
            request
        }),
        ("a-pod-of-no-collection", {
            let mut request = web();
            request.path = "/api/v1/pods".to_owned();
            request
        }),
    ]
}

/// Requests whose bodies make no Pod.
fn unreadable_requests() -> Vec<(&'static str, Request)> {
    let web = || create("pods", &pod("web", &json!({})));
    let with = |changes: &Value| create("pods", &pod("web", changes));
    vec![
        ("a-pod-that-says-it-is-a-service", with(&json!({ "kind": "Service" }))),
        ("a-pod-of-another-version", with(&json!({ "apiVersion": "v2" }))),
        ("a-text-where-a-number-belongs", with(&json!({ "spec": { "terminationGracePeriodSeconds": "soon" } }))),
        ("a-body-that-is-no-json", web().text("not { json")),
        ("an-empty-body", web().text("")),
    ]
}
