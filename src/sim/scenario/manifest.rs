//! A Kubernetes object of a scenario, with its place in the file.

use std::sync::Arc;

use serde_json::Value;

use super::{Document, Place, format::default_namespace};
use crate::resources::Resources;

/// A Kubernetes object as the user wrote it.
#[derive(Clone, Debug)]
pub struct Manifest {
    document: Arc<Document>,
    /// The keys that lead to the object in the document: none if it is the document.
    path: Vec<String>,
    /// The object.
    pub value: Value,
}

/// What tells objects apart: group, kind, namespace, name.
pub(super) type Identity = (String, String, String, String);

impl Manifest {
    /// The objects of a document: one, or the items of a `List`, as `kubectl get -o yaml` writes it.
    pub(super) fn all_of(document: Document) -> Vec<Self> {
        let document = Arc::new(document);
        let is_list = document.text_at(&["kind"]) == Some("List") && document.text_at(&["apiVersion"]) == Some("v1");
        match document.value["items"].as_array().filter(|_| is_list) {
            Some(items) => {
                let item = |(index, value): (usize, &Value)| {
                    Self::part(document.clone(), vec!["items".to_owned(), index.to_string()], value.clone())
                };
                items.iter().enumerate().map(item).collect()
            }
            None => vec![Self::part(document.clone(), Vec::new(), document.value.clone())],
        }
    }

    /// The object at `path` of a document.
    pub(super) fn part(document: Arc<Document>, path: Vec<String>, value: Value) -> Self {
        Self { document, path, value }
    }

    /// Where a field stands, named as the API server does: `spec.containers[0].min`.
    pub fn place_of(&self, field: &str) -> Place {
        let steps = field.split(['.', '[', ']']).filter(|step| !step.is_empty());
        let path: Vec<&str> = self.path.iter().map(String::as_str).chain(steps).collect();
        self.document.place_of(&path)
    }

    /// Kind, namespace and name, for people.
    pub fn object(&self) -> String {
        let namespace = self.text(&["metadata", "namespace"]);
        let slash = if namespace.is_empty() { "" } else { "/" };
        format!("{} {namespace}{slash}{}", self.kind(), self.name())
    }

    /// Its kind.
    pub fn kind(&self) -> &str {
        self.text(&["kind"])
    }

    /// Its group and version.
    pub fn api_version(&self) -> &str {
        self.text(&["apiVersion"])
    }

    /// Its name.
    pub fn name(&self) -> &str {
        self.text(&["metadata", "name"])
    }

    /// Its namespace, if it says one.
    pub fn namespace(&self) -> Option<&str> {
        Some(self.text(&["metadata", "namespace"])).filter(|namespace| !namespace.is_empty())
    }

    pub(super) fn identity(&self) -> Identity {
        let namespace = self.namespace().map_or_else(default_namespace, str::to_owned);
        identity(self.api_version(), self.kind(), &namespace, self.name())
    }

    /// The names of the containers of its Pods that stay: sidecars too.
    pub(super) fn containers(&self) -> Vec<&str> {
        self.templates().filter_map(|container| container["name"].as_str()).collect()
    }

    /// What each of those containers requests.
    pub fn requests(&self) -> Vec<(String, Resources)> {
        let requests = |container: &Value| {
            let requests = container.get("resources").and_then(|resources| resources.get("requests"));
            requests.and_then(|requests| serde_json::from_value(requests.clone()).ok()).unwrap_or_default()
        };
        let named = |container: &Value| Some((container["name"].as_str()?.to_owned(), requests(container)));
        self.templates().filter_map(named).collect()
    }

    fn templates(&self) -> impl Iterator<Item = &Value> {
        let path: &[&str] = match self.kind() {
            "Pod" => &["spec"],
            "CronJob" => &["spec", "jobTemplate", "spec", "template", "spec"],
            _ => &["spec", "template", "spec"],
        };
        let spec = path.iter().try_fold(&self.value, |value, key| value.get(key));
        let list = move |key| spec.and_then(|spec| spec.get(key)).and_then(Value::as_array).into_iter().flatten();
        let sidecars = list("initContainers").filter(|container| container["restartPolicy"] == "Always");
        list("containers").chain(sidecars)
    }

    fn text(&self, path: &[&str]) -> &str {
        path.iter().try_fold(&self.value, |value, key| value.get(key)).and_then(Value::as_str).unwrap_or("")
    }
}

pub(super) fn identity(api_version: &str, kind: &str, namespace: &str, name: &str) -> Identity {
    let group = api_version.rsplit_once('/').map_or("", |(group, _)| group);
    (group.to_owned(), kind.to_owned(), namespace.to_owned(), name.to_owned())
}
