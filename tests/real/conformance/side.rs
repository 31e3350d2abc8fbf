//! One of the two servers, and the requests of a case as it answers them.

use std::collections::BTreeMap;
use std::time::Duration;

use http_body_util::BodyExt;
use kube::Client;
use serde_json::{Value, json};

use super::{
    answer::{Answer, Seen},
    case::{Aim, Body, Case, Request, create, get},
};

/// A busy machine is slow; what has not come by now does not come.
const PATIENCE: Duration = Duration::from_secs(20);
const ASK_AGAIN_AFTER: Duration = Duration::from_millis(20);

/// One of the two servers.
pub struct Side {
    /// What reports call it.
    pub name: &'static str,
    /// How it is reached, by one who may do everything.
    pub client: Client,
}

impl Side {
    /// The answers to all requests of a case, as far as it comes: a request that must succeed and does not is the last.
    pub async fn play(&self, case: &Case) -> Vec<Answer> {
        let mut play = Play { side: self, kept: BTreeMap::from([("ns".to_owned(), case.name.to_owned())]) };
        let namespace = json!({ "metadata": { "name": case.name } });
        play.reach(&create("/api/v1/namespaces", &namespace), 201).await;
        let mut answers = Vec::new();
        for step in &case.steps {
            let seen = match step.aim {
                Aim::Reach(code) => play.reach(&step.request, code).await,
                Aim::Succeed | Aim::Agree => play.send(&step.request).await,
            };
            for (name, pointer) in &step.kept {
                let text = seen.body.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
                play.kept.insert((*name).to_owned(), text.to_owned());
            }
            let stops = step.aim == Aim::Succeed && !(200..300).contains(&seen.code);
            answers.push(seen.normalised(&play.kept));
            if stops {
                break;
            }
        }
        answers
    }
}

/// A case that is being played.
struct Play<'a> {
    side: &'a Side,
    kept: BTreeMap<String, String>,
}

impl Play<'_> {
    async fn reach(&self, request: &Request, code: u16) -> Seen {
        let started = std::time::Instant::now();
        loop {
            let seen = self.send(request).await;
            if seen.code == code || started.elapsed() > PATIENCE {
                return seen;
            }
            tokio::time::sleep(ASK_AGAIN_AFTER).await;
        }
    }

    async fn send(&self, request: &Request) -> Seen {
        let body = match &request.body {
            Body::Empty => String::new(),
            Body::Text(text) => self.filled(text),
            Body::Edited { of, edits } => self.edited(of, edits).await,
        };
        let mut uri = self.whole_path(&request.path);
        if !request.query.is_empty() {
            uri = format!("{uri}?{}", self.filled(&request.query));
        }
        let mut http = http::Request::builder()
            .method(request.method)
            .uri(uri)
            .header("accept", request.accept)
            .header("user-agent", "conformance/1 (tests)");
        if !request.content_type.is_empty() {
            http = http.header("content-type", request.content_type);
        }
        let http = http.body(body.into_bytes().into()).expect("a case has a request that can be sent");
        let answer = tokio::time::timeout(PATIENCE, self.answered(http)).await;
        answer.unwrap_or_else(|_| Seen::nothing(&format!("no answer in {PATIENCE:?}")))
    }

    async fn answered(&self, request: http::Request<kube::client::Body>) -> Seen {
        let answer = match self.side.client.send(request).await {
            Ok(answer) => answer,
            Err(error) => return Seen::nothing(&error.to_string()),
        };
        let (parts, body) = answer.into_parts();
        match body.collect().await {
            Ok(body) => Seen::new(&parts, &body.to_bytes()),
            Err(error) => Seen::nothing(&error.to_string()),
        }
    }

    async fn edited(&self, of: &str, edits: &[(&'static str, Value)]) -> String {
        let mut object = Box::pin(self.send(&get(of))).await.body;
        for (pointer, value) in edits {
            let value = serde_json::from_str(&self.filled(&value.to_string())).expect("names are plain text");
            set(&mut object, pointer, value);
        }
        object.to_string()
    }

    fn whole_path(&self, path: &str) -> String {
        let path = self.filled(path);
        if path.starts_with('/') {
            return path;
        }
        let parts: Vec<&str> = path.splitn(3, '/').collect();
        let is_version =
            |text: &str| text.strip_prefix('v').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
        match parts.as_slice() {
            [group, version, rest] if is_version(version) => {
                format!("/apis/{group}/{version}/namespaces/{}/{rest}", self.kept["ns"])
            }
            _ => format!("/api/v1/namespaces/{}/{path}", self.kept["ns"]),
        }
    }

    fn filled(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (name, value) in &self.kept {
            text = text.replace(&format!("{{{{{name}}}}}"), value);
        }
        text
    }
}

/// Puts a value at a pointer, or removes what is there when it is null.
fn set(object: &mut Value, pointer: &str, value: Value) {
    let (parent, key) = pointer.rsplit_once('/').expect("pointers begin with a slash");
    let key = key.replace("~1", "/").replace("~0", "~");
    match object.pointer_mut(parent) {
        Some(Value::Object(map)) if value.is_null() => _ = map.remove(&key),
        Some(Value::Object(map)) => _ = map.insert(key, value),
        Some(Value::Array(items)) if key == "-" => items.push(value),
        Some(Value::Array(items)) => {
            let index: usize = key.parse().expect("items have numbers");
            if value.is_null() { drop(items.remove(index)) } else { items[index] = value }
        }
        _ => panic!("there is nothing at {parent} to set {key} in: {object}"),
    }
}
