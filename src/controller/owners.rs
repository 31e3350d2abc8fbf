//! From a Pod to the workload that it belongs to.
//!
//! A Deployment's Pods are owned by its ReplicaSets and a CronJob's by its Jobs. History, recommendations and policies
//! are about the workload at the top, so that a rollout or the next run of a CronJob starts with what was learnt.

use std::fmt;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};

use crate::api::TargetRef;

/// A workload. The API version is left out: it names a spelling, not an object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkloadId {
    /// Its namespace.
    pub namespace: String,
    /// Its API group, empty for the core group.
    pub group: String,
    /// Its kind.
    pub kind: String,
    /// Its name.
    pub name: String,
}

impl WorkloadId {
    /// What a policy in `namespace` names.
    pub fn of_target(namespace: &str, target: &TargetRef) -> Self {
        Self::new(namespace, &target.api_version, &target.kind, &target.name)
    }

    /// What an object in `namespace` says owns it.
    pub fn of_owner(namespace: &str, owner: &OwnerReference) -> Self {
        Self::new(namespace, &owner.api_version, &owner.kind, &owner.name)
    }

    /// From an API version such as `apps/v1`.
    pub fn new(namespace: &str, api_version: &str, kind: &str, name: &str) -> Self {
        let group = api_version.split_once('/').map_or("", |(group, _)| group);
        Self { namespace: namespace.to_owned(), group: group.to_owned(), kind: kind.to_owned(), name: name.to_owned() }
    }

    /// Whether it is one of the kinds that are watched.
    pub fn is_watched(&self) -> bool {
        matches!(
            (self.group.as_str(), self.kind.as_str()),
            ("apps", "Deployment" | "ReplicaSet" | "StatefulSet" | "DaemonSet") | ("batch", "Job" | "CronJob")
        )
    }

    /// Whether it is of a kind that stands between a Pod and its workload, if something owns it in turn. Others, such
    /// as a Deployment that an operator's resource owns, are workloads in their own right.
    pub fn is_between(&self) -> bool {
        matches!((self.group.as_str(), self.kind.as_str()), ("apps", "ReplicaSet") | ("batch", "Job"))
    }

    /// Whether something brings evicted Pods back with no work lost. A Job's Pod would start over, and count as failed.
    pub fn recreates(&self) -> bool {
        self.group != "batch"
    }
}

impl fmt::Display for WorkloadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}/{}", self.kind, self.namespace, self.name)
    }
}

/// What controls an object, if anything does.
pub fn controller_of(metadata: &ObjectMeta) -> Option<WorkloadId> {
    let owner = metadata.owner_references.iter().flatten().find(|owner| owner.controller == Some(true))?;
    Some(WorkloadId::of_owner(metadata.namespace.as_deref().unwrap_or_default(), owner))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::deployment("apps/v1", "Deployment", true, false, true)]
    #[case::replica_set("apps/v1", "ReplicaSet", true, true, true)]
    #[case::job("batch/v1", "Job", true, true, false)]
    #[case::foreign("argoproj.io/v1alpha1", "Rollout", false, false, true)]
    #[case::foreign_of_a_known_name("example.com/v1", "Deployment", false, false, true)]
    fn kinds_are_told_apart_by_group_and_kind(
        #[case] api_version: &str,
        #[case] kind: &str,
        #[case] watched: bool,
        #[case] between: bool,
        #[case] recreates: bool,
    ) {
        let id = WorkloadId::new("shop", api_version, kind, "web");
        assert_eq!((id.is_watched(), id.is_between(), id.recreates()), (watched, between, recreates));
    }

    #[test]
    fn only_the_controlling_owner_counts() {
        let owner = |name: &str, controller| OwnerReference {
            api_version: "apps/v1".to_owned(),
            kind: "ReplicaSet".to_owned(),
            name: name.to_owned(),
            controller,
            ..OwnerReference::default()
        };
        let mut metadata = ObjectMeta { namespace: Some("shop".to_owned()), ..ObjectMeta::default() };
        metadata.owner_references = Some(vec![owner("other", None), owner("web-1", Some(true))]);
        assert_eq!(controller_of(&metadata), Some(WorkloadId::new("shop", "apps/v1", "ReplicaSet", "web-1")));
        metadata.owner_references = Some(vec![owner("other", Some(false))]);
        assert_eq!(controller_of(&metadata), None);
    }
}
