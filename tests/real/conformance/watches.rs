//! Watches: a few changes, and then the events that a watch that began before them is told.

use serde_json::{Value, json};

use super::{
    case::{Case, Request, apply, case, create, delete, edit, get, merge},
    fixture::{config_map, pod, widget},
};

pub fn cases() -> Vec<Case> {
    let mut cases = beginnings();
    cases.extend(selected());
    cases.extend(streamed());
    cases.extend(refused());
    cases.extend(forms());
    cases
}

const AS_METADATA: &str = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
const AS_TABLE: &str = "application/json;as=Table;g=meta.k8s.io;v=v1";

fn settings(name: &str, app: &str) -> Value {
    json!({ "metadata": { "name": name, "labels": { "app": app } }, "data": { "a": "1" } })
}

fn begun(name: &'static str) -> Case {
    case(name)
        .given(create("configmaps", &settings("before", "web")))
        .given(get("configmaps"))
        .keep("version", "/metadata/resourceVersion")
}

/// What happens while the watch looks: something of each kind of change.
fn life(name: &'static str) -> Case {
    begun(name)
        .given(create("configmaps", &settings("one", "web")))
        .given(create("configmaps", &settings("two", "db")))
        .given(merge("configmaps/one", &json!({ "data": { "a": "2" } })))
        .given(merge("configmaps/one", &json!({ "metadata": { "labels": { "app": "db" } } })))
        .given(merge("configmaps/two", &json!({ "metadata": { "labels": { "app": "web" } } })))
        .given(merge("configmaps/two", &json!({ "data": { "a": "2" } })))
        .given(delete("configmaps/one"))
        .given(delete("configmaps/before"))
}

fn watch(query: &str) -> Request {
    get("configmaps?watch=true&timeoutSeconds=1").query(query)
}

fn from(query: &str) -> Request {
    watch("resourceVersion={{version}}").query(query)
}

fn beginnings() -> Vec<Case> {
    vec![
        life("a-watch-from-a-version").ask(from("")),
        life("a-watch-from-any-version").ask(watch("resourceVersion=0")),
        life("a-watch-from-no-version").ask(watch("")),
        begun("a-watch-of-nothing-new").ask(from("")),
        begun("a-watch-in-the-old-form")
            .given(create("configmaps", &settings("one", "web")))
            .ask(from("").query("watch=1")),
        begun("a-watch-at-the-old-path")
            .ask(get("/api/v1/watch/namespaces/{{ns}}/configmaps?timeoutSeconds=1&resourceVersion={{version}}")),
        begun("a-watch-without-a-timeout-for-nothing")
            .ask(get("configmaps?watch=true&timeoutSeconds=1&resourceVersion={{version}}&limit=1")),
        begun("a-watch-with-no-change").given(merge("configmaps/before", &json!({}))).ask(from("")),
        begun("a-watch-of-a-dry-run")
            .given(create("configmaps?dryRun=All", &settings("one", "web")))
            .given(merge("configmaps/before?dryRun=All", &json!({ "data": { "b": "1" } })))
            .given(delete("configmaps/before?dryRun=All"))
            .ask(from("")),
        begun("a-watch-of-an-apply")
            .given(apply("configmaps/one", "tester", &json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "one" }, "data": { "a": "1" } })))
            .ask(from("")),
        case("a-watch-of-a-finalizer")
            .given(create("configmaps", &config_map("web")))
            .keep("version", "/metadata/resourceVersion")
            .given(delete("configmaps/web"))
            .given(merge("configmaps/web", &json!({ "metadata": { "finalizers": null } })))
            .ask(from("")),
        case("a-watch-of-a-collection-that-goes")
            .given(create("configmaps", &settings("one", "web")))
            .keep("version", "/metadata/resourceVersion")
            .given(create("configmaps", &settings("two", "web")))
            .given(delete("configmaps?labelSelector=app%3Dweb"))
            .ask(from("labelSelector=app%3Dweb")),
        case("a-watch-of-a-widget")
            .given(create("example.com/v1/widgets", &widget("web")))
            .keep("version", "/metadata/resourceVersion")
            .given(merge("example.com/v1/widgets/web", &json!({ "spec": { "mode": "Fast" } })))
            .given(merge("example.com/v1/widgets/web/status", &json!({ "status": { "ready": 1 } })))
            .given(delete("example.com/v1/widgets/web"))
            .ask(get("example.com/v1/widgets?watch=true&timeoutSeconds=1&resourceVersion={{version}}"))
                .ask(get("example.com/v1/widgets?watch=true&timeoutSeconds=1&resourceVersion={{version}}&fieldSelector=spec.mode%3DFast"))
                .ask(get("example.com/v1/widgets?watch=true&timeoutSeconds=1&resourceVersion={{version}}&fieldSelector=spec.mode%3DSlow")),
        case("a-watch-of-a-pod")
            .given(create("pods", &pod("web", &json!({}))))
            .keep("version", "/metadata/resourceVersion")
            .given(merge("pods/web/status", &json!({ "status": { "phase": "Running" } })))
            .given(create("pods/web/binding", &json!({ "metadata": { "name": "web" }, "target": { "name": "roomy" } })))
            .given(delete("pods/web?gracePeriodSeconds=5"))
            .given(delete("pods/web?gracePeriodSeconds=0"))
            .ask(get("pods?watch=true&timeoutSeconds=1&resourceVersion={{version}}")),
        case("a-watch-of-replacements")
            .given(create("configmaps", &settings("web", "web")))
            .keep("version", "/metadata/resourceVersion")
            .given(edit("configmaps/web", "configmaps/web", &[("/data/a", json!("3"))]))
            .given(delete("configmaps/web"))
            .given(create("configmaps", &settings("web", "web")))
            .ask(from("")),
    ]
}

fn selected() -> Vec<Case> {
    let one = "fieldSelector=metadata.name%3Done";
    vec![
        life("a-watch-by-label").ask(from("labelSelector=app%3Dweb")),
        life("a-watch-by-absent-label").ask(from("labelSelector=%21app")),
        life("a-watch-by-set").ask(from("labelSelector=app+in+%28db%2Cx%29")),
        life("a-watch-by-name").ask(from(one)),
        life("a-watch-of-one-object")
            .ask(get("configmaps/one?watch=true&timeoutSeconds=1&resourceVersion={{version}}")),
        life("a-watch-by-name-and-label").ask(from(one).query("labelSelector=app%3Ddb")),
        life("a-watch-by-label-from-any-version").ask(watch("resourceVersion=0&labelSelector=app%3Dweb")),
        life("a-watch-of-all-namespaces")
            .ask(get("/api/v1/configmaps?watch=true&timeoutSeconds=1&resourceVersion={{version}}&fieldSelector=metadata.namespace%3D{{ns}}")),
        case("a-watch-by-phase")
            .given(create("pods", &pod("web", &json!({}))))
            .keep("version", "/metadata/resourceVersion")
            .given(merge("pods/web/status", &json!({ "status": { "phase": "Running" } })))
            .given(merge("pods/web", &json!({ "metadata": { "labels": { "a": "b" } } })))
            .given(merge("pods/web/status", &json!({ "status": { "phase": "Succeeded" } })))
                .ask(get("pods?watch=true&timeoutSeconds=1&resourceVersion={{version}}&fieldSelector=status.phase%3DRunning"))
                .ask(get("pods?watch=true&timeoutSeconds=1&resourceVersion={{version}}&fieldSelector=status.phase%21%3DRunning"))
            .ask(get("pods?watch=true&timeoutSeconds=1&resourceVersion={{version}}&fieldSelector=spec.nodeName%3D")),
    ]
}

fn streamed() -> Vec<Case> {
    let all = "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true";
    vec![
        life("a-streamed-list").ask(watch(all)),
        life("a-streamed-list-from-any-version").ask(watch(all).query("resourceVersion=0")),
        life("a-streamed-list-from-a-version").ask(watch(all).query("resourceVersion={{version}}")),
        life("a-streamed-list-by-label").ask(watch(all).query("labelSelector=app%3Dweb")),
        case("a-streamed-list-of-nothing").ask(watch(all)),
        life("a-streamed-list-without-bookmarks")
            .ask(watch("sendInitialEvents=true&resourceVersionMatch=NotOlderThan")),
        life("a-streamed-list-that-is-not-wanted")
            .ask(watch("sendInitialEvents=false&resourceVersionMatch=NotOlderThan")),
        life("a-streamed-list-that-is-not-wanted-from-a-version")
            .ask(from("sendInitialEvents=false&resourceVersionMatch=NotOlderThan")),
        life("a-streamed-list-of-metadata").ask(watch(all).accept(AS_METADATA)),
        case("a-streamed-list-of-widgets")
            .given(create("example.com/v1/widgets", &widget("web")))
            .ask(get("example.com/v1/widgets?watch=true&timeoutSeconds=1").query(all)),
        case("a-streamed-list-of-pods")
            .given(create("pods", &pod("web", &json!({}))))
            .ask(get("pods?watch=true&timeoutSeconds=1").query(all)),
        begun("a-streamed-list-without-a-match").ask(watch("sendInitialEvents=true")),
        begun("a-streamed-list-exactly")
            .ask(watch("sendInitialEvents=true&resourceVersionMatch=Exact&resourceVersion={{version}}")),
        begun("a-list-with-initial-events")
            .ask(get("configmaps?sendInitialEvents=true&resourceVersionMatch=NotOlderThan")),
    ]
}

fn refused() -> Vec<Case> {
    vec![
        begun("a-watch-from-what-is-no-version").ask(watch("resourceVersion=new")),
        begun("a-watch-from-a-version-below-none").ask(watch("resourceVersion=-1")),
        begun("a-watch-from-a-version-too-old").ask(watch("resourceVersion=1")),
        begun("a-watch-from-a-version-to-come").ask(watch("resourceVersion=900000000")),
        begun("a-watch-with-a-match-alone").ask(from("resourceVersionMatch=NotOlderThan")),
        begun("a-watch-with-an-exact-match").ask(from("resourceVersionMatch=Exact")),
        begun("a-watch-with-an-unknown-match").ask(from("resourceVersionMatch=Newest")),
        begun("a-watch-with-a-timeout-that-is-none").ask(get("configmaps?watch=true&timeoutSeconds=soon")),
        begun("a-watch-with-a-continuation").ask(watch("continue=abc")),
        begun("a-watch-with-a-bad-label").ask(watch("labelSelector=a+b")),
        begun("a-watch-with-a-bad-field").ask(watch("fieldSelector=data.a%3D1")),
        begun("a-watch-of-an-unknown-kind").ask(get("gadgets?watch=true&timeoutSeconds=1")),
        begun("a-watch-that-is-unsure").ask(get("configmaps?watch=maybe&timeoutSeconds=1&resourceVersion={{version}}")),
        begun("a-watch-that-is-none").ask(get("configmaps?watch=false")),
        begun("a-watch-that-is-zero").ask(get("configmaps?watch=0")),
        begun("a-watch-with-nothing-said")
            .given(create("configmaps", &settings("one", "web")))
            .ask(get("configmaps?watch&timeoutSeconds=1&resourceVersion={{version}}")),
        begun("a-watch-of-a-namespace-that-is-not-there")
            .ask(get("/api/v1/namespaces/none/configmaps?watch=true&timeoutSeconds=1&resourceVersion={{version}}")),
    ]
}

fn forms() -> Vec<Case> {
    vec![
        life("a-watch-of-metadata").ask(from("").accept(AS_METADATA)),
        life("a-watch-of-rows").ask(from("").accept(AS_TABLE)),
        life("a-watch-of-rows-with-objects").ask(from("includeObject=Object").accept(AS_TABLE)),
        life("a-watch-of-rows-without-objects").ask(from("includeObject=None").accept(AS_TABLE)),
        life("a-watch-by-label-of-metadata").ask(from("labelSelector=app%3Dweb").accept(AS_METADATA)),
        begun("a-watch-of-rows-in-an-unknown-form").ask(from("includeObject=Some").accept(AS_TABLE)),
        begun("a-watch-in-an-unknown-form").ask(from("").accept("text/plain")),
        begun("a-watch-in-yaml").ask(from("").accept("application/yaml")),
        begun("a-watch-in-a-stream-of-json")
            .given(create("configmaps", &settings("one", "web")))
            .ask(from("").accept("application/json;stream=watch")),
    ]
}
