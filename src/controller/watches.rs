//! The watches that keep the [`World`](super::world::World): one each for policies, Pods, Nodes, LimitRanges and the
//! kinds of workloads.
//!
//! Objects are cut to what is used before anything keeps them. A watch that breaks is started anew with a back-off; a
//! relist removes what is not there any more, without a moment in which everything seems gone.

use std::{collections::BTreeSet, sync::Arc};

use futures::{Stream, StreamExt};
use k8s_openapi::api::{
    apps::v1::{DaemonSet, Deployment, ReplicaSet, StatefulSet},
    batch::v1::{CronJob, Job},
    core::v1::{LimitRange, Node, Pod},
};
use kube::{
    Api, Client, Resource,
    runtime::{
        WatchStreamExt,
        reflector::store::Writer,
        watcher::{self, Event, watcher},
    },
};
use tokio::{sync::watch, task::JoinSet};

use super::{
    backoff::Doubling,
    context::Context,
    kinds::{Mirrored, key},
    world::{Key, Touch},
};
use crate::api::VerticalResizePolicy;

/// Starts all watches on `tasks`; the answer says when each of them has brought its first complete list.
pub fn start(
    context: &Arc<Context>,
    tasks: &mut JoinSet<()>,
    policies: Writer<VerticalResizePolicy>,
) -> Vec<watch::Receiver<bool>> {
    let nodes = context.options.watch_nodes.then(|| mirror::<Node>(context, tasks, Api::all(context.client.clone())));
    let mut ready = vec![
        mirror_namespaced::<LimitRange>(context, tasks),
        mirror_namespaced::<Deployment>(context, tasks),
        mirror_namespaced::<ReplicaSet>(context, tasks),
        mirror_namespaced::<StatefulSet>(context, tasks),
        mirror_namespaced::<DaemonSet>(context, tasks),
        mirror_namespaced::<Job>(context, tasks),
        mirror_namespaced::<CronJob>(context, tasks),
        mirror_namespaced::<Pod>(context, tasks),
        watch_policies(context, tasks, policies),
    ];
    ready.extend(nodes);
    ready
}

fn api<K>(client: &Client, namespace: Option<&str>) -> Api<K>
where
    K: Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>,
{
    match namespace {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    }
}

fn mirror_namespaced<K>(context: &Arc<Context>, tasks: &mut JoinSet<()>) -> watch::Receiver<bool>
where
    K: Mirrored + Resource<Scope = k8s_openapi::NamespaceResourceScope>,
{
    mirror(context, tasks, api::<K>(&context.client, context.options.namespace.as_deref()))
}

fn mirror<K: Mirrored>(context: &Arc<Context>, tasks: &mut JoinSet<()>, api: Api<K>) -> watch::Receiver<bool> {
    let (ready, is_ready) = watch::channel(false);
    let events = watcher(api, watcher::Config::default()).backoff(Doubling::default()).modify(Mirrored::trim);
    tasks.spawn(follow(Arc::clone(context), Box::pin(events), ready));
    is_ready
}

async fn follow<K: Mirrored>(
    context: Arc<Context>,
    mut events: impl Stream<Item = watcher::Result<Event<K>>> + Unpin,
    ready: watch::Sender<bool>,
) {
    let (mut gone, mut trouble) = (BTreeSet::new(), Trouble::default());
    while let Some(event) = events.next().await {
        let Some(event) = trouble.usable(event) else { continue };
        context.metrics.heard(&K::plural(&()));
        let is_complete = matches!(event, Event::InitDone);
        let touched = note(&context, event, &mut gone);
        context.trigger(&touched);
        if is_complete {
            ready.send_replace(true);
        }
    }
}

/// What was last said of a watch that breaks, so that it is said once.
#[derive(Default)]
struct Trouble(Option<String>);

impl Trouble {
    /// What came of the watch; a failure is logged, and the watch goes on by itself.
    fn usable<K: Resource<DynamicType = ()>>(&mut self, event: watcher::Result<Event<K>>) -> Option<Event<K>> {
        let kind = K::kind(&());
        match event {
            Ok(event) => {
                if self.0.take().is_some() {
                    tracing::info!(%kind, "watch goes on");
                }
                Some(event)
            }
            Err(error) => {
                let problem = problem(&error);
                if self.0.as_ref() != Some(&problem) {
                    tracing::warn!(%kind, problem, "watch broke; it is tried again until it goes on");
                    self.0 = Some(problem);
                }
                None
            }
        }
    }
}

/// In the server's own words, if it has answered.
fn problem(error: &watcher::Error) -> String {
    let status = match error {
        watcher::Error::WatchError(status)
        | watcher::Error::InitialListFailed(kube::Error::Api(status))
        | watcher::Error::WatchStartFailed(kube::Error::Api(status))
        | watcher::Error::WatchFailed(kube::Error::Api(status)) => status,
        _ => return error.to_string(),
    };
    match status.code {
        404 => {
            "the API server does not serve this kind; is its CustomResourceDefinition installed? `tailor crd` prints \
                it"
            .to_owned()
        }
        _ => status.message.clone(),
    }
}

fn note<K: Mirrored>(context: &Context, event: Event<K>, gone: &mut BTreeSet<Key>) -> Vec<Touch> {
    let mut world = context.world();
    match event {
        Event::Init => {
            *gone = K::keys(&world);
            Vec::new()
        }
        Event::InitApply(object) => {
            gone.remove(&key(&object));
            object.apply(&mut world, context)
        }
        Event::InitDone => std::mem::take(gone).iter().flat_map(|key| K::remove(key, &mut world)).collect(),
        Event::Apply(object) => object.apply(&mut world, context),
        Event::Delete(object) => K::remove(&key(&object), &mut world),
    }
}

/// Policies are mirrored as well, and fill the store that kube-runtime takes them from. A policy whose spec has not
/// changed needs no pass: most of its changes are Tailor's own status.
fn watch_policies(
    context: &Arc<Context>,
    tasks: &mut JoinSet<()>,
    mut store: Writer<VerticalResizePolicy>,
) -> watch::Receiver<bool> {
    let (ready, is_ready) = watch::channel(false);
    let policies = api::<VerticalResizePolicy>(&context.client, context.options.namespace.as_deref());
    let events = watcher(policies, watcher::Config::default()).backoff(Doubling::default());
    let mut events = Box::pin(events.modify(|policy| policy.metadata.managed_fields = None));
    let context = Arc::clone(context);
    tasks.spawn(async move {
        let (mut gone, mut trouble) = (BTreeSet::new(), Trouble::default());
        while let Some(event) = events.next().await {
            let Some(event) = trouble.usable(event) else { continue };
            store.apply_watcher_event(&event);
            context.metrics.heard(&VerticalResizePolicy::plural(&()));
            let is_complete = matches!(event, Event::InitDone);
            let removes = is_complete || matches!(event, Event::Delete(_));
            let touched = note(&context, event, &mut gone);
            if removes {
                let there: BTreeSet<Key> = context.world().policies.keys().cloned().collect();
                context.metrics.keep_policies(|policy| there.contains(policy));
            }
            context.trigger(&touched);
            if is_complete {
                ready.send_replace(true);
            }
        }
    });
    is_ready
}

#[cfg(test)]
mod tests {
    use kube::core::Status;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::no_such_kind(404, "404 page not found", "is its CustomResourceDefinition installed?")]
    #[case::no_right(
        403,
        "pods is forbidden: User \"tailor\" cannot list",
        "pods is forbidden: User \"tailor\" cannot list"
    )]
    fn what_is_wrong_is_said_with_its_cure_or_in_the_servers_words(
        #[case] code: u16,
        #[case] message: &str,
        #[case] says: &str,
    ) {
        let status = Box::new(Status::failure(message, "").with_code(code));
        let error = watcher::Error::InitialListFailed(kube::Error::Api(status));
        assert!(problem(&error).contains(says), "{}", problem(&error));
    }
}
