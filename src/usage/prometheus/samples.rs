//! From series to samples: what is no measurement is left out, and what was measured twice counts once.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{
    answer::{Container, Series},
    queries::Signal,
};
use crate::{
    resources::{Bytes, NanoCpu},
    usage::Sample,
};

/// More cores, and more bytes, than any machine has: such a value is a fault of whoever measured it.
const MOST_CORES: f64 = 10_000.0;
const MOST_BYTES: f64 = (1_u64 << 50) as f64;

/// The moments that are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Moments {
    /// Unix time in seconds.
    pub(super) first: i64,
    /// Seconds from one to the next.
    pub(super) step: i64,
    pub(super) count: i64,
    /// A value that is further off than this many seconds is of another moment.
    pub(super) slack: i64,
}

impl Moments {
    /// The last of them.
    pub(super) fn last(self) -> i64 {
        self.first.saturating_add(self.step.saturating_mul(self.count - 1))
    }

    fn at(self, index: usize) -> Option<Timestamp> {
        let seconds = self.step.checked_mul(i64::try_from(index).ok()?)?.checked_add(self.first)?;
        Timestamp::from_second(seconds).ok()
    }

    /// Which one a time is.
    #[expect(clippy::cast_precision_loss, reason = "seconds of Unix time, and so small integers")]
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is within the moments")]
    fn index(self, time: f64) -> Option<usize> {
        let since = time - self.first as f64;
        let index = (since / self.step as f64).round().clamp(0.0, (self.count - 1) as f64);
        let off = (since - index * self.step as f64).abs();
        (off <= self.slack as f64).then_some(index as usize)
    }
}

/// What is known of one container at one moment.
#[derive(Clone, Copy, Debug, Default)]
struct Values {
    cpu: Option<NanoCpu>,
    memory: Option<Bytes>,
    throttled: Option<f64>,
    cpu_pressure: Option<f64>,
    memory_pressure: Option<f64>,
    oom_events: Option<u32>,
}

/// Joins the answers to all queries.
pub(super) struct Join {
    moments: Moments,
    found: BTreeMap<Container, Vec<Values>>,
    /// Values of another moment.
    pub(super) elsewhen: usize,
    /// Values that are no measurement.
    pub(super) odd: usize,
}

impl Join {
    pub(super) fn new(moments: Moments) -> Self {
        Self { moments, found: BTreeMap::new(), elsewhen: 0, odd: 0 }
    }

    /// Adds what a query found. Those of use go first, for no other makes a container known.
    pub(super) fn add(&mut self, signal: Signal, all: Vec<Series>) {
        let count = usize::try_from(self.moments.count).unwrap_or_default();
        for Series { container, points } in all {
            let points = points.into_iter().filter_map(|(time, value)| {
                let index = self.moments.index(time);
                let value = measured(signal, value);
                self.elsewhen += usize::from(index.is_none());
                self.odd += usize::from(value.is_none());
                index.zip(value)
            });
            let points: Vec<_> = points.collect();
            if points.is_empty() {
                continue;
            }
            let known = if signal.is_use() {
                self.found.entry(container).or_insert_with(|| vec![Values::default(); count])
            } else {
                let Some(known) = self.found.get_mut(&container) else { continue };
                known
            };
            points.into_iter().for_each(|(index, value)| known[index].note(signal, value));
        }
    }

    /// How many samples there are.
    pub(super) fn count(&self) -> usize {
        self.found.values().flatten().filter(|values| values.is_sample()).count()
    }

    /// The samples, the oldest first, and those of one moment in the order of their names.
    pub(super) fn into_samples(self) -> Vec<Sample> {
        let mut samples = Vec::with_capacity(self.count());
        let count = usize::try_from(self.moments.count).unwrap_or_default();
        for (index, at) in (0..count).filter_map(|index| Some((index, self.moments.at(index)?))) {
            let known = self.found.iter().filter(|(_, all)| all[index].is_sample());
            samples.extend(known.map(|(container, all)| all[index].sample(container, at)));
        }
        samples
    }
}

/// The value, if it can have been measured.
fn measured(signal: Signal, value: f64) -> Option<f64> {
    let most = match signal {
        Signal::Cpu => MOST_CORES,
        Signal::Memory => MOST_BYTES,
        Signal::Throttled | Signal::CpuPressure | Signal::MemoryPressure | Signal::OomEvents => f64::MAX,
    };
    (0.0..=most).contains(&value).then_some(value)
}

impl Values {
    /// Of what was measured twice the larger counts.
    fn note(&mut self, signal: Signal, value: f64) {
        match signal {
            Signal::Cpu => self.cpu = self.cpu.max(Some(NanoCpu::from_cores(value))),
            Signal::Memory => self.memory = self.memory.max(Some(whole_bytes(value))),
            Signal::Throttled => larger(&mut self.throttled, value),
            Signal::CpuPressure => larger(&mut self.cpu_pressure, value),
            Signal::MemoryPressure => larger(&mut self.memory_pressure, value),
            Signal::OomEvents => self.oom_events = self.oom_events.max(Some(whole_events(value))),
        }
    }

    fn is_sample(&self) -> bool {
        self.cpu.is_some() || self.memory.is_some()
    }

    fn sample(&self, Container { namespace, pod, name }: &Container, at: Timestamp) -> Sample {
        let Self { cpu, memory, throttled, cpu_pressure, memory_pressure, oom_events } = *self;
        let (namespace, pod, container) = (namespace.clone(), pod.clone(), name.clone());
        Sample { namespace, pod, container, at, cpu, memory, throttled, cpu_pressure, memory_pressure, oom_events }
    }
}

fn larger(known: &mut Option<f64>, share: f64) {
    *known = Some(known.unwrap_or(0.0).max(share.min(1.0)));
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "float to int casts saturate")]
fn whole_bytes(bytes: f64) -> Bytes {
    Bytes(bytes.ceil() as u64)
}

/// Prometheus extrapolates an increase to the whole window: one event may be 1.3, or 0.9.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "float to int casts saturate")]
fn whole_events(events: f64) -> u32 {
    if events > 0.0 { events.round().max(1.0) as u32 } else { 0 }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const NOW: i64 = 1_800_000_000;
    const NOW_F: f64 = 1_800_000_000.0;

    fn instant() -> Moments {
        Moments { first: NOW, step: 60, count: 1, slack: 300 }
    }

    fn series(pod: &str, points: &[(f64, f64)]) -> Series {
        let container = Container { namespace: "shop".to_owned(), pod: pod.to_owned(), name: "app".to_owned() };
        Series { container, points: points.to_vec() }
    }

    fn joined(parts: &[(Signal, &str, f64)]) -> Vec<Sample> {
        let mut join = Join::new(instant());
        parts.iter().for_each(|&(signal, pod, value)| join.add(signal, vec![series(pod, &[(NOW_F, value)])]));
        join.into_samples()
    }

    #[test]
    fn the_answers_become_one_sample_per_container() {
        let samples = joined(&[
            (Signal::Cpu, "b", 0.25),
            (Signal::Cpu, "a", 1.5),
            (Signal::Memory, "a", 1_048_575.5),
            (Signal::Throttled, "a", 0.5),
            (Signal::CpuPressure, "a", 1.5),
            (Signal::MemoryPressure, "a", 0.125),
            (Signal::OomEvents, "a", 1.3),
            (Signal::Throttled, "ghost", 0.1),
        ]);
        let [a, b] = &samples[..] else { panic!("{samples:?}") };
        assert_eq!((a.cpu, a.memory, a.throttled), (Some(NanoCpu(1_500_000_000)), Some(Bytes::mib(1)), Some(0.5)));
        assert_eq!((a.cpu_pressure, a.memory_pressure, a.oom_events), (Some(1.0), Some(0.125), Some(1)));
        assert_eq!(a.at, Timestamp::constant(NOW, 0));
        assert_eq!((b.cpu, b.memory, b.throttled), (Some(NanoCpu(250_000_000)), None, None));
        assert_eq!((b.cpu_pressure, b.memory_pressure, b.oom_events), (None, None, None), "absent is not zero");
    }

    #[rstest]
    #[case(f64::NAN)]
    #[case(f64::INFINITY)]
    #[case(-1.0)]
    #[case(2e15)]
    fn what_is_no_measurement_is_absent_and_not_zero(#[case] value: f64) {
        assert_eq!(joined(&[(Signal::Cpu, "a", value), (Signal::Memory, "a", value)]), []);
        let with_memory = joined(&[(Signal::Cpu, "a", value), (Signal::Memory, "a", 1.0)]);
        assert_eq!((with_memory[0].cpu, with_memory[0].memory), (None, Some(Bytes(1))));
    }

    #[test]
    fn of_twins_the_larger_counts() {
        let samples = joined(&[(Signal::Cpu, "a", 0.2), (Signal::Cpu, "a", 0.3), (Signal::Cpu, "a", 0.1)]);
        assert_eq!(samples.len(), 1);
        assert_eq!(samples[0].cpu, Some(NanoCpu(300_000_000)));
    }

    #[rstest]
    #[case::now(0.0, true)]
    #[case::a_moment_ago(-300.0, true)]
    #[case::stale(-301.0, false)]
    #[case::of_the_future(301.0, false)]
    fn a_value_of_long_ago_is_no_sample(#[case] off: f64, #[case] counts: bool) {
        let mut join = Join::new(instant());
        join.add(Signal::Cpu, vec![series("a", &[(NOW_F + off, 0.1)])]);
        assert_eq!((join.count() == 1, join.elsewhen == 1), (counts, !counts));
        assert!(join.into_samples().iter().all(|sample| sample.at == Timestamp::constant(NOW, 0)));
    }

    #[test]
    fn a_range_becomes_a_sample_per_moment_and_gaps_stay_gaps() {
        let moments = Moments { first: NOW, step: 60, count: 3, slack: 29 };
        let mut join = Join::new(moments);
        join.add(Signal::Cpu, vec![series("b", &[(NOW_F, 0.1), (NOW_F + 120.0, 0.3)])]);
        join.add(Signal::Cpu, vec![series("a", &[(NOW_F + 120.0, 0.4), (NOW_F + 60.0, f64::NAN)])]);
        let samples = join.into_samples();
        let seen: Vec<_> = samples.iter().map(|s| (s.at.as_second() - NOW, s.pod.as_str())).collect();
        assert_eq!(seen, [(0, "b"), (120, "a"), (120, "b")]);
        assert_eq!(moments.last(), NOW + 120);
    }
}
