//! Discovery, version and OpenAPI, for the kinds that both servers have.

use serde_json::{Value, json};

use super::case::{Case, case, get};

const OF_ITS_BUILD: &str = "what a program says of its own build";
const WHERE_IT_IS: &str = "it is not known from where it is reached";
const NO_HASHES: &str = "hashes of storage versions are for migrations, of which there are none";
const ONE_VERSION: &str = "one version of each group is served";
const OWN_SCHEMAS: &str = "documents say of a path which methods and options it takes, and little more";

const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

/// Groups that all cases find.
const GROUPS: &[&str] = &[
    "apps",
    "batch",
    "policy",
    "coordination.k8s.io",
    "scheduling.k8s.io",
    "apiextensions.k8s.io",
    "example.com",
    "autoscaling.tailor.dev",
];

/// Resources of which both servers have all parts.
const RESOURCES: &[&str] = &[
    "configmaps",
    "events",
    "limitranges",
    "namespaces/status",
    "nodes/status",
    "resourcequotas",
    "resourcequotas/status",
    "secrets",
    "pods/status",
    "pods/resize",
    "pods/eviction",
    "pods/binding",
    "pods",
    "namespaces",
    "controllerrevisions",
    "daemonsets",
    "daemonsets/status",
    "deployments",
    "deployments/scale",
    "deployments/status",
    "replicasets",
    "replicasets/scale",
    "replicasets/status",
    "statefulsets",
    "statefulsets/scale",
    "statefulsets/status",
    "jobs",
    "jobs/status",
    "cronjobs",
    "cronjobs/status",
    "poddisruptionbudgets",
    "poddisruptionbudgets/status",
    "leases",
    "priorityclasses",
    "customresourcedefinitions",
    "customresourcedefinitions/status",
    "widgets",
    "widgets/status",
    "widgets/scale",
    "verticalresizepolicies",
    "verticalresizepolicies/status",
    "horizontalpodautoscalers",
    "horizontalpodautoscalers/status",
    "selfsubjectreviews",
    "selfsubjectaccessreviews",
    "selfsubjectrulesreviews",
];

pub fn cases() -> Vec<Case> {
    let groups = ["apps", "policy", "batch", "coordination.k8s.io", "example.com", "autoscaling.tailor.dev", "none"];
    let versions = [
        "apps/v1",
        "policy/v1",
        "batch/v1",
        "coordination.k8s.io/v1",
        "autoscaling/v2",
        "events.k8s.io/v1",
        "scheduling.k8s.io/v1",
        "apiextensions.k8s.io/v1",
        "authorization.k8s.io/v1",
        "authentication.k8s.io/v1",
        "example.com/v1",
        "autoscaling.tailor.dev/v1alpha1",
        "example.com/v2",
        "apps/v2",
        "none/v1",
    ];
    let of_version = |case: Case, version: &&str| case.ask(get(&format!("/apis/{version}"))).only(shared_resources);
    vec![
        case("the-versions-of-the-core").ask(get("/api")).differs("/body/serverAddressByClientCIDRs", WHERE_IT_IS),
        case("the-version")
            .ask(get("/version"))
            .differs("/body/compiler", OF_ITS_BUILD)
            .differs("/body/gitCommit", OF_ITS_BUILD)
            .differs("/body/gitTreeState", OF_ITS_BUILD)
            .differs("/body/goVersion", OF_ITS_BUILD),
        case("the-groups").ask(get("/apis")).only(shared_groups),
        groups.iter().fold(case("single-groups"), |case, group| case.ask(get(&format!("/apis/{group}")))),
        case("a-group-of-two-versions").ask(get("/apis/autoscaling")).differs("/body/versions", ONE_VERSION),
        case("the-resources-of-the-core").ask(get("/api/v1")).only(shared_resources),
        versions.iter().fold(case("the-resources-of-groups"), of_version),
        case("the-hashes-of-resources")
            .ask(get("/apis/example.com/v1"))
            .differs("/body/resources/0/storageVersionHash", NO_HASHES),
        case("all-of-the-core").ask(get("/api").accept(AGGREGATED)).only(shared_discovery),
        case("all-of-the-groups").ask(get("/apis").accept(AGGREGATED)).only(shared_discovery),
        case("discovery-in-a-form-to-choose")
            .ask(
                get("/api")
                    .accept("application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"),
            )
            .only(shared_discovery)
            .ask(get("/api").accept("application/json;g=apidiscovery.k8s.io;v=v7;as=APIGroupDiscoveryList"))
            .ask(get("/api").accept("text/html"))
            .ask(get("/apis/apps").accept("text/html")),
        case("health")
            .ask(get("/healthz"))
            .ask(get("/livez"))
            .ask(get("/readyz"))
            .ask(get("/healthz/ping"))
            .ask(get("/livez/ping")),
        case("the-schema-of-a-definition").ask(get("/openapi/v3/apis/example.com/v1")).differs("/body", OWN_SCHEMAS),
        case("the-fields-of-a-definition").ask(get("/openapi/v3/apis/example.com/v1")).only(fields_of_a_widget),
        case("the-schemas-of-nothing").ask(get("/openapi/v3/apis/none/v1")),
    ]
}

fn keep(list: Option<&mut Value>, known: impl Fn(&Value) -> bool) {
    if let Some(Value::Array(items)) = list {
        items.retain(known);
    }
}

fn is_one_of(names: &[&str], name: &Value) -> bool {
    name.as_str().is_some_and(|name| names.contains(&name))
}

fn shared_groups(mut answer: Value) -> Value {
    keep(answer.pointer_mut("/body/groups"), |group| is_one_of(GROUPS, &group["name"]));
    sort(answer.pointer_mut("/body/groups"));
    answer
}

fn shared_resources(mut answer: Value) -> Value {
    keep(answer.pointer_mut("/body/resources"), |resource| is_one_of(RESOURCES, &resource["name"]));
    for resource in answer.pointer_mut("/body/resources").and_then(Value::as_array_mut).into_iter().flatten() {
        resource.as_object_mut().map(|resource| resource.remove("storageVersionHash"));
    }
    sort(answer.pointer_mut("/body/resources"));
    answer
}

fn shared_discovery(mut answer: Value) -> Value {
    let known = |group: &Value| group["metadata"]["name"].is_null() || is_one_of(GROUPS, &group["metadata"]["name"]);
    keep(answer.pointer_mut("/body/items"), known);
    for group in answer.pointer_mut("/body/items").and_then(Value::as_array_mut).into_iter().flatten() {
        keep(group.get_mut("versions"), |version| version["version"] == "v1" || version["version"] == "v1alpha1");
        for version in group["versions"].as_array_mut().into_iter().flatten() {
            keep(version.get_mut("resources"), |resource| is_one_of(RESOURCES, &resource["resource"]));
            for resource in version["resources"].as_array_mut().into_iter().flatten() {
                let parent = resource["resource"].as_str().unwrap_or_default().to_owned();
                let is_known = |part: &Value| {
                    let name = format!("{parent}/{}", part["subresource"].as_str().unwrap_or_default());
                    RESOURCES.contains(&name.as_str())
                };
                keep(resource.get_mut("subresources"), is_known);
                sort(resource.get_mut("subresources"));
            }
            sort(version.get_mut("resources"));
        }
    }
    sort(answer.pointer_mut("/body/items"));
    answer
}

fn sort(list: Option<&mut Value>) {
    if let Some(Value::Array(items)) = list {
        items.sort_by_key(Value::to_string);
    }
}

/// The schema of a Widget without the fields that all objects have.
fn fields_of_a_widget(answer: Value) -> Value {
    let mut schema = answer["body"]["components"]["schemas"]["com.example.v1.Widget"].clone();
    for field in ["apiVersion", "kind", "metadata"] {
        schema["properties"].as_object_mut().map(|fields| fields.remove(field));
    }
    json!({ "code": answer["code"], "schema": schema })
}
