//! The CustomResourceDefinition: `crds/` holds what `tailor crd` prints, and each of its rules refuses its bad object.

use kube::CustomResourceExt;
use rstest::rstest;
use serde_json::{Value, json};
use tailor::{api::VerticalResizePolicy, cli::crd, sim::api_server::rules::schema::Structural};

/// A client-side apply keeps a copy of the object in an annotation, which may hold so much.
const ANNOTATION_LIMIT: usize = 262_144;

#[test]
fn the_folder_holds_what_the_command_prints() {
    assert_eq!(include_str!("../crds/verticalresizepolicies.yaml"), crd::render().unwrap(), "run `make generate`");
}

#[test]
fn the_definition_can_be_applied_by_an_old_kubectl() {
    assert!(serde_json::to_vec(&VerticalResizePolicy::crd()).unwrap().len() < ANNOTATION_LIMIT / 4);
}

/// A policy with `spec`, as the API server answers it: the stored object, or the refusal's message.
fn create(spec: &Value) -> Result<Value, String> {
    let schema = Structural::from_crd(&VerticalResizePolicy::crd(), "v1alpha1").expect("the schema is structural");
    let policy = json!({
        "apiVersion": "autoscaling.tailor.dev/v1alpha1",
        "kind": "VerticalResizePolicy",
        "metadata": { "name": "web", "namespace": "shop" },
        "spec": spec,
    });
    schema.admit(policy, None, true).map_err(|status| status.message.unwrap_or_default())
}

fn target() -> Value {
    json!({ "apiVersion": "apps/v1", "kind": "Deployment", "name": "web" })
}

#[test]
fn a_policy_that_names_only_its_target_gets_every_default() {
    let spec = create(&json!({ "targetRef": target() })).unwrap()["spec"].take();
    assert_eq!(
        spec,
        json!({
            "targetRef": target(),
            "strategy": "InPlaceOrRecreate",
            "objective": "Balanced",
            "containers": [],
            "update": {
                "minChangePercent": 10,
                "scaleDownStabilization": "15m",
                "deferredTimeout": "10m",
                "onDeferredTimeout": "Wait",
                "onInfeasible": "Recreate",
                "minReplicas": 1,
                "maxUnavailable": "25%",
            },
        })
    );
}

#[rstest]
#[case::a_whole_number_of_cores(json!({ "name": "app", "max": { "cpu": 2, "memory": "1Gi" } }))]
#[case::equal_bounds(json!({ "name": "*", "min": { "cpu": "1000m" }, "max": { "cpu": "1" } }))]
#[case::a_bound_of_one_side(json!({ "name": "app", "min": { "memory": "1Gi" }, "max": { "cpu": "1" } }))]
#[case::one_resource(json!({ "name": "app", "resources": ["memory"], "mode": "Auto" }))]
fn a_good_container_entry_is_taken(#[case] container: Value) {
    create(&json!({ "selector": {}, "containers": [container] })).unwrap();
}

#[rstest]
#[case::no_target(json!({}), "set exactly one of targetRef and selector")]
#[case::two_targets(json!({ "targetRef": target(), "selector": {} }), "set exactly one of targetRef and selector")]
#[case::a_container_twice(
    json!({ "targetRef": target(), "containers": [{ "name": "app" }, { "name": "app" }] }),
    "each container may be named once"
)]
#[case::min_cpu_above_max(
    json!({ "targetRef": target(), "containers": [{ "name": "app", "min": { "cpu": 2 }, "max": { "cpu": "1999m" } }] }),
    "min.cpu must not be above max.cpu"
)]
#[case::min_memory_above_max(
    json!({ "targetRef": target(), "containers": [{ "name": "app", "min": { "memory": "2Gi" }, "max": { "memory": "2G" } }] }),
    "min.memory must not be above max.memory"
)]
#[case::a_negative_quantity(
    json!({ "targetRef": target(), "containers": [{ "name": "app", "min": { "cpu": "-1" } }] }),
    "should match"
)]
#[case::not_a_quantity(
    json!({ "targetRef": target(), "containers": [{ "name": "app", "min": { "memory": "plenty" } }] }),
    "should match"
)]
#[case::an_unknown_strategy(json!({ "targetRef": target(), "strategy": "Auto" }), "supported values")]
#[case::a_resource_that_is_not_resized(
    json!({ "targetRef": target(), "containers": [{ "name": "app", "resources": ["storage"] }] }),
    "supported values"
)]
#[case::an_unknown_field(json!({ "targetRef": target(), "mode": "Auto" }), "unknown field \"spec.mode\"")]
#[case::a_negative_period(
    json!({ "targetRef": target(), "update": { "deferredTimeout": "-5m" } }),
    "should match"
)]
#[case::more_than_all(json!({ "targetRef": target(), "update": { "maxUnavailable": "101%" } }), "maxUnavailable must be")]
#[case::fewer_than_none(json!({ "targetRef": target(), "update": { "maxUnavailable": -1 } }), "maxUnavailable must be")]
#[case::a_change_of_more_than_all(
    json!({ "targetRef": target(), "update": { "minChangePercent": 101 } }),
    "should be less than or equal to 100"
)]
#[case::two_boosts(
    json!({ "targetRef": target(), "startup": { "cpu": { "factor": 3, "value": "2" } } }),
    "set exactly one of factor and value"
)]
#[case::no_boost(json!({ "targetRef": target(), "startup": { "cpu": {} } }), "set exactly one of factor and value")]
fn a_bad_policy_is_refused_with_its_reason(#[case] spec: Value, #[case] message: &str) {
    let refusal = create(&spec).unwrap_err();
    assert!(refusal.contains(message), "{refusal}");
}
