//! One scenario on the embedded cluster and on a real control plane: the same is done to the same Pods, in the same
//! order, for the same reasons.

use std::{collections::BTreeMap, path::Path};

use rstest::rstest;
use tailor::{
    controller::{Action, JournalEntry},
    plan::{ContainerChange, Why},
    sim::{cluster, report::collect::Outcome, scenario::Scenario},
};

use crate::support::assets;

/// What was done to one Pod, or became of it, in order, and the resizes that it waited for and got.
type Life<'a> = (Vec<(Action, Why, &'a [ContainerChange])>, Vec<&'a [ContainerChange]>);

fn embedded(scenario: &Scenario) -> Outcome {
    let runtime = || cluster::runtime().expect("a runtime");
    runtime().block_on(cluster::rehearse(scenario)).expect("the embedded API server accepts it");
    runtime().block_on(cluster::run(scenario, 1, &mut |_| {})).expect("it runs to its end")
}

/// The lives of each workload's Pods. The names of Pods are random, so the lives are sorted.
fn lives(outcome: &Outcome) -> BTreeMap<String, Vec<String>> {
    let mut by_pod = BTreeMap::<&str, (String, Life<'_>)>::new();
    for JournalEntry { namespace, workload, pod, action, reason, changes, .. } in &outcome.journal {
        let workload = format!("{} {namespace}/{}", workload.kind, workload.name);
        let (_, (events, _)) = by_pod.entry(pod).or_insert_with(|| (workload, Life::default()));
        events.push((*action, *reason, changes));
    }
    for grant in &outcome.grants {
        let (_, (_, grants)) = by_pod.get_mut(grant.pod.as_str()).expect("what is granted was sent");
        grants.push(&grant.changes);
    }
    let mut lives = BTreeMap::<String, Vec<String>>::new();
    for (workload, life) in by_pod.into_values() {
        lives.entry(workload).or_default().push(format!("{life:?}"));
    }
    lives.values_mut().for_each(|lives| lives.sort());
    lives
}

fn count(outcome: &Outcome, action: Action) -> usize {
    outcome.journal.iter().filter(|entry| entry.action == action).count()
}

/// What comes of a scenario on the real and on the embedded cluster, if there is a real one.
fn on_both_clusters(name: &str) -> Option<(Outcome, Outcome)> {
    let assets = assets(&["kube-controller-manager", "kube-scheduler"])?;
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/short").join(name).with_extension("yaml");
    let scenario = Scenario::open(&path).expect("a scenario that is right");
    let embedded = embedded(&scenario);
    let real = cluster::real::run(&assets, &scenario, 1, std::future::pending, &mut |_| {})
        .unwrap_or_else(|error| panic!("{error:?}"));
    Some((real, embedded))
}

#[rstest]
#[case::too_large("scale-down", Action::Resize, 4)]
#[case::no_room("deferred", Action::Defer, 1)]
#[case::larger_than_its_node("eviction", Action::Evict, 2)]
#[case::of_a_kind_that_is_not_resized("infeasible", Action::Infeasible, 2)]
#[case::killed("oom", Action::Resize, 2)]
fn a_scenario_takes_the_same_course_on_both_clusters(#[case] name: &str, #[case] action: Action, #[case] times: usize) {
    let Some((real, embedded)) = on_both_clusters(name) else { return };
    assert_eq!(count(&embedded, action), times, "a run in which that does not happen proves nothing");
    assert_eq!(lives(&real), lives(&embedded));
    let kills = |outcome: &Outcome| outcome.accounts.iter().map(|(_, account)| account.total.oom_kills).sum::<u64>();
    assert_eq!(kills(&real), kills(&embedded));
}

/// The API server answers such an eviction with 500, as if it might do it the next time.
#[test]
fn the_eviction_of_a_pod_under_two_budgets_is_asked_for_once() {
    let Some((real, embedded)) = on_both_clusters("two-budgets") else { return };
    assert_eq!(lives(&real), lives(&embedded));
    assert_eq!(count(&real, Action::EvictRefused), 2);
    assert_eq!((real.evictions_asked, embedded.evictions_asked), (2, 2), "one for each of the two Pods");
    assert_eq!(count(&real, Action::Evict), 0);
}
