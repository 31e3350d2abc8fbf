//! Where a MutatingAdmissionPolicy ends.

use http::Method;
use serde_json::{Value, json};

use super::stage::{Stage, pod};
use crate::{
    support::until,
    wire::{JSON, create, send},
};

/// A policy for one namespace that sets the CPU request of the first container to what `expression` says.
fn naive(name: &str, expression: &str, failure_policy: &str, param_kind: Option<Value>) -> [Value; 2] {
    let expression =
        format!("[JSONPatch{{op: 'replace', path: '/spec/containers/0/resources/requests/cpu', value: {expression}}}]");
    let selector = json!({ "matchLabels": { "kubernetes.io/metadata.name": name } });
    let mut policy = json!({
        "metadata": { "name": name },
        "spec": {
            "matchConstraints": {
                "resourceRules": [{ "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "operations": ["CREATE"] }],
            },
            "failurePolicy": failure_policy,
            "reinvocationPolicy": "Never",
            "mutations": [{ "patchType": "JSONPatch", "jsonPatch": { "expression": expression } }],
        },
    });
    let mut binding = json!({
        "metadata": { "name": name },
        "spec": { "policyName": name, "matchResources": { "namespaceSelector": selector } },
    });
    if let Some(kind) = param_kind {
        policy["spec"]["paramKind"] = kind;
        binding["spec"]["paramRef"] = json!({ "name": "sizes", "parameterNotFoundAction": "Allow" });
    }
    [policy, binding]
}

const POLICIES: &str = "/apis/admissionregistration.k8s.io/v1/mutatingadmissionpolicies";
const BINDINGS: &str = "/apis/admissionregistration.k8s.io/v1/mutatingadmissionpolicybindings";

/// `Ignore` is about expressions that fail, not about what they say.
pub async fn a_bad_size_costs_the_pod_whatever_the_failure_policy_says(stage: &Stage) {
    let cases = [
        ("failing", "object.metadata.annotations['none']", 201, ""),
        ("too-large", "'9'", 422, "must be less than or equal to cpu limit of 200m"),
        ("no-quantity", "'plenty'", 500, "quantities must match the regular expression"),
    ];
    let second = "[JSONPatch{op: 'add', path: '/metadata/labels/second', value: 'done'}]";
    for (name, expression, ..) in cases {
        stage.namespace(name).await;
        let [mut policy, binding] = naive(name, expression, "Ignore", None);
        let mutations = policy["spec"]["mutations"].as_array_mut().unwrap();
        mutations.push(json!({ "patchType": "JSONPatch", "jsonPatch": { "expression": second } }));
        create(&stage.client, POLICIES, &policy).await;
        create(&stage.client, BINDINGS, &binding).await;
    }
    for (name, _, code, says) in cases {
        let asks = json!({ "requests": { "cpu": "100m" }, "limits": { "cpu": "200m" } });
        let pod = pod(name, "web", &json!([{ "name": "app", "image": "a", "resources": asks }]));
        until(name, async || {
            let (answered, answer) = stage.dry_run(name, &pod).await;
            let message = answer["message"].as_str().unwrap_or_default();
            // The mutations of one policy are not all or nothing.
            let is_half_done = answer["metadata"]["labels"]["second"] == "done"
                && answer["spec"]["containers"][0]["resources"] == asks;
            answered == code && message.contains(says) && (code != 201 || is_half_done)
        })
        .await;
    }
}

/// Policies are read with the API server's own rights, so their authors' are checked.
pub async fn an_author_must_be_able_to_read_the_parameters(stage: &Stage) {
    let author = stage.plane.client_as("author", &["system:authenticated"]);
    let roles = "/apis/rbac.authorization.k8s.io/v1/clusterroles";
    let grant = async |name: &str, group: &str, resources: Value, verbs: Value| {
        let rules = json!([{ "apiGroups": [group], "resources": resources, "verbs": verbs }]);
        create(&stage.client, roles, &json!({ "metadata": { "name": name }, "rules": rules })).await;
        let binding = json!({
            "metadata": { "name": name },
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name },
            "subjects": [{ "apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "author" }],
        });
        create(&stage.client, "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", &binding).await;
    };
    let kind = json!({ "apiVersion": "autoscaling.tailor.dev/v1alpha1", "kind": "VerticalResizePolicy" });
    let [policy, mut binding] = naive("authored", "'1'", "Ignore", Some(kind));
    binding["spec"]["paramRef"] = json!({ "selector": {}, "parameterNotFoundAction": "Allow" });
    let post = async |path: &str, object: &Value| send(&author, Method::POST, path, JSON, object).await;
    let admission = json!(["mutatingadmissionpolicies", "mutatingadmissionpolicybindings"]);
    grant("admission", "admissionregistration.k8s.io", admission, json!(["create"])).await;
    until("the author may write policies, and is refused for the parameters", async || {
        let (_, refusal) = post(POLICIES, &policy).await;
        refusal["message"]
            .as_str()
            .is_some_and(|message| message.contains("must have \"get\" permission on all objects"))
    })
    .await;
    grant("read", "autoscaling.tailor.dev", json!(["verticalresizepolicies"]), json!(["get"])).await;
    until("the author may write the policy", async || post(POLICIES, &policy).await.0 == 201).await;
    let (code, refusal) = post(BINDINGS, &binding).await;
    assert_eq!(code, 422, "a binding that selects needs \"list\": {refusal}");
    grant("list", "autoscaling.tailor.dev", json!(["verticalresizepolicies"]), json!(["list"])).await;
    until("the author may write the binding", async || post(BINDINGS, &binding).await.0 == 201).await;
}

/// `Fail` is no choice: without its definition no Pod is created, even where no binding applies.
pub async fn a_missing_parameter_kind_stops_all_pods_of_a_strict_policy(stage: &Stage) {
    let kind = json!({ "apiVersion": "autoscaling.tailor.dev/v1alpha1", "kind": "Missing" });
    let [policy, binding] = naive("lenient", "'9'", "Ignore", Some(kind.clone()));
    create(&stage.client, POLICIES, &policy).await;
    create(&stage.client, BINDINGS, &binding).await;
    let [policy, binding] = naive("strict", "'9'", "Fail", Some(kind));
    create(&stage.client, POLICIES, &policy).await;
    create(&stage.client, BINDINGS, &binding).await;
    let pod = pod("plain", "web", &json!([{ "name": "app", "image": "a" }]));
    until("the strict policy refuses a Pod that it has nothing to do with", async || {
        let (code, refusal) = stage.dry_run("plain", &pod).await;
        code == 403 && refusal["message"].as_str().unwrap().contains("failed to find resource referenced by paramKind")
    })
    .await;
    send(&stage.client, Method::DELETE, &format!("{POLICIES}/strict"), JSON, &Value::Null).await;
    until("only the lenient policy is left", async || stage.dry_run("plain", &pod).await.0 == 201).await;
}

/// A patch that replaces leaves alone what is not there; an apply configuration cannot.
pub async fn an_apply_configuration_adds_what_is_not_there(stage: &Stage) {
    stage.namespace("applied").await;
    let [mut policy, binding] = naive("applied", "''", "Ignore", None);
    let container =
        "Object.spec.containers{name: 'app', resources: Object.spec.containers.resources{requests: {'cpu': '750m'}}}";
    let expression = format!("Object{{spec: Object.spec{{containers: [{container}]}}}}");
    policy["spec"]["mutations"] =
        json!([{ "patchType": "ApplyConfiguration", "applyConfiguration": { "expression": expression } }]);
    create(&stage.client, POLICIES, &policy).await;
    create(&stage.client, BINDINGS, &binding).await;
    until("a request appears", async || {
        stage.size_of("applied", "web", &json!({})).await == json!({ "requests": { "cpu": "750m" } })
    })
    .await;
    let twice = json!([{ "name": "A", "value": "1" }, { "name": "A", "value": "2" }]);
    let repeated = pod("applied", "web", &json!([{ "name": "app", "image": "a", "env": twice }]));
    assert_eq!(stage.admitted("applied", &repeated).await["spec"]["containers"][0]["env"], twice);
    let other = pod("applied", "web", &json!([{ "name": "other", "image": "a" }]));
    let (code, refusal) = stage.dry_run("applied", &other).await;
    assert_eq!(code, 422, "a container without an image is added: {refusal}");
}

/// So what decides whether a policy applies cannot be shared with what it does.
pub async fn match_conditions_know_no_variables(stage: &Stage) {
    let [mut policy, _] = naive("conditional", "'1'", "Ignore", None);
    policy["spec"]["variables"] = json!([{ "name": "known", "expression": "true" }]);
    policy["spec"]["matchConditions"] = json!([{ "name": "known", "expression": "variables.known" }]);
    let (code, refusal) = send(&stage.client, Method::POST, POLICIES, JSON, &policy).await;
    assert_eq!(code, 422, "{refusal}");
    assert!(refusal["message"].as_str().unwrap().contains("undeclared reference to 'variables'"), "{refusal}");
}
