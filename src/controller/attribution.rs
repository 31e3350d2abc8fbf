//! From the name of a Pod that is gone to its workload, where the name tells.
//!
//! Kubernetes' controllers build the names of Pods from those of their workloads: a Deployment's ReplicaSet appends the
//! hash of the template, and whoever creates Pods five random characters (`SafeEncodeString` and `SimpleNameGenerator`, both
//! of one alphabet of consonants and digits that nobody takes for words); a StatefulSet appends a number. A name
//! that was too long was cut, and tells nothing.

use super::{owners::WorkloadId, world::World};

/// The characters of hashes and random endings (`k8s.io/apimachinery/pkg/util/rand`).
const ALPHABET: &str = "bcdfghjklmnpqrstvwxz2456789";

/// How long a random ending is.
const ENDING: usize = 5;

/// A hash of 32 bits has so many digits at most, and one in 4,000 is shorter than the least.
const HASH: std::ops::RangeInclusive<usize> = 7..=10;

/// A Job of a CronJob is called by the minute that it was due at.
const MINUTES: std::ops::RangeInclusive<usize> = 8..=10;

/// The one workload of the namespace whose Pods can have been called so; of several, that with the longest name. `None`
/// if there is none, or two are as likely.
pub fn workload_named(world: &World, namespace: &str, pod: &str) -> Option<WorkloadId> {
    let mut candidates: Vec<(usize, WorkloadId)> = Vec::new();
    let mut add = |api_version: &str, kind: &str, name: &str| {
        let id = WorkloadId::new(namespace, api_version, kind, name);
        if world.workload(&id).is_some() {
            candidates.extend(world.root_of(&id).map(|root| (name.len(), root)));
        }
    };
    let (start, end) = pod.rsplit_once('-')?;
    if is_ordinal(end) {
        add("apps/v1", "StatefulSet", start);
    }
    if end.len() == ENDING && is_encoded(end) {
        add("apps/v1", "ReplicaSet", start);
        add("apps/v1", "DaemonSet", start);
        add("batch/v1", "Job", start);
        if let Some((start, middle)) = start.rsplit_once('-') {
            if HASH.contains(&middle.len()) && is_encoded(middle) {
                add("apps/v1", "Deployment", start);
            }
            if MINUTES.contains(&middle.len()) && is_ordinal(middle) {
                add("batch/v1", "CronJob", start);
            }
            if is_ordinal(middle) {
                add("batch/v1", "Job", start);
            }
        }
    }
    let (longest, _) = candidates.iter().max_by_key(|(length, _)| *length)?;
    let mut best = candidates.iter().filter(|(length, _)| length == longest).map(|(_, id)| id);
    let first = best.next()?;
    best.all(|other| other == first).then(|| first.clone())
}

fn is_encoded(text: &str) -> bool {
    text.chars().all(|c| ALPHABET.contains(c))
}

fn is_ordinal(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_digit()) && (text == "0" || !text.starts_with('0')) && !text.is_empty()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use rstest::rstest;

    use super::*;
    use crate::controller::world::Workload;

    fn world(ids: &[(&str, &str, &str)]) -> World {
        let mut world = World::default();
        for (version, kind, name) in ids {
            let web = || WorkloadId::new("shop", "apps/v1", "Deployment", "web");
            world.apply_workload(Workload {
                id: WorkloadId::new("shop", version, kind, name),
                api_version: (*version).to_owned(),
                labels: BTreeMap::new(),
                owner: (*kind == "ReplicaSet" && name.starts_with("web-")).then(web),
                replicas: None,
                template: BTreeMap::new(),
            });
        }
        world
    }

    fn named(pod: &str) -> Option<String> {
        let world = world(&[
            ("apps/v1", "Deployment", "web"),
            ("apps/v1", "ReplicaSet", "web-7d9f8c6b5"),
            ("apps/v1", "Deployment", "web-api"),
            ("apps/v1", "ReplicaSet", "lone"),
            ("apps/v1", "StatefulSet", "db"),
            ("apps/v1", "DaemonSet", "web-7d9f8c6b"),
            ("apps/v1", "DaemonSet", "agent"),
            ("batch/v1", "Job", "agent"),
            ("batch/v1", "Job", "load"),
            ("batch/v1", "CronJob", "report"),
        ]);
        workload_named(&world, "shop", pod).map(|id| format!("{} {}", id.kind, id.name))
    }

    #[rstest]
    #[case::of_a_replica_set_that_is_there("web-7d9f8c6b5-x2x4z", Some("Deployment web"))]
    #[case::of_one_that_is_gone("web-6c5d4f7b8-x2x4z", Some("Deployment web"))]
    #[case::of_a_longer_name("web-api-6c5d4f7b8-x2x4z", Some("Deployment web-api"))]
    #[case::of_the_longest_name("web-7d9f8c6b-x2x4z", Some("DaemonSet web-7d9f8c6b"))]
    #[case::of_a_replica_set_alone("lone-x2x4z", Some("ReplicaSet lone"))]
    #[case::of_a_stateful_set("db-12", Some("StatefulSet db"))]
    #[case::of_a_job("load-x2x4z", Some("Job load"))]
    #[case::of_an_indexed_job("load-3-x2x4z", Some("Job load"))]
    #[case::of_a_cron_job("report-29412345-x2x4z", Some("CronJob report"))]
    #[case::two_are_as_likely("agent-x2x4z", None)]
    #[case::a_number_that_no_stateful_set_counts("db-012", None)]
    #[case::letters_that_no_ending_has("web-7d9f8c6b5-aeiou", None)]
    #[case::an_ending_that_is_too_long("web-7d9f8c6b5-x2x4zz", None)]
    #[case::a_word_and_no_hash("web-blog-x2x4z", None)]
    #[case::a_pod_by_hand("web", None)]
    #[case::the_name_and_no_more("db-", None)]
    #[case::another("shop-7d9f8c6b5-x2x4z", None)]
    fn a_pod_is_known_by_its_name(#[case] pod: &str, #[case] workload: Option<&str>) {
        assert_eq!(named(pod).as_deref(), workload);
    }
}
