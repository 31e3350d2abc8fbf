use k8s_openapi::api::apps::v1::Deployment;
use rstest::rstest;

use super::*;

#[tokio::test]
async fn a_created_object_gets_uid_version_and_time() {
    let client = server().client("user");
    let made = maps(&client).create(&PostParams::default(), &map("a", &json!({ "k": "1" }))).await.unwrap();
    assert_eq!(made.metadata.uid.as_deref().map(str::len), Some(36));
    assert_eq!(made.metadata.creation_timestamp.unwrap().0.to_string(), "2026-01-01T00:00:00Z");
    assert!(made.metadata.resource_version.unwrap().parse::<u64>().unwrap() > 1);
    assert_eq!(made.metadata.generation, None, "ConfigMaps have no generation");
}

#[tokio::test]
async fn generated_names_extend_the_prefix() {
    let client = server().client("user");
    let wish: ConfigMap = object(json!({ "metadata": { "generateName": "web-" } }));
    let one = maps(&client).create(&PostParams::default(), &wish).await.unwrap().metadata.name.unwrap();
    let two = maps(&client).create(&PostParams::default(), &wish).await.unwrap().metadata.name.unwrap();
    assert!(one.starts_with("web-") && one.len() == 9 && one != two, "{one} {two}");
}

#[tokio::test]
async fn a_taken_name_is_already_exists() {
    let client = server().client("user");
    maps(&client).create(&PostParams::default(), &map("a", &json!({}))).await.unwrap();
    let status = refusal(maps(&client).create(&PostParams::default(), &map("a", &json!({}))).await);
    assert_eq!((status.code, status.reason.as_str()), (409, "AlreadyExists"));
    assert_eq!(status.message, "configmaps \"a\" already exists");
}

#[rstest]
#[case::upper_case("Web")]
#[case::underscore("a_b")]
#[case::leading_dash("-a")]
#[case::empty_part("a..b")]
#[case::missing("")]
#[tokio::test]
async fn impossible_names_are_invalid(#[case] name: &str) {
    let client = server().client("user");
    let status = refusal(maps(&client).create(&PostParams::default(), &map(name, &json!({}))).await);
    assert_eq!((status.code, status.reason.as_str()), (422, "Invalid"));
    assert_eq!(status.details.unwrap().causes[0].field, "metadata.name");
}

#[tokio::test]
async fn a_namespace_that_does_not_exist_is_not_found() {
    let client = server().client("user");
    let api: Api<ConfigMap> = Api::namespaced(client, "nowhere");
    let status = refusal(api.create(&PostParams::default(), &map("a", &json!({}))).await);
    assert_eq!((status.code, status.message.as_str()), (404, "namespaces \"nowhere\" not found"));
}

#[tokio::test]
async fn an_update_from_an_old_version_conflicts() {
    let client = server().client("user");
    let old = maps(&client).create(&PostParams::default(), &map("a", &json!({ "k": "1" }))).await.unwrap();
    merge(&maps(&client), "a", json!({ "data": { "k": "2" } })).await.unwrap();
    let status = refusal(maps(&client).replace("a", &PostParams::default(), &old).await);
    assert_eq!((status.code, status.reason.as_str()), (409, "Conflict"));
    let stale = json!({ "metadata": { "resourceVersion": old.metadata.resource_version }, "data": { "k": "3" } });
    assert_eq!(refusal(merge(&maps(&client), "a", stale).await).code, 409);
}

#[tokio::test]
async fn system_metadata_cannot_be_changed() {
    let client = server().client("user");
    let old = maps(&client).create(&PostParams::default(), &map("a", &json!({}))).await.unwrap();
    let wish = json!({ "metadata": { "creationTimestamp": "2000-01-01T00:00:00Z", "labels": { "a": "b" } } });
    let new = merge(&maps(&client), "a", wish).await.unwrap();
    assert_eq!(new.metadata.creation_timestamp, old.metadata.creation_timestamp);
    assert_eq!(new.metadata.labels.unwrap()["a"], "b");
    let other = json!({ "metadata": { "uid": "00000000-0000-0000-0000-000000000000" } });
    assert!(refusal(merge(&maps(&client), "a", other).await).message.contains("metadata.uid: Invalid value"));
}

#[tokio::test]
async fn generation_counts_changes_of_the_spec_only() {
    let client = server().client("user");
    let api: Api<Deployment> = Api::namespaced(client, "default");
    let made = api.create(&PostParams::default(), &deployment("web")).await.unwrap();
    assert_eq!(made.metadata.generation, Some(1));
    assert_eq!(made.spec.replicas, Some(2));
    let params = PatchParams::default();
    let labelled = Patch::Merge(json!({ "metadata": { "labels": { "a": "b" } } }));
    assert_eq!(api.patch("web", &params, &labelled).await.unwrap().metadata.generation, Some(1));
    let scaled = Patch::Merge(json!({ "spec": { "replicas": 3 } }));
    assert_eq!(api.patch("web", &params, &scaled).await.unwrap().metadata.generation, Some(2));
}

#[tokio::test]
async fn status_and_spec_are_written_apart() {
    let client = server().client("user");
    let api: Api<Deployment> = Api::namespaced(client, "default");
    api.create(&PostParams::default(), &deployment("web")).await.unwrap();
    let both = Patch::Merge(json!({ "spec": { "replicas": 5 }, "status": { "replicas": 4 } }));
    let main = api.patch("web", &PatchParams::default(), &both).await.unwrap();
    assert_eq!((main.spec.replicas, main.status.and_then(|status| status.replicas)), (Some(5), None));
    let both = Patch::Merge(json!({ "spec": { "replicas": 6 }, "status": { "replicas": 4 } }));
    let status = api.patch_status("web", &PatchParams::default(), &both).await.unwrap();
    assert_eq!((status.spec.replicas, status.status.unwrap().replicas), (Some(5), Some(4)));
    assert_eq!(status.metadata.generation, Some(2), "a status is no wish");
}

#[tokio::test]
async fn the_scale_of_a_deployment_is_its_replicas() {
    let client = server().client("user");
    let api: Api<Deployment> = Api::namespaced(client, "default");
    api.create(&PostParams::default(), &deployment("web")).await.unwrap();
    let scale = api.get_scale("web").await.unwrap();
    assert_eq!((scale.spec.unwrap().replicas, scale.status.unwrap().selector), (Some(2), Some("app=web".into())));
    let patch = Patch::Merge(json!({ "spec": { "replicas": 7 } }));
    assert_eq!(api.patch_scale("web", &PatchParams::default(), &patch).await.unwrap().spec.unwrap().replicas, Some(7));
    assert_eq!(api.get("web").await.unwrap().spec.replicas, Some(7));
}

#[tokio::test]
async fn a_write_that_changes_nothing_keeps_the_version_and_counts_as_no_write() {
    let server = server();
    let client = server.client("user");
    let made = maps(&client).create(&PostParams::default(), &map("a", &json!({ "k": "1" }))).await.unwrap();
    let same = merge(&maps(&client), "a", json!({ "data": { "k": "1" } })).await.unwrap();
    assert_eq!(same.metadata.resource_version, made.metadata.resource_version);
    let count = |counts: std::collections::BTreeMap<super::super::WriteKey, u64>| -> Vec<(&'static str, u64)> {
        counts.into_iter().map(|(key, count)| (key.verb, count)).collect()
    };
    assert_eq!(count(server.writes()), [("create", 1)]);
    assert_eq!(count(server.requests()), [("create", 1), ("patch", 1)]);
}

#[tokio::test]
async fn dry_runs_store_nothing() {
    let client = server().client("user");
    let dry = PostParams { dry_run: true, ..PostParams::default() };
    assert!(maps(&client).create(&dry, &map("a", &json!({}))).await.unwrap().metadata.uid.is_some());
    assert_eq!(maps(&client).get_opt("a").await.unwrap(), None);
    maps(&client).create(&PostParams::default(), &map("a", &json!({ "k": "1" }))).await.unwrap();
    let patch = Patch::Merge(json!({ "data": { "k": "2" } }));
    let shown = maps(&client).patch("a", &PatchParams::default().dry_run(), &patch).await.unwrap();
    assert_eq!(shown.data.unwrap()["k"], "2");
    assert_eq!(maps(&client).get("a").await.unwrap().data.unwrap()["k"], "1");
}

#[tokio::test]
async fn json_patches_apply_and_failing_tests_are_invalid() {
    let client = server().client("user");
    maps(&client).create(&PostParams::default(), &map("a", &json!({ "k": "1" }))).await.unwrap();
    let patch = |value: Value| Patch::<()>::Json(serde_json::from_value(value).unwrap());
    let good = patch(json!([{ "op": "replace", "path": "/data/k", "value": "2" }]));
    let new = maps(&client).patch("a", &PatchParams::default(), &good).await.unwrap();
    assert_eq!(new.data.unwrap()["k"], "2");
    let bad = patch(json!([{ "op": "test", "path": "/data/k", "value": "1" }]));
    assert_eq!(refusal(maps(&client).patch("a", &PatchParams::default(), &bad).await).code, 422);
}

#[tokio::test]
async fn a_merge_patch_replaces_lists_and_a_strategic_one_merges_them() {
    let client = server().client("user");
    let api: Api<Deployment> = Api::namespaced(client, "default");
    api.create(&PostParams::default(), &deployment("web")).await.unwrap();
    let names = |deployment: Deployment| -> Vec<String> {
        let pod = deployment.spec.template.spec.unwrap();
        pod.containers.into_iter().map(|container| container.name).collect()
    };
    let add = json!({ "spec": { "template": { "spec": { "containers": [{ "name": "side", "image": "s" }] } } } });
    let params = PatchParams::default();
    assert_eq!(names(api.patch("web", &params, &Patch::Strategic(&add)).await.unwrap()), ["side", "main"]);
    assert_eq!(names(api.patch("web", &params, &Patch::Merge(&add)).await.unwrap()), ["side"]);
}

#[tokio::test]
async fn unknown_fields_are_dropped_or_when_asked_for_refused() {
    let client = server().client("user");
    let body = r#"{"metadata":{"name":"a"},"dta":{"k":"1"}}"#;
    let path = "/api/v1/namespaces/default/configmaps";
    let strict = format!("{path}?fieldValidation=Strict");
    let (code, status) = send(&client, "POST", &strict, "application/json", body).await;
    assert_eq!(
        (code, status["message"].as_str()),
        (
            400,
            Some(
                "ConfigMap in version \"v1\" cannot be handled as a ConfigMap: strict decoding error: unknown field \"dta\""
            )
        )
    );
    let (code, made) = send(&client, "POST", path, "application/json", body).await;
    assert_eq!((code, &made["dta"]), (201, &Value::Null));
}

#[tokio::test]
async fn bodies_may_be_yaml() {
    let client = server().client("user");
    let body = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\ndata:\n  k: one\n";
    let (code, made) = send(&client, "POST", "/api/v1/namespaces/default/configmaps", "application/yaml", body).await;
    assert_eq!((code, made["data"]["k"].as_str()), (201, Some("one")));
}

#[rstest]
#[case::wrong_type("POST", "/configmaps", "application/json", r#"{"metadata":{"name":"a"},"data":[]}"#, 400)]
#[case::wrong_kind("POST", "/configmaps", "application/json", r#"{"kind":"Pod","metadata":{"name":"a"}}"#, 400)]
#[case::wrong_namespace("POST", "/configmaps", "application/json", r#"{"metadata":{"name":"a","namespace":"b"}}"#, 400)]
#[case::wrong_form("POST", "/configmaps", "text/plain", "hello", 415)]
#[case::wrong_patch("PATCH", "/configmaps/a", "application/json", "{}", 415)]
#[case::wrong_method("POST", "/configmaps/a", "application/json", "{}", 405)]
#[case::wrong_resource("GET", "/wishes", "", "", 404)]
#[case::wrong_subresource("GET", "/configmaps/a/status", "", "", 404)]
#[case::bad_label("POST", "/configmaps", "application/json", r#"{"metadata":{"name":"a","labels":{"a":"b c"}}}"#, 422)]
#[tokio::test]
async fn requests_that_cannot_be_served_say_why(
    #[case] method: &str,
    #[case] path: &str,
    #[case] media_type: &str,
    #[case] body: &str,
    #[case] expected: u16,
) {
    let client = server().client("user");
    let (code, status) = send(&client, method, &format!("/api/v1/namespaces/default{path}"), media_type, body).await;
    assert_eq!((code, status["kind"].as_str()), (expected, Some("Status")), "{status}");
    assert!(status["message"].as_str().is_some_and(|message| !message.is_empty()), "{status}");
}

fn deployment(name: &str) -> Deployment {
    object(json!({
        "metadata": { "name": name },
        "spec": {
            "replicas": 2,
            "selector": { "matchLabels": { "app": name } },
            "template": {
                "metadata": { "labels": { "app": name } },
                "spec": { "containers": [{ "name": "main", "image": "web:1" }] },
            },
        },
    }))
}
