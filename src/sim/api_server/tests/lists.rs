use kube::{
    ResourceExt,
    api::{DeleteParams, ListParams},
};
use rstest::rstest;

use super::*;

async fn filled(history: usize) -> Client {
    let client = server_with(1, history).client("user");
    for name in ["a", "b", "c", "d", "e"] {
        maps(&client).create(&PostParams::default(), &map(name, &json!({}))).await.unwrap();
    }
    client
}

fn names(list: &kube::core::ObjectList<ConfigMap>) -> Vec<String> {
    list.iter().map(ResourceExt::name_any).collect()
}

#[tokio::test]
async fn pages_show_the_state_of_the_first_page() {
    let client = filled(HISTORY).await;
    let first = maps(&client).list(&ListParams::default().limit(2)).await.unwrap();
    assert_eq!((names(&first), first.metadata.remaining_item_count), (vec!["a".into(), "b".into()], Some(3)));
    maps(&client).delete("c", &DeleteParams::default()).await.unwrap();
    maps(&client).create(&PostParams::default(), &map("bb", &json!({}))).await.unwrap();
    let token = first.metadata.continue_.unwrap();
    let rest = maps(&client).list(&ListParams::default().continue_token(&token)).await.unwrap();
    assert_eq!(names(&rest), ["c", "d", "e"]);
    assert_eq!((rest.metadata.continue_, rest.metadata.resource_version), (None, first.metadata.resource_version));
}

#[tokio::test]
async fn a_page_that_continues_a_forgotten_version_is_expired() {
    let client = filled(2).await;
    let first = maps(&client).list(&ListParams::default().limit(2)).await.unwrap();
    for name in ["f", "g", "h"] {
        maps(&client).create(&PostParams::default(), &map(name, &json!({}))).await.unwrap();
    }
    let token = first.metadata.continue_.unwrap();
    let status = refusal(maps(&client).list(&ListParams::default().continue_token(&token)).await);
    assert_eq!((status.code, status.reason.as_str()), (410, "Expired"));
}

#[tokio::test]
async fn lists_of_built_in_kinds_have_items_without_type() {
    let client = filled(HISTORY).await;
    let list = get(&client, "/api/v1/namespaces/default/configmaps").await;
    assert_eq!((list["kind"].as_str(), list["apiVersion"].as_str()), (Some("ConfigMapList"), Some("v1")));
    assert_eq!((&list["items"][0]["kind"], list["items"].as_array().unwrap().len()), (&Value::Null, 5));
}

#[rstest]
#[case::by_name("fieldSelector=metadata.name%3Db", &["b"])]
#[case::all_but_one("fieldSelector=metadata.name!%3Db,metadata.namespace%3Ddefault", &["a", "c", "d", "e"])]
#[case::other_namespace("fieldSelector=metadata.namespace%3Dother", &[])]
#[tokio::test]
async fn field_selectors_select(#[case] query: &str, #[case] expected: &[&str]) {
    let client = filled(HISTORY).await;
    let list = get(&client, &format!("/api/v1/configmaps?{query}")).await;
    let names: Vec<&str> =
        list["items"].as_array().unwrap().iter().map(|item| item["metadata"]["name"].as_str().unwrap()).collect();
    assert_eq!(names, expected);
}

#[tokio::test]
async fn pods_are_selected_by_node_and_phase() {
    let client = server().client("user");
    create_node(&client, "n1").await;
    for name in ["one", "two"] {
        pods(&client).create(&PostParams::default(), &pod(name)).await.unwrap();
    }
    bind(&client, "two", "n1").await;
    let bound =
        pods(&client).list(&ListParams::default().fields("spec.nodeName=n1,status.phase=Pending")).await.unwrap();
    assert_eq!(bound.iter().map(ResourceExt::name_any).collect::<Vec<_>>(), ["two"]);
    let unbound = pods(&client).list(&ListParams::default().fields("spec.nodeName=")).await.unwrap();
    assert_eq!(unbound.iter().map(ResourceExt::name_any).collect::<Vec<_>>(), ["one"]);
    let status = refusal(pods(&client).list(&ListParams::default().fields("spec.hue=red")).await);
    assert_eq!((status.code, status.message.as_str()), (400, "field label not supported: spec.hue"));
}

#[tokio::test]
async fn a_version_from_the_future_is_a_timeout() {
    let client = filled(HISTORY).await;
    let (code, status) = send(&client, "GET", "/api/v1/configmaps?resourceVersion=999999", "", "").await;
    assert_eq!((code, status["reason"].as_str()), (504, Some("Timeout")));
}

#[tokio::test]
async fn an_exact_version_lists_the_past() {
    let client = filled(HISTORY).await;
    let version = maps(&client).get("c").await.unwrap().metadata.resource_version.unwrap();
    maps(&client).delete("a", &DeleteParams::default()).await.unwrap();
    let list = get(&client, &format!("/api/v1/configmaps?resourceVersion={version}&resourceVersionMatch=Exact")).await;
    assert_eq!(list["items"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn equal_seeds_give_equal_bytes() {
    async fn bytes(seed: u64) -> String {
        let client = server_with(seed, HISTORY).client("user");
        for _ in 0..3 {
            let wish: ConfigMap = object(json!({ "metadata": { "generateName": "a-" } }));
            maps(&client).create(&PostParams::default(), &wish).await.unwrap();
        }
        get(&client, "/api/v1/configmaps").await.to_string()
    }
    assert_eq!(bytes(7).await, bytes(7).await);
    assert_ne!(bytes(7).await, bytes(8).await);
}
