//! The rows of workloads, and of what counts and scales them.

use jiff::Timestamp;
use serde_json::Value;

use super::{Look, age, look::NONE};

const CONTAINERS: &str = "/spec/template/spec/containers";
const UNSET: &str = "<unset>";

pub(super) const DEPLOYMENT: &[&str] =
    &["Name", "Ready", "Up-to-date", "Available", "Age", "*Containers", "*Images", "*Selector"];

pub(super) fn deployment(deployment: &Look<'_>) -> Vec<Value> {
    let [containers, images] = deployment.containers(CONTAINERS);
    vec![
        deployment.name().into(),
        ready(deployment).into(),
        deployment.number("/status/updatedReplicas").into(),
        deployment.number("/status/availableReplicas").into(),
        deployment.age().into(),
        containers,
        images,
        deployment.selector("/spec/selector").into(),
    ]
}

fn ready(workload: &Look<'_>) -> String {
    format!("{}/{}", workload.number("/status/readyReplicas"), workload.number("/spec/replicas"))
}

pub(super) const REPLICA_SET: &[&str] =
    &["Name", "Desired:integer", "Current:integer", "Ready:integer", "Age", "*Containers", "*Images", "*Selector"];

pub(super) fn replica_set(set: &Look<'_>) -> Vec<Value> {
    let [containers, images] = set.containers(CONTAINERS);
    vec![
        set.name().into(),
        set.number("/spec/replicas").into(),
        set.number("/status/replicas").into(),
        set.number("/status/readyReplicas").into(),
        set.age().into(),
        containers,
        images,
        set.selector("/spec/selector").into(),
    ]
}

pub(super) const STATEFUL_SET: &[&str] = &["Name", "Ready", "Age", "*Containers", "*Images"];

pub(super) fn stateful_set(set: &Look<'_>) -> Vec<Value> {
    let [containers, images] = set.containers(CONTAINERS);
    vec![set.name().into(), ready(set).into(), set.age().into(), containers, images]
}

pub(super) const DAEMON_SET: &[&str] = &[
    "Name",
    "Desired:integer",
    "Current:integer",
    "Ready:integer",
    "Up-to-date:integer",
    "Available:integer",
    "Node Selector",
    "Age",
    "*Containers",
    "*Images",
    "*Selector",
];

pub(super) fn daemon_set(set: &Look<'_>) -> Vec<Value> {
    let [containers, images] = set.containers(CONTAINERS);
    vec![
        set.name().into(),
        set.number("/status/desiredNumberScheduled").into(),
        set.number("/status/currentNumberScheduled").into(),
        set.number("/status/numberReady").into(),
        set.number("/status/updatedNumberScheduled").into(),
        set.number("/status/numberAvailable").into(),
        set.labels("/spec/template/spec/nodeSelector").into(),
        set.age().into(),
        containers,
        images,
        set.selector("/spec/selector").into(),
    ]
}

pub(super) const REVISION: &[&str] = &["Name", "Controller", "Revision", "Age"];

pub(super) fn revision(revision: &Look<'_>) -> Vec<Value> {
    let owner = revision.list("/metadata/ownerReferences").find(|owner| owner.at("/controller") == true);
    let controller = owner.map_or(NONE.to_owned(), |owner| {
        let group = owner.text("/apiVersion").split_once('/').map_or(String::new(), |(group, _)| format!(".{group}"));
        format!("{}/{}", format!("{}{group}", owner.text("/kind")).to_lowercase(), owner.text("/name"))
    });
    vec![revision.name().into(), controller.into(), revision.number("/revision").into(), revision.age().into()]
}

pub(super) const JOB: &[&str] =
    &["Name", "Status", "Completions", "Duration", "Age", "*Containers", "*Images", "*Selector"];

pub(super) fn job(job: &Look<'_>) -> Vec<Value> {
    let [containers, images] = job.containers(CONTAINERS);
    vec![
        job.name().into(),
        job_status(job).into(),
        completions(job).into(),
        took(job).unwrap_or_default().into(),
        job.age().into(),
        containers,
        images,
        job.selector("/spec/selector").into(),
    ]
}

fn job_status(job: &Look<'_>) -> &'static str {
    let is = |condition: &str| job.condition(condition) == "True";
    match () {
        () if is("Complete") => "Complete",
        () if is("Failed") => "Failed",
        () if job.is_deleting() => "Terminating",
        () if is("Suspended") => "Suspended",
        () if is("FailureTarget") => "FailureTarget",
        () if is("SuccessCriteriaMet") => "SuccessCriteriaMet",
        () => "Running",
    }
}

fn completions(job: &Look<'_>) -> String {
    let succeeded = job.number("/status/succeeded");
    match (job.at("/spec/completions").as_i64(), job.number("/spec/parallelism")) {
        (Some(wanted), _) => format!("{succeeded}/{wanted}"),
        (None, parallelism) if parallelism > 1 => format!("{succeeded}/1 of {parallelism}"),
        (None, _) => format!("{succeeded}/1"),
    }
}

fn took(job: &Look<'_>) -> Option<String> {
    let started: Timestamp = job.text("/status/startTime").parse().ok()?;
    let ended = job.text("/status/completionTime").parse().unwrap_or(job.now);
    Some(age::short(ended.duration_since(started)))
}

pub(super) const CRON_JOB: &[&str] = &[
    "Name",
    "Schedule",
    "Timezone",
    "Suspend:boolean",
    "Active:integer",
    "Last Schedule",
    "Age",
    "*Containers",
    "*Images",
    "*Selector",
];

pub(super) fn cron_job(job: &Look<'_>) -> Vec<Value> {
    let [containers, images] = job.containers("/spec/jobTemplate/spec/template/spec/containers");
    let suspended = match job.at("/spec/suspend").as_bool() {
        Some(true) => "True",
        Some(false) => "False",
        None => UNSET,
    };
    let last = match job.text("/status/lastScheduleTime") {
        "" => NONE.to_owned(),
        _ => job.since("/status/lastScheduleTime"),
    };
    vec![
        job.name().into(),
        job.text("/spec/schedule").into(),
        job.text_or("/spec/timeZone", NONE).into(),
        suspended.into(),
        job.list("/status/active").len().into(),
        last.into(),
        job.age().into(),
        containers,
        images,
        job.selector("/spec/jobTemplate/spec/selector").into(),
    ]
}

pub(super) const BUDGET: &[&str] = &["Name", "Min Available", "Max Unavailable", "Allowed Disruptions:integer", "Age"];

pub(super) fn budget(budget: &Look<'_>) -> Vec<Value> {
    let bound = |field: &str| budget.spelled(&format!("/spec/{field}")).unwrap_or_else(|| "N/A".to_owned());
    vec![
        budget.name().into(),
        bound("minAvailable").into(),
        bound("maxUnavailable").into(),
        budget.number("/status/disruptionsAllowed").into(),
        budget.age().into(),
    ]
}

pub(super) const AUTOSCALER: &[&str] = &["Name", "Reference", "Targets", "MinPods", "MaxPods", "Replicas", "Age"];

pub(super) fn autoscaler(scaler: &Look<'_>) -> Vec<Value> {
    let target = scaler.part(scaler.at("/spec/scaleTargetRef"));
    vec![
        scaler.name().into(),
        format!("{}/{}", target.text("/kind"), target.text("/name")).into(),
        metrics(scaler).into(),
        scaler.spelled("/spec/minReplicas").unwrap_or_else(|| UNSET.to_owned()).into(),
        scaler.number("/spec/maxReplicas").into(),
        scaler.number("/status/currentReplicas").into(),
        scaler.age().into(),
    ]
}

/// Nothing measures for autoscalers here, so what is now is unknown.
fn metrics(scaler: &Look<'_>) -> String {
    const SHOWN: usize = 2;
    let texts: Vec<String> = scaler.list("/spec/metrics").map(|metric| metric_target(&metric)).collect();
    match texts.len() {
        0 => NONE.to_owned(),
        1..=SHOWN => texts.join(", "),
        all => format!("{} + {} more...", texts[..SHOWN].join(", "), all - SHOWN),
    }
}

fn metric_target(metric: &Look<'_>) -> String {
    let kind = metric.text("/type");
    let source = match kind {
        "Resource" => "resource",
        "ContainerResource" => "containerResource",
        "Pods" => "pods",
        "Object" => "object",
        "External" => "external",
        _ => return "<unknown type>".to_owned(),
    };
    let source = metric.part(&metric.value[source]);
    let average = source.spelled("/target/averageValue");
    if matches!(kind, "Resource" | "ContainerResource") {
        let share = source.spelled("/target/averageUtilization").map(|share| format!("{share}%"));
        let target = average.or(share).unwrap_or_else(|| "<auto>".to_owned());
        return format!("{}: <unknown>/{target}", source.text("/name"));
    }
    match average {
        Some(average) if kind == "Pods" => format!("<unknown>/{average}"),
        Some(average) => format!("<unknown>/{average} (avg)"),
        None => format!("<unknown>/{}", source.spelled("/target/value").unwrap_or_default()),
    }
}
