use super::*;
use crate::{
    controller::publish::tests::{observed, workload},
    plan::{PodState, Why},
    resources::MilliCpu,
};

const MIB: f64 = 1_048_576.0;

/// Two Pods that request 100m and 64 MiB each, of a template that says 300m and 32 MiB; the first one's use is known.
fn told() -> PolicyFits {
    let mut web = workload("web", 1_000, 2);
    web.fits.get_mut("app").unwrap().template.requests = Resources::new(MilliCpu(300), Bytes::mib(32));
    let observed = observed(vec![web]);
    let pod = |pod, state, why| AppliedPod { workload: 0, pod, state, why };
    let pods = vec![pod(0, PodState::Fitted, Why::Fits), pod(1, PodState::Other, Why::NoRoomOnNode)];
    let applied = Applied { observed: &observed, pods, last_action: None, look_again: None, held_by_admission: None };
    figures(&applied, &|pod, _| match pod {
        "web-0" => (Some(NanoCpu::from_cores(0.15)), Some(Bytes::mib(16))),
        _ => (None, None),
    })
}

#[track_caller]
fn assert_amounts(figure: Figure, cpu: f64, mib: f64) {
    let amounts = told().containers[0].get(figure);
    let near = |amount: Option<f64>, expected: f64| amount.is_some_and(|amount| (amount - expected).abs() < 1e-9);
    assert!(near(amounts.cpu, cpu) && near(amounts.memory.map(|bytes| bytes / MIB), mib), "{figure:?}: {amounts:?}");
}

#[test]
fn what_a_container_should_get_has_and_uses_is_told_in_cores_and_bytes() {
    assert_amounts(Figure::Lower, 0.5, 500.0);
    assert_amounts(Figure::Target, 1.0, 1_000.0);
    assert_amounts(Figure::Upper, 2.0, 2_000.0);
    assert_amounts(Figure::Request, 0.1, 64.0);
    assert_amounts(Figure::UsageMax, 0.15, 16.0);
    assert_amounts(Figure::UsageMean, 0.15, 16.0);
    assert_eq!(told().containers[0].get(Figure::Limit), Amounts::default(), "there is none");
}

#[test]
fn sums_are_over_all_replicas_and_a_use_that_is_not_known_is_no_slack() {
    assert_amounts(Figure::Reserved, 0.2, 128.0);
    assert_amounts(Figure::Slack, -0.05, 48.0);
    assert_amounts(Figure::Saved, 0.4, -64.0);
}

#[test]
fn pods_are_counted_by_state_and_by_reason() {
    let told = told();
    let of = |state: &str| told.pods.iter().find(|(known, _)| *known == state).unwrap().1;
    assert_eq!((of("fitted"), of("waiting"), of("infeasible")), (1, 1, 0));
    assert_eq!(told.reasons.into_iter().collect::<Vec<_>>(), [("Fits", 1), ("NoRoomOnNode", 1)]);
    assert_eq!((told.ready, told.verdict, told.strategy), (true, "Fitting", "InPlaceOrRecreate"));
}
