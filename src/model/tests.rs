use jiff::SignedDuration;
use proptest::prelude::*;
use rstest::rstest;

use super::*;
use crate::resources::NanoCpu;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).unwrap()
}

fn sample(pod: &str, seconds: i64, cores: f64, mib: u64) -> Sample {
    Sample {
        namespace: "shop".into(),
        pod: pod.into(),
        container: "app".into(),
        at: at(seconds),
        cpu: Some(NanoCpu::from_cores(cores)),
        memory: Some(Bytes::mib(mib)),
        ..Sample::default()
    }
}

/// A model after an hour of the same use, once a minute.
fn steady(cores: f64, mib: u64) -> ContainerModel {
    let mut model = ContainerModel::new();
    (0..60).for_each(|minute| model.observe(&sample("web-0", minute * 60, cores, mib)));
    model
}

#[test]
fn a_new_model_knows_nothing() {
    let model = ContainerModel::new();
    assert!(model.is_empty());
    assert_eq!((model.newest_sample(), model.memory_peak(), model.cpu().quantile(0.9)), (None, None, None));
}

#[test]
fn a_sample_seen_twice_or_out_of_order_teaches_nothing() {
    let model = steady(0.2, 100);
    let mut again = model.clone();
    again.observe(&sample("web-0", 59 * 60, 0.2, 100));
    again.observe(&sample("web-0", 58 * 60, 0.2, 90));
    again.observe(&sample("web-9", -86_400, 3.0, 900));
    assert_eq!(again, model);
}

#[rstest]
#[case::cpu_of_zero(Sample { cpu: Some(NanoCpu(0)), ..sample("web-0", 3_600, 0.0, 100) })]
#[case::memory_of_zero(Sample { memory: Some(Bytes(0)), ..sample("web-0", 3_600, 0.2, 0) })]
#[case::nothing(Sample { cpu: None, memory: None, ..sample("web-0", 3_600, 0.0, 0) })]
fn absent_and_zero_lower_nothing(#[case] empty: Sample) {
    let model = steady(0.2, 100);
    let mut after = model.clone();
    for hour in 1..100 {
        after.observe(&Sample { at: at(hour * 3_600), ..empty.clone() });
    }
    assert_eq!(after.cpu().burst(1), model.cpu().burst(1));
    assert!(after.cpu().quantile(0.5) >= model.cpu().quantile(0.5));
    assert_eq!(after.memory_peak(), model.memory_peak());
}

#[test]
fn a_hole_of_days_pushes_no_peak_out() {
    let mut model = steady(0.2, 100);
    model.observe(&sample("web-0", 5 * 86_400, 0.01, 10));
    assert_eq!(model.memory_peak(), Some(Bytes::mib(100)));
    assert!(model.cpu().burst(3).unwrap() >= 0.2);
    assert!(model.cpu().quantile(0.5).unwrap() > 0.19);
}

#[test]
fn nothing_but_zeros_is_idleness_after_an_hour() {
    let mut idle = ContainerModel::new();
    (0..30).for_each(|minute| idle.observe(&sample("web-0", minute * 60, 0.0, 50)));
    assert_eq!(idle.cpu().quantile(0.9), None, "half an hour of zeros may be lost rows");
    (30..90).for_each(|minute| idle.observe(&sample("web-0", minute * 60, 0.0, 50)));
    assert!(idle.cpu().quantile(0.9).unwrap() < 0.001);
}

/// Hours of zeros after an hour of use; `breaks` decides what each minute brings instead, if anything.
fn after_use(hours: i64, breaks: impl Fn(i64, Sample) -> Option<Sample>) -> ContainerModel {
    let mut model = steady(0.2, 100);
    let zeros = (60..60 + hours * 60).filter_map(|minute| breaks(minute, sample("web-0", minute * 60, 0.0, 100)));
    zeros.for_each(|sample| model.observe(&sample));
    model
}

#[test]
fn a_container_that_falls_idle_forgets_its_bursts() {
    let idle = after_use(3, |_, zero| Some(zero));
    assert!(idle.cpu().burst(12).unwrap() < 0.001, "an hour to be sure, and an hour of bursts of nothing");
    assert_eq!(idle.newest_sample(), Some(at((4 * 60 - 1) * 60)));
}

#[rstest]
#[case::within_the_hour(1, |_, zero| Some(zero))]
#[case::broken_by_use(5, |minute, zero| Some(if minute % 50 == 0 { Sample { cpu: Some(NanoCpu(200_000_000)), ..zero } } else { zero }))]
#[case::broken_by_holes(5, |minute, zero| (minute % 50 > 11).then_some(zero))]
#[case::memory_not_measured(5, |_, zero| Some(Sample { memory: None, ..zero }))]
#[case::cpu_not_measured(5, |_, zero| Some(Sample { cpu: None, ..zero }))]
fn zeros_that_may_be_lost_rows_lower_nothing(#[case] hours: i64, #[case] breaks: fn(i64, Sample) -> Option<Sample>) {
    assert!(after_use(hours, breaks).cpu().burst(12).unwrap() >= 0.2);
}

#[rstest]
#[case::unknown(None, 0.2)]
#[case::half(Some(0.5), 0.3)]
#[case::always(Some(1.0), 0.4)]
#[case::nonsense(Some(f64::NAN), 0.2)]
#[case::beyond(Some(7.0), 0.4)]
fn throttling_counts_as_demand_above_use(#[case] throttled: Option<f64>, #[case] wanted: f64) {
    let mut model = ContainerModel::new();
    model.observe(&Sample { throttled, ..sample("web-0", 0, 0.2, 50) });
    assert!((model.cpu().burst(1).unwrap() - wanted).abs() < 1e-6);
}

#[rstest]
#[case::pressure_alone(None, Some(0.5), 0.3)]
#[case::both_tell_of_one_shortage(Some(0.5), Some(0.25), 0.3)]
#[case::pressure_is_the_larger(Some(0.25), Some(0.5), 0.3)]
#[case::nonsense(None, Some(f64::INFINITY), 0.2)]
fn cpu_pressure_counts_as_throttling_does(
    #[case] throttled: Option<f64>,
    #[case] cpu_pressure: Option<f64>,
    #[case] wanted: f64,
) {
    let mut model = ContainerModel::new();
    model.observe(&Sample { throttled, cpu_pressure, ..sample("web-0", 0, 0.2, 50) });
    assert!((model.cpu().burst(1).unwrap() - wanted).abs() < 1e-6);
}

#[rstest]
#[case::small(Bytes::mib(50), Bytes::mib(150))]
#[case::at_the_turn(Bytes::mib(500), Bytes::mib(600))]
#[case::large(Bytes::mib(1000), Bytes::mib(1200))]
fn an_oom_kill_raises_by_a_fifth_or_100_mib(#[case] killed_at: Bytes, #[case] raised: Bytes) {
    let mut model = ContainerModel::new();
    model.observe_oom(at(0), killed_at);
    assert_eq!(model.memory().oom_floor().map(|floor| floor.0.div_ceil(1 << 20)), Some(raised.0 >> 20));
    assert!(!model.is_empty());
}

#[test]
fn one_oom_kill_raises_once_and_the_next_one_again() {
    let mut model = steady(0.1, 900);
    model.observe_oom(at(3_600), Bytes::mib(1000));
    let once = model.memory().oom_floor();
    model.observe_oom(at(3_600), once.unwrap());
    assert_eq!(model.memory().oom_floor(), once, "the same kill, seen again under the larger limit");
    model.observe_oom(at(3_700), once.unwrap());
    assert!(model.memory().oom_floor() > once);
    model.observe_oom(at(3_800), Bytes::mib(10));
    assert!(model.memory().oom_floor() > once, "a smaller replica's kill lowers nothing");
}

#[test]
fn kills_that_follow_each_other_double_the_size() {
    let mut model = ContainerModel::new();
    let mut killed_at = Bytes::mib(400);
    let mut sizes = Vec::new();
    for second in [0, 3, 6, 9] {
        model.observe_oom(at(second), killed_at);
        killed_at = model.memory().oom_floor().unwrap();
        sizes.push(killed_at.0.div_ceil(1 << 20));
    }
    assert_eq!(sizes, [500, 1_000, 2_000, 4_000]);
    model.observe_oom(at(3_600), killed_at);
    assert_eq!(model.memory().oom_floor().unwrap().0.div_ceil(1 << 20), 4_800, "an hour later it is a first one again");
}

#[test]
fn an_oom_kill_is_forgotten_after_a_week() {
    let mut model = steady(0.1, 900);
    model.observe_oom(at(3_600), Bytes::mib(1000));
    model.observe(&sample("web-0", 6 * 86_400, 0.1, 900));
    assert!(model.memory().oom_floor().is_some());
    model.observe(&sample("web-0", 8 * 86_400, 0.1, 900));
    assert_eq!(model.memory().oom_floor(), None);
}

#[test]
fn one_replica_of_many_moves_the_peaks() {
    let mut model = ContainerModel::new();
    for minute in 0..60 {
        (0..40).for_each(|n| model.observe(&sample(&format!("web-{n}"), minute * 60 + n, 0.05, 60)));
    }
    model.observe(&sample("web-39", 3_700, 0.9, 400));
    assert_eq!(model.memory_peak(), Some(Bytes::mib(400)));
    assert!(model.cpu().burst(1).unwrap() >= 0.9);
}

#[test]
fn the_widest_model_stays_below_a_kibibyte() {
    let mut model = ContainerModel::new();
    for minute in 0..3_000_i32 {
        let cores = 0.001 * 1.3_f64.powi(minute % 50);
        model.observe(&sample(&format!("web-{}", minute % 64), i64::from(minute) * 60, cores, 100));
    }
    model.observe_oom(at(0), Bytes::mib(100));
    assert!(model.size_bytes() <= 1_024, "{} bytes", model.size_bytes());
    let ordinary = steady(0.2, 100).size_bytes();
    assert!(ordinary <= 512, "{ordinary} bytes");
}

proptest! {
    #[test]
    fn no_sample_panics(
        samples in prop::collection::vec((any::<i64>(), any::<u64>(), any::<u64>(), any::<f64>(), 0..50_u8), 0..100),
    ) {
        let mut model = ContainerModel::new();
        for (nanos, cpu, memory, throttled, pod) in samples {
            let at = Timestamp::MIN.checked_add(SignedDuration::from_secs(nanos.unsigned_abs() as i64 & (i64::MAX >> 24)));
            let at = at.unwrap_or(Timestamp::MAX);
            model.observe(&Sample {
                at,
                cpu: Some(NanoCpu(cpu)),
                memory: Some(Bytes(memory)),
                throttled: Some(throttled),
                ..sample(&format!("web-{pod}"), 0, 0.0, 0)
            });
            model.observe_oom(at, Bytes(memory));
        }
        prop_assert!(model.cpu().quantile(0.9).is_none_or(f64::is_finite));
    }
}
