//! What only clients outside the process ask for: rows, warnings, reviews, schemas.

use http::Response;
use kube::client::Body;

use super::*;

const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";

/// Asks for something in a form.
async fn accepting(client: &Client, path: &str, accept: &str) -> (u16, Value) {
    let request = Request::builder().uri(path).header("accept", accept).body(Vec::new().into()).unwrap();
    read(client.send(request).await.unwrap()).await
}

async fn read(response: Response<Body>) -> (u16, Value) {
    let code = response.status().as_u16();
    let bytes = response.into_body().collect_bytes().await.unwrap();
    (code, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
}

/// A kind with columns of its own, and one object of it.
async fn wishes(client: &Client) {
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": { "name": "wishes.example.com" },
        "spec": {
            "group": "example.com",
            "scope": "Namespaced",
            "names": { "plural": "wishes", "kind": "Wish" },
            "versions": [{
                "name": "v1", "served": true, "storage": true,
                "additionalPrinterColumns": [
                    { "name": "Count", "type": "integer", "jsonPath": ".spec.count" },
                    { "name": "Note", "type": "string", "jsonPath": ".spec.note", "priority": 1 },
                    { "name": "Due", "type": "date", "jsonPath": ".spec.due" },
                ],
                "schema": { "openAPIV3Schema": { "type": "object", "properties": { "spec": {
                    "type": "object",
                    "properties": { "count": { "type": "integer" }, "note": { "type": "string" },
                        "due": { "type": "string" } },
                } } } },
            }],
        },
    });
    let path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    assert_eq!(send(client, "POST", path, "application/json", &definition.to_string()).await.0, 201);
    let spec = json!({ "count": 3, "due": "2025-12-31T23:50:00Z" });
    let wish = json!({ "apiVersion": "example.com/v1", "kind": "Wish", "metadata": { "name": "a" }, "spec": spec });
    let path = "/apis/example.com/v1/namespaces/default/wishes";
    assert_eq!(send(client, "POST", path, "application/json", &wish.to_string()).await.0, 201);
}

#[tokio::test(start_paused = true)]
async fn a_custom_kind_has_the_columns_of_its_definition() {
    let client = server().client("user");
    wishes(&client).await;
    let (_, table) = accepting(&client, "/apis/example.com/v1/wishes", TABLE).await;
    let columns = table["columnDefinitions"].as_array().unwrap();
    let columns: Vec<_> = columns.iter().map(|column| (&column["name"], &column["priority"])).collect();
    assert_eq!(json!(columns), json!([["Name", 0], ["Count", 0], ["Note", 1], ["Due", 0]]));
    assert_eq!(table["rows"][0]["cells"], json!(["a", 3, null, "10m"]));
    assert_eq!(table["rows"][0]["object"]["kind"], "PartialObjectMetadata");
}

#[tokio::test]
async fn a_column_whose_path_cannot_be_read_is_refused() {
    let client = server().client("user");
    wishes(&client).await;
    let patch =
        json!([{ "op": "replace", "path": "/spec/versions/0/additionalPrinterColumns/0/jsonPath", "value": "[" }]);
    let path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/wishes.example.com";
    let (code, status) = send(&client, "PATCH", path, "application/json-patch+json", &patch.to_string()).await;
    assert_eq!(code, 422, "{status}");
    assert_eq!(status["details"]["causes"][0]["field"], "spec.versions[0].additionalPrinterColumns[0].jsonPath");
}

#[tokio::test]
async fn one_object_and_pages_of_a_list_are_tables_too() {
    let client = server().client("user");
    for name in ["a", "b", "c"] {
        maps(&client).create(&PostParams::default(), &map(name, &json!({}))).await.unwrap();
    }
    let path = "/api/v1/namespaces/default/configmaps";
    let (_, one) = accepting(&client, &format!("{path}/b"), TABLE).await;
    assert_eq!((one["kind"].as_str(), &one["rows"][0]["cells"][0]), (Some("Table"), &json!("b")));
    let (_, page) = accepting(&client, &format!("{path}?limit=2"), TABLE).await;
    assert_eq!((page["rows"].as_array().unwrap().len(), &page["metadata"]["remainingItemCount"]), (2, &json!(1)));
    let token = page["metadata"]["continue"].as_str().unwrap();
    let (_, rest) = accepting(&client, &format!("{path}?limit=2&continue={token}"), TABLE).await;
    assert_eq!(rest["rows"][0]["cells"][0], "c");
}

#[rstest::rstest]
#[case::json("application/json", 200, "ConfigMapList")]
#[case::whatever("*/*", 200, "ConfigMapList")]
#[case::protobuf_or_json("application/vnd.kubernetes.protobuf,application/json", 200, "ConfigMapList")]
#[case::a_table_or_json(TABLE, 200, "Table")]
#[case::a_table_of_another_version(
    "application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json",
    200,
    "ConfigMapList"
)]
#[case::protobuf("application/vnd.kubernetes.protobuf", 406, "Status")]
#[tokio::test]
async fn the_first_form_that_is_known_is_answered(#[case] accept: &str, #[case] code: u16, #[case] kind: &str) {
    let client = server().client("user");
    let answer = accepting(&client, "/api/v1/configmaps", accept).await;
    assert_eq!((answer.0, answer.1["kind"].as_str()), (code, Some(kind)));
}

#[tokio::test]
async fn a_client_with_somebody_before_it_is_warned_of_unknown_fields() {
    let server = server();
    let warned = Client::new(server.door("user").with_warnings(), "default");
    let path = "/api/v1/namespaces/default/configmaps";
    for (client, body, expected) in [
        (&warned, r#"{"metadata":{"name":"a"},"dta":{"k":"1"}}"#, Some("299 - \"unknown field \\\"dta\\\"\"")),
        (&warned, r#"{"metadata":{"name":"b"}}"#, None),
        (&server.client("user"), r#"{"metadata":{"name":"c"},"dta":{"k":"1"}}"#, None),
    ] {
        let request = Request::builder().method("POST").uri(path).header("content-type", "application/json");
        let response = client.send(request.body(body.as_bytes().to_vec().into()).unwrap()).await.unwrap();
        assert_eq!(response.status(), 201);
        assert_eq!(response.headers().get("warning").map(|warning| warning.to_str().unwrap()), expected);
    }
}

#[tokio::test]
async fn everything_is_allowed_and_nothing_is_stored_of_the_question() {
    let client = server().client("user");
    let path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
    let review = json!({ "spec": { "resourceAttributes": { "verb": "delete", "resource": "pods" } } });
    let (code, answer) = send(&client, "POST", path, "application/json", &review.to_string()).await;
    assert_eq!((code, &answer["status"]["allowed"]), (201, &json!(true)));
    assert_eq!(send(&client, "GET", path, "", "").await.0, 405);
    let path = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
    let (_, answer) = send(&client, "POST", path, "application/json", "{}").await;
    assert_eq!(answer["status"]["userInfo"]["username"], "user");
}

#[tokio::test]
async fn a_patch_may_say_who_owns_which_field() {
    let client = server().client("user");
    let map = maps(&client).create(&PostParams::default(), &map("a", &json!({ "k": "1" }))).await.unwrap();
    let mut managers = serde_json::to_value(&map.metadata.managed_fields).unwrap();
    managers[0]["manager"] = "another".into();
    managers[0]["operation"] = "Apply".into();
    let patch = json!([{ "op": "replace", "path": "/metadata/managedFields", "value": managers }]);
    let path = "/api/v1/namespaces/default/configmaps/a";
    let (code, patched) = send(&client, "PATCH", path, "application/json-patch+json", &patch.to_string()).await;
    assert_eq!((code, &patched["metadata"]["managedFields"]), (200, &managers));
    assert_eq!(patched["data"]["k"], "1");
}

#[tokio::test]
async fn a_custom_kind_is_in_the_schemas_while_it_is_served() {
    let client = server().client("user");
    assert!(get(&client, "/openapi/v3").await["paths"]["apis/example.com/v1"].is_null());
    wishes(&client).await;
    let place = get(&client, "/openapi/v3").await["paths"]["apis/example.com/v1"]["serverRelativeURL"].clone();
    let document = get(&client, place.as_str().unwrap()).await;
    let schema = &document["components"]["schemas"]["com.example.v1.Wish"];
    assert_eq!(schema["properties"]["spec"]["properties"]["count"]["type"], "integer");
    assert!(schema["properties"]["metadata"].is_object());
    let patch = &document["paths"]["/apis/example.com/v1/namespaces/{namespace}/wishes/{name}"]["patch"];
    let forms = patch["requestBody"]["content"].as_object().unwrap();
    assert!(!forms.contains_key("application/strategic-merge-patch+json"), "{forms:?}");
}
