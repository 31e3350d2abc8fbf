//! Built-in kinds: their defaults, the parts that are written apart, and scale.

use serde_json::{Value, json};

use super::{
    case::{Case, case, create, edit, get, merge, operations, replace, strategic},
    fixture::{deployment, pod, widget},
};

pub fn cases() -> Vec<Case> {
    let mut cases = defaults_of_workloads();
    cases.extend(defaults_of_others());
    cases.extend(scaled());
    cases.extend(nodes());
    cases.extend(others());
    cases
}

fn template() -> Value {
    json!({ "metadata": { "labels": { "app": "web" } }, "spec": { "containers": [{ "name": "app", "image": "registry.example/app:1" }] } })
}

fn workload(more: Value) -> Value {
    let mut object = json!({ "metadata": { "name": "web" }, "spec": { "selector": { "matchLabels": { "app": "web" } }, "template": template() } });
    json_patch::merge(&mut object, &more);
    object
}

fn made(name: &'static str, collection: &str, object: Value) -> Case {
    case(name).ask(create(collection, &object))
}

fn spec(spec: Value) -> Value {
    json!({ "metadata": { "name": "web" }, "spec": spec })
}

fn defaults_of_workloads() -> Vec<Case> {
    let job_template = || json!({ "spec": { "restartPolicy": "Never", "containers": [{ "name": "app", "image": "registry.example/app:1" }] } });
    vec![
        made("defaults-of-a-deployment", "apps/v1/deployments", workload(json!({}))),
        made(
            "defaults-of-a-deployment-that-recreates",
            "apps/v1/deployments",
            workload(json!({ "spec": { "strategy": { "type": "Recreate" } } })),
        ),
        made(
            "defaults-of-a-deployment-that-surges",
            "apps/v1/deployments",
            workload(json!({ "spec": { "strategy": { "rollingUpdate": { "maxSurge": 1 } } } })),
        ),
        made(
            "defaults-of-a-deployment-without-replicas",
            "apps/v1/deployments",
            workload(json!({ "spec": { "replicas": 0, "paused": false } })),
        ),
        made("defaults-of-a-replica-set", "apps/v1/replicasets", workload(json!({}))),
        made(
            "defaults-of-a-stateful-set",
            "apps/v1/statefulsets",
            workload(json!({ "spec": { "serviceName": "web" } })),
        ),
        made("defaults-of-a-daemon-set", "apps/v1/daemonsets", workload(json!({}))),
        made("defaults-of-a-job", "batch/v1/jobs", spec(json!({ "template": job_template() }))),
        made(
            "defaults-of-a-parallel-job",
            "batch/v1/jobs",
            spec(json!({ "parallelism": 3, "template": job_template() })),
        ),
        made(
            "defaults-of-a-cron-job",
            "batch/v1/cronjobs",
            spec(json!({ "schedule": "0 * * * *", "jobTemplate": { "spec": { "template": job_template() } } })),
        ),
    ]
}

fn defaults_of_others() -> Vec<Case> {
    vec![
        made(
            "defaults-of-a-budget",
            "policy/v1/poddisruptionbudgets",
            spec(json!({ "maxUnavailable": "10%", "selector": { "matchLabels": { "app": "web" } } })),
        ),
        made(
            "defaults-of-a-lease",
            "coordination.k8s.io/v1/leases",
            spec(
                json!({ "holderIdentity": "me", "leaseDurationSeconds": 15, "acquireTime": "2026-01-01T00:00:00.000000Z", "renewTime": "2026-01-01T00:00:00Z", "leaseTransitions": 0 }),
            ),
        ),
        made(
            "defaults-of-a-limit-range",
            "limitranges",
            spec(
                json!({ "limits": [{ "type": "Container", "max": { "cpu": "2" }, "defaultRequest": { "cpu": "0.1" } }] }),
            ),
        ),
        made(
            "defaults-of-a-quota",
            "resourcequotas",
            spec(json!({ "hard": { "requests.cpu": "1000m", "pods": "10" } })),
        ),
        made(
            "defaults-of-an-event",
            "events",
            json!({ "metadata": { "name": "web.1" }, "involvedObject": { "kind": "Pod", "name": "web", "namespace": "{{ns}}" }, "reason": "Resized", "message": "done", "type": "Normal" }),
        ),
        made(
            "defaults-of-a-new-event",
            "events.k8s.io/v1/events",
            json!({
                "metadata": { "name": "web.2" }, "regarding": { "kind": "Pod", "name": "web", "namespace": "{{ns}}" }, "reason": "Resized", "note": "done", "type": "Normal",
                "action": "Resize", "reportingController": "tailor", "reportingInstance": "tailor-0", "eventTime": "2026-01-01T00:00:00.000000Z",
            }),
        ),
        made(
            "defaults-of-a-secret",
            "secrets",
            json!({ "metadata": { "name": "web" }, "stringData": { "a": "text" }, "data": { "b": "dGV4dA==" } }),
        ),
        made("defaults-of-an-account", "serviceaccounts", json!({ "metadata": { "name": "web" } })),
        made(
            "defaults-of-a-scaler",
            "autoscaling/v2/horizontalpodautoscalers",
            spec(
                json!({ "maxReplicas": 3, "scaleTargetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": "web" } }),
            ),
        ),
        made(
            "defaults-of-a-priority",
            "/apis/scheduling.k8s.io/v1/priorityclasses",
            json!({ "metadata": { "name": "{{ns}}" }, "value": 5 }),
        ),
        made(
            "defaults-of-a-revision",
            "apps/v1/controllerrevisions",
            json!({ "metadata": { "name": "web" }, "data": { "a": 1 }, "revision": 3 }),
        ),
        made("defaults-of-a-pod", "pods", pod("web", &json!({}))),
    ]
}

fn scaled() -> Vec<Case> {
    let scale = |replicas: Value| json!({ "apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": { "name": "web", "namespace": "{{ns}}" }, "spec": { "replicas": replicas } });
    let of = |name: &'static str, kind: &str, object: &Value| {
        let at = format!("{kind}/web/scale");
        case(name)
            .given(create(kind, object))
            .ask(get(&at))
            .ask(replace(&at, &scale(json!(3))))
            .ask(edit(&at, &at, &[("/spec/replicas", json!(4))]))
            .ask(merge(&at, &json!({ "spec": { "replicas": 5 } })))
            .ask(operations(&at, &json!([{ "op": "replace", "path": "/spec/replicas", "value": 6 }])))
            .ask(merge(&at, &json!({ "spec": { "replicas": 6 } })))
            .ask(replace(&at, &scale(json!(-1))))
            .ask(merge(&at, &json!({ "spec": { "replicas": "many" } })))
            .ask(edit(&at, &at, &[("/metadata/resourceVersion", json!("1"))]))
            .ask(edit(&at, &at, &[("/metadata/name", json!("other"))]))
            .ask(edit(&at, &at, &[("/metadata/uid", json!("11111111-1111-4111-8111-111111111111"))]))
            .ask(merge(&at, &json!({ "spec": { "replicas": 7 } })).query("dryRun=All"))
            .ask(merge(&at, &json!({ "spec": { "replicas": 7 } })).query("fieldManager=tester"))
            .ask(replace(&at, &json!({ "kind": "Deployment", "apiVersion": "apps/v1", "metadata": { "name": "web" } })))
            .ask(replace(&at, &json!({})))
            .ask(get(&format!("{kind}/web")))
    };
    let expressions = workload(
        json!({ "spec": { "selector": { "matchLabels": { "app": "web", "a": "b" }, "matchExpressions": [
        { "key": "app", "operator": "In", "values": ["web", "db"] }, { "key": "x", "operator": "DoesNotExist" }, { "key": "app", "operator": "Exists" }, { "key": "y", "operator": "NotIn", "values": ["2", "1"] },
    ] }, "template": { "metadata": { "labels": { "a": "b" } } } } }),
    );
    vec![
        of("scale-of-a-deployment", "apps/v1/deployments", &deployment("web"))
            .ask(strategic("apps/v1/deployments/web/scale", &json!({ "spec": { "replicas": 8 } }))),
        of("scale-of-a-replica-set", "apps/v1/replicasets", &workload(json!({}))),
        of("scale-of-a-stateful-set", "apps/v1/statefulsets", &workload(json!({ "spec": { "serviceName": "web" } }))),
        of("scale-of-a-widget", "example.com/v1/widgets", &widget("web")),
        case("scale-of-a-widget-with-a-status")
            .given(create("example.com/v1/widgets", &widget("web")))
            .given(merge(
                "example.com/v1/widgets/web/status",
                &json!({ "status": { "ready": 2, "selector": "app=web" } }),
            ))
            .ask(get("example.com/v1/widgets/web/scale")),
        case("scale-of-a-widget-without-a-size")
            .given(create("example.com/v1/widgets", &{
                let mut w = widget("web");
                w["spec"]["size"] = json!(null);
                w
            }))
            .ask(get("example.com/v1/widgets/web/scale"))
            .ask(merge("example.com/v1/widgets/web/scale", &json!({ "spec": { "replicas": 5 } }))),
        case("scale-with-a-status")
            .given(create("apps/v1/deployments", &expressions))
            .given(merge("apps/v1/deployments/web/status", &json!({ "status": { "replicas": 2 } })))
            .ask(get("apps/v1/deployments/web/scale")),
    ]
}

fn nodes() -> Vec<Case> {
    let node = json!({ "metadata": { "name": "{{ns}}", "labels": { "a": "b" } }, "spec": { "podCIDR": "10.0.0.0/24" }, "status": { "capacity": { "cpu": "4000m" } } });
    let at = "/api/v1/nodes/{{ns}}";
    let status = "/api/v1/nodes/{{ns}}/status";
    vec![
        case("a-node-s-parts")
            .ask(create("/api/v1/nodes", &node))
            .ask(edit(at, at, &[("/spec/unschedulable", json!(true)), ("/status/capacity", json!({ "cpu": "9" }))]))
                .ask(edit(status, at, &[("/spec/unschedulable", json!(null)), ("/status/capacity", json!({ "cpu": "9", "memory": "1024Mi" })), ("/metadata/labels", json!({ "c": "d" }))]))
            .ask(edit(status, at, &[("/status/conditions", json!([{ "type": "Ready", "status": "True" }]))]))
            .ask(merge(status, &json!({ "status": { "nodeInfo": { "kubeletVersion": "v1.37.2" } } })))
            .ask(get(at)),
        case("a-node-that-is-bare")
            .ask(create("/api/v1/nodes", &json!({ "metadata": { "name": "{{ns}}" } })))
            .ask(get(status)),
        case("a-node-with-a-taint")
            .ask(create("/api/v1/nodes", &json!({ "metadata": { "name": "{{ns}}" }, "spec": { "taints": [{ "key": "a", "value": "b", "effect": "NoSchedule" }] } }))),
    ]
}

fn others() -> Vec<Case> {
    let status = |kind: &str, status: Value| {
        merge(
            &format!("{kind}/web/status"),
            &json!({ "status": status, "spec": null, "metadata": { "labels": { "from": "status" } } }),
        )
    };
    let with_status = |name: &'static str, kind: &str, object: &Value, found: Value| {
        let mut object = object.clone();
        object["status"] = found.clone();
        case(name)
            .ask(create(kind, &object))
            .ask(edit(
                &format!("{kind}/web"),
                &format!("{kind}/web"),
                &[("/status", found.clone()), ("/metadata/labels", json!({ "x": "y" }))],
            ))
            .ask(status(kind, found))
    };
    vec![
        with_status("a-deployment-s-status", "apps/v1/deployments", &deployment("web"), json!({ "replicas": 2, "readyReplicas": 1, "observedGeneration": 1 })),
        with_status("a-budget-s-status", "policy/v1/poddisruptionbudgets", &json!({ "metadata": { "name": "web" }, "spec": { "minAvailable": 1 } }), json!({ "disruptionsAllowed": 1, "currentHealthy": 1, "desiredHealthy": 1, "expectedPods": 1, "observedGeneration": 1 })),
        with_status("a-quota-s-status", "resourcequotas", &json!({ "metadata": { "name": "web" }, "spec": { "hard": { "pods": "5" } } }), json!({ "hard": { "pods": "5" }, "used": { "pods": "1" } })),
        with_status("a-stateful-set-s-status", "apps/v1/statefulsets", &workload(json!({ "spec": { "serviceName": "web" } })), json!({ "replicas": 1 })),
        with_status("a-daemon-set-s-status", "apps/v1/daemonsets", &workload(json!({})), json!({ "currentNumberScheduled": 1, "numberMisscheduled": 0, "desiredNumberScheduled": 1, "numberReady": 0 })),
        case("a-budget-is-changed")
            .given(create("policy/v1/poddisruptionbudgets", &json!({ "metadata": { "name": "web" }, "spec": { "minAvailable": 1 } })))
            .ask(merge("policy/v1/poddisruptionbudgets/web", &json!({ "spec": { "minAvailable": 2 } })))
            .ask(edit("policy/v1/poddisruptionbudgets/web", "policy/v1/poddisruptionbudgets/web", &[("/metadata/resourceVersion", json!(null)), ("/spec/minAvailable", json!(3))])),
        case("a-lease-is-renewed")
            .given(create("coordination.k8s.io/v1/leases", &json!({ "metadata": { "name": "web" }, "spec": { "holderIdentity": "me" } })))
                .ask(merge("coordination.k8s.io/v1/leases/web", &json!({ "spec": { "renewTime": "2026-01-01T00:00:00.123456Z" } })))
                .ask(edit("coordination.k8s.io/v1/leases/web", "coordination.k8s.io/v1/leases/web", &[("/metadata/resourceVersion", json!("1"))]))
                .ask(edit("coordination.k8s.io/v1/leases/web", "coordination.k8s.io/v1/leases/web", &[("/metadata/resourceVersion", json!(null)), ("/spec/holderIdentity", json!("you"))]))
            .ask(merge("coordination.k8s.io/v1/leases/web", &json!({ "spec": { "renewTime": "now" } }))),
        case("an-event-is-counted")
            .given(create("events", &json!({ "metadata": { "name": "web.1" }, "involvedObject": { "kind": "Pod", "name": "web", "namespace": "{{ns}}" }, "reason": "A", "count": 1 })))
            .ask(merge("events/web.1", &json!({ "count": 2 })))
            .ask(get("events.k8s.io/v1/events/web.1")),
        case("an-event-made-anew-is-seen-in-the-core").given(create("events.k8s.io/v1/events", &json!({
            "metadata": { "name": "web.2" }, "regarding": { "kind": "Pod", "name": "web", "namespace": "{{ns}}" }, "reason": "Resized", "note": "done", "type": "Normal",
            "action": "Resize", "reportingController": "tailor", "reportingInstance": "tailor-0", "eventTime": "2026-01-01T00:00:00.000000Z",
        }))).ask(get("events/web.2")).ask(merge("events.k8s.io/v1/events/web.2", &json!({ "series": { "count": 2, "lastObservedTime": "2026-01-01T00:00:00.000000Z" } }))),
        case("an-event-about-another-namespace")
            .ask(create("events", &json!({ "metadata": { "name": "web.1" }, "involvedObject": { "kind": "Pod", "name": "web", "namespace": "other" }, "reason": "A" }))),
        case("reviews")
            .ask(create("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", &json!({ "spec": { "resourceAttributes": { "verb": "get", "resource": "pods" } } })))
            .differs("/body/status/reason", "who may do what is not played"),
    ]
}
