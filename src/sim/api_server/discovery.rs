//! Discovery: which groups, versions and resources are served.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::{
    registry::{Registry, Resource, Shape, Subresource},
    status::{Result, no_page},
};

/// `/version`
pub(super) fn version() -> Value {
    json!({
        "major": "1",
        "minor": "37",
        "emulationMajor": "1",
        "emulationMinor": "37",
        "minCompatibilityMajor": "1",
        "minCompatibilityMinor": "36",
        "gitVersion": "v1.37.2",
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "",
        "compiler": "",
        "platform": "linux/amd64",
    })
}

/// `/api`
pub(super) fn core() -> Value {
    json!({ "kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": [] })
}

/// Versions by group, without the core.
fn versions(registry: &Registry) -> BTreeMap<&str, BTreeSet<&str>> {
    let mut groups: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for resource in registry.all().filter(|resource| !resource.group.is_empty()) {
        groups.entry(&resource.group).or_default().insert(&resource.version);
    }
    groups
}

fn group_value(group: &str, versions: &BTreeSet<&str>) -> Value {
    let version = |version: &&str| json!({ "groupVersion": format!("{group}/{version}"), "version": version });
    let all: Vec<Value> = versions.iter().rev().map(version).collect();
    json!({ "name": group, "versions": all, "preferredVersion": all.first() })
}

/// `/apis`
pub(super) fn groups(registry: &Registry) -> Value {
    let groups: Vec<Value> = versions(registry).iter().map(|(group, versions)| group_value(group, versions)).collect();
    json!({ "kind": "APIGroupList", "apiVersion": "v1", "groups": groups })
}

/// `/apis/{group}`
pub(super) fn group(registry: &Registry, group: &str) -> Result<Value> {
    let versions = versions(registry).remove(group).ok_or_else(no_page)?;
    let mut value = group_value(group, &versions);
    value["kind"] = "APIGroup".into();
    value["apiVersion"] = "v1".into();
    Ok(value)
}

/// `/api/v1` and `/apis/{group}/{version}`
pub(super) fn resources(registry: &Registry, group: &str, version: &str) -> Result<Value> {
    let of_version = |resource: &&std::sync::Arc<Resource>| resource.group == group && resource.version == version;
    let served: Vec<Value> = registry.all().filter(of_version).flat_map(|resource| rows(resource)).collect();
    if served.is_empty() {
        return Err(registry.nothing_in(group));
    }
    let mut list = json!({ "kind": "APIResourceList", "groupVersion": version, "resources": served });
    if !group.is_empty() {
        list["apiVersion"] = "v1".into();
        list["groupVersion"] = format!("{group}/{version}").into();
    }
    Ok(list)
}

fn rows(resource: &Resource) -> Vec<Value> {
    let mut row = json!({
        "name": resource.plural,
        "singularName": resource.singular,
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": resource.verbs(),
    });
    if !resource.short_names.is_empty() {
        row["shortNames"] = json!(resource.short_names);
    }
    if !resource.categories.is_empty() {
        row["categories"] = json!(resource.categories);
    }
    let mut rows = vec![row];
    for subresource in &resource.subresources {
        let name: &str = subresource.into();
        let ((group, version, kind), verbs) = (kind_of(resource, *subresource), verbs(*subresource));
        let mut row = json!({
            "name": format!("{}/{name}", resource.plural),
            "singularName": "",
            "namespaced": resource.namespaced,
            "kind": kind,
            "verbs": verbs,
        });
        if (group, version) != (resource.group.as_str(), resource.version.as_str()) {
            row["group"] = group.into();
            row["version"] = version.into();
        }
        rows.push(row);
    }
    rows
}

fn kind_of(resource: &Resource, subresource: Subresource) -> (&str, &str, &str) {
    match subresource {
        Subresource::Status | Subresource::Resize => (&resource.group, &resource.version, &resource.kind),
        Subresource::Scale => ("autoscaling", "v1", "Scale"),
        Subresource::Eviction => ("policy", "v1", "Eviction"),
        Subresource::Binding => ("", "v1", "Binding"),
    }
}

fn verbs(subresource: Subresource) -> &'static [&'static str] {
    match subresource {
        Subresource::Eviction | Subresource::Binding => &["create"],
        Subresource::Status | Subresource::Scale | Subresource::Resize => &["get", "patch", "update"],
    }
}

/// `/api` and `/apis` in the aggregated form (`apidiscovery.k8s.io/v2`).
pub(super) fn aggregated(registry: &Registry, is_core: bool) -> Value {
    let mut groups: BTreeMap<&str, BTreeMap<&str, Vec<Value>>> = BTreeMap::new();
    for resource in registry.all().filter(|resource| resource.group.is_empty() == is_core) {
        let versions = groups.entry(&resource.group).or_default();
        versions.entry(&resource.version).or_default().push(aggregated_row(resource));
    }
    let group = |(name, versions): (&str, BTreeMap<&str, Vec<Value>>)| {
        let versions = versions.into_iter().rev();
        let versions: Vec<Value> = versions
            .map(|(version, resources)| json!({ "version": version, "resources": resources, "freshness": "Current" }))
            .collect();
        let metadata = if name.is_empty() { json!({}) } else { json!({ "name": name }) };
        json!({ "metadata": metadata, "versions": versions })
    };
    let items: Vec<Value> = groups.into_iter().map(group).collect();
    json!({ "kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items })
}

fn aggregated_row(resource: &Resource) -> Value {
    let is_custom = matches!(resource.shape, Shape::Custom { .. });
    // Built-in kinds say their group and version only where they are others than those of the row.
    let kind = |(group, version, kind): (&str, &str, &str)| match (group, version) {
        own if !is_custom && own == (resource.group.as_str(), resource.version.as_str()) => {
            json!({ "group": "", "version": "", "kind": kind })
        }
        _ => json!({ "group": group, "version": version, "kind": kind }),
    };
    let mut row = json!({
        "resource": resource.plural,
        "responseKind": kind((&resource.group, &resource.version, &resource.kind)),
        "scope": if resource.namespaced { "Namespaced" } else { "Cluster" },
        "singularResource": resource.singular,
        "verbs": resource.verbs(),
    });
    let subresources = resource.subresources.iter().map(|subresource| {
        let name: &str = subresource.into();
        let kind = kind(kind_of(resource, *subresource));
        json!({ "subresource": name, "responseKind": kind, "verbs": verbs(*subresource) })
    });
    let lists = [
        ("shortNames", json!(resource.short_names)),
        ("categories", json!(resource.categories)),
        ("subresources", subresources.collect()),
    ];
    for (name, list) in lists {
        if list.as_array().is_some_and(|list| !list.is_empty()) {
            row[name] = list;
        }
    }
    row
}
