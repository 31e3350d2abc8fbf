//! Custom resources against the structural schema of their definition.
//!
//! An object goes through the same steps as in the server: unknown fields are pruned, nulls dropped, defaults filled
//! in, then types and values, list uniqueness and CEL rules are checked. What did not change since the stored object is
//! not held against an update (ratcheting, KEP-4008). Rules: k8s.io/apiextensions-apiserver `pkg/apiserver/schema`,
//! `pkg/apiserver/validation` and `pkg/registry/customresource`.

mod format;
mod lists;
mod node;
mod prepare;
mod prune;
mod rules;
mod values;

use k8s_openapi::{
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
    apimachinery::pkg::apis::meta::v1::Status,
};
use serde_json::Value;

use super::status::{self, Fault, FaultKind, Subject};
use node::Node;

/// The schema of one version of a custom resource, compiled once.
#[derive(Debug)]
pub struct Structural {
    group: String,
    version: String,
    kind: String,
    root: Node,
    /// Whether the status is written by itself, and so checked by itself.
    status_apart: bool,
}

impl Structural {
    /// Compiles the schema of `version`. A pattern or CEL rule that does not compile, or a field without a type, is
    /// answered as the server answers the definition that carries it (422); an unknown version is a 404.
    pub fn from_crd(crd: &CustomResourceDefinition, version: &str) -> Result<Self, Box<Status>> {
        let position = crd.spec.versions.iter().position(|v| v.name == version).ok_or_else(status::no_such_resource)?;
        let path = format!("spec.versions[{position}].schema.openAPIV3Schema");
        let mut faults = Vec::new();
        let schema = crd.spec.versions[position].schema.as_ref().and_then(|s| s.open_api_v3_schema.as_ref());
        let root = match schema {
            Some(schema) => Node::root(schema, &path, &mut faults),
            None => {
                faults.push(Fault::required(path, "schemas are required"));
                Node::default()
            }
        };
        let name = crd.metadata.name.as_deref().unwrap_or_default();
        status::check(Subject { group: "apiextensions.k8s.io", kind: "CustomResourceDefinition", name }, &faults)?;
        let subresources = crd.spec.versions[position].subresources.as_ref();
        Ok(Self {
            group: crd.spec.group.clone(),
            version: version.to_owned(),
            kind: crd.spec.names.kind.clone(),
            root,
            status_apart: subresources.is_some_and(|subresources| subresources.status.is_some()),
        })
    }

    /// The object as it would be stored, or why it is refused: 400 for unknown fields when `strict`, 422 for faults.
    /// `old` is the stored object that an update replaces.
    pub fn admit(&self, new: Value, old: Option<&Value>, strict: bool) -> Result<Value, Box<Status>> {
        self.admit_and_tell(new, old, strict).map(|(new, _)| new)
    }

    /// As [`Structural::admit`], with the paths of unknown fields, which were dropped.
    pub fn admit_and_tell(
        &self,
        new: Value,
        old: Option<&Value>,
        strict: bool,
    ) -> Result<(Value, Vec<String>), Box<Status>> {
        let (new, unknown) = self.prepare(new);
        if strict && !unknown.is_empty() {
            let listed: Vec<_> = unknown.iter().map(|field| format!("unknown field \"{field}\"")).collect();
            return Err(status::bad_request(format!(
                "{kind} in version {:?} cannot be handled as a {kind}: strict decoding error: {}",
                self.version,
                listed.join(", "),
                kind = self.kind,
            )));
        }
        let old = old.map(|old| self.prepare(old.clone()).0);
        let name = new.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default().to_owned();
        let faults = self.faults(&new, old.as_ref());
        status::check(Subject { group: &self.group, kind: &self.kind, name: &name }, &faults)?;
        Ok((new, unknown))
    }

    fn prepare(&self, mut object: Value) -> (Value, Vec<String>) {
        let unknown = prune::prune(&mut object, &self.root);
        prepare::drop_nulls(&mut object, &self.root);
        prepare::fill_defaults(&mut object, &self.root);
        (object, unknown)
    }

    fn faults(&self, new: &Value, old: Option<&Value>) -> Vec<Fault> {
        let mut faults = self.type_faults(new);
        if !faults.is_empty() {
            return faults;
        }
        let said = values::check(&self.root, new, old).into_iter();
        faults.extend(said.map(|fault| if self.status_apart { said_of_status(fault) } else { fault }));
        if old.is_none_or(|old| lists::check(&self.root, old).is_empty()) {
            faults.extend(lists::check(&self.root, new));
        }
        if !self.root.has_rules() {
            return faults;
        }
        if faults.iter().any(|fault| blocks_rules(fault.kind)) {
            faults.push(Fault::invalid(WHOLE, Value::Null, UNCHECKED_RULES));
        } else {
            faults.extend(rules::check(&self.root, new, old));
        }
        faults
    }

    fn type_faults(&self, object: &Value) -> Vec<Fault> {
        let expected = [("kind", self.kind.clone()), ("apiVersion", format!("{}/{}", self.group, self.version))];
        expected
            .into_iter()
            .filter_map(|(field, expected)| {
                let found = object[field].as_str().unwrap_or_default();
                (found != expected).then(|| Fault::invalid(field, found, &format!("must be {expected}")))
            })
            .collect()
    }
}

/// How the server prints the path of the object itself.
const WHOLE: &str = "<nil>";

const UNCHECKED_RULES: &str = "some validation rules were not checked because the object was invalid; \
                               correct the existing errors to complete validation";

/// CEL rules are typed, so they are not run on an object whose shape is wrong.
const fn blocks_rules(kind: FaultKind) -> bool {
    use FaultKind::{NotSupported, Required, TooLong, TooMany, TypeInvalid};
    matches!(kind, NotSupported | Required | TooLong | TooMany | TypeInvalid)
}

/// A status that is checked by itself is the root of its own schema: the message, unlike the field, leaves it out.
fn said_of_status(mut fault: Fault) -> Fault {
    if let Some(inner) = fault.field.strip_prefix("status.") {
        fault.message = fault.message.replacen(&format!("{} in body", fault.field), &format!("{inner} in body"), 1);
    }
    fault
}

/// `parent.name`, or `name` at the root.
fn child(parent: &str, name: &str) -> String {
    if parent.is_empty() { name.to_owned() } else { format!("{parent}.{name}") }
}

/// The path as printed: the root has no name.
fn printed(path: &str) -> &str {
    if path.is_empty() { WHOLE } else { path }
}

#[cfg(test)]
mod tests;
