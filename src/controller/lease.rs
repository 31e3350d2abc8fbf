//! Keeps the Lease (`coordination.k8s.io/v1`): asks for it, renews it, gives it up at the end.
//!
//! Who may have it is decided in [`election`]; what follows from it stands in [`Leadership`]. When the lease is lost the
//! process goes back to standby rather than exit: what makes a second leader harmless is the [`fence`](super::fence), not
//! the exit, and what was learnt of the workloads is worth more than a fresh start.

pub mod election;

use std::{sync::Arc, time::Duration};

use k8s_openapi::api::coordination::v1::Lease;
use kube::{Api, Client, api::PostParams, core::ObjectMeta};
use tokio::{sync::oneshot, time::timeout};

pub use self::election::Timing;
use self::election::{Bid, Election};
use super::leadership::{Leadership, Moment, Standing};
use crate::{
    clock::Clock,
    telemetry::{
        health::Health,
        metrics::{Metrics, RequestOutcome, WriteTarget},
    },
};

/// The loop's name in [`Health`].
const LOOP: &str = "the lease";

/// Which lease, and as whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseOptions {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Who this process is: like no other, and like itself before no restart.
    pub identity: String,
    /// How long it lasts.
    pub timing: Timing,
}

/// Asks for the lease for as long as it runs.
pub struct Candidate {
    leases: Api<Lease>,
    options: LeaseOptions,
    election: Election,
    /// The lease, as the last write returned it.
    held: Option<Lease>,
    term: u64,
    leadership: Leadership,
    clock: Clock,
    health: Health,
    metrics: Arc<Metrics>,
}

/// What an attempt came to.
enum Attempt {
    Held,
    HeldBy(String),
    Failed(kube::Error),
}

impl Candidate {
    /// Does not ask yet. `client` must not be behind the fence, which stands on what this does.
    pub fn new(
        client: Client,
        options: LeaseOptions,
        leadership: Leadership,
        clock: Clock,
        (health, metrics): (Health, Arc<Metrics>),
    ) -> Self {
        let leases = Api::namespaced(client, &options.namespace);
        let election = Election::new(options.identity.clone(), options.timing);
        Self { leases, options, election, held: None, term: 0, leadership, clock, health, metrics }
    }

    /// Asks for the lease and renews it until `end` comes, which says whether to give it up at once.
    pub async fn run(mut self, mut end: oneshot::Receiver<bool>) {
        loop {
            self.health.beat(LOOP, self.options.timing.lease_duration * 4);
            let wait = self.try_once().await;
            tokio::select! {
                biased;
                release = &mut end => {
                    self.end(release.unwrap_or(false)).await;
                    return;
                }
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    fn tell_of(&self, error: &kube::Error) {
        let lease = self.name();
        if matches!(error, kube::Error::Api(status) if status.code == 409) {
            tracing::debug!(%lease, "another one wrote the lease first; it is read again");
        } else {
            tracing::warn!(error = error as &dyn std::error::Error, %lease, "cannot keep the lease");
        }
    }

    /// One attempt; answers how long to wait for the next one.
    async fn try_once(&mut self) -> Duration {
        let timing = self.options.timing;
        let sent = Moment::now(&self.clock);
        let within = self.left(sent).unwrap_or(timing.renew_deadline);
        match timeout(within, self.attempt()).await {
            Ok(Attempt::Held) => self.holds(sent),
            Ok(Attempt::HeldBy(holder)) => {
                self.stands_by(&format!("{holder} holds the lease"));
            }
            Ok(Attempt::Failed(error)) => self.tell_of(&error),
            Err(_) => {
                tracing::warn!(lease = %self.name(), ?within, "the API server does not answer about the lease");
            }
        }
        let now = Moment::now(&self.clock);
        match self.left(now) {
            Some(left) if left.is_zero() => {
                self.stands_by("it could not be renewed in time");
                timing.retry_period
            }
            Some(left) => timing.retry_period.min(left),
            None => timing.retry_period,
        }
    }

    /// How long this process still leads, if it does.
    fn left(&self, now: Moment) -> Option<Duration> {
        match self.leadership.standing() {
            Standing::Leading { until, .. } => Some(now.until(until)),
            _ => None,
        }
    }

    fn holds(&mut self, sent: Moment) {
        let until = self.election.until(sent);
        // A term whose time has run out is over, even if nobody else has led since.
        let goes_on = self.left(Moment::now(&self.clock)).is_some_and(|left| !left.is_zero());
        if !goes_on {
            self.term += 1;
            tracing::info!(lease = %self.name(), identity = %self.options.identity, term = self.term, "leads now");
        }
        self.leadership.set(Standing::Leading { term: self.term, until });
    }

    fn stands_by(&self, why: &str) {
        if self.leadership.standing() != Standing::Standby {
            tracing::warn!(lease = %self.name(), %why, "leads no more, and stands by");
            self.leadership.set(Standing::Standby);
        }
    }

    fn name(&self) -> String {
        format!("{}/{}", self.options.namespace, self.options.name)
    }

    /// The holder writes over what it wrote last. If that has changed, whoever did it, it is read and judged anew.
    async fn attempt(&mut self) -> Attempt {
        let held = self.held.take();
        let was_held = held.is_some();
        match self.bid(held).await {
            Err(kube::Error::Api(status)) if status.code == 409 && was_held => self.bid(None).await,
            attempt => attempt,
        }
        .unwrap_or_else(Attempt::Failed)
    }

    async fn bid(&mut self, held: Option<Lease>) -> Result<Attempt, kube::Error> {
        let lease = match held {
            Some(lease) => Some(lease),
            None => self.leases.get_opt(&self.options.name).await?,
        };
        let record = lease.as_ref().and_then(|lease| lease.spec.as_ref());
        // Now, and not when it was asked for: it may have been written meanwhile.
        let spec = match self.election.bid(record, Moment::now(&self.clock)) {
            Bid::Leave { holder } => return Ok(Attempt::HeldBy(holder)),
            Bid::Write(spec) => Some(spec),
        };
        let answer = match lease {
            Some(lease) => {
                self.leases.replace(&self.options.name, &PostParams::default(), &Lease { spec, ..lease }).await
            }
            None => {
                let metadata = ObjectMeta { name: Some(self.options.name.clone()), ..ObjectMeta::default() };
                self.leases.create(&PostParams::default(), &Lease { metadata, spec }).await
            }
        };
        self.count(&answer);
        self.held = Some(answer?);
        Ok(Attempt::Held)
    }

    fn count(&self, answer: &Result<Lease, kube::Error>) {
        let outcome = match answer {
            Ok(_) => RequestOutcome::Accepted,
            Err(kube::Error::Api(status)) => RequestOutcome::of_status(status.code),
            Err(_) => RequestOutcome::Unanswered,
        };
        self.metrics.wrote(WriteTarget::Lease, outcome);
    }

    /// The last write but one: none follows but this.
    async fn end(self, release: bool) {
        self.health.ended(LOOP);
        let leads = matches!(self.leadership.standing(), Standing::Leading { .. });
        self.leadership.set(Standing::Ended);
        let (true, true, Some(lease)) = (release, leads, &self.held) else { return };
        let Some(record) = &lease.spec else { return };
        let spec = Some(self.election.released(record, self.clock.now()));
        let released = Lease { spec, ..lease.clone() };
        let params = PostParams::default();
        let release = self.leases.replace(&self.options.name, &params, &released);
        match timeout(self.options.timing.retry_period, release).await {
            Ok(Ok(_)) => tracing::info!(lease = %self.name(), "gave up the lease"),
            Ok(Err(error)) => tracing::warn!(%error, lease = %self.name(), "could not give up the lease; it runs out"),
            Err(_) => tracing::warn!(lease = %self.name(), "could not give up the lease in time; it runs out"),
        }
    }
}
