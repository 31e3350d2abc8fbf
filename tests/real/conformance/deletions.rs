//! Deletions: options, finalizers, collections, namespaces.

use serde_json::{Value, json};

use super::{
    case::{Case, Request, case, create, delete, edit, get, merge},
    fixture::{deployment, pod, widget},
};

pub fn cases() -> Vec<Case> {
    let mut cases = optional();
    cases.extend(of_other_kinds());
    cases.extend(held());
    cases.extend(graceful());
    cases.extend(collections());
    cases.extend(namespaces());
    cases
}

fn settings(name: &str) -> Value {
    json!({ "metadata": { "name": name, "labels": { "name": name } } })
}

fn with(options: &Value) -> Request {
    delete("configmaps/web").json(options)
}

const OTHER_UID: &str = "11111111-1111-4111-8111-111111111111";

fn optional() -> Vec<Case> {
    let on = |name: &'static str, request: Request| {
        case(name)
            .given(create("configmaps", &settings("web")))
            .keep("uid", "/metadata/uid")
            .keep("version", "/metadata/resourceVersion")
            .ask(request)
            .ask(get("configmaps/web"))
    };
    vec![
        on("a-deletion", delete("configmaps/web")),
        on("a-deletion-of-another", delete("configmaps/other")),
        on("a-deletion-with-empty-options", with(&json!({}))),
        on("a-deletion-with-typed-options", with(&json!({ "kind": "DeleteOptions", "apiVersion": "v1" }))),
        on(
            "a-deletion-with-options-of-meta",
            with(&json!({ "kind": "DeleteOptions", "apiVersion": "meta.k8s.io/v1" })),
        ),
        on("a-deletion-with-options-of-another-kind", with(&json!({ "kind": "ConfigMap", "apiVersion": "v1" }))),
        on("a-deletion-with-an-unknown-option", with(&json!({ "colour": "red" }))),
        on("a-deletion-with-an-option-that-is-wrong", with(&json!({ "gracePeriodSeconds": "soon" }))),
        on(
            "a-deletion-with-preconditions",
            with(&json!({ "preconditions": { "uid": "{{uid}}", "resourceVersion": "{{version}}" } })),
        ),
        on("a-deletion-of-settings-of-another-uid", with(&json!({ "preconditions": { "uid": OTHER_UID } }))),
        on("a-deletion-of-settings-of-another-version", with(&json!({ "preconditions": { "resourceVersion": "1" } }))),
        on(
            "a-deletion-of-another-uid-and-version",
            with(&json!({ "preconditions": { "uid": OTHER_UID, "resourceVersion": "1" } })),
        ),
        on("a-deletion-of-settings-in-a-dry-run", delete("configmaps/web?dryRun=All")),
        on("a-deletion-in-a-dry-run-by-option", with(&json!({ "dryRun": ["All"] }))),
        on("a-deletion-in-an-unknown-dry-run", delete("configmaps/web?dryRun=Some")),
        on("a-deletion-in-an-unknown-dry-run-by-option", with(&json!({ "dryRun": ["Some"] }))),
        on("a-deletion-in-the-background", delete("configmaps/web?propagationPolicy=Background")),
        on("a-deletion-in-the-foreground", delete("configmaps/web?propagationPolicy=Foreground")),
        on("a-deletion-in-the-foreground-by-option", with(&json!({ "propagationPolicy": "Foreground" }))),
        on("a-deletion-that-orphans", delete("configmaps/web?propagationPolicy=Orphan")),
        on("a-deletion-in-the-old-form-that-orphans", with(&json!({ "orphanDependents": true }))),
        on("a-deletion-in-the-old-form-that-does-not-orphan", with(&json!({ "orphanDependents": false }))),
        on("a-deletion-in-both-forms", with(&json!({ "orphanDependents": false, "propagationPolicy": "Orphan" }))),
        on("a-deletion-of-an-unknown-propagation", delete("configmaps/web?propagationPolicy=Sideways")),
        on("a-deletion-of-an-unknown-propagation-by-option", with(&json!({ "propagationPolicy": "Sideways" }))),
        on("a-deletion-with-a-grace-period-for-settings", delete("configmaps/web?gracePeriodSeconds=5")),
        on("a-deletion-with-a-grace-period-below-none", delete("configmaps/web?gracePeriodSeconds=-1")),
        on("a-deletion-with-a-grace-period-that-is-none", delete("configmaps/web?gracePeriodSeconds=soon")),
        on(
            "a-deletion-by-query-and-by-options",
            with(&json!({ "propagationPolicy": "Orphan" })).query("propagationPolicy=Foreground"),
        ),
        on(
            "a-deletion-accepting-rows",
            delete("configmaps/web").accept("application/json;as=Table;g=meta.k8s.io;v=v1"),
        ),
        on("a-deletion-in-yaml", delete("configmaps/web").text("dryRun: [All]\n").content_type("application/yaml")),
    ]
}

fn of_other_kinds() -> Vec<Case> {
    vec![
        case("a-deletion-of-a-widget")
            .given(create("example.com/v1/widgets", &widget("web")))
            .ask(delete("example.com/v1/widgets/web").json(&json!({ "preconditions": { "uid": OTHER_UID } })))
            .ask(delete("example.com/v1/widgets/web"))
            .ask(get("example.com/v1/widgets/web")),
        case("a-deletion-of-a-deployment")
            .given(create("apps/v1/deployments", &deployment("web")))
            .ask(delete("apps/v1/deployments/web"))
            .ask(get("apps/v1/deployments/web")),
        case("a-deletion-of-a-deployment-in-the-foreground")
            .given(create("apps/v1/deployments", &deployment("web")))
            .ask(delete("apps/v1/deployments/web?propagationPolicy=Foreground"))
            .ask(get("apps/v1/deployments/web")),
        case("a-deletion-of-a-secret").given(create("secrets", &settings("web"))).ask(delete("secrets/web")),
        case("a-deletion-of-an-account")
            .given(create("serviceaccounts", &settings("web")))
            .ask(delete("serviceaccounts/web")),
        case("a-deletion-of-a-quota")
            .given(create("resourcequotas", &settings("web")))
            .ask(delete("resourcequotas/web")),
        case("a-deletion-of-a-limit-range")
            .given(create("limitranges", &json!({ "metadata": { "name": "web" }, "spec": { "limits": [] } })))
            .ask(delete("limitranges/web")),
        case("a-deletion-of-a-job").given(create("batch/v1/jobs", &json!({
            "metadata": { "name": "web" }, "spec": { "template": { "spec": { "restartPolicy": "Never", "containers": [{ "name": "a", "image": "b" }] } } },
        }))).ask(delete("batch/v1/jobs/web")).ask(get("batch/v1/jobs/web")),
        case("a-deletion-of-a-node")
            .given(create("/api/v1/nodes", &json!({ "metadata": { "name": "{{ns}}" } })))
            .ask(delete("/api/v1/nodes/{{ns}}")),
        case("a-deletion-of-a-lease")
            .given(create("coordination.k8s.io/v1/leases", &settings("web")))
            .ask(delete("coordination.k8s.io/v1/leases/web")),
    ]
}

fn held() -> Vec<Case> {
    let held = json!({ "metadata": { "name": "web", "finalizers": ["example.com/hold"] }, "data": { "a": "1" } });
    let on = |name: &'static str| case(name).given(create("configmaps", &held));
    let release = || merge("configmaps/web", &json!({ "metadata": { "finalizers": null } }));
    let mut held_widget = widget("web");
    held_widget["metadata"]["finalizers"] = json!(["example.com/hold"]);
    vec![
        on("a-held-object-is-deleted")
            .ask(delete("configmaps/web"))
            .ask(get("configmaps/web"))
            .ask(delete("configmaps/web"))
            .ask(release())
            .ask(get("configmaps/web")),
        on("a-held-object-is-deleted-in-a-dry-run").ask(delete("configmaps/web?dryRun=All")).ask(get("configmaps/web")),
        on("a-held-object-is-deleted-in-the-foreground")
            .ask(delete("configmaps/web?propagationPolicy=Foreground"))
            .ask(delete("configmaps/web?propagationPolicy=Background")),
        on("a-held-object-is-orphaned").ask(delete("configmaps/web?propagationPolicy=Orphan")),
        on("a-held-object-is-deleted-with-a-grace-period").ask(delete("configmaps/web?gracePeriodSeconds=5")),
        on("a-deleted-object-is-changed")
            .given(delete("configmaps/web"))
            .ask(merge("configmaps/web", &json!({ "data": { "a": "2" } })))
            .ask(merge(
                "configmaps/web",
                &json!({ "metadata": { "finalizers": ["example.com/hold", "example.com/more"] } }),
            ))
            .ask(merge("configmaps/web", &json!({ "metadata": { "deletionTimestamp": null } })))
            .ask(merge("configmaps/web", &json!({ "metadata": { "deletionGracePeriodSeconds": 9 } }))),
        on("a-deleted-object-is-made-again").given(delete("configmaps/web")).ask(create("configmaps", &held)),
        on("a-deleted-object-is-released-by-replacement")
            .given(delete("configmaps/web"))
            .ask(edit("configmaps/web", "configmaps/web", &[("/metadata/finalizers", json!(null))]))
            .ask(get("configmaps/web")),
        on("a-deleted-object-is-released-in-a-dry-run")
            .given(delete("configmaps/web"))
            .ask(release().query("dryRun=All"))
            .ask(get("configmaps/web")),
        on("an-object-is-released-before").ask(release()).ask(delete("configmaps/web")),
        case("a-held-widget-is-deleted")
            .given(create("example.com/v1/widgets", &held_widget))
            .ask(delete("example.com/v1/widgets/web"))
            .ask(merge("example.com/v1/widgets/web", &json!({ "metadata": { "finalizers": ["example.com/other"] } })))
            .ask(merge("example.com/v1/widgets/web", &json!({ "metadata": { "finalizers": [] } })))
            .ask(get("example.com/v1/widgets/web")),
        case("a-held-deployment-is-deleted")
            .given(create("apps/v1/deployments", &{
                let mut d = deployment("web");
                d["metadata"]["finalizers"] = json!(["example.com/hold"]);
                d
            }))
            .ask(delete("apps/v1/deployments/web"))
            .ask(merge("apps/v1/deployments/web", &json!({ "metadata": { "finalizers": null } }))),
    ]
}

fn graceful() -> Vec<Case> {
    let bound = |name: &'static str| case(name).running(&pod("web", &json!({})));
    vec![
        bound("a-running-pod-is-deleted")
            .ask(delete("pods/web"))
            .ask(get("pods/web"))
            .ask(delete("pods/web?gracePeriodSeconds=5"))
            .ask(delete("pods/web?gracePeriodSeconds=60"))
            .ask(delete("pods/web"))
            .ask(delete("pods/web?gracePeriodSeconds=0"))
            .ask(get("pods/web")),
        bound("a-running-pod-is-deleted-at-once").ask(delete("pods/web?gracePeriodSeconds=0")).ask(get("pods/web")),
        bound("a-running-pod-is-deleted-by-options")
            .ask(delete("pods/web").json(&json!({ "gracePeriodSeconds": 7 })))
            .ask(get("pods/web")),
        bound("a-running-pod-is-deleted-in-a-dry-run").ask(delete("pods/web?dryRun=All")).ask(get("pods/web")),
        bound("a-running-pod-is-deleted-before-now").ask(delete("pods/web?gracePeriodSeconds=-5")).ask(get("pods/web")),
        bound("a-running-pod-is-deleted-of-another-uid")
            .ask(delete("pods/web").json(&json!({ "preconditions": { "uid": OTHER_UID } }))),
        case("a-waiting-pod-is-deleted")
            .given(create("pods", &pod("web", &json!({}))))
            .ask(delete("pods/web"))
            .ask(get("pods/web")),
    ]
}

fn collections() -> Vec<Case> {
    let three = |name: &'static str| {
        ["a", "b", "c"].into_iter().fold(case(name), |case, one| case.given(create("configmaps", &settings(one))))
    };
    vec![
        three("a-collection-is-deleted").ask(delete("configmaps")).ask(get("configmaps")),
        three("a-part-of-a-collection-is-deleted")
            .ask(delete("configmaps?labelSelector=name%3Da"))
            .ask(get("configmaps")),
        three("a-named-part-of-a-collection-is-deleted")
            .ask(delete("configmaps?fieldSelector=metadata.name%3Db"))
            .ask(get("configmaps")),
        three("a-collection-is-deleted-in-a-dry-run").ask(delete("configmaps?dryRun=All")).ask(get("configmaps")),
        three("a-collection-is-deleted-by-a-bad-selector")
            .ask(delete("configmaps?labelSelector=a+b"))
            .ask(delete("configmaps?fieldSelector=data%3Da")),
        case("an-empty-collection-is-deleted").ask(delete("configmaps")).ask(delete("example.com/v1/widgets")),
        case("a-collection-of-widgets-is-deleted")
            .given(create("example.com/v1/widgets", &widget("a")))
            .given(create("example.com/v1/widgets", &widget("b")))
            .ask(delete("example.com/v1/widgets"))
            .ask(get("example.com/v1/widgets")),
        case("a-collection-of-pods-is-deleted")
            .running(&pod("a", &json!({})))
            .given(create("pods", &pod("b", &json!({}))))
            .ask(delete("pods"))
            .ask(get("pods")),
        three("a-collection-is-deleted-with-a-page").ask(delete("configmaps?limit=1")).ask(get("configmaps")),
        three("a-collection-is-deleted-of-a-uid")
            .ask(delete("configmaps").json(&json!({ "preconditions": { "uid": OTHER_UID } })))
            .ask(get("configmaps")),
    ]
}

fn namespaces() -> Vec<Case> {
    let own = "/api/v1/namespaces/{{ns}}-own";
    let space = json!({ "metadata": { "name": "{{ns}}-own" } });
    let held = json!({ "metadata": { "name": "web", "finalizers": ["example.com/hold"] } });
    let inside = format!("{own}/configmaps");
    vec![
        case("a-namespace-s-life")
            .ask(create("/api/v1/namespaces", &space))
            .ask(merge(own, &json!({ "metadata": { "labels": { "a": "b" } } })))
            .ask(merge(&format!("{own}/status"), &json!({ "status": { "phase": "Terminating" } })))
            .ask(merge(own, &json!({ "metadata": { "labels": { "kubernetes.io/metadata.name": null } } })))
            .ask(merge(own, &json!({ "spec": { "finalizers": null } })))
            .given(create(&inside, &held))
            .ask(delete(own))
            .ask(create(&inside, &settings("new")))
            .ask(create("/api/v1/namespaces", &space)),
        case("a-namespace-is-deleted-in-a-dry-run")
            .given(create("/api/v1/namespaces", &space))
            .ask(delete(&format!("{own}?dryRun=All")))
            .ask(get(own)),
        case("namespaces-that-cannot-be-deleted")
            .ask(delete("/api/v1/namespaces/default"))
            .ask(delete("/api/v1/namespaces/kube-system")),
        case("a-namespace-s-defaults").ask(get("/api/v1/namespaces/{{ns}}")),
    ]
}
