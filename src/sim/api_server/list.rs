//! List: a consistent answer at one version, whole or in pages.

use std::{collections::BTreeMap, sync::Arc};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    list_options,
    object::{Form, Object},
    registry::{Resource, Shape},
    request::{Call, View},
    selectors::Filter,
    status::{Result, bad_request, expired, too_large_version},
    store::{Key, Store},
    table,
};

/// Where the next page begins. Only this server reads it.
#[derive(Debug, Serialize, Deserialize)]
struct Continue {
    version: u64,
    after: Key,
}

impl Continue {
    fn encoded(&self) -> String {
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(self).expect("text and numbers always encode"))
    }

    fn decoded(text: &str) -> Result<Self> {
        let problem =
            || bad_request("invalid continue token: continue key is not valid: it was not made by this server");
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| problem())?;
        serde_json::from_slice(&bytes).map_err(|_| problem())
    }
}

/// Which versions a list may be answered from.
enum AsOf {
    Now,
    Exactly(u64),
}

fn as_of(call: &Call, current: u64) -> Result<AsOf> {
    match (list_options::list_version(call)?, call.option("resourceVersionMatch")) {
        (Some(version), _) if version > current => Err(too_large_version(version, current)),
        (Some(version), "Exact") => Ok(AsOf::Exactly(version)),
        _ => Ok(AsOf::Now),
    }
}

/// What a list request is answered with.
pub(super) struct List {
    items: Vec<Arc<Object>>,
    metadata: serde_json::Value,
}

/// Answers a list request.
///
/// # Errors
/// 410 when the version that a page continues is forgotten, 504 when the version lies in the future.
pub(super) fn list(store: &mut Store, resource: &Resource, filter: &Filter, call: &Call) -> Result<List> {
    list_options::check_list(call)?;
    let current = store.version();
    // The watch cache answers version 0, and it does not page.
    let from_cache = call.option("resourceVersion") == "0";
    let limit = list_options::number(call, "limit")?.filter(|limit| *limit > 0 && !from_cache);
    let limit = limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
    let token = match call.option("continue") {
        "" => None,
        text => Some(Continue::decoded(text)?),
    };
    if token.is_some() && !matches!(call.option("resourceVersion"), "" | "0") {
        return Err(bad_request("specifying resource version is not allowed when using continue"));
    }
    let version = match (&token, as_of(call, current)?) {
        (Some(token), _) => token.version,
        (None, AsOf::Exactly(version)) => version,
        (None, AsOf::Now) => current,
    };
    let says_when_last = matches!(resource.shape, Shape::Custom { .. });
    let table = store.table(resource);
    let past;
    let objects = if version == current {
        &table.objects
    } else {
        past = table.at(version).ok_or_else(|| too_old(&token, version))?;
        &past
    };
    Ok(page(objects, filter, &Request { version, limit, after: token.map(|token| token.after), says_when_last }))
}

fn too_old(token: &Option<Continue>, version: u64) -> super::status::Failure {
    match token {
        Some(_) => expired(
            "The provided continue parameter is too old to display a consistent list result. You can start a new list \
             without the continue parameter.",
        ),
        None => expired(format!("The resourceVersion for the provided list is too old: {version}")),
    }
}

struct Request {
    version: u64,
    limit: usize,
    after: Option<Key>,
    /// Whether the list says that there is no next page.
    says_when_last: bool,
}

fn page(objects: &BTreeMap<Key, Arc<Object>>, filter: &Filter, request: &Request) -> List {
    let selected = objects.iter().filter(|(key, object)| {
        request.after.as_ref().is_none_or(|after| *key > after) && filter.matches(&object.value)
    });
    let mut selected = selected.peekable();
    let mut items = Vec::new();
    let mut last = None;
    while items.len() < request.limit
        && let Some((key, object)) = selected.next()
    {
        items.push(object.clone());
        last = Some(key);
    }
    let mut metadata = json!({ "resourceVersion": request.version.to_string() });
    if request.says_when_last {
        metadata["continue"] = "".into();
    }
    if selected.peek().is_some()
        && let Some(last) = last
    {
        metadata["continue"] = Continue { version: request.version, after: last.clone() }.encoded().into();
        if filter.is_open() {
            metadata["remainingItemCount"] = selected.count().into();
        }
    }
    List { items, metadata }
}

impl List {
    fn without_empty_token(&self) -> serde_json::Value {
        let mut metadata = self.metadata.clone();
        if let Some(fields) = metadata.as_object_mut() {
            fields.retain(|field, value| field != "continue" || *value != "");
        }
        metadata
    }

    /// Its JSON, as it is looked at.
    pub(super) fn shown(&self, resource: &Resource, view: View, now: Timestamp) -> Bytes {
        match view {
            View::Objects(form) => {
                let items: Vec<_> = self.items.iter().map(|item| item.encoded(item_form(resource, form))).collect();
                let metadata = if form == Form::Metadata { self.without_empty_token() } else { self.metadata.clone() };
                joined(resource, form, &metadata, &items)
            }
            View::Table(include) => {
                let objects = self.items.iter().map(AsRef::as_ref);
                table::table(resource, objects, &self.without_empty_token(), (include, now)).to_string().into()
            }
        }
    }
}

/// Items of built-in lists come without their type, as on the real server; custom ones with it.
fn item_form(resource: &Resource, form: Form) -> Form {
    match (&resource.shape, form) {
        (Shape::Builtin { .. }, Form::Full) => Form::Item,
        (_, form) => form,
    }
}

fn joined(resource: &Resource, form: Form, metadata: &serde_json::Value, items: &[&Bytes]) -> Bytes {
    let (api_version, kind) = match form {
        Form::Metadata => ("meta.k8s.io/v1".to_owned(), "PartialObjectMetadataList".to_owned()),
        _ => (resource.api_version(), format!("{}List", resource.kind)),
    };
    let head = format!(r#"{{"kind":"{kind}","apiVersion":"{api_version}","metadata":{metadata},"items":["#);
    let mut bytes = Vec::with_capacity(head.len() + items.iter().map(|item| item.len() + 1).sum::<usize>() + 2);
    bytes.extend_from_slice(head.as_bytes());
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            bytes.push(b',');
        }
        bytes.extend_from_slice(item);
    }
    bytes.extend_from_slice(b"]}");
    bytes.into()
}
