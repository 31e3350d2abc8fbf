//! Jobs: Pods that run to completion.

use k8s_openapi::api::{batch::v1::Job, core::v1::Pod};
use kube::ResourceExt;
use serde_json::{Value, json};

use super::{pods, world::World};
use crate::sim::informer::ObjectKey;

/// Kubernetes' default for `spec.backoffLimit`.
const BACKOFF_LIMIT: i32 = 6;

pub(super) async fn reconcile(world: &mut World, key: &ObjectKey) -> kube::Result<()> {
    let Some(job) = world.jobs.get(key).cloned() else { return Ok(()) };
    let (Some(spec), Some(uid)) = (job.spec.as_ref(), job.uid()) else { return Ok(()) };
    if job.metadata.deletion_timestamp.is_some() || is_over(&job) {
        return Ok(());
    }
    let members: Vec<Pod> = world.pods_of(&key.namespace, &uid).cloned().collect();
    let in_phase = |wanted: &str| pods::count(members.iter().filter(|p| pods::phase(p) == wanted));
    let (succeeded, failed) = (in_phase("Succeeded"), in_phase("Failed"));
    let active = pods::count(members.iter().filter(|p| pods::is_active(p)));
    let completions = spec.completions.unwrap_or(1);
    let gave_up = failed > spec.backoff_limit.unwrap_or(BACKOFF_LIMIT);
    let wanted = spec.parallelism.unwrap_or(1).min((completions - succeeded).max(0));
    let missing = if gave_up || spec.suspend == Some(true) { 0 } else { (wanted - active).max(0) };
    for _ in 0..missing {
        world.create_pod(&new_pod(&job)).await?;
    }
    let status = status(world, &job, active + missing, succeeded, failed, gave_up);
    if let Some(written) = world.write_status(job.as_ref(), status).await? {
        world.jobs.assume(written);
    }
    Ok(())
}

fn new_pod(job: &Job) -> Pod {
    let template = job.spec.as_ref().map(|s| s.template.clone()).unwrap_or_default();
    let mut pod = pods::from_template(job, &template);
    pods::label(&mut pod.metadata, "batch.kubernetes.io/job-name", &job.name_any());
    pods::label(&mut pod.metadata, "job-name", &job.name_any());
    pod
}

fn is_over(job: &Job) -> bool {
    let conditions = job.status.as_ref().and_then(|s| s.conditions.as_deref()).unwrap_or_default();
    conditions.iter().any(|c| matches!(c.type_.as_str(), "Complete" | "Failed") && c.status == "True")
}

fn status(world: &World, job: &Job, active: i32, succeeded: i32, failed: i32, gave_up: bool) -> Value {
    let now = world.clock.now().to_string();
    let started = job.status.as_ref().and_then(|s| s.start_time.as_ref()).map_or(now.clone(), |t| t.0.to_string());
    let completions = job.spec.as_ref().and_then(|s| s.completions).unwrap_or(1);
    let mut status = json!({ "active": active, "succeeded": succeeded, "failed": failed, "startTime": started });
    let over = |kind: &str, reason: &str| json!([{ "type": kind, "status": "True", "reason": reason, "lastTransitionTime": now }]);
    if gave_up {
        status["conditions"] = over("Failed", "BackoffLimitExceeded");
    } else if succeeded >= completions {
        status["conditions"] = over("Complete", "CompletionsReached");
        status["completionTime"] = json!(now);
    }
    status
}
