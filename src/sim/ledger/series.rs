//! Charts in bounded memory: buckets of equal width that hold the largest value in them.

use jiff::{SignedDuration, Timestamp};

use super::Reading;
use crate::resources::{Bytes, MilliCpu, NanoCpu};

/// More points than a chart has pixels help nobody.
const MAX_POINTS: usize = 1_500;
/// The width that buckets start with; it doubles each time that there are too many.
const FINEST: SignedDuration = SignedDuration::from_secs(15);

/// One bucket: the largest sum over the workload's Pods of each value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Point {
    /// Pods on Nodes.
    pub pods: u32,
    /// CPU usage in billionths of a core.
    pub cpu_usage: u64,
    /// CPU requests in thousandths of a core.
    pub cpu_request: u64,
    /// CPU limits in thousandths of a core; `None` if a Pod has none.
    pub cpu_limit: Option<u64>,
    /// Memory usage in bytes.
    pub memory_usage: u64,
    /// Memory requests in bytes.
    pub memory_request: u64,
    /// Memory limits in bytes; `None` if a Pod has none.
    pub memory_limit: Option<u64>,
}

impl Point {
    pub(super) fn sum<'a>(readings: impl Iterator<Item = &'a Reading>) -> Self {
        let mut point = Self::default();
        let (mut cpu_limit, mut memory_limit) = (Some(0), Some(0));
        for Reading { cpu: NanoCpu(cpu), memory: Bytes(memory), requests, limits, .. } in readings {
            point.pods += 1;
            point.cpu_usage += cpu;
            point.memory_usage += memory;
            point.cpu_request += requests.cpu.unwrap_or_default().0;
            point.memory_request += requests.memory.unwrap_or_default().0;
            cpu_limit = cpu_limit.zip(limits.cpu).map(|(sum, MilliCpu(limit))| sum + limit);
            memory_limit = memory_limit.zip(limits.memory).map(|(sum, Bytes(limit))| sum + limit);
        }
        if point.pods > 0 {
            point.cpu_limit = cpu_limit;
            point.memory_limit = memory_limit;
        }
        point
    }

    fn raise(&mut self, other: &Self) {
        self.pods = self.pods.max(other.pods);
        self.cpu_usage = self.cpu_usage.max(other.cpu_usage);
        self.cpu_request = self.cpu_request.max(other.cpu_request);
        self.cpu_limit = self.cpu_limit.max(other.cpu_limit);
        self.memory_usage = self.memory_usage.max(other.memory_usage);
        self.memory_request = self.memory_request.max(other.memory_request);
        self.memory_limit = self.memory_limit.max(other.memory_limit);
    }
}

/// A step function of time, drawn with at most 1,500 points.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Series {
    /// When the first bucket begins.
    pub start: Timestamp,
    /// How many seconds each bucket is wide.
    pub step_seconds: i64,
    /// The buckets, without a gap.
    pub points: Vec<Point>,
}

impl Series {
    pub(super) fn new(start: Timestamp) -> Self {
        Self { start, step_seconds: FINEST.as_secs(), points: Vec::new() }
    }

    /// `point` held from `from` up to, but not including, `to`.
    pub(super) fn push(&mut self, from: Timestamp, to: Timestamp, point: &Point) {
        let last_moment = to.saturating_sub(SignedDuration::from_nanos(1)).unwrap_or(to);
        while self.bucket(last_moment) >= MAX_POINTS {
            self.coarsen();
        }
        let (first, last) = (self.bucket(from), self.bucket(last_moment));
        if self.points.len() <= last {
            self.points.resize(last + 1, Point::default());
        }
        self.points[first..=last].iter_mut().for_each(|bucket| bucket.raise(point));
    }

    fn bucket(&self, at: Timestamp) -> usize {
        usize::try_from(at.duration_since(self.start).as_secs() / self.step_seconds).unwrap_or(0)
    }

    fn coarsen(&mut self) {
        self.step_seconds *= 2;
        let halves = self.points.chunks(2).map(|pair| {
            let mut merged = pair[0];
            pair[1..].iter().for_each(|other| merged.raise(other));
            merged
        });
        self.points = halves.collect();
    }
}
