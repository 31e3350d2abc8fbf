//! Carries out what was decided, Pod by Pod, and tells what became of it.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;

use super::{
    context::{Context, later},
    decide::{Decided, Decision},
    events::{self, News},
    journal::{Action, JournalEntry, describe},
    latency::between,
    memory::{Hold, PodMemory},
    observe::{Covered, Observed, PodSeen},
    world::PodRecord,
};
use crate::{
    actuate::{self, EvictOutcome, PodKey, ResizeOutcome},
    api::LastAction,
    plan::{ContainerChange, PodState, Step, Why, restarts},
    resources::{PodView, Resources},
    telemetry::metrics::Stage,
};

/// A write that was refused for good is tried again after so long, for what refused it may be gone (a quota, rights).
const REFUSED_FOR: Duration = Duration::from_mins(30);

/// A request without an answer is tried again after so long.
const UNANSWERED_FOR: Duration = Duration::from_secs(10);

/// So many times in a row a Pod that changed meanwhile is planned anew at once.
const CONFLICTS_AT_ONCE: u32 = 3;

/// A PodDisruptionBudget that refuses again and again is asked this seldom.
const BUDGET_ASKED_EVERY: Duration = Duration::from_mins(5);

/// What was done: one entry for each Pod.
#[derive(Debug)]
pub struct Applied<'a> {
    /// What was seen.
    pub observed: &'a Observed,
    /// What became of each Pod.
    pub pods: Vec<AppliedPod>,
    /// The last resize or eviction of this pass.
    pub last_action: Option<LastAction>,
    /// When to look again at the latest.
    pub look_again: Option<Timestamp>,
    /// What keeps new Pods from their size, if a Pod is not evicted for that.
    pub held_by_admission: Option<Why>,
}

/// What became of one Pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AppliedPod {
    /// Its workload, as an index into [`Observed::workloads`].
    pub workload: usize,
    /// The Pod, as an index into [`Covered::pods`].
    pub pod: usize,
    /// What it counts as now.
    pub state: PodState,
    /// Why.
    pub why: Why,
}

impl Applied<'_> {
    fn look_at(&mut self, at: Timestamp) {
        self.look_again = Some(self.look_again.map_or(at, |known| known.min(at)));
    }
}
/// Does what was decided, in order; what becomes of one Pod stops no other.
pub async fn apply<'a>(context: &Context, observed: &'a Observed, decided: &Decided) -> Applied<'a> {
    let whys = decided.decisions.iter().map(|decision| decision.plan.why);
    let held_by_admission = whys.filter(|why| why.is_about_admission()).min();
    let mut applied =
        Applied { observed, pods: Vec::new(), last_action: None, look_again: decided.look_again, held_by_admission };
    for decision in &decided.decisions {
        let (covered, seen) = decision.subject(observed);
        let deed = Deed { context, observed, covered, seen, decision };
        let became = match &decision.plan.step {
            Step::Resize(changes) => deed.resize(changes).await,
            Step::Evict => deed.evict().await,
            Step::Keep | Step::Wait { .. } => deed.tell_of_state().await,
        };
        if let Some(action) = became.done {
            applied.last_action = Some(LastAction {
                action: action.to_string(),
                pod: seen.record.view.name.clone(),
                reason: decision.plan.why.to_string(),
                time: context.clock.now(),
            });
        }
        if let Some(at) = became.look_again {
            applied.look_at(at);
        }
        applied.pods.push(AppliedPod {
            workload: decision.workload,
            pod: decision.pod,
            state: became.state,
            why: decision.plan.why,
        });
    }
    applied
}

/// What became of one decision.
struct Became {
    state: PodState,
    done: Option<Action>,
    look_again: Option<Timestamp>,
}

impl Became {
    fn left(state: PodState) -> Self {
        Self { state, done: None, look_again: None }
    }

    fn done(state: PodState, action: Action) -> Self {
        Self { state, done: Some(action), look_again: None }
    }

    fn held(hold: &Hold) -> Self {
        Self { state: hold.state, done: None, look_again: Some(hold.until) }
    }
}

/// One decision about one Pod, being carried out.
struct Deed<'a> {
    context: &'a Context,
    observed: &'a Observed,
    covered: &'a Covered,
    seen: &'a PodSeen,
    decision: &'a Decision,
}

impl Deed<'_> {
    fn view(&self) -> &PodView {
        &self.seen.record.view
    }

    fn pod(&self) -> PodKey<'_> {
        let view = self.view();
        let resource_version = &self.seen.record.resource_version;
        PodKey { namespace: &view.namespace, name: &view.name, uid: &view.uid, resource_version }
    }

    async fn resize(&self, changes: &[ContainerChange]) -> Became {
        let why = self.decision.plan.why;
        let outcome = actuate::resize(&self.context.client, self.pod(), changes).await;
        let now = self.context.clock.now();
        if let Ok(outcome) = &outcome {
            self.wrote(Action::Resize, outcome.into(), &describe(changes), outcome.said());
        }
        match outcome {
            Ok(ResizeOutcome::Applied(pod)) => self.resized(&pod, changes, now).await,
            Ok(ResizeOutcome::NoRoomEver(message)) => {
                self.remember(|pod| pod.history.refused(self.view(), changes, now));
                self.tell_once(Action::Infeasible, Why::NodeTooSmall, &message).await;
                // The planner knows better now: perhaps it moves the Pod.
                self.look_again();
                Became::left(PodState::Infeasible)
            }
            Ok(ResizeOutcome::Refused(message)) => {
                let hold = self.hold(Action::Resize, REFUSED_FOR, PodState::Error);
                self.tell_once(Action::Error, why, &message).await;
                Became::held(&hold)
            }
            Ok(ResizeOutcome::Gone) => Became::left(PodState::Other),
            Ok(ResizeOutcome::Conflict) => self.read_again().await,
            Ok(ResizeOutcome::Retry(after)) => Became::held(&self.hold(Action::Resize, after, PodState::Other)),
            Err(error) => self.unanswered(Action::Resize, &error),
        }
    }

    async fn resized(
        &self,
        pod: &k8s_openapi::api::core::v1::Pod,
        changes: &[ContainerChange],
        now: Timestamp,
    ) -> Became {
        let Some(record) = PodRecord::read(pod) else { return Became::left(PodState::Error) };
        let altered = is_altered(&record.view, changes);
        let generation = record.view.generation;
        self.note_latency(generation, changes, now);
        self.context.world().wrote_pod(record, now);
        self.remember(|pod| {
            pod.history.sent(changes, generation, now);
            pod.hold = None;
            pod.told.clear();
            pod.conflicts = 0;
        });
        if restarts(self.view(), changes) {
            self.context.memory().disrupted(now);
        }
        self.tell(Action::Resize, self.decision.plan.why, "", changes).await;
        if altered {
            let hold = self.hold_at(generation, Action::Resize, REFUSED_FOR, PodState::Error);
            let message = "something in the cluster changed the resize on its way (an admission webhook or policy)";
            self.met(Action::Error, self.decision.plan.why, message).await;
            return Became { done: Some(Action::Resize), ..Became::held(&hold) };
        }
        Became::done(PodState::InProgress, Action::Resize)
    }

    async fn evict(&self) -> Became {
        let outcome = match actuate::evict(&self.context.client, self.pod()).await {
            Ok(outcome) => outcome,
            Err(error) => return self.unanswered(Action::Evict, &error),
        };
        self.wrote(Action::Evict, (&outcome).into(), "", outcome.said());
        let wait = match &outcome {
            EvictOutcome::Evicted => return self.evicted().await,
            EvictOutcome::Gone => return Became::left(PodState::Other),
            EvictOutcome::BudgetRefused(after, _) => self.budget_wait(*after),
            EvictOutcome::TwoBudgets => REFUSED_FOR * 12,
            EvictOutcome::Refused(_) => REFUSED_FOR,
            EvictOutcome::Retry(after) => *after,
        };
        let hold = self.hold(Action::Evict, wait, PodState::Infeasible);
        if !matches!(outcome, EvictOutcome::Retry(_)) {
            self.tell_once(Action::EvictRefused, self.decision.plan.why, outcome.said()).await;
        }
        Became::held(&hold)
    }

    async fn evicted(&self) -> Became {
        let now = self.context.clock.now();
        self.context.world().expectations.evicted(&self.view().uid, now);
        self.context.memory().evicted(&self.covered.id, self.least_of_replacement(), now);
        self.tell(Action::Evict, self.decision.plan.why, "", &[]).await;
        Became::done(PodState::Evicted, Action::Evict)
    }

    /// Longer each time that the budget refuses.
    fn budget_wait(&self, after: Duration) -> Duration {
        let mut refused = 0;
        self.remember(|pod| {
            refused = pod.evictions_refused;
            pod.evictions_refused = refused.saturating_add(1);
        });
        after.saturating_mul(1 << refused.min(8)).min(BUDGET_ASKED_EVERY.max(after))
    }

    fn note_latency(&self, generation: i64, changes: &[ContainerChange], now: Timestamp) {
        let uid = &self.view().uid;
        if let Some(received) = self.context.models().newest_received(uid) {
            self.context.metrics.staged(Stage::SampleToPatch, between(received, now));
        }
        self.context.latencies().patched(uid, generation, changes, now);
    }

    /// The least that a replacement requests if admission sizes it.
    fn least_of_replacement(&self) -> BTreeMap<String, Resources> {
        let has = |wanted: Resources, desired: Resources| {
            wanted.zip(desired, |wanted, has| has.and(wanted), |wanted, has| has.and(wanted))
        };
        let containers = self.seen.wishes.iter().filter_map(|wish| {
            let desired = self.view().container(&wish.container)?.desired.requests;
            Some((wish.container.clone(), has(wish.lower, desired)))
        });
        containers.collect()
    }

    /// Nothing is written; what the Pod has met is told once.
    async fn tell_of_state(&self) -> Became {
        let state = self.decision.state;
        let why = self.decision.plan.why;
        let resize = &self.view().resize;
        let kubelet = resize.pending.as_ref().map(|(_, message)| message.as_str());
        let failure = resize.in_progress.as_ref().and_then(Option::as_deref);
        match state {
            _ if why.is_about_admission() => self.met(Action::EvictRefused, why, "").await,
            PodState::Deferred => self.met(Action::Defer, why, kubelet.unwrap_or_default()).await,
            PodState::Infeasible => self.met(Action::Infeasible, why, kubelet.unwrap_or_default()).await,
            PodState::Error => self.met(Action::Error, why, failure.unwrap_or_default()).await,
            _ if why == Why::NoRoomOnNode => self.met(Action::Defer, why, "").await,
            PodState::Fitted => self.remember(|pod| {
                pod.told.clear();
                pod.evictions_refused = 0;
            }),
            PodState::InProgress | PodState::Evicted | PodState::Other => {}
        }
        Became::left(state)
    }

    /// Reads the Pod, which has changed since it was seen, and has the policy looked at again: at once, but not for ever.
    async fn read_again(&self) -> Became {
        let view = self.view();
        let mut conflicts = 0;
        self.remember(|pod| {
            pod.conflicts = pod.conflicts.saturating_add(1);
            conflicts = pod.conflicts;
        });
        let pods: kube::Api<k8s_openapi::api::core::v1::Pod> =
            kube::Api::namespaced(self.context.client.clone(), &view.namespace);
        if let Ok(Some(pod)) = pods.get_opt(&view.name).await
            && let Some(record) = PodRecord::read(&pod)
        {
            let now = self.context.clock.now();
            self.context.world().apply_pod(record, now);
        }
        if conflicts > CONFLICTS_AT_ONCE {
            return Became::held(&self.hold(Action::Resize, UNANSWERED_FOR, PodState::Other));
        }
        self.look_again();
        Became::left(PodState::Other)
    }

    fn look_again(&self) {
        let (namespace, name) = self.observed.policy.key();
        self.context.look_again(&namespace, &name);
    }

    fn unanswered(&self, action: Action, error: &actuate::Error) -> Became {
        let (namespace, policy) = self.observed.policy.key();
        let (pod, reason) = (&self.view().name, self.decision.plan.why);
        self.context.metrics.acted(&self.observed.policy.key(), (action.into(), "Unanswered", reason.into()));
        let error = error as &dyn std::error::Error;
        tracing::warn!(%namespace, %policy, %pod, %action, %reason, error, "no answer; it is tried again");
        Became::held(&self.hold(action, UNANSWERED_FOR, self.decision.state))
    }

    fn hold(&self, action: Action, wait: Duration, state: PodState) -> Hold {
        self.hold_at(self.view().generation, action, wait, state)
    }

    fn hold_at(&self, generation: i64, action: Action, wait: Duration, state: PodState) -> Hold {
        let policy = self.observed.policy.object.metadata.generation.unwrap_or(0);
        let until = later(self.context.clock.now(), wait);
        let hold = Hold { action, until, generations: (generation, policy), state };
        self.remember(|pod| pod.hold = Some(hold.clone()));
        hold
    }

    fn remember(&self, note: impl FnOnce(&mut PodMemory)) {
        note(self.context.memory().pods.entry(self.view().uid.clone()).or_default());
    }

    /// Counts the write and logs a line of it, whatever became of it.
    fn wrote(&self, action: Action, outcome: &'static str, changes: &str, said: &str) {
        let (pod, reason) = (&self.view().name, self.decision.plan.why);
        let key = self.observed.policy.key();
        self.context.metrics.acted(&key, (action.into(), outcome, reason.into()));
        let (namespace, policy) = key;
        tracing::info!(%namespace, %policy, %pod, %action, %reason, outcome, changes, said, "wrote");
    }

    /// Tells and logs what the Pod has met, unless it was told since the Pod was last well.
    async fn met(&self, action: Action, why: Why, said: &str) {
        if self.tell_once(action, why, said).await {
            let (namespace, policy) = self.observed.policy.key();
            tracing::info!(%namespace, %policy, pod = %self.view().name, %action, reason = %why, said, "met");
        }
    }

    /// Tells what the Pod has met, unless it was told since the Pod was last well; answers whether it was news.
    async fn tell_once(&self, action: Action, why: Why, said: &str) -> bool {
        let told = (action, (why == Why::NoRoomOnNode).then_some(why));
        let mut is_new = false;
        self.remember(|pod| is_new = pod.told.insert(told));
        if is_new {
            self.tell(action, why, said, &[]).await;
        }
        is_new
    }

    async fn tell(&self, action: Action, why: Why, said: &str, changes: &[ContainerChange]) {
        let at = self.context.clock.now();
        let parts = [describe(changes), why.describe().to_owned(), said.trim().to_owned()];
        let message = parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" | ");
        let (namespace, policy) = self.observed.policy.key();
        let news = News { warning: action.is_warning(), action: action.into(), reason: why.into(), message: &message };
        events::publish(&self.context.client, events::pod_reference(self.view()), news, at).await;
        self.context.journal.record(JournalEntry {
            at,
            policy,
            namespace,
            workload: self.covered.target.clone(),
            pod: self.view().name.clone(),
            action,
            reason: why,
            message,
            changes: changes.to_vec(),
        });
    }
}

/// Whether the Pod that came back says something else than what was asked for.
fn is_altered(view: &PodView, changes: &[ContainerChange]) -> bool {
    let differs = |wanted: Resources, has: Resources| {
        (wanted.cpu.is_some() && wanted.cpu != has.cpu) || (wanted.memory.is_some() && wanted.memory != has.memory)
    };
    changes.iter().any(|change| {
        view.container(&change.container).is_none_or(|container| {
            differs(change.to.requests, container.desired.requests)
                || differs(change.to.limits, container.desired.limits)
        })
    })
}
