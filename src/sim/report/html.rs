//! The report as one HTML file that needs nothing else: no script, style, font or image from anywhere.

use askama::Template;
use serde::Serialize;

use super::{
    Report, WorkloadReport,
    chart::{Chart, Grid},
    table, words,
};

/// The page around the data; `assets/report.js` draws the charts from it.
#[derive(Template)]
#[template(path = "report.html")]
struct Page<'a> {
    report: &'a Report,
    length: String,
    pods: String,
    samples: String,
    restarts: String,
    /// Pods that do not run, and policies that are not Ready.
    troubles: Vec<String>,
    style: &'static str,
    script: &'static str,
    data: String,
}

/// What the script reads.
#[derive(Serialize)]
struct Data<'a> {
    /// Seconds of a bucket.
    step: u64,
    buckets: usize,
    workloads: &'a [WorkloadReport],
    charts: &'a [Chart],
    actions: Vec<Mark>,
}

/// An action, as a mark in a chart.
#[derive(Serialize)]
struct Mark {
    /// Seconds since the start.
    at: i64,
    /// Which workload, as an index.
    workload: Option<usize>,
    pod: String,
    action: &'static str,
    reason: &'static str,
    why: &'static str,
    /// From what to what, a line for each container.
    change: Vec<String>,
}

/// The report as a page.
///
/// # Errors
/// None that is known of.
pub fn render(report: &Report) -> Result<String, askama::Error> {
    let grid = Grid::new(report.start, report.simulated_seconds);
    let data = Data {
        step: grid.step_seconds,
        buckets: grid.buckets,
        workloads: &report.workloads,
        charts: &report.charts,
        actions: marks(report),
    };
    let json = serde_json::to_string(&data).map_err(|error| askama::Error::Custom(error.into()))?;
    let page = Page {
        report,
        length: words::length(report.simulated_seconds),
        pods: words::count(report.pods, "Pod"),
        samples: words::count(report.samples, "sample"),
        restarts: words::count(report.container_restarts, "container restart"),
        troubles: table::missing(report).into_iter().chain(table::policies(report)).collect(),
        style: include_str!("../../../assets/report.css"),
        script: include_str!("../../../assets/report.js"),
        // Inside a script element only `</script` and `<!--` end or change anything; names are users' text.
        data: json.replace('<', "\\u003c"),
    };
    page.render()
}

fn marks(report: &Report) -> Vec<Mark> {
    let paths: Vec<String> = report.workloads.iter().map(WorkloadReport::path).collect();
    let marks = report.actions.iter().map(|action| Mark {
        at: action.time.duration_since(report.start).as_secs(),
        workload: paths.iter().position(|path| *path == action.workload),
        pod: action.pod.clone(),
        action: action.action.into(),
        reason: action.reason.into(),
        why: action.reason.describe(),
        change: changes(action),
    });
    marks.collect()
}

fn changes(action: &super::ActionReport) -> Vec<String> {
    let lines = action.to.iter().map(|(container, to)| {
        let from = action.from.get(container).copied().unwrap_or_default();
        format!("{container}: {} → {}", from.requests, to.requests)
    });
    lines.collect()
}

mod filters {
    /// A share as per cent, or a dash for what was not measured.
    #[askama::filter_fn]
    pub(super) fn percent(share: &Option<f64>, _: &dyn askama::Values) -> askama::Result<String> {
        Ok(share.map_or_else(|| "–".to_owned(), |share| format!("{:.1} %", share * 100.0)))
    }
}
