//! A Prometheus whose past is a bundled trace.

use std::{collections::BTreeMap, fmt::Write as _, path::Path, time::Duration};

use jiff::SignedDuration;
use tailor::{
    resources::Bytes,
    sim::real::backfill,
    usage::{
        Sample, UsageSource,
        prometheus::Caps,
        trace::{Series, Trace},
    },
};

use super::*;

/// Seconds from one recorded value to the next.
const SCRAPED_EVERY: i64 = 30;

/// What a query of two minutes sees of values that far apart: from the first value in it to the last.
const SEEN: i64 = 90;

/// The trace as two counters and gauges each: what a scraper would have recorded of it from `start` on.
struct Recording {
    trace: Trace,
    start: Timestamp,
    seconds: i64,
    /// So many Pods of each series, all alike.
    pods: usize,
}

impl Recording {
    fn new(hours: i64, pods: usize) -> Self {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("traces/online-boutique-pods.csv.gz");
        let trace = Trace::open(&file).unwrap();
        // On the grid of minutes, so that readings fall on recorded values.
        let start = Timestamp::now().as_second() / 3_600 * 3_600 - (hours + 1) * 3_600;
        Self { trace, start: Timestamp::from_second(start).unwrap(), seconds: hours * 3_600, pods }
    }

    fn end(&self) -> Timestamp {
        self.start + SignedDuration::from_secs(self.seconds)
    }

    fn pods(&self) -> impl Iterator<Item = (String, &Series)> {
        self.trace.series().flat_map(|(name, series)| {
            let drawn = "bcdfghjklmnpqrstvwxz2456789".chars();
            drawn
                .cycle()
                .take(self.pods)
                .enumerate()
                .map(move |(index, last)| (format!("{name}-7d4b9c6f5d-{index}{last}"), series.as_ref()))
        })
    }

    /// The text that promtool takes.
    fn text(&self) -> String {
        let mut text = String::new();
        let mut family = |kind: &str, name: &str, sample: &str, value: &dyn Fn(&Series, i64) -> Option<f64>| {
            _ = writeln!(text, "# TYPE {name} {kind}");
            for (pod, series) in self.pods() {
                for since in (0..=self.seconds).step_by(usize::try_from(SCRAPED_EVERY).unwrap()) {
                    let Some(value) = value(series, since) else { continue };
                    let at = self.start.as_second() + since;
                    _ = writeln!(
                        text,
                        "{sample}{{namespace=\"shop\",pod=\"{pod}\",container=\"app\",id=\"/{pod}\",cpu=\"total\"}} {value} {at}"
                    );
                }
            }
        };
        family("counter", "container_cpu_usage_seconds", "container_cpu_usage_seconds_total", &|series, since| {
            // Not from zero, beyond which Prometheus does not extrapolate.
            Some(1_000.0 + core_seconds(series, since))
        });
        family(
            "gauge",
            "container_memory_working_set_bytes",
            "container_memory_working_set_bytes",
            &|series, since| memory(series, since).map(|bytes| bytes.0 as f64),
        );
        text.push_str("# EOF\n");
        text
    }
}

/// What was used in the first `seconds` of a series.
fn core_seconds(series: &Series, seconds: i64) -> f64 {
    let end = Duration::from_secs(seconds.unsigned_abs());
    let rows = series.rows();
    let ends = rows.iter().skip(1).map(|row| row.start).chain([series.length()]);
    let parts = rows
        .iter()
        .zip(ends)
        .map(|(row, next)| row.cpu.cores() * next.min(end).saturating_sub(row.start).as_secs_f64());
    parts.sum()
}

fn memory(series: &Series, seconds: i64) -> Option<Bytes> {
    let at = Duration::from_secs(seconds.unsigned_abs());
    series.rows().iter().take_while(|row| row.start <= at).last()?.memory
}

fn by_pod(samples: &[Sample]) -> BTreeMap<(i64, &str), &Sample> {
    samples.iter().map(|sample| ((sample.at.as_second(), sample.pod.as_str()), sample)).collect()
}

#[tokio::test]
async fn its_history_is_what_the_trace_says_and_what_readings_would_have_said() {
    let Some(assets) = programs() else { return };
    let (recording, folder) = (Recording::new(3, 1), folder());
    backfill(&assets, folder.path(), &recording.text()).unwrap_or_else(|error| panic!("{error:?}"));
    let server = start(&assets, folder.path(), None).await;
    let settled = recording.start + SignedDuration::from_mins(2);
    let history =
        source(&server, Settings::default(), Clock::System).history(settled, recording.end()).await.unwrap().unwrap();
    let pods: BTreeMap<_, _> = recording.pods().collect();
    assert_eq!(history.len(), pods.len() * (3 * 60 - 2));
    assert!(history.is_sorted_by_key(|sample| sample.at));
    for sample in &history {
        let (series, since) = (pods[&sample.pod], sample.at.as_second() - recording.start.as_second());
        let used = (core_seconds(series, since) - core_seconds(series, since - SEEN)) / SEEN as f64;
        // A counter's value is stored as text, to about 15 digits.
        let off = (sample.cpu.unwrap().cores() - used).abs();
        assert!(off <= 1e-8 + used * 1e-6, "{sample:?}: {used} cores");
        let highest = (since - SEEN..=since).step_by(30).filter_map(|since| memory(series, since)).max();
        assert_eq!(sample.memory, highest, "{sample:?}");
        assert_eq!((sample.throttled, sample.cpu_pressure, sample.oom_events), (None, None, None));
    }
    // Over hours it is the mean of the trace's own rows, to within the window's edges.
    for (pod, series) in &pods {
        let told: f64 =
            history.iter().filter(|sample| sample.pod == *pod).map(|sample| sample.cpu.unwrap().cores()).sum();
        let told = told * 60.0;
        let recorded = core_seconds(series, recording.seconds) - core_seconds(series, 120);
        assert!((told / recorded - 1.0).abs() < 0.05, "{pod}: {told} of {recorded} core-seconds");
    }

    let all = by_pod(&history);
    for minute in [10, 95, 178] {
        let at = recording.start + SignedDuration::from_mins(minute);
        let reading = source(&server, Settings::default(), clock_at(at)).samples().await.unwrap();
        assert_eq!(reading.len(), pods.len());
        for sample in &reading {
            assert_eq!(sample, all[&(at.as_second(), sample.pod.as_str())]);
        }
    }
}

#[tokio::test]
async fn an_answer_over_the_bounds_is_split_and_the_parts_give_the_same_samples() {
    let Some(assets) = programs() else { return };
    let (recording, folder) = (Recording::new(1, 30), folder());
    backfill(&assets, folder.path(), &recording.text()).unwrap_or_else(|error| panic!("{error:?}"));
    let server = start(&assets, folder.path(), None).await;
    let at = recording.start + SignedDuration::from_mins(30);
    let whole = source(&server, Settings::default(), clock_at(at)).samples().await.unwrap();
    assert_eq!(whole.len(), recording.pods().count());

    let bounds = [Caps { series: 60, ..Caps::default() }, Caps { bytes: 8_000, ..Caps::default() }];
    for caps in bounds {
        let source = source(&server, Settings { caps, ..Settings::default() }, clock_at(at));
        let parts = source.samples().await.unwrap();
        assert!(source.shards() >= 8, "{caps:?}");
        assert_eq!(by_pod(&parts), by_pod(&whole), "{caps:?}");
    }

    let small = Settings { caps: Caps { values: 2_000, ..Caps::default() }, ..Settings::default() };
    let (from, until) = (recording.start, recording.end());
    let pieces = source(&server, small, Clock::System).history(from, until).await.unwrap().unwrap();
    let whole = source(&server, Settings::default(), Clock::System).history(from, until).await.unwrap().unwrap();
    assert!(whole.len() > 10_000 && pieces == whole, "{} of {}", pieces.len(), whole.len());
}
