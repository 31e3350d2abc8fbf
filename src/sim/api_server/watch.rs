//! Watch: the changes after a version, as they happen.
//!
//! A watch keeps no queue of its own. It remembers the version it has reached and reads on in the table's log whenever
//! that grows, so a slow reader costs nothing and one that falls too far behind is told so (410).

use std::{sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use futures::{Stream, stream};
use serde_json::json;
use tokio::{
    sync::watch::Receiver,
    time::{Instant, sleep_until},
};

use super::{
    ApiServer, list_options,
    object::{Form, Object, bookmark},
    registry::Resource,
    request::{Call, View},
    selectors::Filter,
    status::{Failure, Result, expired},
    store::{Event, Table},
    table,
};

/// How often a quiet watch is told which version it has reached.
const BOOKMARK_PERIOD: Duration = Duration::from_secs(60);
/// How long a watch lasts when the client does not say.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(1800);

/// One open watch.
struct Watch {
    server: ApiServer,
    resource: Arc<Resource>,
    filter: Filter,
    view: View,
    /// Whether the client has been told what the columns of its tables are.
    has_headed: bool,
    /// The version up to which the client has been told of changes.
    reached: u64,
    /// What the client is told before anything else.
    first: Option<Bytes>,
    grown: Receiver<u64>,
    /// When the next bookmark is due, for clients that want them.
    bookmark_at: Option<Instant>,
    ends_at: Instant,
    ended: bool,
}

/// Opens a watch: a stream of lines, an event each.
///
/// # Errors
/// 422 when the options do not go together.
pub(super) fn open(
    server: &ApiServer,
    resource: &Arc<Resource>,
    filter: Filter,
    (call, view): (&Call, View),
) -> Result<impl Stream<Item = Bytes> + Send + use<>> {
    list_options::check_watch(call)?;
    let streams_list = call.is_set("sendInitialEvents");
    let asked = list_options::first_version(call)?;
    let mut store = server.lock();
    let current = store.version();
    let table = store.table(resource);
    let mut watch = Watch::new(server, resource, filter, (call, view), table.grown.subscribe())?;
    watch.reached = current;
    match asked {
        _ if streams_list => {
            let mut lines = watch.state(table);
            if watch.bookmark_at.is_some() {
                watch.push_bookmark(&mut lines, true);
            }
            watch.first = Some(lines.freeze());
        }
        None if call.has("sendInitialEvents") => {}
        None | Some(0) => watch.first = Some(watch.state(table).freeze()),
        Some(version) => watch.reached = version,
    }
    drop(store);
    Ok(stream::unfold(watch, |mut watch| async { watch.next().await.map(|lines| (lines, watch)) }))
}

impl Watch {
    /// A watch that has yet to be told where it begins.
    fn new(
        server: &ApiServer,
        resource: &Arc<Resource>,
        filter: Filter,
        (call, view): (&Call, View),
        grown: Receiver<u64>,
    ) -> Result<Self> {
        let timeout = list_options::number(call, "timeoutSeconds")?
            .and_then(|seconds| u64::try_from(seconds).ok())
            .filter(|seconds| *seconds > 0);
        let now = Instant::now();
        Ok(Self {
            server: server.clone(),
            resource: resource.clone(),
            filter,
            view,
            has_headed: false,
            reached: 0,
            first: None,
            grown,
            bookmark_at: call.is_set("allowWatchBookmarks").then(|| now + BOOKMARK_PERIOD),
            ends_at: now + timeout.map_or(DEFAULT_TIMEOUT, Duration::from_secs),
            ended: false,
        })
    }

    /// The next lines; `None` when the watch has ended.
    async fn next(&mut self) -> Option<Bytes> {
        if let Some(first) = self.first.take().filter(|first| !first.is_empty()) {
            return Some(first);
        }
        while !self.ended {
            self.grown.borrow_and_update();
            let lines = self.news();
            if !lines.is_empty() {
                return Some(lines);
            }
            let bookmark_at = self.bookmark_at.unwrap_or(self.ends_at);
            tokio::select! {
                biased;
                changed = self.grown.changed() => self.ended = changed.is_err(),
                () = sleep_until(self.ends_at) => self.ended = true,
                () = sleep_until(bookmark_at), if self.bookmark_at.is_some() => {
                    self.bookmark_at = Some(bookmark_at + BOOKMARK_PERIOD);
                    let lines = self.reach_now();
                    if !lines.is_empty() {
                        return Some(lines);
                    }
                }
            }
        }
        None
    }

    /// The changes since the version reached.
    fn news(&mut self) -> Bytes {
        let server = self.server.clone();
        let mut store = server.lock();
        let current = store.version();
        let table = store.table(&self.resource);
        let mut lines = BytesMut::new();
        let Some(events) = table.since(self.reached) else {
            self.ended = true;
            let message = format!("too old resource version: {} ({current})", self.reached);
            push_error(&mut lines, &expired(message));
            return lines.freeze();
        };
        let mut reached = self.reached;
        for event in events {
            reached = event.version;
            self.push_event(&mut lines, event);
        }
        self.reached = reached;
        lines.freeze()
    }

    /// Moves on to the present when nothing was missed, and says so if that is news.
    fn reach_now(&mut self) -> Bytes {
        let mut lines = BytesMut::from(self.news());
        let current = self.server.lock().version();
        if !self.ended && current > self.reached {
            self.reached = current;
            self.push_bookmark(&mut lines, false);
        }
        lines.freeze()
    }

    /// Everything selected, as if it had just been added.
    fn state(&mut self, table: &Table) -> BytesMut {
        let mut lines = BytesMut::new();
        for object in table.objects.values() {
            if self.filter.matches(&object.value) {
                self.push(&mut lines, "ADDED", object);
            }
        }
        lines
    }

    /// An object that begins or ceases to be selected is added or deleted for this watch.
    fn push_event(&mut self, lines: &mut BytesMut, event: &Event) {
        let was = event.before.as_ref().is_some_and(|before| self.filter.matches(&before.value));
        let is = !event.deleted && self.filter.matches(&event.object.value);
        match (was, is) {
            (false, true) => self.push(lines, "ADDED", &event.object),
            (true, true) => self.push(lines, "MODIFIED", &event.object),
            (true, false) if event.deleted => self.push(lines, "DELETED", &event.object),
            // It is shown as it was when it was last selected, at the version at which it ceased to be.
            (true, false) => {
                if let Some(before) = &event.before {
                    self.push(lines, "DELETED", &before.at_version(event.version));
                }
            }
            (false, false) => {}
        }
    }

    fn push(&mut self, lines: &mut BytesMut, kind: &str, object: &Object) {
        let shown = match self.view {
            View::Objects(form) => object.encoded(form).clone(),
            View::Table(include) => {
                let is_first = !std::mem::replace(&mut self.has_headed, true);
                table::event(&self.resource, object, is_first, include, self.server.now()).to_string().into()
            }
        };
        for part in [br#"{"type":""#, kind.as_bytes(), br#"","object":"#, &shown, b"}\n"] {
            lines.extend_from_slice(part);
        }
    }

    fn push_bookmark(&mut self, lines: &mut BytesMut, ends_initial_events: bool) {
        let (api_version, kind) = match self.view {
            View::Objects(Form::Full | Form::Item) => (self.resource.api_version(), self.resource.kind.as_str()),
            View::Objects(Form::Metadata) | View::Table(_) => ("meta.k8s.io/v1".to_owned(), "PartialObjectMetadata"),
        };
        let mut object = bookmark(&api_version, kind, self.reached, ends_initial_events);
        if let View::Table(_) = self.view {
            let is_first = !std::mem::replace(&mut self.has_headed, true);
            object = table::bookmark(&self.resource, &object, is_first);
        }
        let line = json!({ "type": "BOOKMARK", "object": object });
        lines.extend_from_slice(format!("{line}\n").as_bytes());
    }
}

fn push_error(lines: &mut BytesMut, status: &Failure) {
    let line = json!({ "type": "ERROR", "object": status });
    lines.extend_from_slice(format!("{line}\n").as_bytes());
}
