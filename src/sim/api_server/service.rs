//! HTTP in, HTTP out.

use std::{
    convert::Infallible,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures::{FutureExt, StreamExt, future::BoxFuture};
use http::{Method, Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use jiff::Timestamp;
use kube::client::Body;
use tower::Service;

use super::{
    AnswerBody, ApiServer,
    answers::{aggregated, encoded, json, refused, response, text, warned},
    audit::WriteKey,
    discovery, list, list_options,
    object::Object,
    openapi,
    patch::Patch,
    registry::{Shape, Subresource},
    request::{Call, View},
    reviews,
    route::{Path, Route, parse},
    selectors::Filter,
    status::{Result, bad_request, method_not_allowed, no_page, no_such_path, not_found},
    table, watch,
    write::{Answer, Outcome, Target, Write, admission, admit, delete::Deletion, scale},
};

/// The server as one user reaches it: a service over HTTP requests.
#[derive(Clone)]
pub struct Door {
    pub(super) server: ApiServer,
    pub(super) user: &'static str,
    pub(super) shows_warnings: bool,
}

impl Door {
    /// The same for clients that show people what the server warns of.
    pub(in crate::sim) fn with_warnings(self) -> Self {
        Self { shows_warnings: true, ..self }
    }
}

impl Service<Request<Body>> for Door {
    type Response = Response<AnswerBody>;
    type Error = Infallible;
    type Future = BoxFuture<'static, std::result::Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<std::result::Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let door = self.clone();
        async move { Ok(door.answer(request).await) }.boxed()
    }
}

impl Door {
    async fn answer(&self, request: Request<Body>) -> Response<AnswerBody> {
        let (parts, body) = request.into_parts();
        let call = Call::new(self.user, &parts, self.shows_warnings);
        let body = match body.collect_bytes().await {
            Ok(body) => body,
            Err(error) => return refused(&bad_request(format!("the body could not be read: {error}"))),
        };
        let answered = match parse(parts.uri.path()) {
            Route::Resource(path) => return self.resource(&call, path, body).await,
            Route::Version | Route::Core | Route::Groups | Route::Group(_) | Route::GroupVersion { .. }
                if call.method != Method::GET =>
            {
                Err(method_not_allowed())
            }
            Route::Health => Ok(text("ok")),
            Route::Version => Ok(json(200, &discovery::version())),
            Route::OpenApi => Ok(json(200, &openapi::index(&self.server.lock().registry))),
            Route::OpenApiOf(path) => {
                openapi::document(&self.server.lock().registry, &path).map(|value| json(200, &value))
            }
            Route::Core | Route::Groups if call.accepts("as=APIGroupDiscoveryList") => {
                let store = self.server.lock();
                Ok(aggregated(&discovery::aggregated(&store.registry, parts.uri.path().trim_matches('/') == "api")))
            }
            Route::Core => Ok(json(200, &discovery::core())),
            Route::Groups => Ok(json(200, &discovery::groups(&self.server.lock().registry))),
            Route::Group(group) => {
                discovery::group(&self.server.lock().registry, &group).map(|value| json(200, &value))
            }
            Route::GroupVersion { group, version } => {
                discovery::resources(&self.server.lock().registry, &group, &version).map(|value| json(200, &value))
            }
            Route::Unknown => Err(no_page()),
        };
        answered.unwrap_or_else(|status| refused(&status))
    }

    /// Answers and counts a request about a resource.
    async fn resource(&self, call: &Call, path: Path, body: Bytes) -> Response<AnswerBody> {
        let verb = verb(call, &path);
        let target = match self.target(path) {
            Ok(target) => target,
            Err(status) => return refused(&status),
        };
        let (response, changed) = match self.carry_out(call, &target, verb, &body).await {
            Ok(done) => done,
            Err(status) => (refused(&status), false),
        };
        let key = WriteKey {
            user: self.user,
            verb: if verb.is_empty() { "other" } else { verb },
            resource: target.resource.plural.clone(),
            subresource: target.subresource_name(),
        };
        self.server.audit().count(key, changed);
        warned(response, &call.warnings())
    }

    fn target(&self, path: Path) -> Result<Target> {
        let store = self.server.lock();
        let found = store.registry.find(&path.group, &path.version, &path.plural);
        let found = found.ok_or_else(|| store.registry.nothing_in(&path.group))?;
        let is_custom = matches!(found.shape, Shape::Custom { .. });
        let subresource: Option<Subresource> = match path.subresource.as_str() {
            "" => None,
            name => match name.parse() {
                Ok(subresource) if found.has(subresource) => Some(subresource),
                _ if is_custom => return Err(not_found(found, &path.name)),
                _ => return Err(no_such_path()),
            },
        };
        // Objects in namespaces have one in their path, unless all namespaces are asked for.
        let fits = if found.namespaced {
            !path.namespace.is_empty() || path.name.is_empty()
        } else {
            path.namespace.is_empty()
        };
        if !fits {
            return Err(store.registry.nothing_in(&path.group));
        }
        Ok(Target { resource: found.clone(), namespace: path.namespace, name: path.name, subresource })
    }

    async fn carry_out(
        &self,
        call: &Call,
        target: &Target,
        verb: &str,
        body: &[u8],
    ) -> Result<(Response<AnswerBody>, bool)> {
        let (view, now) = (call.view()?, self.server.now());
        let is_review = target.resource.is_review();
        match verb {
            "create" if is_review => {
                let review = admit::admit(&target.resource, call.object(body)?, None, call)?;
                Ok((json(201, &reviews::answered(&target.resource, call.user, review)), false))
            }
            _ if is_review => Err(method_not_allowed()),
            "get" => self.get(call, target, view).map(|response| (response, false)),
            "list" => {
                let filter = filter(call, target)?;
                let list = list::list(&mut self.server.lock(), &target.resource, &filter, call)?;
                Ok((encoded(200, list.shown(&target.resource, view, now)), false))
            }
            "watch" => {
                let events = watch::open(&self.server, &target.resource, filter(call, target)?, (call, view))?;
                let frames = events.map(|lines| Ok::<_, Infallible>(Frame::data(lines)));
                Ok((response(200, "application/json", StreamBody::new(frames).boxed_unsync()), false))
            }
            "deletecollection" if target.resource.is("namespaces") || target.is_everywhere() => {
                Err(method_not_allowed())
            }
            "create" | "update" | "patch" | "delete" | "deletecollection" => {
                let outcome = self.write(call, target, verb, body).await?;
                let changed = outcome.changed;
                Ok((shown(outcome, target, view, now), changed))
            }
            _ => Err(method_not_allowed()),
        }
    }

    fn get(&self, call: &Call, target: &Target, view: View) -> Result<Response<AnswerBody>> {
        if matches!(target.subresource, Some(Subresource::Eviction | Subresource::Binding)) {
            return Err(method_not_allowed());
        }
        list_options::first_version(call)?;
        let mut store = self.server.lock();
        let write = Write { store: &mut store, call, target, now: self.server.now() };
        let object = write.current()?;
        if target.subresource == Some(Subresource::Scale) {
            return Ok(json(200, &scale::of(&target.resource, &object.value)?));
        }
        Ok(shown_object(200, &object, target, view, self.server.now()))
    }

    async fn write(&self, call: &Call, target: &Target, verb: &str, body: &[u8]) -> Result<Outcome> {
        call.check_options()?;
        if verb == "create" && target.subresource.is_none() && target.resource.namespaced && target.namespace.is_empty()
        {
            return Err(method_not_allowed());
        }
        if verb == "patch" {
            return self.patch(call, target, body).await;
        }
        if verb == "create" && target.subresource.is_none() {
            let object = self.admitted(call, target, call.object(body)?).await?;
            return self.write_now(call, target, |write| write.create(object, None));
        }
        self.write_now(call, target, |write| match (verb, target.subresource) {
            ("create", Some(Subresource::Binding)) => write.bind(call.object(body)?),
            ("create", Some(Subresource::Eviction)) => write.evict(call.object(body)?),
            ("update", Some(Subresource::Scale)) => write.replace_scale(&call.object(body)?),
            ("update", None | Some(Subresource::Status | Subresource::Resize)) => write.replace(call.object(body)?),
            ("delete", None) => write.delete(&Deletion::read(call, body)?),
            ("deletecollection", None) => write.delete_collection(&filter(call, target)?, &Deletion::read(call, body)?),
            _ => Err(method_not_allowed()),
        })
    }

    async fn patch(&self, call: &Call, target: &Target, body: &[u8]) -> Result<Outcome> {
        let mut patch = Patch::read(&target.resource, call.media_type(), body)?;
        match target.subresource {
            Some(Subresource::Eviction | Subresource::Binding) => return Err(method_not_allowed()),
            Some(Subresource::Scale) => return self.write_now(call, target, |write| write.patch_scale(&patch)),
            _ => {}
        }
        let is_new = self.server.lock().get(&target.resource.table, &target.key()).is_none();
        if is_new
            && target.subresource.is_none()
            && let Patch::Apply(object) = patch
        {
            patch = Patch::Apply(self.admitted(call, target, object).await?);
        }
        self.write_now(call, target, |write| write.patch(&patch))
    }

    /// A new object after the admission hook, which sees Pods only.
    async fn admitted(&self, call: &Call, target: &Target, mut object: serde_json::Value) -> Result<serde_json::Value> {
        let Some(hook) = self.server.hook().filter(|_| target.resource.is("pods")) else { return Ok(object) };
        admit::identify(&target.resource, &target.namespace, &target.name, &mut object)?;
        let object = admit::admit(&target.resource, object, None, call)?;
        let uid = self.server.lock().new_uid();
        admission::admitted(&hook, target, call.user, call.is_dry_run()?, uid, object).await
    }

    fn write_now(
        &self,
        call: &Call,
        target: &Target,
        act: impl FnOnce(&mut Write<'_>) -> Result<Outcome>,
    ) -> Result<Outcome> {
        let mut store = self.server.lock();
        act(&mut Write { store: &mut store, call, target, now: self.server.now() })
    }
}

/// What a request does, as audit logs name it; empty for methods that nothing serves.
fn verb(call: &Call, path: &Path) -> &'static str {
    let one = !path.name.is_empty();
    match (&call.method, one) {
        (&Method::GET, true) => "get",
        (&Method::GET, false) if call.is_set("watch") => "watch",
        (&Method::GET, false) => "list",
        (&Method::POST, false) => "create",
        (&Method::POST, true) if !path.subresource.is_empty() => "create",
        (&Method::PUT, true) => "update",
        (&Method::PATCH, true) => "patch",
        (&Method::DELETE, true) => "delete",
        (&Method::DELETE, false) => "deletecollection",
        _ => "",
    }
}

fn filter(call: &Call, target: &Target) -> Result<Filter> {
    Filter::new(&target.resource, &target.namespace, call.option("labelSelector"), call.option("fieldSelector"))
}

fn shown(outcome: Outcome, target: &Target, view: View, now: Timestamp) -> Response<AnswerBody> {
    match outcome.body {
        Answer::Object(object) => shown_object(outcome.code, &object, target, view, now),
        Answer::Status(status) => json(outcome.code, &status),
        Answer::Json(value) => json(outcome.code, &value),
    }
}

fn shown_object(code: u16, object: &Object, target: &Target, view: View, now: Timestamp) -> Response<AnswerBody> {
    match view {
        View::Objects(form) => encoded(code, object.encoded(form).clone()),
        View::Table(include) => {
            json(code, &table::table(&target.resource, [object], &table::version_of(object), (include, now)))
        }
    }
}
