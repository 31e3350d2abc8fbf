//! Policies that must be taken and policies that must be refused, whatever API server holds the definition.

use serde_json::{Value, json};

/// A policy, or its status, that breaks one rule.
pub struct Bad {
    /// What is wrong with it.
    pub what: &'static str,
    /// Its `spec`, or its `status`.
    pub part: Value,
    /// A part of the refusal's message.
    pub message: &'static str,
}

/// A workload to name.
pub fn target() -> Value {
    json!({ "apiVersion": "apps/v1", "kind": "Deployment", "name": "web" })
}

/// A policy of this name with this `spec`.
pub fn policy(name: &str, spec: &Value) -> Value {
    json!({
        "apiVersion": "autoscaling.tailor.dev/v1alpha1",
        "kind": "VerticalResizePolicy",
        "metadata": { "name": name, "namespace": "default" },
        "spec": spec,
    })
}

/// What a policy that names only its target is stored as.
pub fn all_defaults() -> Value {
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
}

/// Nulls for all that has a default: the same as if nothing were said.
pub fn nulls() -> Value {
    json!({
        "targetRef": target(),
        "strategy": null,
        "objective": null,
        "containers": null,
        "update": {
            "minChangePercent": null,
            "scaleDownStabilization": null,
            "deferredTimeout": null,
            "onDeferredTimeout": null,
            "onInfeasible": null,
            "minReplicas": null,
            "maxUnavailable": null,
        },
    })
}

/// A `spec` in which all is said.
pub fn everything() -> Value {
    json!({
        "selector": { "matchLabels": { "tier": "front" } },
        "strategy": "InPlace",
        "objective": "Safe",
        "containers": [
            {
                "name": "app",
                "mode": "Auto",
                "resources": ["cpu"],
                "controlledValues": { "cpu": "RequestsOnly", "memory": "RequestsAndLimits" },
                "min": { "cpu": "100m" },
                "max": { "cpu": 2, "memory": "1Gi" },
            },
        ],
        "update": {
            "minChangePercent": 0,
            "scaleDownStabilization": "1h30m",
            "deferredTimeout": "1.5h",
            "onDeferredTimeout": "Recreate",
            "onInfeasible": "FitNode",
            "minReplicas": 2,
            "maxUnavailable": 1,
        },
        "startup": { "cpu": { "factor": 3 }, "duration": "45s", "timeout": "5m" },
    })
}

/// Entries of `spec.containers` that are taken.
pub fn good_containers() -> Vec<Value> {
    vec![
        json!({ "name": "app", "max": { "cpu": 2, "memory": "1Gi" } }),
        json!({ "name": "*", "min": { "cpu": "1000m" }, "max": { "cpu": "1" } }),
        json!({ "name": "app", "min": { "memory": "1Gi" }, "max": { "cpu": "1" } }),
        json!({ "name": "app", "resources": ["memory"], "mode": "Off" }),
        json!({ "name": "app", "min": { "cpu": "0.5", "memory": "1e3" } }),
    ]
}

/// Specs that are refused.
pub fn bad_specs() -> Vec<Bad> {
    [bad_targets(), bad_fields(), bad_containers(), bad_updates(), bad_startups()].into_iter().flatten().collect()
}

fn bad(what: &'static str, part: Value, message: &'static str) -> Bad {
    Bad { what, part, message }
}

fn long(length: usize) -> String {
    "a".repeat(length)
}

fn bad_targets() -> Vec<Bad> {
    let named = |field: &str, value: Value| {
        let mut target = target();
        target[field] = value;
        json!({ "targetRef": target })
    };
    vec![
        bad("no target", json!({}), "set exactly one of targetRef and selector"),
        bad(
            "two targets",
            json!({ "targetRef": target(), "selector": {} }),
            "set exactly one of targetRef and selector",
        ),
        bad("no API version", named("apiVersion", json!("")), "should be at least 1 chars long"),
        bad("a long API version", named("apiVersion", json!(long(254))), "may not be more than 253 bytes"),
        bad("no kind", named("kind", json!("")), "should be at least 1 chars long"),
        bad("a long kind", named("kind", json!(long(64))), "may not be more than 63 bytes"),
        bad("no name", named("name", json!("")), "should be at least 1 chars long"),
        bad("a long name", named("name", json!(long(254))), "may not be more than 253 bytes"),
        bad("nothing but a name", json!({ "targetRef": { "name": "web" } }), "spec.targetRef.kind: Required value"),
        bad(
            "a target without a name",
            json!({ "targetRef": { "apiVersion": "v1", "kind": "A" } }),
            "targetRef.name: Required",
        ),
        bad(
            "a requirement without an operator",
            json!({ "selector": { "matchExpressions": [{ "key": "tier" }] } }),
            "matchExpressions[0].operator: Required value",
        ),
        bad(
            "a requirement without a key",
            json!({ "selector": { "matchExpressions": [{ "operator": "Exists" }] } }),
            "matchExpressions[0].key: Required value",
        ),
        bad("a label that is no text", json!({ "selector": { "matchLabels": { "a": 1 } } }), "must be of type string"),
    ]
}

fn bad_fields() -> Vec<Bad> {
    let with = |field: &str, value: Value| json!({ "targetRef": target(), field: value });
    vec![
        bad("an unknown field", with("mode", json!("Auto")), "unknown field \"spec.mode\""),
        bad("an unknown strategy", with("strategy", json!("Auto")), "supported values: \"Off\", \"Initial\""),
        bad("an unknown objective", with("objective", json!("Cheap")), "supported values: \"Economy\", \"Balanced\""),
        bad("a list that is none", with("containers", json!("app")), "must be of type array: \"string\""),
        bad("an update that is none", with("update", json!(["now"])), "must be of type object: \"array\""),
    ]
}

fn bad_containers() -> Vec<Bad> {
    let with = |container: Value| json!({ "targetRef": target(), "containers": [container] });
    let entry = |field: &str, value: Value| with(json!({ "name": "app", field: value }));
    let many: Vec<_> = (0..65).map(|index| json!({ "name": format!("c{index}") })).collect();
    vec![
        bad(
            "a container twice",
            json!({ "targetRef": target(), "containers": [{ "name": "app" }, { "name": "app" }] }),
            "each container may be named once",
        ),
        bad("too many containers", json!({ "targetRef": target(), "containers": many }), "must have at most 64 items"),
        bad("a container without a name", with(json!({})), "spec.containers[0].name: Required value"),
        bad("an empty name", with(json!({ "name": "" })), "should be at least 1 chars long"),
        bad("a name that no container has", with(json!({ "name": "App" })), "should match '^(\\*|[a-z0-9]"),
        bad("a long container name", with(json!({ "name": long(64) })), "may not be more than 63 bytes"),
        bad("an unknown mode", entry("mode", json!("On")), "supported values: \"Auto\", \"Off\""),
        bad("no resource", entry("resources", json!([])), "should have at least 1 items"),
        bad("three resources", entry("resources", json!(["cpu", "memory", "cpu"])), "must have at most 2 items"),
        bad(
            "a resource that is not resized",
            entry("resources", json!(["storage"])),
            "supported values: \"cpu\", \"memory\"",
        ),
        bad("an unknown control of CPU", entry("controlledValues", json!({ "cpu": "Limits" })), "supported values"),
        bad("an unknown control of memory", entry("controlledValues", json!({ "memory": "" })), "supported values"),
        bad(
            "a least CPU above the most",
            with(json!({ "name": "app", "min": { "cpu": 2 }, "max": { "cpu": "1999m" } })),
            "min.cpu must not be above max.cpu",
        ),
        bad(
            "a least memory above the most",
            with(json!({ "name": "app", "min": { "memory": "2Gi" }, "max": { "memory": "2G" } })),
            "min.memory must not be above max.memory",
        ),
        bad("a negative quantity", entry("min", json!({ "cpu": "-1" })), "should match"),
        bad("not a quantity", entry("min", json!({ "memory": "plenty" })), "should match"),
        bad("most CPU that is no quantity", entry("max", json!({ "cpu": "1 core" })), "should match"),
        bad("most memory that is no quantity", entry("max", json!({ "memory": "1GB" })), "should match"),
        bad(
            "a quantity of many digits",
            entry("min", json!({ "cpu": "1".repeat(33) })),
            "may not be more than 32 bytes",
        ),
        bad(
            "memory of many digits",
            entry("min", json!({ "memory": "1".repeat(33) })),
            "may not be more than 32 bytes",
        ),
        bad("most CPU of many digits", entry("max", json!({ "cpu": "1".repeat(33) })), "may not be more than 32 bytes"),
        bad(
            "most memory of many digits",
            entry("max", json!({ "memory": "1".repeat(33) })),
            "may not be more than 32 bytes",
        ),
        bad(
            "a broken number of cores",
            entry("max", json!({ "cpu": 1.5 })),
            "must be of type integer,string: \"number\"",
        ),
        bad("a negative number of cores", entry("min", json!({ "cpu": -1 })), "should be greater than or equal to 0"),
        bad("negative memory", entry("min", json!({ "memory": -1 })), "should be greater than or equal to 0"),
        bad("most cores below none", entry("max", json!({ "cpu": -1 })), "should be greater than or equal to 0"),
        bad("most memory below none", entry("max", json!({ "memory": -1 })), "should be greater than or equal to 0"),
    ]
}

fn bad_updates() -> Vec<Bad> {
    let with = |field: &str, value: Value| json!({ "targetRef": target(), "update": { field: value } });
    vec![
        bad("a change of more than all", with("minChangePercent", json!(101)), "should be less than or equal to 100"),
        bad("a negative change", with("minChangePercent", json!(-1)), "should be greater than or equal to 0"),
        bad("a negative period", with("deferredTimeout", json!("-5m")), "should match"),
        bad("a period without a unit", with("scaleDownStabilization", json!("5")), "should match"),
        bad("a long period", with("deferredTimeout", json!("1s".repeat(33))), "may not be more than 64 bytes"),
        bad(
            "a long stabilization",
            with("scaleDownStabilization", json!("1s".repeat(33))),
            "may not be more than 64 bytes",
        ),
        bad("an unknown answer to Deferred", with("onDeferredTimeout", json!("Evict")), "supported values: \"Wait\""),
        bad("an unknown answer to Infeasible", with("onInfeasible", json!("Wait")), "supported values: \"Recreate\""),
        bad("no replica", with("minReplicas", json!(0)), "should be greater than or equal to 1"),
        bad("more than all", with("maxUnavailable", json!("101%")), "maxUnavailable must be a number of Pods"),
        bad("fewer than none", with("maxUnavailable", json!(-1)), "maxUnavailable must be a number of Pods"),
        bad("a number that is text", with("minReplicas", json!("1")), "must be of type integer: \"string\""),
    ]
}

fn bad_startups() -> Vec<Bad> {
    let with = |startup: Value| json!({ "targetRef": target(), "startup": startup });
    let cpu = |cpu: Value| with(json!({ "cpu": cpu }));
    let period = |field: &str, text: String| with(json!({ "cpu": { "factor": 2 }, field: text }));
    vec![
        bad("no boosted resource", with(json!({})), "spec.startup.cpu: Required value"),
        bad("two boosts", cpu(json!({ "factor": 3, "value": "2" })), "set exactly one of factor and value"),
        bad("no boost", cpu(json!({})), "set exactly one of factor and value"),
        bad("a boost by nothing", cpu(json!({ "factor": 1 })), "should be greater than or equal to 2"),
        bad("a boost by too much", cpu(json!({ "factor": 101 })), "should be less than or equal to 100"),
        bad("a boost to no quantity", cpu(json!({ "value": "all" })), "should match"),
        bad("a boost to less than nothing", cpu(json!({ "value": -1 })), "should be greater than or equal to 0"),
        bad("a boost to many digits", cpu(json!({ "value": "1".repeat(33) })), "may not be more than 32 bytes"),
        bad("a duration without a unit", period("duration", "30".into()), "should match"),
        bad("a long duration", period("duration", "1s".repeat(33)), "may not be more than 64 bytes"),
        bad("a timeout of words", period("timeout", "ten minutes".into()), "should match"),
        bad("a long timeout", period("timeout", "1s".repeat(33)), "may not be more than 64 bytes"),
    ]
}

/// A status as Tailor writes it.
pub fn good_status() -> Value {
    json!({
        "observedGeneration": 1,
        "conditions": [condition("Ready")],
        "pods": { "total": 3, "fitted": 2, "inProgress": 1, "deferred": 0, "infeasible": 0, "error": 0, "evicted": 0, "waiting": 0 },
        "workloads": [{
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "name": "web",
            "pods": { "total": 3, "fitted": 2, "inProgress": 1, "deferred": 0, "infeasible": 0, "error": 0, "evicted": 0, "waiting": 0 },
            "containers": [{
                "name": "app",
                "lower": { "cpu": "200m", "memory": "128Mi" },
                "target": { "cpu": "250m", "memory": "160Mi" },
                "upper": { "cpu": "400m", "memory": "256Mi" },
                "current": { "cpu": "100m", "memory": "64Mi" },
                "clamps": [{ "resource": "cpu", "reason": "PolicyMax" }],
            }],
        }],
        "lastAction": { "action": "Resize", "pod": "web-0", "reason": "NewTarget", "time": "2026-01-01T00:00:00Z" },
    })
}

fn condition(kind: &str) -> Value {
    json!({
        "type": kind,
        "status": "True",
        "reason": "Fits",
        "message": "all Pods fit",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    })
}

/// Statuses that are refused.
pub fn bad_statuses() -> Vec<Bad> {
    let with = |pointer: &str, value: Value| {
        let mut status = good_status();
        *status.pointer_mut(pointer).expect("the good status has all fields") = value;
        status
    };
    vec![
        bad(
            "a condition twice",
            with("/conditions", json!([condition("Ready"), condition("Ready")])),
            "Duplicate value",
        ),
        bad("a negative count", with("/pods/total", json!(-1)), "should be greater than or equal to 0"),
        bad("an unknown clamp", with("/workloads/0/containers/0/clamps/0/reason", json!("Whim")), "supported values"),
        bad("no quantity", with("/workloads/0/containers/0/target/cpu", json!("much")), "should match"),
        bad("a time of day", with("/lastAction/time", json!("noon")), "must be of type date-time: \"noon\""),
        bad(
            "an action without a reason",
            with("/lastAction/reason", Value::Null),
            "status.lastAction.reason: Required value",
        ),
    ]
}
