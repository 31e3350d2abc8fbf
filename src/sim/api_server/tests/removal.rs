use k8s_openapi::api::{apps::v1::ReplicaSet, core::v1::Namespace};
use kube::{
    ResourceExt,
    api::{DeleteParams, ListParams, Preconditions, PropagationPolicy},
};

use super::*;

fn owned(name: &str, owner: &ReplicaSet) -> Pod {
    let mut pod = pod(name);
    pod.metadata.owner_references = Some(vec![object(json!({
        "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": owner.name_any(), "uid": owner.metadata.uid,
    }))]);
    pod
}

async fn replica_set(client: &Client) -> (Api<ReplicaSet>, ReplicaSet) {
    let api: Api<ReplicaSet> = Api::namespaced(client.clone(), "default");
    let wish = object(json!({
        "metadata": { "name": "web" },
        "spec": { "selector": { "matchLabels": { "app": "web" } }, "template": {
            "metadata": { "labels": { "app": "web" } },
            "spec": { "containers": [{ "name": "main", "image": "web:1" }] },
        } },
    }));
    let made = api.create(&PostParams::default(), &wish).await.unwrap();
    (api, made)
}

#[tokio::test]
async fn a_bound_pod_stays_until_its_kubelet_lets_it_go() {
    let client = server().client("user");
    create_node(&client, "n1").await;
    pods(&client).create(&PostParams::default(), &pod("web")).await.unwrap();
    bind(&client, "web", "n1").await;
    pods(&client).delete("web", &DeleteParams::default()).await.unwrap();
    let dying = pods(&client).get("web").await.unwrap();
    assert_eq!(dying.metadata.deletion_grace_period_seconds, Some(30));
    assert_eq!(dying.metadata.deletion_timestamp.unwrap().0.to_string(), "2026-01-01T00:00:30Z");
    assert_eq!(dying.metadata.generation, Some(2));
    pods(&client).delete("web", &DeleteParams::default().grace_period(0)).await.unwrap();
    assert_eq!(pods(&client).get_opt("web").await.unwrap(), None);
}

#[tokio::test]
async fn an_unbound_pod_goes_at_once() {
    let client = server().client("user");
    pods(&client).create(&PostParams::default(), &pod("web")).await.unwrap();
    pods(&client).delete("web", &DeleteParams::default()).await.unwrap();
    assert_eq!(refusal(pods(&client).get("web").await).message, "pods \"web\" not found");
}

#[tokio::test]
async fn finalizers_hold_an_object() {
    let client = server().client("user");
    let mut wish = map("a", &json!({}));
    wish.metadata.finalizers = Some(vec!["example.com/hold".into()]);
    maps(&client).create(&PostParams::default(), &wish).await.unwrap();
    maps(&client).delete("a", &DeleteParams::default()).await.unwrap();
    assert!(maps(&client).get("a").await.unwrap().metadata.deletion_timestamp.is_some());
    merge(&maps(&client), "a", json!({ "metadata": { "finalizers": null } })).await.unwrap();
    assert_eq!(maps(&client).get_opt("a").await.unwrap(), None);
}

#[tokio::test]
async fn preconditions_must_hold() {
    let client = server().client("user");
    let made = maps(&client).create(&PostParams::default(), &map("a", &json!({}))).await.unwrap();
    let only = |uid: &str| DeleteParams {
        preconditions: Some(Preconditions { uid: Some(uid.into()), resource_version: None }),
        ..DeleteParams::default()
    };
    assert_eq!(refusal(maps(&client).delete("a", &only("other")).await).code, 409);
    let gone = maps(&client).delete("a", &only(made.metadata.uid.as_deref().unwrap())).await.unwrap();
    assert!(gone.right().unwrap().is_success());
}

#[tokio::test]
async fn dependents_go_with_their_owner() {
    let client = server().client("user");
    let (sets, set) = replica_set(&client).await;
    create_node(&client, "n1").await;
    for name in ["bound", "waiting"] {
        pods(&client).create(&PostParams::default(), &owned(name, &set)).await.unwrap();
    }
    bind(&client, "bound", "n1").await;
    sets.delete("web", &DeleteParams::default()).await.unwrap();
    let left = pods(&client).list(&ListParams::default()).await.unwrap();
    assert_eq!(left.iter().map(ResourceExt::name_any).collect::<Vec<_>>(), ["bound"]);
    assert!(left.items[0].metadata.deletion_timestamp.is_some(), "it is given its time to stop");
}

#[tokio::test]
async fn an_owner_deleted_in_the_foreground_goes_last() {
    let client = server().client("user");
    let (sets, set) = replica_set(&client).await;
    create_node(&client, "n1").await;
    pods(&client).create(&PostParams::default(), &owned("bound", &set)).await.unwrap();
    bind(&client, "bound", "n1").await;
    sets.delete("web", &DeleteParams::foreground()).await.unwrap();
    assert_eq!(sets.get("web").await.unwrap().finalizers(), ["foregroundDeletion"]);
    pods(&client).delete("bound", &DeleteParams::default().grace_period(0)).await.unwrap();
    assert_eq!(sets.get_opt("web").await.unwrap(), None);
}

#[tokio::test]
async fn orphans_outlive_their_owner() {
    let client = server().client("user");
    let (sets, set) = replica_set(&client).await;
    pods(&client).create(&PostParams::default(), &owned("left", &set)).await.unwrap();
    let orphan = DeleteParams { propagation_policy: Some(PropagationPolicy::Orphan), ..DeleteParams::default() };
    sets.delete("web", &orphan).await.unwrap();
    assert_eq!(pods(&client).get("left").await.unwrap().metadata.owner_references, None);
}

#[tokio::test]
async fn an_object_whose_owner_is_gone_is_collected() {
    let client = server().client("user");
    let (sets, set) = replica_set(&client).await;
    sets.delete("web", &DeleteParams::default()).await.unwrap();
    pods(&client).create(&PostParams::default(), &owned("late", &set)).await.unwrap();
    assert_eq!(pods(&client).get_opt("late").await.unwrap(), None);
}

#[tokio::test]
async fn a_namespace_goes_when_it_is_empty() {
    let client = server().client("user");
    let spaces: Api<Namespace> = Api::all(client.clone());
    let space = object(json!({ "metadata": { "name": "shop" } }));
    let made = spaces.create(&PostParams::default(), &space).await.unwrap();
    assert_eq!(made.status.unwrap().phase.as_deref(), Some("Active"));
    let inside: Api<ConfigMap> = Api::namespaced(client.clone(), "shop");
    let mut held = map("held", &json!({}));
    held.metadata.finalizers = Some(vec!["example.com/hold".into()]);
    inside.create(&PostParams::default(), &held).await.unwrap();
    inside.create(&PostParams::default(), &map("free", &json!({}))).await.unwrap();
    spaces.delete("shop", &DeleteParams::default()).await.unwrap();
    assert_eq!(inside.get_opt("free").await.unwrap(), None);
    assert_eq!(refusal(inside.create(&PostParams::default(), &map("new", &json!({}))).await).code, 403);
    merge(&inside, "held", json!({ "metadata": { "finalizers": [] } })).await.unwrap();
    assert_eq!(spaces.get_opt("shop").await.unwrap(), None);
}

#[tokio::test]
async fn collections_are_deleted_as_selected() {
    let client = server().client("user");
    for (name, tier) in [("a", "front"), ("b", "back"), ("c", "front")] {
        let mut wish = map(name, &json!({}));
        wish.metadata.labels = Some([("tier".to_owned(), tier.to_owned())].into());
        maps(&client).create(&PostParams::default(), &wish).await.unwrap();
    }
    let params = ListParams::default().labels("tier=front");
    maps(&client).delete_collection(&DeleteParams::default(), &params).await.unwrap();
    let left = maps(&client).list(&ListParams::default()).await.unwrap();
    assert_eq!(left.iter().map(ResourceExt::name_any).collect::<Vec<_>>(), ["b"]);
}

#[tokio::test(start_paused = true)]
async fn a_second_deletion_only_shortens_the_first() {
    let client = server().client("user");
    create_node(&client, "n1").await;
    pods(&client).create(&PostParams::default(), &pod("web")).await.unwrap();
    bind(&client, "web", "n1").await;
    let delete = async |seconds: u32| {
        pods(&client).delete("web", &DeleteParams::default().grace_period(seconds)).await.unwrap();
        let metadata = pods(&client).get("web").await.unwrap().metadata;
        (metadata.deletion_timestamp.unwrap().0.to_string(), metadata.deletion_grace_period_seconds.unwrap())
    };
    assert_eq!(delete(20).await, ("2026-01-01T00:00:20Z".into(), 20));
    tokio::time::sleep(std::time::Duration::from_secs(8)).await;
    assert_eq!(delete(60).await, ("2026-01-01T00:00:20Z".into(), 20));
    assert_eq!(delete(10).await, ("2026-01-01T00:00:10Z".into(), 10));
    assert_eq!(delete(5).await, ("2026-01-01T00:00:08Z".into(), 1), "never in the past");
}

#[tokio::test]
async fn a_deleted_object_takes_no_new_finalizers() {
    let client = server().client("user");
    let mut wish = map("a", &json!({}));
    wish.metadata.finalizers = Some(vec!["example.com/hold".into()]);
    maps(&client).create(&PostParams::default(), &wish).await.unwrap();
    maps(&client).delete("a", &DeleteParams::default()).await.unwrap();
    let more = json!({ "metadata": { "finalizers": ["example.com/hold", "example.com/more"] } });
    assert_eq!(refusal(merge(&maps(&client), "a", more).await).code, 422);
}

#[tokio::test(start_paused = true)]
async fn a_stopped_pod_with_a_finalizer_waits_for_that_alone() {
    let client = server().client("user");
    create_node(&client, "n1").await;
    let mut wish = pod("web");
    wish.metadata.finalizers = Some(vec!["example.com/hold".into()]);
    pods(&client).create(&PostParams::default(), &wish).await.unwrap();
    bind(&client, "web", "n1").await;
    pods(&client).delete("web", &DeleteParams::default()).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_secs(9)).await;
    pods(&client).delete("web", &DeleteParams::default().grace_period(0)).await.unwrap();
    assert_eq!(pods(&client).get("web").await.unwrap().metadata.deletion_grace_period_seconds, Some(0));
    let free = Patch::Merge(json!({ "metadata": { "finalizers": null } }));
    pods(&client).patch("web", &PatchParams::default(), &free).await.unwrap();
    assert_eq!(pods(&client).get_opt("web").await.unwrap(), None);
}
