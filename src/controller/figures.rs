//! What a pass tells of its policy in metrics: a figure of each covered container, and counts of its Pods.

use std::sync::Arc;

use super::{
    apply::{Applied, AppliedPod},
    conditions::Verdict,
    context::Context,
    observe::Covered,
    policies::Policy,
    publish::counts,
    sizes::Fit,
};
use crate::{
    api::PodCounts,
    resources::{Bytes, NanoCpu, PodView, Resources},
    telemetry::metrics::fits::{Amounts, ContainerFits, Figure, PolicyFits},
};

/// Tells what a pass has seen, unless the policy is gone meanwhile.
pub fn tell(context: &Context, applied: &Applied<'_>) {
    let policy = &applied.observed.policy;
    let world = context.world();
    let is_there = |known: &Arc<Policy>| {
        known.object.metadata.uid == policy.object.metadata.uid && known.object.metadata.deletion_timestamp.is_none()
    };
    if world.policies.get(&policy.key()).is_some_and(is_there) {
        let (models, now) = (context.models(), context.clock.now());
        let fits = figures(applied, &|pod, container| models.newest_use(pod, container, now));
        context.metrics.shows(&policy.key(), fits);
    } else {
        context.metrics.keep_policies(|known| *known != policy.key());
    }
}

/// The newest use of a container, by the UID of its Pod.
type Uses<'a> = dyn Fn(&str, &str) -> (Option<NanoCpu>, Option<Bytes>) + 'a;

fn figures(applied: &Applied<'_>, uses: &Uses<'_>) -> PolicyFits {
    let observed = applied.observed;
    let spec = &observed.policy.object.spec;
    let pods: PodCounts = counts(applied).into_iter().sum();
    let (verdict, _) = Verdict::of(observed, pods, applied.held_by_admission);
    let mut fits = PolicyFits {
        strategy: spec.strategy.into(),
        objective: spec.objective.into(),
        ready: verdict == Verdict::Fitting,
        verdict: verdict.into(),
        pods: by_state(pods),
        ..PolicyFits::default()
    };
    let view = |pod: &AppliedPod| &observed.workloads[pod.workload].pods[pod.pod].record.view;
    for pod in applied.pods.iter().filter(|pod| !view(pod).finished()) {
        *fits.reasons.entry(pod.why.into()).or_default() += 1;
    }
    for covered in &observed.workloads {
        let containers = covered.fits.iter().map(|(name, fit)| container(covered, name, fit, uses));
        fits.containers.extend(containers);
    }
    fits
}

fn by_state(pods: PodCounts) -> Vec<(&'static str, u32)> {
    let PodCounts { total: _, fitted, in_progress, deferred, infeasible, error, evicted, waiting } = pods;
    vec![
        ("fitted", fitted),
        ("in_progress", in_progress),
        ("deferred", deferred),
        ("infeasible", infeasible),
        ("error", error),
        ("evicted", evicted),
        ("waiting", waiting),
    ]
}

/// One replica's container: what it requests, may use at most, and uses.
struct Replica {
    request: Amounts,
    limit: Amounts,
    usage: Amounts,
}

fn container(covered: &Covered, name: &str, fit: &Fit, uses: &Uses<'_>) -> ContainerFits {
    let live = covered.pods.iter().map(|pod| &pod.record.view).filter(|pod| !pod.terminating && !pod.finished());
    let replicas: Vec<_> = live.filter_map(|pod| replica(pod, name, uses)).collect();
    let each = |of: &dyn Fn(&Replica) -> Amounts, sum: fn(&[f64]) -> Option<f64>| over(replicas.iter().map(of), sum);
    let template = amounts(fit.template.requests);
    let recommendation = &fit.recommendation;
    let mut told = ContainerFits::new(&covered.target.kind, &covered.target.name, name);
    for (figure, of) in [
        (Figure::Target, amounts(recommendation.target)),
        (Figure::Lower, amounts(recommendation.lower)),
        (Figure::Upper, amounts(recommendation.upper)),
        (Figure::Request, each(&|replica| replica.request, least)),
        (Figure::Limit, each(&|replica| replica.limit, least)),
        (Figure::UsageMax, each(&|replica| replica.usage, most)),
        (Figure::UsageMean, each(&|replica| replica.usage, mean)),
        (Figure::Reserved, each(&|replica| replica.request, sum)),
        (Figure::Slack, each(&slack, sum)),
        (Figure::Saved, each(&|replica| zip(template, replica.request, |wrote, has| Some(wrote? - has?)), sum)),
    ] {
        told.set(figure, of);
    }
    told
}

fn replica(pod: &PodView, name: &str, uses: &Uses<'_>) -> Option<Replica> {
    let desired = pod.container(name)?.desired;
    let (cpu, memory) = uses(&pod.uid, name);
    let usage = Amounts { cpu: cpu.map(NanoCpu::cores), memory: memory.map(bytes) };
    Some(Replica { request: amounts(desired.requests), limit: amounts(desired.limits), usage })
}

/// What is not known to be idle counts as used.
fn slack(replica: &Replica) -> Amounts {
    zip(replica.request, replica.usage, |request, usage| Some(request? - usage.or(request)?))
}

fn amounts(resources: Resources) -> Amounts {
    Amounts { cpu: resources.cpu.map(|cpu| cpu.nano().cores()), memory: resources.memory.map(bytes) }
}

#[expect(clippy::cast_precision_loss, reason = "no container has 2^53 bytes")]
fn bytes(memory: Bytes) -> f64 {
    memory.0 as f64
}

fn zip(a: Amounts, b: Amounts, of: fn(Option<f64>, Option<f64>) -> Option<f64>) -> Amounts {
    Amounts { cpu: of(a.cpu, b.cpu), memory: of(a.memory, b.memory) }
}

/// `of` those amounts that are known, resource by resource.
fn over(parts: impl Iterator<Item = Amounts>, of: fn(&[f64]) -> Option<f64>) -> Amounts {
    let (cpu, memory): (Vec<_>, Vec<_>) = parts.map(|part| (part.cpu, part.memory)).unzip();
    let known = |amounts: Vec<Option<f64>>| of(&amounts.into_iter().flatten().collect::<Vec<_>>());
    Amounts { cpu: known(cpu), memory: known(memory) }
}

fn least(amounts: &[f64]) -> Option<f64> {
    amounts.iter().copied().reduce(f64::min)
}

fn most(amounts: &[f64]) -> Option<f64> {
    amounts.iter().copied().reduce(f64::max)
}

fn sum(amounts: &[f64]) -> Option<f64> {
    amounts.iter().copied().reduce(|sum, amount| sum + amount)
}

#[expect(clippy::cast_precision_loss, reason = "a workload has few Pods")]
fn mean(amounts: &[f64]) -> Option<f64> {
    Some(sum(amounts)? / amounts.len() as f64)
}

#[cfg(test)]
mod tests;
