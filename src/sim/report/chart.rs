//! The charts of one container of a workload, small enough for a page.

use jiff::Timestamp;
use serde::Serialize;

use crate::sim::ledger::{Point, Series};

/// Buckets in a chart: about as many as it has pixels.
const BUCKETS: u64 = 480;

/// Equal stretches of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grid {
    start: Timestamp,
    /// How many seconds each bucket is wide.
    pub step_seconds: u64,
    /// How many there are.
    pub buckets: usize,
}

/// CPU and memory of one container of a workload, summed over its Pods.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Chart {
    /// Which workload, as an index into the report's.
    pub workload: usize,
    /// The container.
    pub container: String,
    /// In thousandths of a core.
    pub cpu: Lines,
    /// In mebibytes.
    pub memory: Lines,
}

/// What is drawn in one chart, bucket by bucket, each the largest value in it.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Lines {
    /// What was used.
    pub usage: Vec<f64>,
    /// What was requested.
    pub request: Changes,
    /// What was the limit; `None` is none.
    pub limit: Changes,
    /// What the manifest requests.
    pub before: Changes,
}

/// A line of steps: from each bucket on, the value. Most requests change a few times a day.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Changes(pub Vec<(usize, Option<f64>)>);

impl Grid {
    /// A grid over `seconds` from `start` on.
    pub fn new(start: Timestamp, seconds: u64) -> Self {
        // No finer than the ledger's buckets are for a run of this length, and a multiple of its finest.
        let step_seconds = seconds.div_ceil(BUCKETS).max(1).next_multiple_of(15);
        let buckets = usize::try_from(seconds.div_ceil(step_seconds)).unwrap_or(0).max(1);
        Self { start, step_seconds, buckets }
    }

    fn bucket(&self, at: i64) -> usize {
        let seconds = u64::try_from(at - self.start.as_second()).unwrap_or(0);
        usize::try_from(seconds / self.step_seconds).map_or(0, |bucket| bucket.min(self.buckets - 1))
    }

    /// `series` in the buckets of this grid; `None` where it says nothing.
    fn fit(&self, series: &Series) -> Vec<Option<Point>> {
        let mut points = vec![None::<Point>; self.buckets];
        let mut at = series.start.as_second();
        for point in &series.points {
            let (first, last) = (self.bucket(at), self.bucket(at + series.step_seconds - 1));
            for bucket in &mut points[first..=last] {
                *bucket = Some(bucket.map_or(*point, |other| larger(&other, point)));
            }
            at += series.step_seconds;
        }
        points
    }
}

fn larger(a: &Point, b: &Point) -> Point {
    Point {
        pods: a.pods.max(b.pods),
        cpu_usage: a.cpu_usage.max(b.cpu_usage),
        cpu_request: a.cpu_request.max(b.cpu_request),
        cpu_limit: a.cpu_limit.max(b.cpu_limit),
        memory_usage: a.memory_usage.max(b.memory_usage),
        memory_request: a.memory_request.max(b.memory_request),
        memory_limit: a.memory_limit.max(b.memory_limit),
    }
}

/// One value of a point, in the chart's unit.
type Pick<'a> = &'a dyn Fn(&Point) -> Option<f64>;

impl Chart {
    /// Draws `series` on `grid`. `cpu_before` (thousandths of a core) and `memory_before` (bytes) are what the
    /// manifest requests for each Pod.
    pub fn draw(
        grid: &Grid,
        series: &Series,
        workload: usize,
        container: &str,
        (cpu_before, memory_before): (u64, u64),
    ) -> Self {
        let points = grid.fit(series);
        let lines = |usage: Pick<'_>, request: Pick<'_>, limit: Pick<'_>, before: Pick<'_>| Lines {
            usage: points.iter().map(|point| point.as_ref().and_then(usage).unwrap_or(0.0)).collect(),
            request: Changes::of(&points, request),
            limit: Changes::of(&points, limit),
            before: Changes::of(&points, before),
        };
        let there = |point: &Point, value: f64| (point.pods > 0).then_some(value);
        Self {
            workload,
            container: container.to_owned(),
            cpu: lines(
                &|point| Some(tenths(point.cpu_usage, 1_000_000)),
                &|point| there(point, tenths(point.cpu_request, 1)),
                &|point| point.cpu_limit.map(|limit| tenths(limit, 1)),
                &|point| there(point, tenths(cpu_before.saturating_mul(point.pods.into()), 1)),
            ),
            memory: lines(
                &|point| Some(tenths(point.memory_usage, 1 << 20)),
                &|point| there(point, tenths(point.memory_request, 1 << 20)),
                &|point| point.memory_limit.map(|limit| tenths(limit, 1 << 20)),
                &|point| there(point, tenths(memory_before.saturating_mul(point.pods.into()), 1 << 20)),
            ),
        }
    }
}

impl Changes {
    fn of(points: &[Option<Point>], pick: Pick<'_>) -> Self {
        let mut changes = Vec::new();
        let mut last = None;
        for (bucket, point) in points.iter().enumerate() {
            let value = point.as_ref().and_then(pick);
            if value != last {
                changes.push((bucket, value));
                last = value;
            }
        }
        Self(changes)
    }
}

/// To one decimal: finer than a pixel.
#[expect(clippy::cast_precision_loss, reason = "drawn, not reckoned with")]
fn tenths(value: u64, unit: u64) -> f64 {
    (value as f64 * 10.0 / unit as f64).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(cpu: u64, request: u64, pods: u32) -> Point {
        Point { pods, cpu_usage: cpu * 1_000_000, cpu_request: request, ..Point::default() }
    }

    fn start() -> Timestamp {
        Timestamp::constant(1_000_000, 0)
    }

    #[test]
    fn a_day_has_as_many_buckets_as_a_chart_has_pixels() {
        assert_eq!(Grid::new(start(), 86_400), Grid { start: start(), step_seconds: 180, buckets: 480 });
        assert_eq!(Grid::new(start(), 1).buckets, 1);
        assert!(Grid::new(start(), 2_592_000).buckets <= 480);
    }

    #[test]
    fn the_largest_value_in_a_bucket_is_drawn_and_requests_only_where_they_change() {
        let grid = Grid::new(start(), 14_400);
        assert_eq!(grid.step_seconds, 30);
        let points = vec![point(5, 100, 1), point(9, 100, 1), point(2, 50, 1), point(3, 50, 1), point(0, 0, 0)];
        let series = Series { start: start(), step_seconds: 15, points };
        let chart = Chart::draw(&grid, &series, 0, "app", (200, 0));
        assert_eq!(chart.cpu.usage[..3], [9.0, 3.0, 0.0]);
        assert_eq!(chart.cpu.request, Changes(vec![(0, Some(100.0)), (1, Some(50.0)), (2, None)]));
        assert_eq!(chart.cpu.before, Changes(vec![(0, Some(200.0)), (2, None)]));
        assert_eq!(chart.cpu.limit, Changes(Vec::new()));
    }

    #[test]
    fn a_workload_that_comes_later_is_drawn_later() {
        let grid = Grid::new(start(), 14_400);
        let late = start() + jiff::SignedDuration::from_mins(1);
        let series = Series { start: late, step_seconds: 15, points: vec![point(7, 10, 1); 2] };
        let chart = Chart::draw(&grid, &series, 0, "app", (0, 0));
        assert_eq!(chart.cpu.usage[..4], [0.0, 0.0, 7.0, 0.0]);
        assert_eq!(chart.cpu.request.0, [(2, Some(10.0)), (3, None)]);
    }
}
