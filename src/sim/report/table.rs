//! The report for a terminal, 120 columns wide.

use std::fmt::Write as _;

use comfy_table::{Attribute, Cell, CellAlignment, Color, ContentArrangement, Table, presets};

use super::{ActionReport, ContainerReport, PolicyReport, Report, Slack, WorkloadReport, words};
use crate::controller::Action;

const WIDTH: u16 = 120;
/// Names longer than this are cut, so that the numbers keep their place.
const LONGEST_NAME: usize = 28;
/// Of what was out of the ordinary, so many are listed.
const MOST_NOTES: usize = 12;
const HEADER: [&str; 11] = [
    "Workload",
    "CPU\nrequest",
    "CPU\np95",
    "CPU slack\n%",
    "Memory\nrequest",
    "Memory\np95",
    "Mem slack\n%",
    "Re-\nsized",
    "Evic-\nted",
    "OOM\nkills",
    "Re-\nstarts",
];

/// The report as a table and totals; with colours if `coloured`.
pub fn render(report: &Report, coloured: bool) -> String {
    let mut text = table(report, coloured);
    text.push_str("\n\n");
    totals(&mut text, report);
    section(&mut text, "Pods that do not run", &missing(report));
    section(&mut text, "Policies that need a look", &policies(report));
    section(&mut text, "Out of the ordinary", &notes(report));
    text
}

fn table(report: &Report, coloured: bool) -> String {
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY).set_content_arrangement(ContentArrangement::Disabled);
    table.force_no_tty();
    if coloured {
        table.enforce_styling();
    }
    table.set_header(HEADER.map(|title| Cell::new(title).add_attribute(Attribute::Bold)));
    let mut namespace = None;
    for workload in &report.workloads {
        if namespace != Some(&workload.namespace) {
            namespace = Some(&workload.namespace);
            table.add_row(vec![Cell::new(&workload.namespace).add_attribute(Attribute::Bold).fg(Color::Cyan)]);
        }
        for (index, container) in workload.containers.iter().enumerate() {
            table.add_row(row(workload, container, index == 0));
        }
        if workload.containers.is_empty() {
            let name = format!("  {}", words::cut(&workload.name, LONGEST_NAME));
            let unknown = std::iter::repeat_n("-".to_owned(), 6);
            let cells = std::iter::once(name).chain(unknown).map(Cell::new);
            table.add_row(cells.chain(counts(workload)).collect::<Vec<_>>());
        }
    }
    for (index, column) in table.column_iter_mut().enumerate() {
        // A wider gap before CPU, before memory and before the counts.
        column.set_padding((if [1, 4, 7].contains(&index) { 2 } else { 0 }, 0));
        column.set_cell_alignment(if index == 0 { CellAlignment::Left } else { CellAlignment::Right });
    }
    // A line between any two rows would make a screen of three.
    let lines = table.lines().enumerate().filter(|(index, line)| *index < 5 || !line.starts_with('─'));
    let mut lines: Vec<String> = lines.map(|(_, line)| line.trim_end().to_owned()).collect();
    if let Some(rule) = lines.first().cloned() {
        lines.push(rule);
    }
    lines.join("\n")
}

fn row(workload: &WorkloadReport, container: &ContainerReport, first: bool) -> Vec<Cell> {
    let name = match (first, workload.containers.len()) {
        (true, 1) => workload.name.clone(),
        (true, _) => format!("{} ({})", workload.name, container.name),
        (false, _) => format!("  ({})", container.name),
    };
    let (before, after) = (container.requests_before, container.requests_after);
    let Slack { cpu_slack_before, cpu_slack_after, memory_slack_before, memory_slack_after } = container.slack;
    let mut cells = vec![
        Cell::new(format!("  {}", words::cut(&name, LONGEST_NAME))),
        change(before.cpu.map(|cpu| cpu.to_string()), after.cpu.map(|cpu| cpu.to_string())),
        Cell::new(container.cpu_p95_cores.map_or_else(unknown, words::cores)),
        slack(cpu_slack_before, cpu_slack_after),
        change(before.memory.map(|memory| words::bytes(memory.0)), after.memory.map(|memory| words::bytes(memory.0))),
        Cell::new(container.memory_p95_bytes.map_or_else(unknown, words::bytes)),
        slack(memory_slack_before, memory_slack_after),
    ];
    if first {
        cells.extend(counts(workload));
    }
    cells
}

fn counts(workload: &WorkloadReport) -> [Cell; 4] {
    [
        count(workload.resizes, Color::Green),
        count(workload.evictions, Color::Yellow),
        count(workload.oom_kills, Color::Red),
        count(workload.restarts, Color::Yellow),
    ]
}

/// What was not measured is not zero.
fn unknown() -> String {
    "-".to_owned()
}

fn change(before: Option<String>, after: Option<String>) -> Cell {
    match (before, after) {
        (Some(before), Some(after)) if before == after => Cell::new(before),
        (Some(before), Some(after)) => Cell::new(format!("{before} → {after}")),
        (before, after) => Cell::new(before.or(after).unwrap_or_else(unknown)),
    }
}

fn slack(before: Option<f64>, after: Option<f64>) -> Cell {
    let (Some(before), Some(after)) = (before, after) else { return Cell::new("-") };
    let cell = Cell::new(format!("{:.0} → {:.0}", before * 100.0, after * 100.0));
    match after - before {
        better if better <= -0.05 => cell.fg(Color::Green),
        worse if worse >= 0.05 => cell.fg(Color::Yellow),
        _ => cell,
    }
}

fn count(number: u64, colour: Color) -> Cell {
    match number {
        0 => Cell::new("·").fg(Color::DarkGrey),
        number => Cell::new(number).fg(colour),
    }
}

fn totals(text: &mut String, report: &Report) {
    let per_cent = |share: f64| format!("{:.1} %", share * 100.0);
    let slack = |before: Option<f64>, after: Option<f64>| match before.zip(after) {
        Some((before, after)) => format!("{} → {}", per_cent(before), per_cent(after)),
        None if report.scored => "nothing ran that requests it".to_owned(),
        None => "not scored yet: the first hour does not count".to_owned(),
    };
    let Report { resizes_applied, resizes_deferred, resizes_infeasible, resizes_failed, .. } = report;
    _ = writeln!(
        text,
        "{}: {} simulated in {:.1} s with seed {}",
        report.scenario,
        words::length(report.simulated_seconds),
        report.wall_seconds,
        report.seed
    );
    let lines = [
        ("CPU slack", slack(report.slack.cpu_slack_before, report.slack.cpu_slack_after)),
        ("memory slack", slack(report.slack.memory_slack_before, report.slack.memory_slack_after)),
        (
            "resizes in place",
            format!(
                "{resizes_applied} applied, {resizes_deferred} deferred, {resizes_infeasible} infeasible, \
                 {resizes_failed} failed"
            ),
        ),
        (
            "disruption",
            format!(
                "{}, {}, {}",
                words::count(report.evictions, "eviction"),
                words::count(report.oom_kills, "OOM kill"),
                words::count(report.container_restarts, "container restart")
            ),
        ),
        ("throttled", format!("{:.0} core-seconds", report.throttled_core_seconds)),
        (
            "work",
            format!(
                "{} of {}, {}",
                words::count(report.samples, "sample"),
                words::count(report.pods, "Pod"),
                words::count(report.api_writes, "API write")
            ),
        ),
    ];
    for (name, value) in lines {
        _ = writeln!(text, "  {name:<18}{value}");
    }
}

/// Pods that do not run, workload by workload: an outage must not look like a saving.
pub(super) fn missing(report: &Report) -> Vec<String> {
    let troubled = report.workloads.iter().filter(|workload| workload.pods_pending + workload.pods_refused > 0);
    let line = |workload: &WorkloadReport| {
        let WorkloadReport { namespace, name, pods_pending, pods_refused, pods_message, .. } = workload;
        let pending = (*pods_pending > 0).then(|| format!("{} without a Node", words::count(*pods_pending, "Pod")));
        let refused = (*pods_refused > 0).then(|| format!("creation refused {}", words::count(*pods_refused, "time")));
        let counts: Vec<_> = pending.into_iter().chain(refused).collect();
        format!("{namespace}/{name}: {}: {}", counts.join(", "), pods_message.as_deref().unwrap_or_default())
    };
    troubled.map(line).collect()
}

/// Policies that are not Ready, with the reason.
pub(super) fn policies(report: &Report) -> Vec<String> {
    // `Stalled` repeats what `Ready` says.
    let reason = |policy: &PolicyReport| policy.conditions.first().map(|c| format!("{}: {}", c.reason, c.message));
    let line = |policy: &PolicyReport| {
        format!("policy {}/{}: {}", policy.namespace, policy.name, reason(policy).unwrap_or_default())
    };
    report.policies.iter().map(line).collect()
}

fn section(text: &mut String, title: &str, lines: &[String]) {
    if lines.is_empty() {
        return;
    }
    _ = writeln!(text, "\n{title}");
    for line in lines.iter().take(MOST_NOTES) {
        _ = writeln!(text, "  {}", words::cut(line, usize::from(WIDTH) - 2));
    }
    if let Some(more) = lines.len().checked_sub(MOST_NOTES).filter(|more| *more > 0) {
        _ = writeln!(text, "  and {more} more; `--output json` has them all");
    }
}

/// What was not a plain resize.
fn notes(report: &Report) -> Vec<String> {
    let noted = report.actions.iter().filter(|action| action.action != Action::Resize);
    let line = |noted: &ActionReport| {
        let ActionReport { time, workload, pod, action, reason, .. } = noted;
        let after = u64::try_from(time.duration_since(report.start).as_secs()).unwrap_or(0);
        let namespace = workload.split('/').next().unwrap_or("");
        format!("{:>9}  {action:<12} {namespace}/{pod}: {}", words::length(after), reason.describe())
    };
    noted.map(line).collect()
}
