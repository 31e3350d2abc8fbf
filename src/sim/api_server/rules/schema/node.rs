//! One place of a schema, compiled: patterns and rules are parsed once, not per object.

use std::collections::BTreeMap;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use regex::Regex;
use serde_json::Value;

use super::{format::Format, rules::Rules};
use crate::sim::api_server::rules::status::Fault;

/// What may stand in a field.
pub(super) enum Extra<'a> {
    /// Something that the schema describes.
    Schema(&'a Node),
    /// Anything (`additionalProperties: true`).
    Any,
}

/// `additionalProperties`.
#[derive(Debug, Default)]
pub(super) enum Additional {
    #[default]
    Unset,
    Any,
    Closed,
    Schema(Box<Node>),
}

/// `x-kubernetes-list-type`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum ListType {
    #[default]
    Atomic,
    Set,
    Map,
}

/// Bounds of numbers and sizes.
#[derive(Debug, Default)]
pub(super) struct Bounds {
    pub(super) maximum: Option<f64>,
    pub(super) exclusive_maximum: bool,
    pub(super) minimum: Option<f64>,
    pub(super) exclusive_minimum: bool,
    pub(super) multiple_of: Option<f64>,
    pub(super) max_length: Option<u64>,
    pub(super) min_length: Option<u64>,
    pub(super) max_items: Option<u64>,
    pub(super) min_items: Option<u64>,
    pub(super) max_properties: Option<u64>,
    pub(super) min_properties: Option<u64>,
}

/// One place of a schema and all below it.
#[derive(Debug, Default)]
pub(super) struct Node {
    /// Allowed types; none means any. An int-or-string has two.
    pub(super) types: Vec<String>,
    pub(super) nullable: bool,
    pub(super) format: Option<Format>,
    pub(super) bounds: Bounds,
    pub(super) pattern: Option<Regex>,
    pub(super) enumeration: Vec<Value>,
    pub(super) unique_items: bool,
    pub(super) required: Vec<String>,
    pub(super) default: Option<Value>,
    pub(super) properties: BTreeMap<String, Node>,
    pub(super) additional: Additional,
    pub(super) items: Option<Box<Node>>,
    pub(super) all_of: Vec<Node>,
    pub(super) any_of: Vec<Node>,
    pub(super) one_of: Vec<Node>,
    pub(super) not: Option<Box<Node>>,
    pub(super) preserve_unknown: bool,
    pub(super) embedded_resource: bool,
    pub(super) list_type: ListType,
    pub(super) list_map_keys: Vec<String>,
    pub(super) rules: Rules,
}

impl Node {
    /// Compiles the schema of a whole object.
    pub(super) fn root(schema: &JSONSchemaProps, path: &str, faults: &mut Vec<Fault>) -> Self {
        Compiler { faults, structural: true }.node(schema, path)
    }

    /// Whether any rule stands here or below: a definition without any has none that could be left unchecked.
    pub(super) fn has_rules(&self) -> bool {
        let values = match &self.additional {
            Additional::Schema(node) => Some(node),
            Additional::Unset | Additional::Any | Additional::Closed => None,
        };
        let fields = self.properties.values().chain(values.map(AsRef::as_ref)).chain(self.items.as_deref());
        let mut below = fields.chain(&self.all_of);
        !self.rules.is_empty() || below.any(Self::has_rules)
    }

    /// The schema of the field `key`, if fields of that name are known.
    pub(super) fn field(&self, key: &str) -> Option<Extra<'_>> {
        match (self.properties.get(key), &self.additional) {
            (Some(node), _) => Some(Extra::Schema(node)),
            (None, Additional::Schema(node)) => Some(Extra::Schema(node)),
            (None, Additional::Any) => Some(Extra::Any),
            (None, Additional::Unset | Additional::Closed) => None,
        }
    }

    /// As [`Node::field`], where only a described field matters.
    pub(super) fn schema_of(&self, key: &str) -> Option<&Self> {
        match self.field(key)? {
            Extra::Schema(node) => Some(node),
            Extra::Any => None,
        }
    }
}

/// Turns schemas into nodes, and collects what is wrong with them.
struct Compiler<'a> {
    faults: &'a mut Vec<Fault>,
    /// Whether types must be told: everywhere but inside `allOf`, `anyOf`, `oneOf` and `not`.
    structural: bool,
}

impl Compiler<'_> {
    fn node(&mut self, schema: &JSONSchemaProps, path: &str) -> Node {
        let int_or_string = schema.x_kubernetes_int_or_string == Some(true);
        let types = match &schema.type_ {
            _ if int_or_string => vec!["integer".to_owned(), "string".to_owned()],
            Some(name) if !name.is_empty() => vec![name.clone()],
            _ => Vec::new(),
        };
        if self.structural && types.is_empty() && schema.x_kubernetes_preserve_unknown_fields != Some(true) {
            let field = format!("{path}.type");
            self.faults.push(Fault::required(field, "must not be empty for specified object fields"));
        }
        Node {
            format: schema.format.as_deref().and_then(|name| Format::find(name, &types)),
            types,
            nullable: schema.nullable == Some(true),
            bounds: bounds(schema),
            pattern: self.pattern(schema, path),
            enumeration: schema.enum_.iter().flatten().map(|json| json.0.clone()).collect(),
            unique_items: schema.unique_items == Some(true),
            required: schema.required.clone().unwrap_or_default(),
            default: schema.default.as_ref().map(|json| json.0.clone()),
            properties: self.properties(schema, path),
            additional: self.additional(schema, path),
            items: self.items(schema, path),
            all_of: self.branches(&schema.all_of, &format!("{path}.allOf")),
            any_of: self.branches(&schema.any_of, &format!("{path}.anyOf")),
            one_of: self.branches(&schema.one_of, &format!("{path}.oneOf")),
            not: schema.not.as_deref().map(|not| Box::new(self.branch(not, &format!("{path}.not")))),
            preserve_unknown: schema.x_kubernetes_preserve_unknown_fields == Some(true),
            embedded_resource: schema.x_kubernetes_embedded_resource == Some(true),
            list_type: match schema.x_kubernetes_list_type.as_deref() {
                Some("set") => ListType::Set,
                Some("map") => ListType::Map,
                _ => ListType::Atomic,
            },
            list_map_keys: schema.x_kubernetes_list_map_keys.clone().unwrap_or_default(),
            rules: Rules::compile(schema, path, self.faults),
        }
    }

    fn branch(&mut self, schema: &JSONSchemaProps, path: &str) -> Node {
        Compiler { faults: self.faults, structural: false }.node(schema, path)
    }

    fn branches(&mut self, schemas: &Option<Vec<JSONSchemaProps>>, path: &str) -> Vec<Node> {
        let schemas = schemas.iter().flatten().enumerate();
        schemas.map(|(index, schema)| self.branch(schema, &format!("{path}[{index}]"))).collect()
    }

    fn properties(&mut self, schema: &JSONSchemaProps, path: &str) -> BTreeMap<String, Node> {
        let fields = schema.properties.iter().flatten();
        fields.map(|(name, field)| (name.clone(), self.node(field, &format!("{path}.properties[{name}]")))).collect()
    }

    fn additional(&mut self, schema: &JSONSchemaProps, path: &str) -> Additional {
        match &schema.additional_properties {
            None => Additional::Unset,
            Some(JSONSchemaPropsOrBool::Bool(true)) => Additional::Any,
            Some(JSONSchemaPropsOrBool::Bool(false)) => Additional::Closed,
            Some(JSONSchemaPropsOrBool::Schema(schema)) => {
                Additional::Schema(Box::new(self.node(schema, &format!("{path}.additionalProperties"))))
            }
        }
    }

    fn items(&mut self, schema: &JSONSchemaProps, path: &str) -> Option<Box<Node>> {
        let Some(JSONSchemaPropsOrArray::Schema(schema)) = &schema.items else { return None };
        Some(Box::new(self.node(schema, &format!("{path}.items"))))
    }

    fn pattern(&mut self, schema: &JSONSchemaProps, path: &str) -> Option<Regex> {
        let text = schema.pattern.as_deref().filter(|text| !text.is_empty())?;
        Regex::new(text)
            .map_err(|error| {
                let detail = format!("must be a valid regular expression, but isn't: {error}");
                self.faults.push(Fault::invalid(format!("{path}.pattern"), text, &detail));
            })
            .ok()
    }
}

fn bounds(schema: &JSONSchemaProps) -> Bounds {
    let size = |bound: Option<i64>| bound.map(|b| u64::try_from(b).unwrap_or(0));
    Bounds {
        maximum: schema.maximum,
        exclusive_maximum: schema.exclusive_maximum == Some(true),
        minimum: schema.minimum,
        exclusive_minimum: schema.exclusive_minimum == Some(true),
        multiple_of: schema.multiple_of,
        max_length: size(schema.max_length),
        min_length: size(schema.min_length),
        max_items: size(schema.max_items),
        min_items: size(schema.min_items),
        max_properties: size(schema.max_properties),
        min_properties: size(schema.min_properties),
    }
}
