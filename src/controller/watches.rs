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
    vec![
        mirror::<Node>(context, tasks, Api::all(context.client.clone())),
        mirror_namespaced::<LimitRange>(context, tasks),
        mirror_namespaced::<Deployment>(context, tasks),
        mirror_namespaced::<ReplicaSet>(context, tasks),
        mirror_namespaced::<StatefulSet>(context, tasks),
        mirror_namespaced::<DaemonSet>(context, tasks),
        mirror_namespaced::<Job>(context, tasks),
        mirror_namespaced::<CronJob>(context, tasks),
        mirror_namespaced::<Pod>(context, tasks),
        watch_policies(context, tasks, policies),
    ]
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
    let mut gone = BTreeSet::new();
    while let Some(event) = events.next().await {
        let Some(event) = usable(event) else { continue };
        context.metrics.heard(&K::plural(&()));
        let is_complete = matches!(event, Event::InitDone);
        let touched = note(&context, event, &mut gone);
        context.trigger(&touched);
        if is_complete {
            ready.send_replace(true);
        }
    }
}

/// What came of the watch; a failure is logged, and the watch goes on by itself.
fn usable<K: Resource<DynamicType = ()>>(event: watcher::Result<Event<K>>) -> Option<Event<K>> {
    event.inspect_err(|error| tracing::warn!(kind = %K::kind(&()), %error, "watch broke; it is started anew")).ok()
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
        let mut gone = BTreeSet::new();
        while let Some(event) = events.next().await {
            let Some(event) = usable(event) else { continue };
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
