//! Which Nodes a Pod may be placed on: node selector, required node affinity, taints and tolerations.
//!
//! Rule: k8s.io/component-helpers `scheduling/corev1`. `Gt` and `Lt` of a requirement admit nothing here.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{NodeSelectorRequirement, NodeSelectorTerm, PodSpec, Taint, Toleration};

use super::NodeView;

/// Where a Pod may run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Placement {
    node_selector: BTreeMap<String, String>,
    /// One of these must match; `None` if there is no required node affinity.
    affinity: Option<Vec<NodeSelectorTerm>>,
    tolerations: Vec<Toleration>,
}

impl From<&PodSpec> for Placement {
    fn from(spec: &PodSpec) -> Self {
        let affinity = spec.affinity.as_ref().and_then(|a| a.node_affinity.as_ref());
        let required = affinity.and_then(|a| a.required_during_scheduling_ignored_during_execution.as_ref());
        Self {
            node_selector: spec.node_selector.clone().unwrap_or_default(),
            affinity: required.map(|selector| selector.node_selector_terms.clone()),
            tolerations: spec.tolerations.clone().unwrap_or_default(),
        }
    }
}

impl Placement {
    /// Whether the scheduler may put the Pod on `node`, room apart.
    pub fn admits(&self, node: &NodeView) -> bool {
        let repels = |taint: &Taint| {
            taint.effect != "PreferNoSchedule"
                && !self.tolerations.iter().any(|toleration| tolerates(toleration, taint))
        };
        node.ready
            && self.node_selector.iter().all(|(key, value)| node.labels.get(key) == Some(value))
            && self.affinity.as_ref().is_none_or(|terms| terms.iter().any(|term| term_matches(term, node)))
            && !node.taints.iter().any(repels)
    }
}

fn term_matches(term: &NodeSelectorTerm, node: &NodeView) -> bool {
    let fields = term.match_fields.iter().flatten().all(|requirement| matches(requirement, Some(&node.name)));
    fields && term.match_expressions.iter().flatten().all(|r| matches(r, node.labels.get(&r.key)))
}

fn matches(requirement: &NodeSelectorRequirement, value: Option<&String>) -> bool {
    let listed = value.is_some_and(|value| requirement.values.iter().flatten().any(|v| v == value));
    match requirement.operator.as_str() {
        "In" => listed,
        "NotIn" => !listed,
        "Exists" => value.is_some(),
        "DoesNotExist" => value.is_none(),
        _ => false,
    }
}

fn tolerates(toleration: &Toleration, taint: &Taint) -> bool {
    let effect = toleration.effect.as_deref().is_none_or(|e| e.is_empty() || e == taint.effect);
    let key = toleration.key.as_deref().is_none_or(|k| k.is_empty() || k == taint.key);
    let exists = toleration.operator.as_deref() == Some("Exists");
    effect && key && (exists || toleration.value.as_deref().unwrap_or("") == taint.value.as_deref().unwrap_or(""))
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::Node;
    use rstest::rstest;
    use serde_json::{Value, json};

    use super::*;

    fn placed(spec: Value, node: Value) -> bool {
        let mut spec = spec;
        spec["containers"] = json!([]);
        let spec: PodSpec = serde_json::from_value(spec).unwrap();
        let node: Node = serde_json::from_value(node).unwrap();
        Placement::from(&spec).admits(&NodeView::try_from(&node).unwrap())
    }

    fn node() -> Value {
        json!({ "metadata": { "name": "n1", "labels": { "pool": "batch" } } })
    }

    fn affinity(requirement: &Value, kind: &str) -> Value {
        let term = json!({ kind: [requirement] });
        json!({ "affinity": { "nodeAffinity": { "requiredDuringSchedulingIgnoredDuringExecution": { "nodeSelectorTerms": [term] } } } })
    }

    #[rstest]
    #[case::anywhere(json!({}), true)]
    #[case::its_pool(json!({ "nodeSelector": { "pool": "batch" } }), true)]
    #[case::another_pool(json!({ "nodeSelector": { "pool": "web" } }), false)]
    #[case::in_list(affinity(&json!({ "key": "pool", "operator": "In", "values": ["batch"] }), "matchExpressions"), true)]
    #[case::not_in(affinity(&json!({ "key": "pool", "operator": "NotIn", "values": ["batch"] }), "matchExpressions"), false)]
    #[case::exists(affinity(&json!({ "key": "zone", "operator": "Exists" }), "matchExpressions"), false)]
    #[case::by_name(affinity(&json!({ "key": "metadata.name", "operator": "In", "values": ["n1"] }), "matchFields"), true)]
    #[case::another_name(affinity(&json!({ "key": "metadata.name", "operator": "In", "values": ["n2"] }), "matchFields"), false)]
    fn labels_decide(#[case] spec: Value, #[case] admitted: bool) {
        assert_eq!(placed(spec, node()), admitted);
    }

    #[rstest]
    #[case::untolerated(json!({}), "NoSchedule", false)]
    #[case::only_preferred(json!({}), "PreferNoSchedule", true)]
    #[case::tolerated(json!({ "tolerations": [{ "key": "dedicated", "value": "db", "effect": "NoSchedule" }] }), "NoSchedule", true)]
    #[case::another_value(json!({ "tolerations": [{ "key": "dedicated", "value": "web" }] }), "NoSchedule", false)]
    #[case::everything(json!({ "tolerations": [{ "operator": "Exists" }] }), "NoExecute", true)]
    fn taints_repel_unless_tolerated(#[case] spec: Value, #[case] effect: &str, #[case] admitted: bool) {
        let mut node = node();
        node["spec"] = json!({ "taints": [{ "key": "dedicated", "value": "db", "effect": effect }] });
        assert_eq!(placed(spec, node), admitted);
    }

    #[test]
    fn a_cordoned_node_takes_only_what_looks_after_it() {
        let mut node = node();
        node["spec"] = json!({ "unschedulable": true });
        assert!(!placed(json!({}), node.clone()));
        let tolerations = json!([{ "key": "node.kubernetes.io/unschedulable", "operator": "Exists" }]);
        assert!(placed(json!({ "tolerations": tolerations }), node));
    }
}
