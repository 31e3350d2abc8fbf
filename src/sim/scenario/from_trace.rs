//! A scenario made from nothing but recorded usage.

use std::{collections::BTreeSet, fmt::Write as _, path::Path, time::Duration};

use super::{Error, Scenario};
use crate::{
    resources::{Bytes, MilliCpu, NanoCpu},
    usage::trace::{Series, Trace},
};

/// What containers hold whose memory was not measured.
const UNMEASURED_MEMORY: Bytes = Bytes::mib(128);
/// Sizes as people write them.
const CPU_SIZES: [u64; 11] = [100, 250, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 64_000, 128_000];
const MEMORY_SIZES: [u64; 12] = [128, 256, 512, 1_024, 2_048, 4_096, 8_192, 16_384, 32_768, 65_536, 131_072, 262_144];
/// Nodes are as large as this, or as the largest workload needs.
const NODE: (u64, u64) = (16_000, 64 * 1_024);

/// A workload to be made.
struct Planned<'a> {
    file: &'a Path,
    series: String,
    name: String,
    /// Thousandths of a core.
    cpu: u64,
    /// Mebibytes.
    memory: u64,
}

pub(super) fn scenario(files: &[impl AsRef<Path>], at_most: Option<Duration>) -> Result<Scenario, Error> {
    let own = |source| Error::OwnTrace(Box::new(source));
    let traces = files.iter().map(|file| Ok((file.as_ref(), Trace::open(file.as_ref()).map_err(own)?)));
    let traces = traces.collect::<Result<Vec<_>, Error>>()?;
    let longest = traces.iter().flat_map(|(_, trace)| trace.series()).map(|(_, series)| series.length()).max();
    let duration = longest.unwrap_or_default().min(at_most.unwrap_or(Duration::MAX)).max(Duration::from_secs(1));
    let mut names = BTreeSet::new();
    let all = traces.iter().flat_map(|(file, trace)| trace.series().map(move |(name, series)| (*file, name, series)));
    let planned: Vec<_> = all.map(|(file, name, series)| plan(file, name, series, duration, &mut names)).collect();
    // The text is read back as any scenario is, so nothing here is a second way to make one.
    Scenario::parse("the scenario made from --trace", &write(&planned, duration), Path::new(""))
}

/// A size as its owner would have chosen it without having looked: twice the peak, rounded up to a usual size.
fn plan<'a>(
    file: &'a Path,
    series_name: &str,
    series: &Series,
    duration: Duration,
    names: &mut BTreeSet<String>,
) -> Planned<'a> {
    let (NanoCpu(cpu), memory) = series.peak(duration);
    let memory = memory.unwrap_or(UNMEASURED_MEMORY);
    Planned {
        file,
        series: series_name.to_owned(),
        name: unique(object_name(series_name), names),
        cpu: usual(&CPU_SIZES, NanoCpu(cpu.saturating_mul(2)).milli_ceil().0),
        memory: usual(&MEMORY_SIZES, memory.0.saturating_mul(2).div_ceil(1 << 20)),
    }
}

fn usual(sizes: &[u64], wanted: u64) -> u64 {
    sizes.iter().copied().find(|size| *size >= wanted).unwrap_or(wanted)
}

/// A DNS label out of any text.
fn object_name(text: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let name: String = text.chars().map(plain).take(50).collect();
    let name = name.trim_matches('-');
    if name.is_empty() { "series".to_owned() } else { name.to_owned() }
}

fn unique(name: String, taken: &mut BTreeSet<String>) -> String {
    let numbered = (2..).map(|number| format!("{name}-{number}"));
    let free = std::iter::once(name.clone()).chain(numbered).find(|name| !taken.contains(name)).unwrap_or(name);
    taken.insert(free.clone());
    free
}

fn write(planned: &[Planned<'_>], duration: Duration) -> String {
    let mut text = format!(
        "apiVersion: {}\nkind: {}\nmetadata: {{name: recorded usage}}\nspec:\n  duration: {}s\n  sampleInterval: {}s\n",
        super::format::API_VERSION,
        super::format::KIND,
        duration.as_secs(),
        duration.as_secs().min(60),
    );
    text.push_str("  loads:\n");
    for Planned { file, series, name, .. } in planned {
        let (file, series, name) = (quoted(&file.to_string_lossy()), quoted(series), quoted(name));
        _ = write!(
            text,
            "  - workload: {{kind: Deployment, name: {name}}}\n    trace: {{file: {file}, series: {series}}}\n    \
             memory: {}\n",
            UNMEASURED_MEMORY
        );
    }
    nodes(&mut text, planned);
    for workload in planned {
        deployment(&mut text, workload);
    }
    text.push_str(
        "---\napiVersion: autoscaling.tailor.dev/v1alpha1\nkind: VerticalResizePolicy\nmetadata: {name: all, namespace: \
         default}\nspec: {selector: {matchLabels: {recorded: \"true\"}}}\n",
    );
    text
}

/// A JSON string is a YAML string too, whatever it says: `null` and `1e3` unquoted are not.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// As many Nodes as hold the starting sizes, with a fifth to spare, and one more.
fn nodes(text: &mut String, planned: &[Planned<'_>]) {
    let most = |size: fn(&Planned<'_>) -> u64| planned.iter().map(size).max().unwrap_or(0);
    let sum = |size: fn(&Planned<'_>) -> u64| planned.iter().map(size).fold(0, u64::saturating_add);
    let cpu = NODE.0.max(most(|p| p.cpu).saturating_mul(2));
    let memory = NODE.1.max(most(|p| p.memory).saturating_mul(2));
    let needed = |sum: u64, size: u64| sum.saturating_mul(6) / 5 / size;
    let count = needed(sum(|p| p.cpu), cpu).max(needed(sum(|p| p.memory), memory)).max(planned.len() as u64 / 100) + 1;
    for index in 1..=count {
        let (cpu, memory) = (MilliCpu(cpu), Bytes::mib(memory));
        let amounts = format!("{{cpu: \"{cpu}\", memory: {memory}, pods: \"110\"}}");
        _ = write!(
            text,
            "---\napiVersion: v1\nkind: Node\nmetadata: {{name: node-{index}}}\nstatus: {{capacity: {amounts}, \
             allocatable: {amounts}}}\n"
        );
    }
}

fn deployment(text: &mut String, Planned { name, cpu, memory, .. }: &Planned<'_>) {
    let (name, cpu, memory) = (quoted(name), *cpu, *memory);
    let size = |times: u64| format!("{{cpu: {}, memory: {}}}", MilliCpu(cpu * times), Bytes::mib(memory * times));
    _ = write!(
        text,
        "---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {name}, namespace: default, labels: {{recorded: \
         \"true\"}}}}\nspec:\n  replicas: 1\n  selector: {{matchLabels: {{app: {name}}}}}\n  template:\n    metadata: \
         {{labels: {{app: {name}}}}}\n    spec:\n      containers:\n      - name: app\n        image: recorded\n        \
         resources: {{requests: {}, limits: {}}}\n",
        size(1),
        size(2)
    );
}
