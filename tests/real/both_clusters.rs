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

/// What was done to one Pod, or became of it, in order.
type Life = Vec<(Action, Why, Vec<ContainerChange>)>;

fn embedded(scenario: &Scenario) -> Outcome {
    let runtime = || cluster::runtime().expect("a runtime");
    runtime().block_on(cluster::rehearse(scenario)).expect("the embedded API server accepts it");
    runtime().block_on(cluster::run(scenario, 1, &mut |_| {})).expect("it runs to its end")
}

/// The lives of each workload's Pods. The names of Pods are random, so the lives are sorted.
fn lives(journal: &[JournalEntry]) -> BTreeMap<String, Vec<String>> {
    let mut by_pod = BTreeMap::<(String, &str), Life>::new();
    for entry in journal {
        let workload = format!("{} {}/{}", entry.workload.kind, entry.namespace, entry.workload.name);
        let event = (entry.action, entry.reason, entry.changes.clone());
        by_pod.entry((workload, &entry.pod)).or_default().push(event);
    }
    let mut lives = BTreeMap::<String, Vec<String>>::new();
    for ((workload, _), life) in by_pod {
        lives.entry(workload).or_default().push(format!("{life:#?}"));
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
    let (embedded_lives, real_lives) = (lives(&embedded.journal), lives(&real.journal));
    assert_eq!(real_lives, embedded_lives);
    let killed = |outcome: &Outcome| outcome.accounts.iter().any(|(_, account)| account.total.oom_kills > 0);
    assert_eq!(killed(&real), killed(&embedded));
}
