//! Which policy covers which workload.
//!
//! A policy covers what its `targetRef` names, or what its selector selects among the watched workloads at the top. Of
//! two policies that cover one workload the older owns it, whatever order they are seen in.

use std::collections::BTreeSet;

use jiff::Timestamp;
use kube::{
    ResourceExt,
    core::{Selector, SelectorExt},
};

use super::{
    owners::WorkloadId,
    world::{Key, World},
};
use crate::api::{ContainerPolicy, VerticalResizePolicy};

/// A policy, checked.
#[derive(Clone, Debug)]
pub struct Policy {
    /// As the user wrote it.
    pub object: VerticalResizePolicy,
    /// What is wrong with it, if it slipped past the API server.
    pub problem: Option<String>,
    key: Key,
    target: Option<WorkloadId>,
    selector: Option<Selector>,
}

impl Policy {
    /// Checks a policy.
    pub fn read(object: VerticalResizePolicy) -> Self {
        let selector = object.spec.selector.clone().map(Selector::try_from).transpose();
        let problem = match &selector {
            Err(error) => Some(format!("spec.selector: {error}")),
            Ok(_) => problem(&object),
        };
        let key = (object.namespace().unwrap_or_default(), object.name_any());
        let target = object.spec.target_ref.as_ref().map(|target| WorkloadId::of_target(&key.0, target));
        Self { problem, selector: selector.unwrap_or_default(), key, target, object }
    }

    /// Namespace and name.
    pub fn key(&self) -> Key {
        self.key.clone()
    }

    /// The workloads that it covers, in order, whether or not another policy owns them.
    pub fn covered(&self, world: &World) -> Vec<WorkloadId> {
        if self.problem.is_some() {
            return Vec::new();
        }
        if let Some(named) = &self.target {
            let exists = world.workload(named).is_some() || world.scaled(named).is_some();
            return world.root_of(named).filter(|_| exists).into_iter().collect();
        }
        let workloads = world.workloads_in(&self.key.0);
        workloads.filter(|workload| self.covers(&workload.id, world)).map(|workload| workload.id.clone()).collect()
    }

    /// Whether it covers the workload at the top `root`.
    pub fn covers(&self, root: &WorkloadId, world: &World) -> bool {
        if self.problem.is_some() || root.namespace != self.key.0 {
            return false;
        }
        if let Some(named) = &self.target {
            return named == root || world.root_of(named).as_ref() == Some(root);
        }
        let Some(workload) = world.workload(root) else { return false };
        let at_the_top = world.root_of(root).as_ref() == Some(root);
        at_the_top && self.selector.as_ref().is_some_and(|selector| selector.matches(&workload.labels))
    }

    /// Who comes first where two cover one workload: the older, then by name.
    fn seniority(&self) -> (Timestamp, &str) {
        let created = self.object.metadata.creation_timestamp.as_ref().map_or(Timestamp::MAX, |t| t.0);
        (created, &self.key.1)
    }
}

/// The policy that owns the workload at the top `root`: the oldest that covers it.
pub fn owner_of<'a>(root: &WorkloadId, world: &'a World) -> Option<&'a Policy> {
    let policies = world.policies_in(&root.namespace).map(AsRef::as_ref);
    let live = policies.filter(|policy| policy.object.metadata.deletion_timestamp.is_none());
    live.filter(|policy| policy.covers(root, world)).min_by_key(|policy| policy.seniority())
}

/// What the CRD's rules refuse, said again for an API server that does not know them (an old CRD, a disabled rule).
fn problem(policy: &VerticalResizePolicy) -> Option<String> {
    let spec = &policy.spec;
    if spec.target_ref.is_some() == spec.selector.is_some() {
        return Some("spec: set exactly one of targetRef and selector".to_owned());
    }
    let mut names = BTreeSet::new();
    for container in &spec.containers {
        let ContainerPolicy { name, min, max, .. } = container;
        if !names.insert(name) {
            return Some(format!("spec.containers: `{name}` is named twice"));
        }
        if let (Some(min), Some(max)) = (min, max)
            && !min.fits_in(*max)
        {
            return Some(format!("spec.containers: `{name}` has a min ({min}) above its max ({max})"));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, sync::Arc};

    use serde_json::{Value, json};

    use super::*;
    use crate::controller::world::Workload;

    fn policy(name: &str, created: &str, spec: &Value) -> Policy {
        let object = json!({
            "apiVersion": "autoscaling.tailor.dev/v1alpha1",
            "kind": "VerticalResizePolicy",
            "metadata": { "name": name, "namespace": "shop", "creationTimestamp": created },
            "spec": spec,
        });
        Policy::read(serde_json::from_value(object).unwrap())
    }

    fn world(policies: impl IntoIterator<Item = Policy>) -> World {
        let mut world = World::default();
        let workload = |kind: &str, name: &str, owner| Workload {
            id: WorkloadId::new("shop", "apps/v1", kind, name),
            api_version: "apps/v1".to_owned(),
            labels: BTreeMap::from([("tier".to_owned(), "front".to_owned())]),
            owner,
            replicas: Some(1),
            template: BTreeMap::new(),
        };
        world.apply_workload(workload("Deployment", "web", None));
        world.apply_workload(workload("ReplicaSet", "web-1", Some(web())));
        for policy in policies {
            world.policies.insert(policy.key(), Arc::new(policy));
        }
        world
    }

    fn web() -> WorkloadId {
        WorkloadId::new("shop", "apps/v1", "Deployment", "web")
    }

    fn by_target(kind: &str, name: &str) -> Value {
        json!({ "targetRef": { "apiVersion": "apps/v1", "kind": kind, "name": name } })
    }

    #[test]
    fn a_selector_selects_workloads_at_the_top_only() {
        let policy =
            policy("all", "2026-01-01T00:00:00Z", &json!({ "selector": { "matchLabels": { "tier": "front" } } }));
        assert_eq!(policy.covered(&world([])), [web()]);
    }

    #[test]
    fn a_target_stands_for_the_workload_at_its_top_and_may_be_missing() {
        let by = |spec: &Value| policy("p", "2026-01-01T00:00:00Z", spec).covered(&world([]));
        assert_eq!(by(&by_target("Deployment", "web")), [web()]);
        assert_eq!(by(&by_target("ReplicaSet", "web-1")), [web()]);
        assert_eq!(by(&by_target("Deployment", "missing")), []);
    }

    #[test]
    fn the_older_of_two_policies_owns_the_workload() {
        let older = policy("z", "2026-01-01T00:00:00Z", &by_target("Deployment", "web"));
        let younger = policy("a", "2026-01-02T00:00:00Z", &json!({ "selector": {} }));
        let same_age = policy("y", "2026-01-01T00:00:00Z", &json!({ "selector": {} }));
        let owner = |policies: Vec<Policy>| owner_of(&web(), &world(policies)).map(|p| p.object.name_any());
        assert_eq!(owner(vec![younger.clone(), older.clone()]).as_deref(), Some("z"));
        assert_eq!(owner(vec![younger, older, same_age]).as_deref(), Some("y"));
        assert_eq!(owner(vec![]), None);
    }

    #[test]
    fn a_policy_that_slipped_past_the_api_server_covers_nothing_and_says_why() {
        let both = json!({ "selector": {}, "targetRef": by_target("Deployment", "web")["targetRef"] });
        let odd = json!({ "selector": { "matchExpressions": [{ "key": "a", "operator": "Near" }] } });
        let bounds =
            json!({ "selector": {}, "containers": [{ "name": "a", "min": { "cpu": 2 }, "max": { "cpu": 1 } }] });
        let twice = json!({ "selector": {}, "containers": [{ "name": "a" }, { "name": "a" }] });
        for (spec, says) in [
            (bounds, "above its max"),
            (twice, "named twice"),
            (both, "exactly one of targetRef and selector"),
            (odd, "spec.selector"),
        ] {
            let policy = policy("p", "2026-01-01T00:00:00Z", &spec);
            assert!(policy.problem.as_ref().is_some_and(|problem| problem.contains(says)), "{:?}", policy.problem);
            assert!(!policy.covers(&web(), &world([])));
        }
    }
}
