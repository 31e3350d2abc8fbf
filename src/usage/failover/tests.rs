use std::{collections::VecDeque, time::Duration};

use jiff::SignedDuration;

use super::*;
use crate::{
    model::ContainerModel,
    resources::{Bytes, NanoCpu},
    usage::average::Averages,
};

const START: Timestamp = Timestamp::constant(1_800_000_000, 0);

/// What a source does when it is asked.
#[derive(Clone, Debug)]
enum Answer {
    Cores(f64),
    Nothing,
    Refused,
    Never,
}

use Answer::{Cores, Never, Nothing, Refused};

/// Answers one after the other, the last one for ever.
struct Script {
    clock: Clock,
    answers: Mutex<VecDeque<Answer>>,
}

impl Script {
    fn of(clock: Clock, answers: &[Answer]) -> Arc<Self> {
        Arc::new(Self { clock, answers: Mutex::new(answers.iter().cloned().collect()) })
    }
}

#[async_trait]
impl UsageSource for Script {
    async fn samples(&self) -> Result<Vec<Sample>, Error> {
        let answer = {
            let mut answers = self.answers.lock().unwrap();
            if answers.len() > 1 { answers.pop_front().unwrap() } else { answers[0].clone() }
        };
        match answer {
            Cores(cores) => Ok(vec![sample(self.clock.now(), cores)]),
            Nothing => Ok(Vec::new()),
            Refused => Err(Error::Malformed { source_name: "the script".to_owned(), problem: "refused".to_owned() }),
            Never => std::future::pending().await,
        }
    }
}

fn sample(at: Timestamp, cores: f64) -> Sample {
    Sample {
        namespace: "shop".to_owned(),
        pod: "web-0".to_owned(),
        container: "app".to_owned(),
        at,
        cpu: Some(NanoCpu::from_cores(cores)),
        memory: Some(Bytes::mib(64)),
        throttled: None,
        cpu_pressure: None,
        memory_pressure: None,
        oom_events: None,
    }
}

fn pair(first: &[Answer], second: &[Answer]) -> (Failover, Clock) {
    let clock = Clock::simulated(START);
    (Failover::new(Script::of(clock, first), Script::of(clock, second), "the second", clock), clock)
}

/// What each reading a minute after the other gives: cores, or nothing for a failure.
async fn readings(source: &Failover, times: usize) -> Vec<Option<f64>> {
    let mut readings = Vec::new();
    for _ in 0..times {
        readings.push(source.samples().await.ok().map(|samples| samples[0].cpu.unwrap().cores()));
        tokio::time::advance(Duration::from_mins(1)).await;
    }
    readings
}

#[tokio::test(start_paused = true)]
async fn the_second_takes_over_after_three_failures_and_the_first_takes_back() {
    let (source, _) = pair(&[Cores(1.0), Refused, Nothing, Refused, Refused, Cores(1.0)], &[Cores(2.0)]);
    assert_eq!(readings(&source, 3).await, [Some(1.0), None, None]);
    assert_eq!(source.fallback(), None);
    assert_eq!(readings(&source, 2).await, [Some(2.0), Some(2.0)]);
    let fallback = source.fallback().unwrap();
    assert_eq!((fallback.source_name.as_str(), fallback.since), ("the second", START + SignedDuration::from_mins(3)));
    assert!(fallback.why.contains("refused"), "{}", fallback.why);
    assert_eq!(readings(&source, 1).await, [Some(1.0)]);
    assert_eq!(source.fallback(), None);
}

#[tokio::test(start_paused = true)]
async fn a_failure_now_and_then_is_no_reason() {
    let (source, _) = pair(&[Refused, Refused, Cores(1.0), Refused, Refused, Cores(1.0)], &[Cores(2.0)]);
    assert_eq!(readings(&source, 6).await, [None, None, Some(1.0), None, None, Some(1.0)]);
}

#[tokio::test(start_paused = true)]
async fn a_first_that_hangs_holds_the_second_up_for_seconds_only() {
    let (source, clock) = pair(&[Refused, Refused, Refused, Never], &[Cores(2.0)]);
    readings(&source, 3).await;
    let asked = clock.now();
    assert!(source.samples().await.is_ok());
    assert_eq!(clock.now().duration_since(asked), SignedDuration::from_secs(10));
}

#[tokio::test(start_paused = true)]
async fn when_neither_answers_both_reasons_are_told_and_nothing_is_made_up() {
    let (source, _) = pair(&[Refused], &[Refused, Refused, Nothing, Cores(2.0), Refused]);
    assert_eq!(readings(&source, 3).await, [None, None, None], "an answer without a sample is none");
    assert_eq!(readings(&source, 1).await, [Some(2.0)]);
    let error = source.samples().await.unwrap_err();
    assert!(matches!(error, Error::Neither { .. }) && error.to_string().matches("refused").count() == 2, "{error}");
    assert_eq!(source.fallback(), None);
}

#[tokio::test(start_paused = true)]
async fn history_is_the_firsts() {
    let (source, clock) = pair(&[Cores(1.0)], &[Cores(2.0)]);
    assert!(source.history(START, clock.now()).await.unwrap().is_none());
}

/// A load that goes up and down every 20 seconds, as an average over the `seconds` before `at`.
fn load(at: i64, seconds: i64) -> f64 {
    let cores = |second: i64| if second.rem_euclid(40) < 20 { 0.1 } else { 0.9 };
    (at - seconds..at).map(cores).sum::<f64>() / f64::from(i32::try_from(seconds).unwrap())
}

/// Two hours from a source that looks at two minutes, then two from one that looks at `window` seconds.
fn learnt(window: i64) -> (ContainerModel, ContainerModel) {
    let (mut model, mut averages) = (ContainerModel::new(), Averages::default());
    let at = |second: i64| START + SignedDuration::from_secs(second);
    (0..120).for_each(|minute| model.observe(&sample(at(minute * 60), load(minute * 60, 120))));
    let before = model.clone();
    for minute in 120..240 {
        let mut sample = sample(at(minute * 60 - 7), load(minute * 60 - 7, window));
        averages.widen(&mut sample, SignedDuration::from_secs(window));
        // The first readings warm the average up, before the second source takes over.
        if minute >= 122 {
            model.observe(&sample);
        }
    }
    (before, model)
}

#[test]
fn the_switch_alone_moves_nothing_by_more_than_a_bucket() {
    let (before, after) = learnt(60);
    for (old, new) in [
        (before.cpu().quantile(0.95), after.cpu().quantile(0.95)),
        (before.cpu().burst(3), after.cpu().burst(3)),
        (before.cpu().burst(24), after.cpu().burst(24)),
    ] {
        let ratio = new.unwrap() / old.unwrap();
        assert!((1.0 / 1.06..=1.06).contains(&ratio), "{old:?} -> {new:?}");
    }
    assert_eq!(before.memory_peak(), after.memory_peak());
}
