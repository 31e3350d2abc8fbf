//! Checkpoints that must be taken and checkpoints that must be refused, whatever API server holds the definition.

use serde_json::{Value, json};

/// A checkpoint that is wrong.
pub struct Bad {
    /// What is wrong with it.
    pub what: &'static str,
    /// All of it.
    pub object: Value,
    /// A part of the refusal's message.
    pub message: &'static str,
}

/// A checkpoint that is taken, though no model is in it.
pub fn checkpoint(name: &str) -> Value {
    json!({
        "apiVersion": "autoscaling.tailor.dev/v1alpha1",
        "kind": "VerticalResizeCheckpoint",
        "metadata": { "name": name, "namespace": "default" },
        "spec": {
            "workload": { "group": "apps", "kind": "Deployment", "name": "web" },
            "version": 1,
            "newestSample": "2026-01-02T03:04:05Z",
            "notBefore": "2026-01-02T04:00:00Z",
            "containers": [{ "name": "app", "model": "AAAA" }],
        },
    })
}

/// Checkpoints that are refused.
pub fn bad_checkpoints() -> Vec<Bad> {
    let bad = |what, place: &str, value: Value, message| {
        let mut object = checkpoint("bad");
        *object.pointer_mut(place).expect("a place of the object") = value;
        Bad { what, object, message }
    };
    let container = |name: &str, length: usize| json!({ "name": name, "model": "A".repeat(length) });
    let many: Vec<_> = (0..129).map(|number| container(&format!("c{number}"), 4)).collect();
    vec![
        bad("no workload", "/spec/workload", json!({}), "spec.workload.kind: Required value"),
        bad("a workload without a name", "/spec/workload/name", json!(""), "should be at least 1 chars long"),
        bad("no version", "/spec/version", json!(0), "should be greater than or equal to 1"),
        bad("a version that is none", "/spec/version", json!("1"), "must be of type integer"),
        bad("no time", "/spec/newestSample", json!("yesterday"), "must be of type date-time"),
        bad("a long model", "/spec/containers/0", container("app", 2_049), "may not be more than 2048 bytes"),
        bad("an empty model", "/spec/containers/0", container("app", 0), "should be at least 1 chars long"),
        bad("a container without a model", "/spec/containers/0", json!({ "name": "app" }), "model: Required value"),
        bad("too many containers", "/spec/containers", json!(many), "Too many: 129: must have at most 128 items"),
    ]
}
