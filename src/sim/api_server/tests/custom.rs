use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{
    api::{ApiResource, DeleteParams, DynamicObject, GroupVersionKind, ListParams},
    runtime::{conditions::is_crd_established, wait::await_condition},
};

use super::*;

fn definition() -> CustomResourceDefinition {
    let note =
        json!({ "type": "object", "properties": { "name": { "type": "string" }, "text": { "type": "string" } } });
    object(json!({
        "metadata": { "name": "wishes.example.com" },
        "spec": {
            "group": "example.com",
            "scope": "Namespaced",
            "names": { "plural": "wishes", "kind": "Wish", "shortNames": ["ws"] },
            "versions": [{
                "name": "v1", "served": true, "storage": true,
                "subresources": {
                    "status": {},
                    "scale": { "specReplicasPath": ".spec.count", "statusReplicasPath": ".status.count" },
                },
                "schema": { "openAPIV3Schema": {
                    "type": "object",
                    "properties": {
                        "spec": { "type": "object", "properties": {
                            "count": { "type": "integer" },
                            "notes": {
                                "type": "array", "items": note,
                                "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"],
                            },
                        } },
                        "status": { "type": "object", "properties": { "count": { "type": "integer" } } },
                    },
                } },
            }],
        },
    }))
}

async fn defined() -> (Client, Api<DynamicObject>) {
    let client = server().client("user");
    definitions(&client).create(&PostParams::default(), &definition()).await.unwrap();
    let kind = ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk("example.com", "v1", "Wish"), "wishes");
    let api = Api::namespaced_with(client.clone(), "default", &kind);
    (client, api)
}

fn definitions(client: &Client) -> Api<CustomResourceDefinition> {
    Api::all(client.clone())
}

fn wish(spec: &Value) -> DynamicObject {
    object(json!({ "apiVersion": "example.com/v1", "kind": "Wish", "metadata": { "name": "a" }, "spec": spec }))
}

#[tokio::test]
async fn a_definition_is_established_and_served() {
    let (client, wishes) = defined().await;
    await_condition(definitions(&client), "wishes.example.com", is_crd_established()).await.unwrap();
    let made = wishes.create(&PostParams::default(), &wish(&json!({ "count": 1 }))).await.unwrap();
    assert_eq!(made.metadata.generation, Some(1));
    let listed = wishes.list(&ListParams::default()).await.unwrap();
    assert_eq!(listed.items[0].types.as_ref().unwrap().kind, "Wish");
}

#[tokio::test]
async fn what_is_not_defined_is_not_found() {
    let client = server().client("user");
    let (code, _) = send(&client, "GET", "/apis/example.com/v1/wishes", "", "").await;
    assert_eq!(code, 404);
}

#[tokio::test]
async fn a_definition_must_be_named_after_its_resource() {
    let client = server().client("user");
    let mut wrong = definition();
    wrong.metadata.name = Some("wishes.example.org".into());
    assert_eq!(refusal(definitions(&client).create(&PostParams::default(), &wrong).await).code, 422);
}

#[tokio::test]
async fn custom_status_and_scale_are_written_apart() {
    let (_, wishes) = defined().await;
    wishes.create(&PostParams::default(), &wish(&json!({ "count": 1 }))).await.unwrap();
    let both = Patch::Merge(json!({ "spec": { "count": 9 }, "status": { "count": 3 } }));
    let new = wishes.patch_status("a", &PatchParams::default(), &both).await.unwrap();
    assert_eq!((&new.data["spec"]["count"], &new.data["status"]["count"]), (&json!(1), &json!(3)));
    assert_eq!(new.metadata.generation, Some(1));
    let scale = wishes.get_scale("a").await.unwrap();
    assert_eq!((scale.spec.unwrap().replicas, scale.status.unwrap().replicas), (Some(1), 3));
    let patch = Patch::Merge(json!({ "spec": { "replicas": 5 } }));
    wishes.patch_scale("a", &PatchParams::default(), &patch).await.unwrap();
    assert_eq!(wishes.get("a").await.unwrap().data["spec"]["count"], 5);
}

#[tokio::test]
async fn an_update_of_a_custom_object_must_name_its_version() {
    let (_, wishes) = defined().await;
    wishes.create(&PostParams::default(), &wish(&json!({ "count": 1 }))).await.unwrap();
    let status = refusal(wishes.replace("a", &PostParams::default(), &wish(&json!({ "count": 2 }))).await);
    assert!(status.message.contains("must be specified for an update"), "{}", status.message);
}

#[tokio::test]
async fn lists_of_custom_objects_merge_as_their_schema_says() {
    let (_, wishes) = defined().await;
    let note = |name: &str| json!({ "notes": [{ "name": name, "text": "x" }] });
    for manager in ["one", "two"] {
        wishes.patch("a", &PatchParams::apply(manager), &Patch::Apply(wish(&note(manager)))).await.unwrap();
    }
    assert_eq!(wishes.get("a").await.unwrap().data["spec"]["notes"].as_array().unwrap().len(), 2);
    let left = wishes.patch("a", &PatchParams::apply("one"), &Patch::Apply(wish(&json!({})))).await.unwrap();
    assert_eq!(left.data["spec"]["notes"], json!([{ "name": "two", "text": "x" }]));
}

#[tokio::test]
async fn custom_objects_take_no_strategic_patches() {
    let (_, wishes) = defined().await;
    wishes.create(&PostParams::default(), &wish(&json!({}))).await.unwrap();
    let patch = Patch::Strategic(json!({ "spec": { "count": 2 } }));
    assert_eq!(refusal(wishes.patch("a", &PatchParams::default(), &patch).await).code, 415);
}

#[tokio::test]
async fn custom_objects_go_with_their_definition() {
    let (client, wishes) = defined().await;
    wishes.create(&PostParams::default(), &wish(&json!({}))).await.unwrap();
    definitions(&client).delete("wishes.example.com", &DeleteParams::default()).await.unwrap();
    assert_eq!(refusal(wishes.get("a").await).code, 404);
    definitions(&client).create(&PostParams::default(), &definition()).await.unwrap();
    assert_eq!(wishes.get_opt("a").await.unwrap(), None);
}
