//! Lists: selectors, pages and versions.

use serde_json::{Value, json};

use super::{
    case::{Case, Request, case, create, delete, get, merge},
    fixture::{deployment, pod, widget},
};

pub fn cases() -> Vec<Case> {
    let mut cases = labels();
    cases.extend(fields());
    cases.extend(pages());
    cases.extend(versions());
    cases.extend(forms());
    cases
}

fn settings(name: &str, labels: Value) -> Value {
    json!({ "metadata": { "name": name, "labels": labels } })
}

fn stored(name: &'static str) -> Case {
    case(name)
        .given(create("configmaps", &settings("a", json!({ "app": "web", "tier": "front" }))))
        .given(create("configmaps", &settings("b", json!({ "app": "db", "tier": "back", "example.com/zone": "1" }))))
        .given(create("configmaps", &settings("c", json!({ "app": "web", "count": "5" }))))
        .given(create("configmaps", &settings("d", json!({ "app": "", "count": "10" }))))
        .given(create("configmaps", &settings("e", json!({}))))
        .given(get("configmaps"))
        .keep("version", "/metadata/resourceVersion")
}

/// Percent-encodes what a query may not hold.
fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

fn by_label(selector: &str) -> Request {
    get("configmaps").query(&format!("labelSelector={}", encoded(selector)))
}

fn by_field(path: &str, selector: &str) -> Request {
    get(path).query(&format!("fieldSelector={}", encoded(selector)))
}

/// Label selectors in each form.
const GOOD: &[&str] = &[
    "app=web",
    "app==web",
    "app!=web",
    "app = web",
    "app",
    "!app",
    "app,tier",
    "app,!tier",
    "app in (web,db)",
    "app in (web)",
    "app in ()",
    "app in (web,)",
    "app notin (web)",
    "app notin (web,db),tier",
    "app=",
    "app!=",
    "count>5",
    "count<10",
    "count > 4,count < 6",
    "app=web,count>1",
    "example.com/zone=1",
    "example.com/zone",
    "tier notin (front),app",
    " ",
    "! app",
    "app in (a, web )",
];

/// Label selectors with a fault each.
const BAD: &[&str] = &[
    "app=web,",
    ",app",
    "app==",
    "a b",
    "app in web",
    "app in (web",
    "app within (web)",
    "=web",
    "!",
    "!app=web",
    "app=web=db",
    "app=>5",
    "count>five",
    "count>",
    "app in",
    "app notin",
    "-app",
    "app=-x",
    "app=a b",
    "a/b/c=1",
    "/a=1",
    "a/=1",
    "app===web",
    "app!web",
    "(app)",
    "app in (web))",
    "app=we*b",
    "app,,tier",
    "count>=5",
    "in (a)",
    "in",
    "notin",
    "Ex.com/a",
    "app in (a b)",
    "app=a,!",
    "ä=1",
];

fn labels() -> Vec<Case> {
    let long = format!("{}=1", "a".repeat(64));
    let long_value = format!("a={}", "b".repeat(64));
    let ask =
        |name, selectors: &[&str]| selectors.iter().fold(stored(name), |case, selector| case.ask(by_label(selector)));
    vec![
        ask("label-selectors", GOOD),
        ask("label-selectors-that-cannot-be-read", BAD),
        ask("label-selectors-that-are-too-long", &[&long, &long_value]),
        stored("label-selectors-given-twice").ask(get("configmaps?labelSelector=app%3Dweb&labelSelector=tier")),
    ]
}

fn fields() -> Vec<Case> {
    let many = |case: Case, path: &str, selectors: &[&str]| {
        selectors.iter().fold(case, |case, selector| case.ask(by_field(path, selector)))
    };
    let pods = || {
        case("field-selectors-of-pods")
            .given(create("pods", &pod("a", &json!({}))))
            .running(&pod("b", &json!({})))
            .given(create(
                "pods",
                &pod("c", &json!({ "spec": { "restartPolicy": "Never", "schedulerName": "other" } })),
            ))
    };
    vec![
        many(stored("field-selectors"), "configmaps", &[
            "metadata.name=a", "metadata.name==a", "metadata.name!=a", "metadata.name=a,metadata.name=b", "metadata.namespace={{ns}}", "metadata.name=", "metadata.name=z", "",
            "metadata.name!=a,metadata.name!=b", "metadata.namespace=other",
        ]),
        many(stored("field-selectors-that-cannot-be-read"), "configmaps", &[
            "metadata.name", "data.a=1", "metadata.uid=1", "metadata.labels.app=web", "=a", "metadata.name=a,", ",metadata.name=a", "metadata.name>a", "metadata.name in (a)", "spec.nodeName=a",
            "metadata.name=a\\,b", "metadata.name=a\\", "metadata.name=a=b", "!metadata.name", "metadata.Name=a", " metadata.name = a ",
        ]),
        many(pods(), "pods", &[
            "spec.nodeName=roomy", "spec.nodeName=", "spec.nodeName!=roomy", "status.phase=Running", "status.phase!=Running", "status.phase=Pending,spec.restartPolicy=Always",
            "spec.restartPolicy=Never", "spec.schedulerName=other", "spec.serviceAccountName=", "status.podIP=", "status.podIPs=", "status.nominatedNodeName=", "spec.hostNetwork=false",
            "spec.hostname=", "status.reason=", "spec.containers=x", "metadata.name=a",
        ]),
        many(case("field-selectors-of-deployments").given(create("apps/v1/deployments", &deployment("web"))), "apps/v1/deployments", &["metadata.name=web", "spec.replicas=2", "status.replicas=0"]),
        many(case("field-selectors-of-replica-sets"), "apps/v1/replicasets", &["status.replicas=0", "spec.replicas=2"]),
        many(case("field-selectors-of-jobs"), "batch/v1/jobs", &["status.successful=0", "status.successful=1", "status.active=0"]),
        many(case("field-selectors-of-widgets").given(create("example.com/v1/widgets", &widget("web"))), "example.com/v1/widgets", &["spec.mode=Slow", "spec.mode=Fast", "spec.size=2", "metadata.name=web", "metadata.namespace={{ns}}", "metadata.uid=1"]),
        many(case("field-selectors-of-policies"), "autoscaling.tailor.dev/v1alpha1/verticalresizepolicies", &["metadata.name=web", "spec.strategy=Off"]),
        many(case("field-selectors-of-events").given(create("events", &json!({
            "metadata": { "name": "web.1" }, "involvedObject": { "kind": "Pod", "name": "web", "namespace": "{{ns}}" }, "reason": "Resized", "type": "Normal", "source": { "component": "tailor" },
        }))), "events", &["involvedObject.name=web", "involvedObject.kind=Pod,type=Normal", "reason=Other", "source=tailor", "reportingComponent=", "involvedObject.uid=", "message=x"]),
        many(case("field-selectors-of-secrets").given(create("secrets", &json!({ "metadata": { "name": "a" } }))), "secrets", &["type=Opaque", "type!=Opaque", "data=x"]),
        many(case("field-selectors-of-leases"), "coordination.k8s.io/v1/leases", &["metadata.name=a", "spec.holderIdentity=a"]),
        many(case("field-selectors-of-nodes"), "/api/v1/nodes", &["metadata.name=none", "spec.unschedulable=true,metadata.name=none", "spec.podCIDR=x", "metadata.namespace=a"]),
        many(case("field-selectors-of-namespaces"), "/api/v1/namespaces", &["metadata.name={{ns}}", "status.phase=Active,metadata.name={{ns}}", "name={{ns}}", "spec.finalizers=x"]),
    ]
}

fn pages() -> Vec<Case> {
    let next = |query: &str| get("configmaps?continue={{next}}").query(query);
    vec![
        stored("pages-of-two")
            .ask(get("configmaps?limit=2"))
            .keep("next", "/metadata/continue")
            .ask(next("limit=2"))
            .keep("next", "/metadata/continue")
            .ask(next("limit=2")),
        stored("pages-of-two-and-the-rest")
            .ask(get("configmaps?limit=2"))
            .keep("next", "/metadata/continue")
            .ask(next("")),
        stored("a-page-of-all")
            .ask(get("configmaps?limit=5"))
            .ask(get("configmaps?limit=50"))
            .ask(get("configmaps?limit=0"))
            .ask(get("configmaps?limit=-1")),
        stored("pages-of-what-is-selected")
            .ask(get("configmaps?limit=1&labelSelector=app%3Dweb"))
            .keep("next", "/metadata/continue")
            .ask(next("limit=1&labelSelector=app%3Dweb")),
        stored("pages-keep-their-version")
            .given(get("configmaps?limit=2"))
            .keep("next", "/metadata/continue")
            .given(create("configmaps", &settings("cc", json!({}))))
            .given(delete("configmaps/d"))
            .given(merge("configmaps/e", &json!({ "data": { "new": "1" } })))
            .ask(next("limit=2")),
        stored("pages-by-what-is-no-token")
            .ask(get("configmaps?limit=2&continue=abc"))
            .ask(get("configmaps?limit=2&continue=e30")),
        stored("a-limit-that-is-none").ask(get("configmaps?limit=many")),
        stored("pages-with-a-version")
            .given(get("configmaps?limit=2"))
            .keep("next", "/metadata/continue")
            .ask(next("limit=2&resourceVersion={{version}}"))
            .ask(next("limit=2&resourceVersion=0"))
            .ask(next("resourceVersionMatch=Exact&resourceVersion={{version}}")),
        stored("a-page-from-any-version").ask(get("configmaps?limit=2&resourceVersion=0")),
        stored("a-page-from-a-version").ask(get("configmaps?limit=2&resourceVersion={{version}}")),
        stored("a-page-of-exactly-a-version")
            .ask(get("configmaps?limit=2&resourceVersion={{version}}&resourceVersionMatch=Exact")),
        stored("a-page-not-older-than-a-version")
            .ask(get("configmaps?limit=2&resourceVersion={{version}}&resourceVersionMatch=NotOlderThan")),
        stored("pages-of-metadata")
            .ask(get("configmaps?limit=2").accept("application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1")),
        stored("pages-of-rows").ask(get("configmaps?limit=2").accept("application/json;as=Table;g=meta.k8s.io;v=v1")),
    ]
}

fn versions() -> Vec<Case> {
    let later = |name| {
        stored(name)
            .given(create("configmaps", &settings("f", json!({}))))
            .given(delete("configmaps/a"))
            .given(merge("configmaps/b", &json!({ "data": { "x": "1" } })))
    };
    let ask = |query: &str| get("configmaps").query(query);
    vec![
        later("a-list-of-any-version")
            .ask(ask("resourceVersion=0"))
            .ask(ask("resourceVersion=0&resourceVersionMatch=NotOlderThan"))
            .ask(ask("resourceVersion=0&resourceVersionMatch=Exact")),
        later("a-list-not-older")
            .ask(ask("resourceVersion={{version}}"))
            .ask(ask("resourceVersion={{version}}&resourceVersionMatch=NotOlderThan")),
        later("a-list-of-exactly-a-version")
            .ask(ask("resourceVersion={{version}}&resourceVersionMatch=Exact"))
            .ask(ask("resourceVersion={{version}}&resourceVersionMatch=Exact&labelSelector=app%3Dweb")),
        later("a-list-with-a-match-alone")
            .ask(ask("resourceVersionMatch=Exact"))
            .ask(ask("resourceVersionMatch=NotOlderThan"))
            .ask(ask("resourceVersionMatch=Newest"))
            .ask(ask("resourceVersion=0&resourceVersionMatch=Newest"))
            .ask(ask("resourceVersion=new&resourceVersionMatch=Exact")),
        later("a-list-of-what-is-no-version")
            .ask(ask("resourceVersion=new"))
            .ask(ask("resourceVersion=-1"))
            .ask(ask("resourceVersion=1.5")),
        case("a-list-of-nothing").ask(get("configmaps")).ask(get("example.com/v1/widgets")).ask(get("pods")),
        case("a-list-in-a-namespace-that-is-not-there").ask(get("/api/v1/namespaces/none/configmaps")),
        case("a-get-with-a-version")
            .given(create("configmaps", &settings("a", json!({}))))
            .ask(get("configmaps/a?resourceVersion=0"))
            .ask(get("configmaps/a?resourceVersion=new")),
    ]
}

fn forms() -> Vec<Case> {
    let both = |name, collection: &str, object: &Value| {
        case(name)
            .given(create(collection, object))
            .ask(get(collection))
            .ask(get(collection).accept("application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"))
            .ask(
                get(collection)
                    .accept("application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"),
            )
            .ask(
                get(&format!("{collection}/web"))
                    .accept("application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"),
            )
    };
    let accepting = |accept: &'static str| get("configmaps").accept(accept);
    vec![
        both("metadata-of-deployments", "apps/v1/deployments", &deployment("web")),
        both("metadata-of-pods", "pods", &pod("web", &json!({}))),
        both("metadata-of-widgets", "example.com/v1/widgets", &widget("web")),
        stored("lists-in-other-forms")
            .ask(accepting("application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"))
            .ask(accepting("application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v2"))
            .ask(accepting("application/json;as=Table;g=meta.k8s.io;v=v1beta1"))
            .ask(accepting("application/json;as=Poster;g=meta.k8s.io;v=v1"))
            .ask(accepting("application/json;as=Poster;g=meta.k8s.io;v=v1,application/json"))
            .ask(accepting("text/html"))
            .ask(accepting("text/html,*/*"))
            .ask(accepting("application/*"))
            .ask(accepting("application/json;q=0.5"))
            .ask(get("configmaps/a").accept("application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1")),
    ]
}
