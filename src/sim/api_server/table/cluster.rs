//! The rows of what surrounds workloads: Nodes, Namespaces, Events, Services, quotas and small things.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Look, look::NONE};

pub(super) const NODE: &[&str] = &[
    "Name",
    "Status",
    "Roles",
    "Age",
    "Version",
    "*Internal-IP",
    "*External-IP",
    "*OS-Image",
    "*Kernel-Version",
    "*Container-Runtime",
];

pub(super) fn node(node: &Look<'_>) -> Vec<Value> {
    const ROLE: &str = "node-role.kubernetes.io/";
    let mut status = match node.condition("Ready") {
        "" => "Unknown",
        "True" => "Ready",
        _ => "NotReady",
    }
    .to_owned();
    if node.at("/spec/unschedulable") == true {
        status.push_str(",SchedulingDisabled");
    }
    let labels = node.at("/metadata/labels").as_object().into_iter().flatten();
    let roles = labels.filter_map(|(key, value)| match key.strip_prefix(ROLE) {
        None if key == "kubernetes.io/role" => value.as_str(),
        role => role,
    });
    let roles: BTreeSet<&str> = roles.filter(|role| !role.is_empty()).collect();
    let roles = if roles.is_empty() { NONE.to_owned() } else { Vec::from_iter(roles).join(",") };
    let address = |kind: &str| {
        let found = node.list("/status/addresses").find(|address| address.text("/type") == kind);
        Value::from(found.map_or(NONE, |address| address.text("/address")))
    };
    let info = |field: &str| node.text_or(&format!("/status/nodeInfo/{field}"), "<unknown>").to_owned();
    let mut kernel = info("kernelVersion");
    let architecture = node.text("/status/nodeInfo/architecture");
    if !architecture.is_empty() {
        kernel = format!("{kernel} ({architecture})");
    }
    vec![
        node.name().into(),
        status.into(),
        roles.into(),
        node.age().into(),
        node.text("/status/nodeInfo/kubeletVersion").into(),
        address("InternalIP"),
        address("ExternalIP"),
        info("osImage").into(),
        kernel.into(),
        info("containerRuntimeVersion").into(),
    ]
}

pub(super) const NAMESPACE: &[&str] = &["Name", "Status", "Age"];

pub(super) fn namespace(space: &Look<'_>) -> Vec<Value> {
    vec![space.name().into(), space.text("/status/phase").into(), space.age().into()]
}

pub(super) const EVENT: &[&str] =
    &["Last Seen", "Type", "Reason", "Object", "*Subobject", "*Source", "Message", "*First Seen", "*Count", "*Name"];

/// The fields of an Event, whose names differ between the two groups that have them.
struct EventFields<'a> {
    object: &'a str,
    message: &'a str,
    first: &'a str,
    last: &'a str,
    count: &'a str,
    component: &'a str,
    host: &'a str,
}

pub(super) fn event(event: &Look<'_>) -> Vec<Value> {
    let fields = EventFields {
        object: "/involvedObject",
        message: "/message",
        first: "/firstTimestamp",
        last: "/lastTimestamp",
        count: "/count",
        component: "/source/component",
        host: "/source/host",
    };
    event_with(event, &fields)
}

pub(super) fn new_event(event: &Look<'_>) -> Vec<Value> {
    let fields = EventFields {
        object: "/regarding",
        message: "/note",
        first: "/deprecatedFirstTimestamp",
        last: "/deprecatedLastTimestamp",
        count: "/deprecatedCount",
        component: "/deprecatedSource/component",
        host: "/deprecatedSource/host",
    };
    event_with(event, &fields)
}

fn event_with(event: &Look<'_>, fields: &EventFields<'_>) -> Vec<Value> {
    let object = event.part(event.at(fields.object));
    let first = event.since(if event.text(fields.first).is_empty() { "/eventTime" } else { fields.first });
    let series = event.at("/series").is_object();
    let last = match event.text(fields.last) {
        _ if series => event.since("/series/lastObservedTime"),
        "" => first.clone(),
        _ => event.since(fields.last),
    };
    let count = if series { event.number("/series/count") } else { event.number(fields.count).max(1) };
    let kind = object.text("/kind").to_lowercase();
    let target = if object.name_only().is_empty() { kind } else { format!("{kind}/{}", object.name_only()) };
    let component =
        event.text_or(fields.component, event.text_or("/reportingComponent", event.text("/reportingController")));
    let instance = event.text_or(fields.host, event.text("/reportingInstance"));
    let source = if instance.is_empty() { component.to_owned() } else { format!("{component}, {instance}") };
    vec![
        last.into(),
        event.text("/type").into(),
        event.text("/reason").into(),
        target.into(),
        object.text("/fieldPath").into(),
        source.into(),
        event.text(fields.message).trim().into(),
        first.into(),
        count.into(),
        event.name().into(),
    ]
}

impl<'a> Look<'a> {
    /// The name in a reference.
    fn name_only(&self) -> &'a str {
        self.text("/name")
    }
}

pub(super) const QUOTA: &[&str] = &["Name", "Request", "Limit", "Age"];

pub(super) fn quota(quota: &Look<'_>) -> Vec<Value> {
    let (mut requests, mut limits) = (Vec::new(), Vec::new());
    // The map is sorted by name, as the cells are.
    for (name, hard) in quota.at("/status/hard").as_object().into_iter().flatten() {
        let used = quota.at("/status/used")[name].as_str().unwrap_or("0");
        let cell = format!("{name}: {used}/{}", hard.as_str().unwrap_or_default());
        if name.starts_with("limits.") { limits.push(cell) } else { requests.push(cell) }
    }
    vec![quota.name().into(), requests.join(", ").into(), limits.join(", ").into(), quota.age().into()]
}

pub(super) const CONFIG_MAP: &[&str] = &["Name", "Data", "Age"];

pub(super) fn config_map(map: &Look<'_>) -> Vec<Value> {
    vec![map.name().into(), (map.entries("/data") + map.entries("/binaryData")).into(), map.age().into()]
}

pub(super) const SECRET: &[&str] = &["Name", "Type", "Data", "Age"];

pub(super) fn secret(secret: &Look<'_>) -> Vec<Value> {
    vec![secret.name().into(), secret.text("/type").into(), secret.entries("/data").into(), secret.age().into()]
}

pub(super) const SERVICE: &[&str] = &["Name", "Type", "Cluster-IP", "External-IP", "Port(s)", "Age", "*Selector"];

pub(super) fn service(service: &Look<'_>) -> Vec<Value> {
    let ports: Vec<String> = service
        .list("/spec/ports")
        .map(|port| match (port.number("/port"), port.number("/nodePort"), port.text("/protocol")) {
            (own, 0, protocol) => format!("{own}/{protocol}"),
            (own, node, protocol) => format!("{own}:{node}/{protocol}"),
        })
        .collect();
    let ports = if ports.is_empty() { NONE.to_owned() } else { ports.join(",") };
    vec![
        service.name().into(),
        service.text("/spec/type").into(),
        service.text_or("/spec/clusterIPs/0", NONE).into(),
        external_addresses(service).into(),
        ports.into(),
        service.age().into(),
        service.labels("/spec/selector").into(),
    ]
}

fn external_addresses(service: &Look<'_>) -> String {
    let own = service.list("/spec/externalIPs").filter_map(|address| address.value.as_str());
    let balanced =
        service.list("/status/loadBalancer/ingress").map(|point| point.text_or("/ip", point.text("/hostname")));
    let (addresses, otherwise): (Vec<&str>, &str) = match service.text("/spec/type") {
        "LoadBalancer" => (BTreeSet::from_iter(balanced).into_iter().chain(own).collect(), "<pending>"),
        "ExternalName" => return service.text("/spec/externalName").to_owned(),
        "ClusterIP" | "NodePort" => (own.collect(), NONE),
        _ => (vec![], "<unknown>"),
    };
    if addresses.is_empty() { otherwise.to_owned() } else { addresses.join(",") }
}

pub(super) const LEASE: &[&str] = &["Name", "Holder", "Age"];

pub(super) fn lease(lease: &Look<'_>) -> Vec<Value> {
    vec![lease.name().into(), lease.text("/spec/holderIdentity").into(), lease.age().into()]
}

pub(super) const PRIORITY_CLASS: &[&str] =
    &["Name", "Value:integer", "Global-Default:boolean", "Age", "*PreemptionPolicy"];

pub(super) fn priority_class(class: &Look<'_>) -> Vec<Value> {
    vec![
        class.name().into(),
        class.number("/value").into(),
        (class.at("/globalDefault") == true).into(),
        class.age().into(),
        class.text("/preemptionPolicy").into(),
    ]
}

pub(super) const DEFINITION: &[&str] =
    &["Name", "Scope", "Versions", "Created At:date", "*Group", "*Kind", "*ShortNames", "*Established:boolean"];

pub(super) fn definition(definition: &Look<'_>) -> Vec<Value> {
    let served = definition.list("/spec/versions").filter(|version| version.at("/served") == true);
    let mut versions: Vec<String> = served
        .map(|version| match version.at("/storage") == true {
            true => format!("{}(storage)", version.text("/name")),
            false => version.text("/name").to_owned(),
        })
        .collect();
    versions.sort_unstable();
    let short: Vec<_> = definition.list("/spec/names/shortNames").filter_map(|name| name.value.as_str()).collect();
    vec![
        definition.name().into(),
        definition.text("/spec/scope").into(),
        versions.join(",").into(),
        definition.text("/metadata/creationTimestamp").into(),
        definition.text("/spec/group").into(),
        definition.text("/spec/names/kind").into(),
        short.join(",").into(),
        (definition.condition("Established") == "True").into(),
    ]
}
