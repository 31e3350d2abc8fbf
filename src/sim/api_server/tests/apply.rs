use super::*;

fn wish(data: &Value) -> Patch<Value> {
    Patch::Apply(json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "a" }, "data": data }))
}

async fn apply(api: &Api<ConfigMap>, manager: &str, data: Value) -> kube::Result<ConfigMap> {
    api.patch("a", &PatchParams::apply(manager), &wish(&data)).await
}

#[tokio::test]
async fn apply_makes_what_is_missing() {
    let client = server().client("user");
    let made = apply(&maps(&client), "one", json!({ "k": "1" })).await.unwrap();
    let entry = &made.metadata.managed_fields.unwrap()[0];
    assert_eq!((entry.manager.as_deref(), entry.operation.as_deref()), (Some("one"), Some("Apply")));
    assert_eq!(entry.fields_v1.as_ref().unwrap().0, json!({ "f:data": { "f:k": {} } }));
}

#[tokio::test]
async fn what_a_manager_stops_applying_goes_unless_another_owns_it() {
    let client = server().client("user");
    apply(&maps(&client), "one", json!({ "mine": "1", "shared": "1" })).await.unwrap();
    apply(&maps(&client), "two", json!({ "shared": "1" })).await.unwrap();
    let left = apply(&maps(&client), "one", json!({ "new": "1" })).await.unwrap();
    assert_eq!(serde_json::to_value(left.data).unwrap(), json!({ "new": "1", "shared": "1" }));
}

#[tokio::test]
async fn a_field_of_another_manager_conflicts_unless_forced() {
    let client = server().client("user");
    apply(&maps(&client), "one", json!({ "k": "1" })).await.unwrap();
    let status = refusal(apply(&maps(&client), "two", json!({ "k": "2" })).await);
    assert_eq!((status.code, status.reason.as_str()), (409, "Conflict"));
    assert_eq!(status.message, "Apply failed with 1 conflict: conflict with \"one\": .data.k");
    let cause = &status.details.unwrap().causes[0];
    assert_eq!((cause.reason.as_str(), cause.field.as_str()), ("FieldManagerConflict", ".data.k"));

    let forced = PatchParams::apply("two").force();
    let new = maps(&client).patch("a", &forced, &wish(&json!({ "k": "2" }))).await.unwrap();
    let owners: Vec<String> =
        new.metadata.managed_fields.unwrap().into_iter().filter_map(|entry| entry.manager).collect();
    assert_eq!(owners, ["two"], "who lost its last field is no manager");
}

#[tokio::test]
async fn fields_set_by_other_writes_are_owned_too() {
    let client = server().client("someone");
    apply(&maps(&client), "one", json!({ "k": "1" })).await.unwrap();
    merge(&maps(&client), "a", json!({ "data": { "k": "2" } })).await.unwrap();
    let status = refusal(apply(&maps(&client), "one", json!({ "k": "1" })).await);
    assert!(status.message.contains("conflict with \"someone\" using v1"), "{}", status.message);
}

#[tokio::test]
async fn applying_the_same_again_changes_nothing() {
    let server = server();
    let client = server.client("user");
    let one = apply(&maps(&client), "one", json!({ "k": "1" })).await.unwrap();
    let two = apply(&maps(&client), "one", json!({ "k": "1" })).await.unwrap();
    assert_eq!(one, two);
    assert_eq!(server.writes().values().sum::<u64>(), 1);
}

#[tokio::test]
async fn apply_needs_a_manager_and_a_type() {
    let client = server().client("user");
    let path = "/api/v1/namespaces/default/configmaps/a";
    let yaml = "apiVersion: v1\nkind: ConfigMap\n";
    let (code, status) = send(&client, "PATCH", path, "application/apply-patch+yaml", yaml).await;
    assert_eq!(code, 422);
    assert!(status["message"].as_str().unwrap().contains("fieldManager: Required value"), "{status}");
    let (code, _) =
        send(&client, "PATCH", &format!("{path}?fieldManager=x"), "application/apply-patch+yaml", "data: {}").await;
    assert_eq!(code, 400);
}

#[tokio::test]
async fn items_of_keyed_lists_are_owned_one_by_one() {
    let client = server().client("user");
    let wish = |containers: Value| {
        Patch::Apply(json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "web" },
            "spec": {
                "selector": { "matchLabels": { "app": "web" } },
                "template": { "metadata": { "labels": { "app": "web" } }, "spec": { "containers": containers } },
            },
        }))
    };
    let api: Api<k8s_openapi::api::apps::v1::Deployment> = Api::namespaced(client, "default");
    let main = json!({ "name": "main", "image": "web:1" });
    let side = json!({ "name": "side", "image": "log:1" });
    api.patch("web", &PatchParams::apply("one"), &wish(json!([main]))).await.unwrap();
    api.patch("web", &PatchParams::apply("two"), &wish(json!([side]))).await.unwrap();
    let left = api.patch("web", &PatchParams::apply("two"), &wish(json!([main]))).await.unwrap();
    let containers = left.spec.template.spec.unwrap().containers;
    let names: Vec<&str> = containers.iter().map(|container| container.name.as_str()).collect();
    assert_eq!(names, ["main"], "the container that `two` brought goes with its wish");
}

#[tokio::test]
async fn an_applied_status_leaves_the_rest_alone() {
    let client = server().client("kubelet");
    pods(&client).create(&PostParams::default(), &pod("web")).await.unwrap();
    let status = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "web", "finalizers": ["example.com/hold"] },
        "spec": { "nodeName": "elsewhere" },
        "status": { "phase": "Running", "conditions": [{ "type": "Ready", "status": "True" }] },
    });
    let params = PatchParams::apply("kubelet").force();
    let new = pods(&client).patch_status("web", &params, &Patch::Apply(status)).await.unwrap();
    assert_eq!(new.status.unwrap().phase.as_deref(), Some("Running"));
    assert_eq!((new.spec.unwrap().node_name, new.metadata.finalizers), (None, None));
    let managers = new.metadata.managed_fields.unwrap();
    let entry = managers.iter().find(|entry| entry.operation.as_deref() == Some("Apply")).unwrap();
    assert_eq!(entry.subresource.as_deref(), Some("status"));
}
