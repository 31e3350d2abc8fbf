//! Requests as such: fields that are not known, paths that are not there, methods that are not allowed, bodies that cannot
//! be read.

use serde_json::json;

use super::{
    case::{Body, Case, Request, case, create, delete, get, replace},
    fixture::{deployment, pod, widget},
    objects::settings,
};

pub fn cases() -> Vec<Case> {
    let mut cases = validated();
    cases.extend([paths(), methods()]);
    cases.extend(bodies());
    cases
}

fn validated() -> Vec<Case> {
    let twice = r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"web","name":"web"},"data":{"a":"1","a":"2"},"colour":"red","colour":"blue"}"#;
    let unknown = settings(json!({ "colour": "red", "metadata": { "shape": "round", "Labels": { "a": "b" } } }));
    let modes = [
        "",
        "fieldValidation=Strict",
        "fieldValidation=Warn",
        "fieldValidation=Ignore",
        "fieldValidation=Loose",
        "fieldValidation=strict",
    ];
    let all = |name, request: &dyn Fn() -> Request| {
        modes.iter().fold(case(name), |case, mode| case.ask(request().query("dryRun=All").query(mode)))
    };
    let mut deep = deployment("web");
    deep["spec"]["template"]["spec"]["containers"][0]["colour"] = json!("red");
    deep["spec"]["template"]["spec"]["containers"][0]["resources"]["wishes"] = json!({});
    deep["spec"]["Replicas"] = json!(3);
    let mut odd = widget("web");
    odd["spec"]["colour"] = json!("red");
    odd["spec"]["parts"][0]["weight"] = json!(1);
    odd["other"] = json!(1);
    odd["metadata"]["shape"] = json!("round");
    let widget_twice = r#"{"apiVersion":"example.com/v1","kind":"Widget","metadata":{"name":"web"},"spec":{"size":1,"size":2,"colour":1}}"#;
    let yaml = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: web\ndata:\n  a: '1'\n  a: '2'\ncolour: red\n";
    vec![
        all("fields-that-are-not-known", &|| create("configmaps", &unknown)),
        all("fields-that-are-there-twice", &|| create("configmaps", &unknown).text(twice)),
        all("deep-fields-that-are-not-known", &|| create("apps/v1/deployments", &deep)),
        all("widget-fields-that-are-not-known", &|| create("example.com/v1/widgets", &odd)),
        all("widget-fields-that-are-there-twice", &|| create("example.com/v1/widgets", &odd).text(widget_twice)),
        all("yaml-fields-that-are-there-twice", &|| {
            create("configmaps", &unknown).text(yaml).content_type("application/yaml")
        }),
        case("replacement-fields-that-are-not-known")
            .given(create("configmaps", &settings(json!({}))))
            .ask(replace("configmaps/web", &unknown))
            .ask(replace("configmaps/web", &unknown).query("fieldValidation=Strict"))
            .ask(replace("configmaps/web", &unknown).text(twice).query("fieldValidation=Strict")),
    ]
}

/// Paths that lead nowhere.
const UNKNOWN: &[&str] = &[
    "gadgets",
    "gadgets/web",
    "apps/v2/deployments",
    "none.example.com/v1/things",
    "apps/v1/pods",
    "/",
    "/none",
    "/api/v2",
    "/api/v1/none",
    "/apis/none",
    "/apis/apps/v2",
    "/apis/none/v1",
    "configmaps/web/more",
    "configmaps/web/status",
    "configmaps/web/scale",
    "pods/web/none",
    "pods/web/scale",
    "apps/v1/deployments/web/none",
    "apps/v1/deployments/web/resize",
    "example.com/v1/widgets/web/none",
    "example.com/v1/widgets/web/resize",
    "example.com/v2/widgets",
    "example.com/v1/gadgets",
    "/api/v1/namespaces/{{ns}}/nodes",
    "/api/v1/nodes/none/none",
    "/api/v1/configmaps/web",
    "/api/v1/namespaces/{{ns}}/none",
    "/api/v1/namespaces/{{ns}}/configmaps/",
    "/api/v1/namespaces//configmaps",
    "/apis/example.com/v1/widgets/web",
    "configmaps/web",
    "pods/none",
    "pods/none/status",
    "pods/none/resize",
    "apps/v1/deployments/none",
    "apps/v1/deployments/none/scale",
    "example.com/v1/widgets/none",
    "example.com/v1/widgets/none/status",
    "example.com/v1/widgets/none/scale",
    "/api/v1/nodes/none",
    "/api/v1/namespaces/none",
    "autoscaling.tailor.dev/v1alpha1/verticalresizepolicies/none",
    "autoscaling.tailor.dev/v1alpha1/verticalresizepolicies/none/scale",
    "configmaps/Web_1",
];

fn paths() -> Case {
    UNKNOWN.iter().fold(case("paths-that-are-not-there"), |case, path| case.ask(get(path)))
}

fn methods() -> Case {
    let body = settings(json!({}));
    let with = |method: &'static str, path: &str| {
        let mut request = create(path, &body);
        request.method = method;
        request
    };
    let bare = |method: &'static str, path: &str| {
        let mut request = get(path);
        request.method = method;
        request.body = Body::Empty;
        request
    };
    case("methods-that-are-not-allowed")
        .given(create("configmaps", &body))
        .given(create("pods", &pod("web", &json!({}))))
        .given(create("example.com/v1/widgets", &widget("web")))
        .ask(with("POST", "configmaps/web"))
        .ask(with("PUT", "configmaps"))
        .ask(with("PATCH", "configmaps"))
        .ask(with("TRACE", "configmaps"))
        .ask(with("DELETE", "/api/v1/configmaps"))
        .ask(with("DELETE", "/api/v1/namespaces"))
        .ask(with("POST", "pods/web/status"))
        .ask(with("DELETE", "pods/web/status"))
        .ask(with("DELETE", "pods/web/resize"))
        .ask(with("POST", "pods/web/resize"))
        .ask(bare("GET", "pods/web/binding"))
        .ask(bare("GET", "pods/web/eviction"))
        .ask(with("PUT", "pods/web/binding"))
        .ask(with("PUT", "pods/web/eviction"))
        .ask(with("DELETE", "apps/v1/deployments/web/scale"))
        .ask(with("POST", "example.com/v1/widgets/web"))
        .ask(with("PUT", "example.com/v1/widgets"))
        .ask(with("POST", "example.com/v1/widgets/web/status"))
        .ask(with("DELETE", "example.com/v1/widgets/web/status"))
        .ask(with("DELETE", "example.com/v1/widgets/web/scale"))
        .ask(bare("GET", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"))
        .ask(with("PUT", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews/web"))
        .ask(with("POST", "/version"))
        .ask(with("POST", "/api/v1"))
        .ask(bare("HEAD", "configmaps/web"))
        .ask(bare("OPTIONS", "configmaps/web"))
}

fn bodies() -> Vec<Case> {
    let body = settings(json!({}));
    let make = || create("configmaps", &body).query("dryRun=All");
    let texts = [
        "",
        "{",
        "[]",
        "1",
        "null",
        "text",
        "\"text\"",
        "{}",
        "{ } {}",
        "[{}]",
        "---\n",
        "{\"metadata\": 1}",
        "{\"metadata\":{\"name\":1}}",
        "{\"metadata\":{\"name\":\"web\"},\"data\":{\"a\":1}}",
        "{\"metadata\":{\"name\":\"web\"},\"data\":[]}",
        "{\"metadata\":{\"name\":\"web\"},\"immutable\":\"yes\"}",
        "{\"metadata\":{\"name\":\"web\",\"generation\":\"x\"}}",
        "{\"metadata\":{\"name\":\"web\",\"finalizers\":\"x\"}}",
    ];
    let types = [
        "application/json",
        "application/yaml",
        "",
        "application/json; charset=utf-8",
        "text/plain",
        "application/xml",
        "application/json-patch+json",
        "application/vnd.kubernetes.protobuf",
        "application/cbor",
        "no/such/type",
    ];
    let widget_texts = [
        "",
        "{",
        "[]",
        "null",
        "{}",
        "{\"metadata\":{\"name\":\"web\"}}",
        "{\"apiVersion\":\"example.com/v1\",\"kind\":\"Widget\"}",
        "{\"apiVersion\":\"example.com/v1\",\"kind\":\"Widget\",\"metadata\":1}",
        "{\"apiVersion\":\"example.com/v1\",\"kind\":\"Widget\",\"metadata\":{\"name\":1}}",
        "{\"apiVersion\":\"example.com/v1\",\"kind\":\"Widget\",\"metadata\":{\"name\":\"web\"},\"spec\":1}",
        "{\"apiVersion\":1,\"kind\":\"Widget\"}",
    ];
    vec![
        texts.iter().fold(case("bodies-of-many-kinds"), |case, text| case.ask(make().text(text))),
        widget_texts.iter().fold(case("widget-bodies-of-many-kinds"), |case, text| {
            case.ask(create("example.com/v1/widgets?dryRun=All", &body).text(text))
        }),
        types.iter().fold(case("bodies-of-many-types"), |case, kind| case.ask(make().content_type(kind))),
        types.iter().fold(case("widget-bodies-of-many-types"), |case, kind| {
            case.ask(create("example.com/v1/widgets?dryRun=All", &widget("web")).content_type(kind))
        }),
        case("a-body-for-a-deletion")
            .given(create("configmaps", &body))
            .ask(delete("configmaps/web").text("{"))
            .ask(delete("configmaps/web").text("[]"))
            .ask(delete("configmaps/web").text("1"))
            .ask(delete("configmaps/web").content_type("text/plain").text("{}")),
    ]
}
