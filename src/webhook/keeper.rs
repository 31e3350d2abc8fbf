//! Keeps the Secret with the certificates and the `caBundle`, and has the server show what the API server trusts.
//!
//! Every replica does this, leader or not: each needs a certificate before there is a leader, and while there is none.
//! Two that write at once are kept apart by the versions of the objects: one of them is refused, and looks again. What
//! to do is decided in [`rotation`](super::rotation), and all of them decide alike.
//!
//! Of the configuration nothing is owned but `caBundle`, of each entry by its name. It is never created.

use std::{sync::Arc, time::Duration};

use futures::{Stream, StreamExt, stream::BoxStream};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::{
    ByteString,
    api::{admissionregistration::v1::MutatingWebhookConfiguration, core::v1::Secret},
};
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{ObjectMeta, Patch, PatchParams, PostParams},
    runtime::{
        WatchStreamExt,
        watcher::{self, watch_object},
    },
};
use serde_json::json;
use tokio::time::sleep;

use super::{
    certificates::{Pair, Shown},
    rotation::{Authorities, Due, Kept, Lives, Trusted, authorities},
};
use crate::{clock::Clock, controller::backoff::Doubling, telemetry::metrics::Metrics};

/// Owns the `caBundle`, and nothing else.
const FIELD_MANAGER: &str = "tailor-webhook";
/// A write that failed is tried again after so long.
const RETRY: Duration = Duration::from_secs(5);
/// It is looked again after so long at the latest.
const LOOK_AGAIN: Duration = Duration::from_hours(1);
/// A change is looked for no more often than this, whatever others do to the objects.
const PACE: Duration = Duration::from_millis(100);

/// Which objects, and for which server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Objects {
    /// The namespace of the Secret.
    pub namespace: String,
    /// The Secret.
    pub secret: String,
    /// The MutatingWebhookConfiguration.
    pub configuration: String,
    /// The host names and addresses of the server.
    pub names: Vec<String>,
    /// How long certificates last.
    pub lives: Lives,
}

/// Whom it tells.
#[derive(Clone, Debug)]
pub struct Told {
    /// Shows the certificate.
    pub shown: Arc<Shown>,
    /// Counts, and says when it expires.
    pub metrics: Arc<Metrics>,
}

/// Keeps both objects for as long as it runs.
pub struct Keeper {
    secrets: Api<Secret>,
    configurations: Api<MutatingWebhookConfiguration>,
    objects: Objects,
    clock: Clock,
    told: Told,
    /// As seen last; nothing before it was seen at all.
    secret: Option<Option<Secret>>,
    configuration: Option<Option<MutatingWebhookConfiguration>>,
    trusted: Trusted,
    showing: Option<Pair>,
}

type Watch<K> = BoxStream<'static, watcher::Result<Option<K>>>;

impl Keeper {
    /// Has not looked yet.
    pub fn new(client: Client, objects: Objects, clock: Clock, told: Told) -> Self {
        Self {
            secrets: Api::namespaced(client.clone(), &objects.namespace),
            configurations: Api::all(client),
            objects,
            clock,
            told,
            secret: None,
            configuration: None,
            trusted: Trusted::default(),
            showing: None,
        }
    }

    /// Runs until it is dropped.
    pub async fn run(mut self) {
        let mut secrets: Watch<Secret> = watch(self.secrets.clone(), &self.objects.secret);
        let mut configurations: Watch<MutatingWebhookConfiguration> =
            watch(self.configurations.clone(), &self.objects.configuration);
        let mut wait = LOOK_AGAIN;
        loop {
            tokio::select! {
                biased;
                () = sleep(wait) => {}
                Some(seen) = secrets.next() => note(&mut self.secret, seen),
                Some(seen) = configurations.next() => note(&mut self.configuration, seen),
            }
            sleep(PACE).await;
            wait = self.look().await;
        }
    }

    /// Does what is due, and answers how long nothing will be.
    async fn look(&mut self) -> Duration {
        let (Some(secret), Some(configuration)) = (&self.secret, &self.configuration) else { return LOOK_AGAIN };
        let now = self.clock.now();
        let kept = Kept::read(secret.as_ref().and_then(|secret| secret.data.as_ref()).unwrap_or(&Default::default()));
        self.trusted.observe(configuration.as_ref().map(bundle).as_ref(), now);
        let mut next = Vec::new();
        match kept.renewed(self.showing.as_ref(), &self.objects.names, now, self.objects.lives) {
            Ok(Due::Now(kept)) => {
                next.push(self.keep(&kept).await);
                // Nobody is asked to trust what is not stored.
                return self.show(&Kept::default(), now, next);
            }
            Ok(Due::At(due)) => next.push(until(now, due)),
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "the webhook has no certificate");
                next.push(RETRY);
            }
        }
        if !self.trusted.has_all(&authorities(&kept.bundle())) {
            next.push(self.trust(&kept).await);
        }
        self.show(&kept, now, next)
    }

    /// Stores the pairs, unless somebody was faster.
    async fn keep(&mut self, kept: &Kept) -> Duration {
        let old = self.secret.clone().flatten();
        let params = PostParams::default();
        let name = self.objects.secret.clone();
        let written = match old {
            Some(old) => {
                let secret = Secret { data: Some(kept.data()), ..old };
                self.secrets.replace(&name, &params, &secret).await
            }
            None => {
                let metadata = ObjectMeta { name: Some(name.clone()), ..ObjectMeta::default() };
                let secret = Secret { metadata, data: Some(kept.data()), ..Secret::default() };
                self.secrets.create(&params, &secret).await
            }
        };
        match written {
            Ok(secret) => {
                tracing::info!(secret = %name, "stored a new certificate for the webhook");
                self.secret = Some(Some(secret));
                Duration::ZERO
            }
            // Another replica was faster; the watch brings what it has stored.
            Err(kube::Error::Api(status)) if status.code == 409 => RETRY,
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, secret = %name, "cannot store the webhook's certificate");
                RETRY
            }
        }
    }

    /// Has the API server trust all that is stored, in each entry of the configuration as it was seen.
    async fn trust(&mut self, kept: &Kept) -> Duration {
        let Some(Some(configuration)) = &self.configuration else { return LOOK_AGAIN };
        let name = configuration.name_any();
        let bundle = ByteString(kept.bundle().into_bytes());
        let entries = configuration
            .webhooks
            .iter()
            .flatten()
            .map(|webhook| json!({ "name": webhook.name, "clientConfig": { "caBundle": bundle } }));
        let patch = json!({
            "apiVersion": MutatingWebhookConfiguration::api_version(&()),
            "kind": MutatingWebhookConfiguration::kind(&()),
            // Of this one only, and as it was: it is neither created, nor is an entry brought back.
            "metadata": { "name": name, "uid": configuration.uid(), "resourceVersion": configuration.resource_version() },
            "webhooks": entries.collect::<Vec<_>>(),
        });
        let params = PatchParams::apply(FIELD_MANAGER).force();
        match self.configurations.patch(&name, &params, &Patch::Apply(patch)).await {
            Ok(configuration) => {
                tracing::info!(configuration = %name, "set the caBundle");
                self.trusted.observe(Some(&self::bundle(&configuration)), self.clock.now());
                self.configuration = Some(Some(configuration));
                Duration::ZERO
            }
            Err(kube::Error::Api(status)) if status.code == 409 || status.code == 404 => RETRY,
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, configuration = %name, "cannot set the caBundle");
                RETRY
            }
        }
    }

    /// Shows what is to be shown, and answers when to look again.
    fn show(&mut self, kept: &Kept, now: Timestamp, mut next: Vec<Duration>) -> Duration {
        let Objects { names, lives, .. } = &self.objects;
        let (chosen, at) = self.trusted.choose(kept, self.showing.as_ref(), names, now, *lives);
        next.extend(at.map(|at| until(now, at)));
        if let Some(pair) = chosen.filter(|pair| self.showing.as_ref() != Some(pair)).cloned() {
            match (pair.certified(), pair.read()) {
                (Ok(key), Ok(read)) => {
                    tracing::info!(expires = %read.expires, "the webhook shows a new certificate");
                    self.told.shown.show(key);
                    self.told.metrics.certificate_expires(read.expires);
                    self.showing = Some(pair);
                }
                (Err(error), _) | (_, Err(error)) => {
                    tracing::error!(error = &error as &dyn std::error::Error, "the webhook's certificate is of no use");
                }
            }
        }
        next.into_iter().min().unwrap_or(LOOK_AGAIN).min(LOOK_AGAIN)
    }
}

fn watch<K>(api: Api<K>, name: &str) -> Watch<K>
where
    K: Resource + Clone + std::fmt::Debug + serde::de::DeserializeOwned + Send + 'static,
    K::DynamicType: Default,
{
    backed_off(watch_object(api, name)).boxed()
}

fn backed_off<K: Send>(
    watch: impl Stream<Item = watcher::Result<Option<K>>> + Send + 'static,
) -> impl Stream<Item = watcher::Result<Option<K>>> + Send + 'static {
    WatchStreamExt::backoff(watch, Doubling::default())
}

fn note<K: Resource<DynamicType = ()>>(known: &mut Option<Option<K>>, seen: watcher::Result<Option<K>>) {
    match seen {
        Ok(object) => *known = Some(object),
        Err(error) => {
            tracing::warn!(kind = %K::kind(&()), %error, "a watch of the webhook's objects broke; it is started anew");
        }
    }
}

/// The authorities that every entry trusts.
fn bundle(configuration: &MutatingWebhookConfiguration) -> Authorities {
    let entries = configuration.webhooks.iter().flatten();
    let trusted = entries.map(|webhook| {
        let bundle = webhook.client_config.ca_bundle.as_ref().map(|bundle| bundle.0.as_slice()).unwrap_or_default();
        authorities(&String::from_utf8_lossy(bundle))
    });
    trusted.reduce(|all, more| all.intersection(&more).cloned().collect()).unwrap_or_default()
}

fn until(now: Timestamp, at: Timestamp) -> Duration {
    Duration::try_from(at.duration_since(now).max(SignedDuration::ZERO)).unwrap_or(LOOK_AGAIN)
}
