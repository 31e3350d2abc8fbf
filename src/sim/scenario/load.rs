//! What the containers of a scenario use.

use std::{collections::BTreeMap, time::Duration};

use jiff::{SignedDuration, Timestamp};

use super::format::Amounts;
use crate::{
    resources::{Bytes, NanoCpu},
    sim::load::{Demand, Load, LoadKey},
    usage::trace::{Series, Trace},
};

/// Replicas of one workload do not move as one: each follows its trace up to this much later.
const MOST_LAG_SECONDS: u64 = 30;
/// And uses up to so many thousandths more or less CPU.
const MOST_NOISE: u64 = 20;

/// The loads of all containers, as [`Load`] for one seed by [`Loads::seeded`].
#[derive(Clone, Debug, Default)]
pub struct Loads {
    /// By namespace, workload and container.
    by_container: BTreeMap<String, BTreeMap<String, BTreeMap<String, ContainerLoad>>>,
    /// By the names of the series that were recorded.
    series: BTreeMap<String, ContainerLoad>,
    /// Of every other container.
    pub(super) default: Option<ContainerLoad>,
}

/// What one container uses.
#[derive(Clone, Debug)]
pub(super) struct ContainerLoad {
    pub(super) shape: Shape,
    pub(super) startup: Option<(NanoCpu, Duration)>,
}

impl ContainerLoad {
    /// The same, always.
    pub(super) fn constant(amounts: Amounts) -> Self {
        Self { shape: Shape::constant(amounts), startup: None }
    }
}

/// A step function of the time since the scenario's start.
#[derive(Clone, Debug)]
pub(super) struct Shape {
    /// What is used from each time on; the first is at zero.
    steps: Vec<(Duration, Demand)>,
    /// After how long it starts again.
    period: Option<Duration>,
    /// Whether replicas differ.
    varies: bool,
}

impl Shape {
    /// The same on every replica, always.
    pub(super) fn constant(amounts: Amounts) -> Self {
        Self::steps(vec![(Duration::ZERO, Demand { cpu: amounts.cpu.nano(), memory: amounts.memory })])
    }

    /// The same on every replica. `steps` rise from zero.
    pub(super) fn steps(steps: Vec<(Duration, Demand)>) -> Self {
        Self { steps, period: None, varies: false }
    }

    /// What was recorded. Memory that was not measured is that of the row before, or `memory` if there is none.
    pub(super) fn recorded(series: &Series, cpu_scale: f64, memory_scale: f64, memory: Bytes) -> Self {
        let first = series.rows().iter().find_map(|row| row.memory).map(|memory| scaled(memory, memory_scale));
        let mut known = first.unwrap_or(memory);
        let steps = series.rows().iter().map(|row| {
            known = row.memory.map_or(known, |memory| scaled(memory, memory_scale));
            (row.start, Demand { cpu: NanoCpu::from_cores(row.cpu.cores() * cpu_scale), memory: known })
        });
        Self { steps: steps.collect(), period: Some(series.length()), varies: true }
    }

    /// What is used at `offset`, and when that changes.
    fn at(&self, offset: Duration) -> (Demand, Option<Duration>) {
        let (cycle, within) = match self.period {
            Some(period) if !period.is_zero() => {
                let cycles = offset.as_nanos() / period.as_nanos();
                let cycle = period.saturating_mul(u32::try_from(cycles).unwrap_or(u32::MAX));
                (cycle, offset.saturating_sub(cycle))
            }
            _ => (Duration::ZERO, offset),
        };
        let next = self.steps.partition_point(|(start, _)| *start <= within);
        let demand = next.checked_sub(1).map_or_else(Demand::default, |current| self.steps[current].1);
        let repeats = self.period.filter(|_| self.steps.len() > 1);
        let change = self.steps.get(next).map(|(start, _)| *start).or(repeats);
        (demand, change.map(|change| cycle.saturating_add(change)))
    }
}

#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
fn scaled(memory: Bytes, scale: f64) -> Bytes {
    Bytes((memory.0 as f64 * scale).round() as u64)
}

impl Loads {
    pub(super) fn insert(&mut self, namespace: &str, workload: &str, container: &str, load: ContainerLoad) {
        let workloads = self.by_container.entry(namespace.to_owned()).or_default();
        workloads.entry(workload.to_owned()).or_default().insert(container.to_owned(), load);
    }

    /// Lets a container follow the series that its Pod asks for, and one without a load that which is called as its
    /// workload. `memory` is that of series whose memory was not measured.
    pub fn follow(&mut self, trace: &Trace, memory: Bytes) {
        for (name, series) in trace.series() {
            let shape = Shape::recorded(series, 1.0, 1.0, memory);
            self.series.insert(name.to_owned(), ContainerLoad { shape, startup: None });
        }
    }

    /// Lets a container without a load use this, unless something was said of it before.
    pub fn otherwise(&mut self, demand: Demand) {
        let shape = Shape::steps(vec![(Duration::ZERO, demand)]);
        self.default.get_or_insert(ContainerLoad { shape, startup: None });
    }

    fn get(&self, key: &LoadKey<'_>) -> Option<&ContainerLoad> {
        let asked = || self.series.get(key.series?);
        let own = || self.by_container.get(key.namespace)?.get(key.workload)?.get(key.container);
        asked().or_else(own).or_else(|| self.series.get(key.workload)).or(self.default.as_ref())
    }

    /// As a [`Load`] from `start` on, where `seed` decides how replicas differ.
    pub fn seeded(self: &std::sync::Arc<Self>, start: Timestamp, seed: u64) -> SeededLoads {
        SeededLoads { loads: self.clone(), start, seed }
    }
}

/// The loads of a scenario, in one run of it.
#[derive(Clone, Debug)]
pub struct SeededLoads {
    loads: std::sync::Arc<Loads>,
    start: Timestamp,
    seed: u64,
}

impl SeededLoads {
    fn look(&self, key: &LoadKey<'_>, at: Timestamp) -> Option<(Demand, Option<Timestamp>)> {
        let load = self.loads.get(key)?;
        let own = if load.shape.varies { Individual::of(self.seed, key) } else { Individual::default() };
        let since_start = at.duration_since(self.start) - own.lag;
        let offset = Duration::try_from(since_start).unwrap_or(Duration::ZERO);
        let (mut demand, change) = load.shape.at(offset);
        demand.cpu = own.scale(demand.cpu);
        let moment = |change: Duration| SignedDuration::try_from(change).ok();
        let mut next = change.and_then(moment).and_then(|change| (self.start + own.lag).checked_add(change).ok());
        if let Some((extra, duration)) = load.startup {
            let started = SignedDuration::try_from(duration).ok().and_then(|d| key.started.checked_add(d).ok());
            if let Some(end) = started.filter(|end| at < *end) {
                demand.cpu = NanoCpu(demand.cpu.0.saturating_add(extra.0));
                next = Some(next.map_or(end, |next| next.min(end)));
            }
        }
        Some((demand, next))
    }
}

impl Load for SeededLoads {
    fn demand(&self, key: &LoadKey<'_>, at: Timestamp) -> Demand {
        self.look(key, at).map_or_else(Demand::default, |(demand, _)| demand)
    }

    fn next_change(&self, key: &LoadKey<'_>, at: Timestamp) -> Option<Timestamp> {
        self.look(key, at)?.1
    }
}

/// How one container of one Pod differs from its trace.
#[derive(Clone, Copy, Debug, Default)]
struct Individual {
    lag: SignedDuration,
    /// Thousandths of CPU more (or less).
    noise: i64,
}

impl Individual {
    fn of(seed: u64, key: &LoadKey<'_>) -> Self {
        let names = [key.namespace, key.pod, key.container];
        let hash = names.iter().fold(mixed(seed), |hash, name| name.bytes().fold(mixed(hash), fnv));
        let hash = mixed(hash);
        let noise = (hash >> 32) % (2 * MOST_NOISE + 1);
        Self {
            lag: SignedDuration::from_secs((hash % MOST_LAG_SECONDS).cast_signed()),
            noise: noise.cast_signed() - MOST_NOISE.cast_signed(),
        }
    }

    fn scale(self, cpu: NanoCpu) -> NanoCpu {
        let thousandths = u128::from(1_000_u64.saturating_add_signed(self.noise));
        NanoCpu(u64::try_from(u128::from(cpu.0) * thousandths / 1_000).unwrap_or(u64::MAX))
    }
}

/// One step of the FNV-1a hash, which is the same on every machine and in every process.
fn fnv(hash: u64, byte: u8) -> u64 {
    (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
}

/// The finaliser of SplitMix64 (Steele, Lea, Flood 2014): spreads every input bit over the output.
fn mixed(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}
