//! What a case consists of: objects that must be there, requests whose answers are compared, and how both are written.

use serde_json::Value;

/// A few requests in a namespace of their own, sent to both servers.
///
/// In paths, queries and bodies `{{ns}}` stands for the namespace, and `{{name}}` for what [`Case::keep`] kept.
pub struct Case {
    /// A sentence about behaviour, with dashes: it is the name of the namespace too.
    pub name: &'static str,
    /// What is done, in this order.
    pub steps: Vec<Step>,
}

/// One request of a case.
pub struct Step {
    /// The request.
    pub request: Request,
    /// What is expected of its answers.
    pub aim: Aim,
    /// Parts of the answer that later requests use: name, and pointer into the body.
    pub kept: Vec<(&'static str, &'static str)>,
    /// Known differences between the answers.
    pub differences: Vec<Difference>,
    /// Whether the real server says several things in any order.
    pub in_any_order: bool,
    /// Whether what decoders and printers say may be said in other words.
    pub in_any_words: bool,
    /// The part of the answer that is compared.
    pub part: fn(Value) -> Value,
}

/// What is expected of the answers to a request.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Aim {
    /// Both succeed; they are not compared.
    Succeed,
    /// Both are repeated until they have this code: some parts of the real server see a change a little later.
    Reach(u16),
    /// Both are equal.
    Agree,
}

/// A difference that is meant to be there. The suite fails when it is not.
pub struct Difference {
    /// Where, as a pointer into the answer: `/code`, `/body/message`. What is below it may differ as well.
    pub at: &'static str,
    /// Why, as in the table of ARCHITECTURE.md.
    pub why: &'static str,
}

/// Begins a case.
pub fn case(name: &'static str) -> Case {
    Case { name, steps: Vec::new() }
}

impl Case {
    /// A request that must succeed, and whose answers are not compared.
    pub fn given(self, request: Request) -> Self {
        self.step(request, Aim::Succeed)
    }

    /// A request that is repeated until it is answered with `code`.
    pub fn until(self, request: Request, code: u16) -> Self {
        self.step(request, Aim::Reach(code))
    }

    /// A request whose answers must be equal.
    pub fn ask(self, request: Request) -> Self {
        self.step(request, Aim::Agree)
    }

    /// Keeps a text of the last answer's body under a name.
    pub fn keep(mut self, name: &'static str, pointer: &'static str) -> Self {
        self.last().kept.push((name, pointer));
        self
    }

    /// The answers to the last request differ at `at`, and this is why.
    pub fn differs(mut self, at: &'static str, why: &'static str) -> Self {
        self.last().differences.push(Difference { at, why });
        self
    }

    /// The real server goes through a map to find what is wrong with these requests, so in any order.
    pub fn in_any_order(mut self) -> Self {
        self.steps.iter_mut().for_each(|step| step.in_any_order = true);
        self
    }

    /// Only a part of the answers to the last request is compared.
    pub fn only(mut self, part: fn(Value) -> Value) -> Self {
        self.last().part = part;
        self
    }

    /// In all answers, what decoders and printers say may be said in other words.
    pub fn in_any_words(mut self) -> Self {
        self.steps.iter_mut().for_each(|step| step.in_any_words = true);
        self
    }

    fn last(&mut self) -> &mut Step {
        self.steps.last_mut().expect("a case begins with a request")
    }

    fn step(mut self, request: Request, aim: Aim) -> Self {
        let step = Step {
            request,
            aim,
            kept: Vec::new(),
            differences: Vec::new(),
            in_any_order: false,
            in_any_words: false,
            part: |answer| answer,
        };
        self.steps.push(step);
        self
    }
}

/// A request, written the short way: `pods/web/resize` and `policy/v1/poddisruptionbudgets/web` are in the case's
/// namespace, and only what begins with a slash is a whole path.
#[derive(Clone)]
pub struct Request {
    /// The HTTP method.
    pub method: &'static str,
    /// The path, short or whole.
    pub path: String,
    /// The query, without its question mark.
    pub query: String,
    /// The media type of the body.
    pub content_type: &'static str,
    /// What is accepted.
    pub accept: &'static str,
    /// The body.
    pub body: Body,
}

/// What is sent.
#[derive(Clone)]
pub enum Body {
    /// Nothing.
    Empty,
    /// This.
    Text(String),
    /// The object at a path as it is, with parts set or, by null, removed.
    Edited {
        /// Where the object is.
        of: String,
        /// Pointers, and what is put there.
        edits: Vec<(&'static str, Value)>,
    },
}

fn request(method: &'static str, path: &str, content_type: &'static str, body: Body) -> Request {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    Request { method, path: path.into(), query: query.into(), content_type, accept: "application/json", body }
}

fn json(value: &Value) -> Body {
    Body::Text(value.to_string())
}

/// Reads an object or a list, or watches one: the body is then a line for each event.
pub fn get(path: &str) -> Request {
    request("GET", path, "", Body::Empty)
}

/// Creates an object in a collection.
pub fn create(path: &str, object: &Value) -> Request {
    request("POST", path, "application/json", json(object))
}

/// Replaces an object.
pub fn replace(path: &str, object: &Value) -> Request {
    request("PUT", path, "application/json", json(object))
}

/// Replaces what is at `path` by the object that is at `of` now, with `edits`.
pub fn edit(path: &str, of: &str, edits: &[(&'static str, Value)]) -> Request {
    let body = Body::Edited { of: of.to_owned(), edits: edits.to_vec() };
    request("PUT", path, "application/json", body)
}

/// Patches by JSON merge patch.
pub fn merge(path: &str, patch: &Value) -> Request {
    request("PATCH", path, "application/merge-patch+json", json(patch))
}

/// Patches by strategic merge patch.
pub fn strategic(path: &str, patch: &Value) -> Request {
    request("PATCH", path, "application/strategic-merge-patch+json", json(patch))
}

/// Patches by JSON patch.
pub fn operations(path: &str, patch: &Value) -> Request {
    request("PATCH", path, "application/json-patch+json", json(patch))
}

/// Applies as a field manager.
pub fn apply(path: &str, manager: &str, object: &Value) -> Request {
    request("PATCH", path, "application/apply-patch+yaml", json(object)).query(&format!("fieldManager={manager}"))
}

/// Deletes an object or, at once, a collection.
pub fn delete(path: &str) -> Request {
    request("DELETE", path, "application/json", Body::Empty)
}

impl Request {
    /// Adds to the query.
    pub fn query(mut self, more: &str) -> Self {
        if !self.query.is_empty() {
            self.query.push('&');
        }
        self.query.push_str(more);
        self
    }

    /// Drops the query.
    pub fn without_query(mut self) -> Self {
        self.query.clear();
        self
    }

    /// Sends this text.
    pub fn text(mut self, text: &str) -> Self {
        self.body = Body::Text(text.to_owned());
        self
    }

    /// Sends this JSON.
    pub fn json(mut self, value: &Value) -> Self {
        self.body = json(value);
        self
    }

    /// Accepts this media type.
    pub fn accept(mut self, accept: &'static str) -> Self {
        self.accept = accept;
        self
    }

    /// Sends a body of this media type.
    pub fn content_type(mut self, content_type: &'static str) -> Self {
        self.content_type = content_type;
        self
    }
}
