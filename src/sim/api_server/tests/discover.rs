use kube::discovery::{Discovery, Scope, pinned_kind};

use super::*;

async fn kinds(discovery: &Discovery) -> Vec<String> {
    let mut found = Vec::new();
    for group in discovery.groups() {
        for (resource, capabilities) in group.recommended_resources() {
            let mut parts: Vec<&str> = capabilities.subresources.iter().map(|(part, _)| part.plural.as_str()).collect();
            parts.sort_unstable();
            let scope = if capabilities.scope == Scope::Namespaced { "namespaced" } else { "cluster" };
            found.push(format!("{}/{} {scope} {}", resource.api_version, resource.kind, parts.join(" ")));
        }
    }
    found.sort();
    found
}

#[tokio::test]
async fn discovery_finds_kinds_and_their_subresources() {
    let client = server().client("user");
    let found = kinds(&Discovery::new(client).run().await.unwrap()).await;
    assert!(found.contains(&"v1/Pod namespaced binding eviction resize status".to_owned()), "{found:#?}");
    assert!(found.contains(&"v1/Node cluster status".to_owned()), "{found:#?}");
    assert!(found.contains(&"apps/v1/Deployment namespaced scale status".to_owned()), "{found:#?}");
}

#[tokio::test]
async fn both_forms_of_discovery_agree() {
    let client = server().client("user");
    let plain = kinds(&Discovery::new(client.clone()).run().await.unwrap()).await;
    let aggregated = kinds(&Discovery::new(client).run_aggregated().await.unwrap()).await;
    assert_eq!(plain, aggregated);
}

#[tokio::test]
async fn a_kind_can_be_pinned() {
    let client = server().client("user");
    let gvk = kube::api::GroupVersionKind::gvk("policy", "v1", "PodDisruptionBudget");
    assert_eq!(pinned_kind(&client, &gvk).await.unwrap().0.plural, "poddisruptionbudgets");
}

#[tokio::test]
async fn the_version_is_told() {
    let client = server().client("user");
    assert_eq!(client.apiserver_version().await.unwrap().git_version, "v1.37.2");
    let row = get(&client, "/api/v1").await["resources"].as_array().unwrap().clone();
    let pods = row.iter().find(|row| row["name"] == "pods").unwrap();
    assert_eq!(pods["shortNames"], json!(["po"]));
}

#[tokio::test]
async fn groups_that_are_not_served_are_not_found() {
    let client = server().client("user");
    for path in ["/apis/example.com", "/apis/example.com/v1", "/apis/apps/v2", "/nothing"] {
        assert_eq!(send(&client, "GET", path, "", "").await.0, 404, "{path}");
    }
}
