use kube::CustomResourceExt;

use super::*;
use crate::api::VerticalResizePolicy;

#[tokio::test]
async fn the_policy_of_this_project_is_served() {
    let client = server().client("user");
    let definitions = Api::all(client.clone());
    definitions.create(&PostParams::default(), &VerticalResizePolicy::crd()).await.unwrap();
    let path = "/apis/autoscaling.tailor.dev/v1alpha1/namespaces/default/verticalresizepolicies";
    let types = ("autoscaling.tailor.dev/v1alpha1", "VerticalResizePolicy");
    let wish = |spec: Value| {
        json!({ "apiVersion": types.0, "kind": types.1, "metadata": { "name": "web" }, "spec": spec }).to_string()
    };
    let target = json!({ "apiVersion": "apps/v1", "kind": "Deployment", "name": "web" });
    let (code, made) = send(&client, "POST", path, "application/json", &wish(json!({ "targetRef": target }))).await;
    assert_eq!(code, 201, "{made}");
    assert_eq!(made["spec"]["strategy"], "InPlaceOrRecreate", "{made}");
    let (code, refused) = send(&client, "POST", path, "application/json", &wish(json!({}))).await;
    assert_eq!((code, refused["reason"].as_str()), (422, Some("Invalid")), "{refused}");
    let typed: Api<VerticalResizePolicy> = Api::namespaced(client, "default");
    typed.get("web").await.unwrap();
}
