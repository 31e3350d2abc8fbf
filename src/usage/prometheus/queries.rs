//! What is asked for: PromQL of the operator's, or for what kubelets show, with words that Tailor fills in.
//!
//! Nothing that users of the cluster write ever becomes part of a query. [`SELECTOR`], [`BY`] and [`WINDOW`] may stand in
//! a query of the operator's own too; one without [`SELECTOR`] cannot be split, nor be confined to one cluster.

use std::time::Duration;

use super::shards::Shard;

/// In a query: which series, inside of the braces.
pub const SELECTOR: &str = "$selector";
/// In a query: the labels that name a container.
pub const BY: &str = "$by";
/// In a query: the time that a value speaks of. Nothing older is looked at, so that a value of a target that is gone
/// soon is none.
pub const WINDOW: &str = "$window";

/// CPU in cores. A container whose use several scrapers, endpoints (cAdvisor's and the resource metrics') or runs tell
/// counts once, as what the highest says; one told CPU by CPU is summed up.
pub const CPU_QUERY: &str =
    "max by ($by) (sum without (cpu) (rate(container_cpu_usage_seconds_total{$selector}[$window])))";

/// The highest working set of the window, in bytes.
pub const MEMORY_QUERY: &str = "max by ($by) (max_over_time(container_memory_working_set_bytes{$selector}[$window]))";

/// The share of CFS periods that were throttled.
pub const THROTTLED_QUERY: &str = "max by ($by) (rate(container_cpu_cfs_throttled_periods_total{$selector}[$window]) \
    / rate(container_cpu_cfs_periods_total{$selector}[$window]))";

/// The share of time with work and no CPU, from Kubernetes 1.34 on. It is the counter of time in which nothing ran: the
/// one of time in which something waited (`container_pressure_cpu_waiting_seconds_total`) also counts threads that wait
/// for each other, which no larger request would help.
pub const CPU_PRESSURE_QUERY: &str =
    "max by ($by) (rate(container_pressure_cpu_stalled_seconds_total{$selector}[$window]))";

/// The share of time in which nothing ran for want of memory, from Kubernetes 1.34 on.
pub const MEMORY_PRESSURE_QUERY: &str =
    "max by ($by) (rate(container_pressure_memory_stalled_seconds_total{$selector}[$window]))";

/// Processes killed for memory.
pub const OOM_QUERY: &str = "max by ($by) (increase(container_oom_events_total{$selector}[$window]))";

/// The PromQL of each signal. An empty text asks for nothing; CPU and memory cannot both be empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queries {
    /// CPU in cores.
    pub cpu: String,
    /// Memory in bytes.
    pub memory: String,
    /// Share of throttled periods.
    pub throttled: String,
    /// Share of time with work and no CPU.
    pub cpu_pressure: String,
    /// Share of time without memory.
    pub memory_pressure: String,
    /// Processes killed for memory.
    pub oom_events: String,
}

impl Default for Queries {
    fn default() -> Self {
        Self {
            cpu: CPU_QUERY.to_owned(),
            memory: MEMORY_QUERY.to_owned(),
            throttled: THROTTLED_QUERY.to_owned(),
            cpu_pressure: CPU_PRESSURE_QUERY.to_owned(),
            memory_pressure: MEMORY_PRESSURE_QUERY.to_owned(),
            oom_events: OOM_QUERY.to_owned(),
        }
    }
}

/// How the labels are called that name a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Labels {
    /// Of the namespace.
    pub namespace: String,
    /// Of the Pod.
    pub pod: String,
    /// Of the container.
    pub container: String,
}

impl Default for Labels {
    fn default() -> Self {
        Self { namespace: "namespace".to_owned(), pod: "pod".to_owned(), container: "container".to_owned() }
    }
}

impl Labels {
    /// What is wrong with a name, if one is.
    pub(super) fn problem(&self) -> Option<String> {
        let is_name = |name: &str| {
            let letter = |c: char| c.is_ascii_alphabetic() || c == '_';
            name.starts_with(letter) && name.chars().all(|c| letter(c) || c.is_ascii_digit())
        };
        let all = [&self.namespace, &self.pod, &self.container];
        let odd = all.into_iter().find(|name| !is_name(name));
        odd.map(|name| format!("`{name}` is no name of a label: write letters, digits and underscores"))
    }
}

/// What a value may tell of a container, in the order in which answers are joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::EnumIter)]
pub(super) enum Signal {
    Cpu,
    Memory,
    Throttled,
    CpuPressure,
    MemoryPressure,
    OomEvents,
}

impl Signal {
    /// Whether a container is known by it. The others only add to what is known.
    pub(super) fn is_use(self) -> bool {
        matches!(self, Self::Cpu | Self::Memory)
    }
}

impl Queries {
    /// What to ask for a signal, if anything.
    pub(super) fn of(&self, signal: Signal) -> Option<&str> {
        let query = match signal {
            Signal::Cpu => &self.cpu,
            Signal::Memory => &self.memory,
            Signal::Throttled => &self.throttled,
            Signal::CpuPressure => &self.cpu_pressure,
            Signal::MemoryPressure => &self.memory_pressure,
            Signal::OomEvents => &self.oom_events,
        };
        Some(query.trim()).filter(|query| !query.is_empty())
    }
}

/// Whether a query can be split.
pub(super) fn is_divisible(query: &str) -> bool {
    query.contains(SELECTOR)
}

/// What every query is filled with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Filling {
    pub(super) labels: Labels,
    /// More matchers, such as `cluster="a"`.
    pub(super) matchers: String,
    pub(super) window: Duration,
}

impl Filling {
    /// The query for one shard.
    pub(super) fn fill(&self, query: &str, shard: Shard) -> String {
        let Self { labels: Labels { namespace, pod, container }, matchers, window } = self;
        let mut selector = format!("{container}!=\"\",{container}!=\"POD\"");
        let own = [matchers.trim().trim_matches(',').to_owned(), shard.matcher(pod)];
        own.iter().filter(|more| !more.is_empty()).for_each(|more| {
            selector.push(',');
            selector.push_str(more);
        });
        let window = format!("{}s", window.as_secs());
        let by = format!("{namespace}, {pod}, {container}");
        query.replace(SELECTOR, &selector).replace(BY, &by).replace(WINDOW, &window)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filling() -> Filling {
        Filling { labels: Labels::default(), matchers: String::new(), window: Duration::from_mins(2) }
    }

    #[test]
    fn a_query_is_filled_with_selector_labels_and_window() {
        let cpu = filling().fill(CPU_QUERY, Shard { index: 0, of: 1 });
        assert_eq!(
            cpu,
            r#"max by (namespace, pod, container) (sum without (cpu) (rate(container_cpu_usage_seconds_total{container!="",container!="POD"}[120s])))"#
        );
    }

    #[test]
    fn names_of_labels_and_more_matchers_are_the_operators() {
        let labels =
            Labels { namespace: "ns".to_owned(), pod: "pod_name".to_owned(), container: "container_name".to_owned() };
        let filling = Filling { labels, matchers: "cluster=\"a\",".to_owned(), window: Duration::from_secs(90) };
        assert_eq!(
            filling.fill("sum by ($by) (my:rule{$selector})", Shard { index: 0, of: 2 }),
            format!(
                r#"sum by (ns, pod_name, container_name) (my:rule{{container_name!="",container_name!="POD",cluster="a",{}}})"#,
                Shard { index: 0, of: 2 }.matcher("pod_name")
            )
        );
        assert_eq!(filling.fill("up", Shard { index: 0, of: 1 }), "up");
    }

    #[test]
    fn a_label_that_could_end_a_query_is_refused() {
        assert_eq!(Labels::default().problem(), None);
        for odd in ["", "a b", "9a", "pod\"}", "a-b", "é"] {
            assert!(Labels { pod: odd.to_owned(), ..Labels::default() }.problem().is_some(), "{odd}");
        }
    }
}
