//! The CustomResourceDefinition: `crds/` holds what `tailor crd` prints, and each of its rules refuses its bad object.

use std::{collections::BTreeSet, sync::LazyLock};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Status;
use kube::CustomResourceExt;
use serde_json::{Value, json};
use strum::IntoEnumIterator;
use tailor::{
    api::{VerticalResizeCheckpoint, VerticalResizePolicy},
    cli::crd::Definition,
    sim::api_server::rules::schema::Structural,
};

#[path = "tables/policies.rs"]
mod policies;

#[path = "tables/checkpoints.rs"]
mod checkpoints;

use checkpoints::{bad_checkpoints, checkpoint};
use policies::{
    all_defaults, bad_specs, bad_statuses, everything, good_containers, good_status, nulls, policy, target,
};

/// A client-side apply keeps a copy of the object in an annotation, which may hold so much.
const ANNOTATION_LIMIT: usize = 262_144;

#[test]
fn the_folder_holds_what_the_command_prints() {
    for definition in Definition::iter() {
        let file = format!("{}/crds/{}.yaml", env!("CARGO_MANIFEST_DIR"), <&str>::from(definition));
        assert_eq!(std::fs::read_to_string(file).unwrap(), definition.render().unwrap(), "run `make generate`");
        assert_eq!(definition.object().spec.names.plural, <&str>::from(definition));
    }
}

#[test]
fn the_definition_can_be_applied_by_an_old_kubectl() {
    for definition in Definition::iter() {
        assert!(serde_json::to_vec(&definition.object()).unwrap().len() < ANNOTATION_LIMIT / 4);
    }
}

#[test]
fn a_bad_checkpoint_is_refused_with_its_reason() {
    let schema = Structural::from_crd(&VerticalResizeCheckpoint::crd(), "v1alpha1").expect("the schema is structural");
    let good = checkpoint("deployment-web-1");
    assert_eq!(schema.admit(good.clone(), None, true).unwrap(), good);
    for bad in bad_checkpoints() {
        let refusal = schema.admit(bad.object, None, true).expect_err(bad.what);
        assert!(message(&refusal).contains(bad.message), "{}: {}", bad.what, message(&refusal));
    }
}

/// The object as the embedded API server stores it, or its refusal.
fn admit(object: Value, old: Option<&Value>) -> Result<Value, Box<Status>> {
    static SCHEMA: LazyLock<Structural> = LazyLock::new(|| {
        Structural::from_crd(&VerticalResizePolicy::crd(), "v1alpha1").expect("the schema is structural")
    });
    SCHEMA.admit(object, old, true)
}

fn message(refusal: &Status) -> &str {
    refusal.message.as_deref().unwrap_or_default()
}

#[test]
fn a_policy_that_names_only_its_target_gets_every_default() {
    for spec in [json!({ "targetRef": target() }), nulls()] {
        assert_eq!(admit(policy("web", &spec), None).unwrap()["spec"], all_defaults());
    }
}

#[test]
fn a_good_policy_is_stored_as_it_is() {
    let mut good = policy("web", &everything());
    good["status"] = good_status();
    assert_eq!(admit(good.clone(), None).unwrap(), good);
    for container in good_containers() {
        admit(policy("web", &json!({ "selector": {}, "containers": [container] })), None).unwrap();
    }
}

#[test]
fn a_bad_policy_is_refused_with_its_reason() {
    for bad in bad_specs() {
        let refusal = admit(policy("web", &bad.part), None).expect_err(bad.what);
        assert!(message(&refusal).contains(bad.message), "{}: {}", bad.what, message(&refusal));
    }
}

#[test]
fn a_bad_status_is_refused_with_its_reason() {
    let old = policy("web", &everything());
    for bad in bad_statuses() {
        let mut new = old.clone();
        new["status"] = bad.part;
        let refusal = admit(new, Some(&old)).expect_err(bad.what);
        assert!(message(&refusal).contains(bad.message), "{}: {}", bad.what, message(&refusal));
    }
}

#[test]
fn the_table_of_bad_policies_breaks_every_constraint_that_the_spec_has() {
    let crd = serde_json::to_value(VerticalResizePolicy::crd()).unwrap();
    let schema = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"];
    let mut constraints = BTreeSet::new();
    collect(schema, "spec", &mut constraints);
    for bad in bad_specs() {
        let refusal = admit(policy("web", &bad.part), None).expect_err(bad.what);
        for cause in refusal.details.iter().flat_map(|details| details.causes.iter().flatten()) {
            let field = without_indices(cause.field.as_deref().unwrap_or_default());
            let message = cause.message.clone().unwrap_or_default();
            constraints.retain(|(path, says)| *path != field || !message.contains(says));
        }
    }
    assert!(constraints.is_empty(), "no bad policy breaks {constraints:#?}");
}

/// Each constraint below `schema`, as its place and what is said when it is broken.
fn collect(schema: &Value, path: &str, constraints: &mut BTreeSet<(String, String)>) {
    let keywords = [
        ("enum", "Unsupported value"),
        ("pattern", "should match"),
        ("minimum", "greater than or equal to"),
        ("maximum", "less than or equal to"),
        ("minLength", "chars long"),
        ("maxLength", "Too long"),
        ("minItems", "at least"),
        ("maxItems", "Too many"),
    ];
    let present = keywords.into_iter().filter(|(keyword, _)| schema.get(keyword).is_some());
    constraints.extend(present.map(|(_, says)| (path.to_owned(), says.to_owned())));
    for rule in schema["x-kubernetes-validations"].as_array().into_iter().flatten() {
        constraints.insert((path.to_owned(), rule["message"].as_str().expect("each rule has a message").to_owned()));
    }
    for required in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        constraints.insert((format!("{path}.{required}"), "Required value".to_owned()));
    }
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        collect(field, &format!("{path}.{name}"), constraints);
    }
    if let Some(items) = schema.get("items") {
        collect(items, path, constraints);
    }
}

/// `spec.containers[3].name` without the `[3]`.
fn without_indices(path: &str) -> String {
    path.split('[').map(|part| part.split_once(']').map_or(part, |(_, rest)| rest)).collect()
}
