//! CPU over two minutes, from samples that are of shorter windows.
//!
//! metrics-server tells what a container used in its last 10 to 60 seconds; the query for Prometheus asks for two minutes.
//! A load that comes in bursts looks higher the shorter one looks, so both are made to speak of the same span: a change
//! of the source alone changes no recommendation.

use std::collections::{BTreeMap, VecDeque};

use jiff::{SignedDuration, Timestamp};

use super::Sample;
use crate::resources::NanoCpu;

/// What an average is over.
const SPAN: SignedDuration = SignedDuration::from_mins(2);

/// A container that was not heard of for so long starts anew.
const FORGOTTEN_AFTER: SignedDuration = SignedDuration::from_mins(10);

type Container = (String, String, String);

/// What each container used in the last two minutes.
#[derive(Debug, Default)]
pub struct Averages(BTreeMap<Container, VecDeque<Part>>);

#[derive(Clone, Copy, Debug)]
struct Part {
    until: Timestamp,
    seconds: f64,
    cores: f64,
}

impl Averages {
    /// Makes the CPU of `sample`, which is over `window`, the average over the windows of the last two minutes.
    pub fn widen(&mut self, sample: &mut Sample, window: SignedDuration) {
        // Zero is not averaged: it may be a lost row, and who learns it has to see that.
        let Some(cpu) = sample.cpu.filter(|cpu| cpu.0 > 0) else { return };
        let key = (sample.namespace.clone(), sample.pod.clone(), sample.container.clone());
        let parts = self.0.entry(key).or_default();
        if parts.back().is_none_or(|newest| newest.until < sample.at) {
            let seconds = window.clamp(SignedDuration::from_secs(1), SPAN).as_secs_f64();
            parts.push_back(Part { until: sample.at, seconds, cores: cpu.cores() });
        }
        while parts.front().is_some_and(|oldest| sample.at.duration_since(oldest.until) >= SPAN) {
            parts.pop_front();
        }
        let (used, seconds) = parts
            .iter()
            .fold((0.0, 0.0), |(used, seconds), part| (used + part.cores * part.seconds, seconds + part.seconds));
        if seconds > 0.0 {
            sample.cpu = Some(NanoCpu::from_cores(used / seconds));
        }
    }

    /// Drops containers that are gone.
    pub fn forget(&mut self, now: Timestamp) {
        self.0.retain(|_, parts| parts.back().is_some_and(|part| now.duration_since(part.until) < FORGOTTEN_AFTER));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::constant(1_800_000_000, 0);

    fn widened(uses: &[(i64, f64)]) -> Vec<f64> {
        let mut averages = Averages::default();
        let widened = uses.iter().map(|(seconds, cores)| {
            let mut sample = Sample {
                namespace: "shop".to_owned(),
                pod: "web-0".to_owned(),
                container: "app".to_owned(),
                at: NOW + SignedDuration::from_secs(*seconds),
                cpu: Some(NanoCpu::from_cores(*cores)),
                memory: None,
                throttled: None,
                cpu_pressure: None,
                memory_pressure: None,
                oom_events: None,
            };
            averages.widen(&mut sample, SignedDuration::from_mins(1));
            sample.cpu.unwrap().cores()
        });
        widened.collect()
    }

    #[test]
    fn two_windows_of_a_minute_make_an_average_over_two() {
        assert_eq!(widened(&[(0, 0.2), (60, 0.6), (120, 0.2), (180, 0.8)]), [0.2, 0.4, 0.4, 0.5]);
    }

    #[test]
    fn a_window_seen_twice_counts_once_and_one_before_a_hole_not_at_all() {
        assert_eq!(widened(&[(0, 0.2), (0, 0.2), (60, 0.6), (60, 0.6), (300, 0.1)]), [0.2, 0.2, 0.4, 0.4, 0.1]);
    }

    #[test]
    fn containers_that_are_gone_are_dropped() {
        let mut averages = Averages::default();
        averages.0.insert(
            ("shop".to_owned(), "web-0".to_owned(), "app".to_owned()),
            VecDeque::from([Part { until: NOW, seconds: 60.0, cores: 0.1 }]),
        );
        averages.forget(NOW + SignedDuration::from_mins(9));
        assert_eq!(averages.0.len(), 1);
        averages.forget(NOW + SignedDuration::from_mins(10));
        assert_eq!(averages.0.len(), 0);
    }
}
