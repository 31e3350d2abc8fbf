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

#[rstest]
#[case::too_large("scale-down", Action::Resize, 4)]
#[case::no_room("deferred", Action::Defer, 1)]
#[case::larger_than_its_node("eviction", Action::Evict, 2)]
#[case::killed("oom", Action::Resize, 2)]
fn a_scenario_takes_the_same_course_on_both_clusters(#[case] name: &str, #[case] action: Action, #[case] times: usize) {
    let programs = ["kube-controller-manager", "kube-scheduler"];
    let Some(assets) = assets(&programs) else { return };
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/short").join(name).with_extension("yaml");
    let scenario = Scenario::open(&path).expect("a scenario that is right");
    let embedded = embedded(&scenario);
    assert_eq!(count(&embedded, action), times, "a run in which that does not happen proves nothing");
    let real = cluster::real::run(&assets, &scenario, 1, &mut |_| {}).unwrap_or_else(|error| panic!("{error:?}"));
    assert_eq!(lives(&real), lives(&embedded));
    let kills = |outcome: &Outcome| outcome.accounts.iter().map(|(_, account)| account.total.oom_kills).sum::<u64>();
    assert_eq!(kills(&real), kills(&embedded));
}
