//! What only Pods have: creation and resize rules with what surrounds them, binding and eviction.

use jiff::Timestamp;
use k8s_openapi::{
    api::{
        core::v1::{Binding, LimitRange, Node, Pod, ResourceQuota},
        policy::v1::{Eviction, PodDisruptionBudget},
        scheduling::v1::PriorityClass,
    },
    apimachinery::pkg::{api::resource::Quantity, apis::meta::v1::DeleteOptions},
};
use serde::{Deserialize as _, de::DeserializeOwned};
use serde_json::{Map, Value, json};

use super::{
    Answer, Outcome, Write,
    delete::{self, Deletion},
};
use crate::sim::api_server::{
    meta,
    object::Object,
    patch::{
        empty,
        fields::Changes,
        managers::{Operation, Writer},
        shape::Shape,
    },
    rules::{self, Around, eviction::Verdict},
    status::{Result, bad_request, conflict_on, done, failure, not_found},
    store::Store,
    write::update::check_preconditions,
};

const BUDGETS: &str = "poddisruptionbudgets.policy";

/// What surrounds a Pod when its resources are judged.
struct Surroundings {
    leaves_capacity_to_kubelets: bool,
    node: Option<Node>,
    limit_ranges: Vec<LimitRange>,
    quotas: Vec<ResourceQuota>,
    priority_classes: Vec<PriorityClass>,
    pods: Vec<Pod>,
}

impl Surroundings {
    /// Looks around a Pod. The Pods of the namespace are looked at only where a quota counts them: it is dear.
    fn of(store: &Store, pod: &Value) -> Self {
        let namespace = meta::namespace(pod);
        let node =
            pod["spec"]["nodeName"].as_str().and_then(|name| store.get("nodes", &(String::new(), name.to_owned())));
        let quotas: Vec<ResourceQuota> = all(store, "resourcequotas", namespace);
        let pods = if quotas.is_empty() { Vec::new() } else { all(store, "pods", namespace) };
        Self {
            leaves_capacity_to_kubelets: store.config.leaves_capacity_to_kubelets,
            node: node.and_then(|node| read(&node.value)),
            limit_ranges: all(store, "limitranges", namespace),
            quotas,
            priority_classes: all(store, "priorityclasses.scheduling.k8s.io", ""),
            pods,
        }
    }

    fn around(&self) -> Around<'_> {
        Around {
            node: self.node.as_ref(),
            leaves_capacity_to_kubelets: self.leaves_capacity_to_kubelets,
            limit_ranges: &self.limit_ranges,
            quotas: &self.quotas,
            priority_classes: &self.priority_classes,
            namespace_pods: &self.pods,
        }
    }
}

fn all<T: DeserializeOwned>(store: &Store, table: &str, namespace: &str) -> Vec<T> {
    store.in_namespace(table, namespace).filter_map(|object| read(&object.value)).collect()
}

fn read<T: DeserializeOwned>(value: &Value) -> Option<T> {
    T::deserialize(value).ok()
}

fn as_pod(value: &Value) -> Result<Pod> {
    Pod::deserialize(value)
        .map_err(|error| bad_request(format!("Pod in version \"v1\" cannot be handled as a Pod: {error}")))
}

fn as_value(pod: &Pod) -> Value {
    serde_json::to_value(pod).expect("Pods always encode")
}

/// A Pod that went through its type, which leaves out what the server always writes.
fn finished(mut pod: Value) -> Value {
    rules::pod_defaults::fill_in(&mut pod);
    pod
}

/// Admission and validation of a new Pod, which has its defaults.
pub(crate) fn prepare_create(store: &Store, pod: &Value, now: Timestamp) -> Result<Value> {
    let around = Surroundings::of(store, pod);
    let prepared = rules::pod::prepare_create(as_pod(pod)?, &around.around(), now);
    prepared.map(|pod| finished(as_value(&pod)))
}

/// What the server says of a new Pod that it takes all the same.
pub(crate) fn doubts(pod: &Value) -> Vec<String> {
    let mut doubts = Vec::new();
    for list in ["containers", "initContainers"] {
        for (index, container) in pod["spec"][list].as_array().into_iter().flatten().enumerate() {
            for kind in ["limits", "requests"] {
                for name in ["memory", "ephemeral-storage"] {
                    let Some(text) = container["resources"][kind][name].as_str() else { continue };
                    let amount = rules::Amount::read(&Quantity(text.to_owned()));
                    if amount.is_some_and(|amount| amount.milli() % 1_000 != 0) {
                        let field = format!("spec.{list}[{index}].resources.{kind}[{name}]");
                        doubts.push(format!("{field}: fractional byte value {text:?} is invalid, must be an integer"));
                    }
                }
            }
        }
    }
    doubts
}

/// The Pod that an update makes; 422 when it changes what only creation or a subresource may set.
pub(crate) fn update(old: &Value, new: Value) -> Result<Value> {
    if old["spec"] == new["spec"] {
        return Ok(new);
    }
    let (old, mut pod) = (as_pod(old)?, as_pod(&new)?);
    rules::pod::admit_update(&old, &mut pod);
    rules::pod::validate_update(&old, &pod)?;
    Ok(Value::Object(meta::replaced(new, "spec", &as_value(&pod)["spec"])))
}

/// 422 when a Pod cannot be in the state that is reported.
pub(crate) fn validate_status(old: &Value, new: &Value) -> Result<()> {
    rules::pod_status::validate(&as_pod(old)?, &as_pod(new)?)
}

/// The Pod that a resize makes.
pub(crate) fn resize(store: &Store, old: &Value, submitted: &Value) -> Result<Value> {
    let around = Surroundings::of(store, old);
    let resized = rules::resize::resize(&as_pod(old)?, as_pod(submitted)?, &around.around());
    resized.map(|pod| finished(as_value(&pod)))
}

/// What a report of a Pod's state cannot take back: the QoS class, and the generation it was made for.
pub(crate) fn keep_status_facts(old: &Value, new: &mut Value) {
    for field in ["qosClass", "observedGeneration"] {
        if new["status"][field].is_null()
            && let Some(known) = old["status"].get(field)
        {
            meta::entry(new, "status").insert(field.to_owned(), known.clone());
        }
    }
    let known = |kind: &Value| {
        let conditions = old["status"]["conditions"].as_array().into_iter().flatten();
        conditions.filter(|old| old["type"] == *kind).find_map(|old| old.get("observedGeneration"))
    };
    for condition in new["status"]["conditions"].as_array_mut().into_iter().flatten() {
        if condition["observedGeneration"].is_null()
            && let Some(known) = known(&condition["type"])
        {
            condition["observedGeneration"] = known.clone();
        }
    }
}

impl Write<'_> {
    /// Gives a Pod its Node.
    pub(crate) fn bind(&mut self, body: Value) -> Result<Outcome> {
        let binding: Binding = serde_json::from_value(body).map_err(|error| {
            bad_request(format!("Binding in version \"v1\" cannot be handled as a Binding: {error}"))
        })?;
        let old = self.current()?;
        let node = self.check_binding(&binding, &old)?;
        let mut new = old.value.clone();
        new["spec"]["nodeName"] = node.into();
        meta::entry(&mut new, "status").remove("nominatedNodeName");
        for (field, added) in [("labels", binding.metadata.labels), ("annotations", binding.metadata.annotations)] {
            for (key, value) in added.into_iter().flatten() {
                meta::fields(&mut new).entry(field).or_insert_with(|| json!({}))[key] = value.into();
            }
        }
        set_condition(&mut new, json!({ "type": "PodScheduled", "status": "True" }), self.now);
        let changed = self.store_past_the_rules(&old, new)?;
        Ok(Outcome { code: 201, body: Answer::Status(done()), changed })
    }

    /// The Node that a binding names, if the Pod may be bound to it.
    fn check_binding<'a>(&self, binding: &'a Binding, pod: &Object) -> Result<&'a str> {
        let (pods, name) = (&self.target.resource, &self.target.name);
        if binding.metadata.name.as_deref().is_some_and(|given| given != name) {
            return Err(bad_request("name in URL does not match name in Binding object"));
        }
        let kind = binding.target.kind.as_deref().unwrap_or_default();
        if !matches!(kind, "" | "Node") {
            let problem = format!("target.kind: Unsupported value: {kind:?}: supported values: \"Node\", \"<empty>\"");
            return Err(failure(500, "", problem));
        }
        let node = binding.target.name.as_deref().unwrap_or_default();
        if node.is_empty() {
            return Err(failure(500, "", "target.name: Required value"));
        }
        let (uid, version) = (&binding.metadata.uid, &binding.metadata.resource_version);
        check_preconditions(pods, pod, uid.as_deref(), version.as_deref())?;
        let assigned = pod.value["spec"]["nodeName"].as_str().unwrap_or_default();
        let is_gated = pod.value["spec"]["schedulingGates"].as_array().is_some_and(|gates| !gates.is_empty());
        let refused = |why: &str| Err(conflict_on(pods, "pods/binding", name, &format!("pod {name} {why}")));
        if meta::is_deleting(&pod.value) {
            return refused("is being deleted, cannot be assigned to a host");
        }
        if !assigned.is_empty() {
            return refused(&format!("is already assigned to node {assigned:?}"));
        }
        if is_gated {
            return refused("has non-empty .spec.schedulingGates");
        }
        Ok(node)
    }

    /// Deletes a Pod if its budgets allow.
    pub(crate) fn evict(&mut self, body: Value) -> Result<Outcome> {
        let eviction = read_eviction(body)?;
        let options = eviction.delete_options.as_ref();
        let dry_run = self.is_dry_eviction(options)?;
        let old = self.current()?;
        let pod = as_pod(&old.value)?;
        let budgets: Vec<PodDisruptionBudget> = all(self.store, BUDGETS, &self.target.namespace);
        let verdict = rules::eviction::decide(&pod, &eviction, &budgets)?;
        if let (Verdict::DeleteAndCharge { budget }, false) = (verdict, dry_run) {
            self.charge(&budget)?;
        }
        rules::eviction::check_preconditions(&pod, &eviction)?;
        if dry_run {
            return Ok(Outcome { code: 201, body: Answer::Status(done()), changed: false });
        }
        let mut marked = old.value.clone();
        let target = json!({
            "type": "DisruptionTarget",
            "status": "True",
            "reason": "EvictionByEvictionAPI",
            "message": "Eviction API: evicting",
        });
        set_condition(&mut marked, target, self.now);
        self.store_past_the_rules(&old, marked)?;
        // The mark has made a new version, and the preconditions have been looked at.
        let deletion = Deletion::from_options(options).without_preconditions();
        delete::delete(self.store, &self.target.resource, &self.target.key(), &deletion, self.now)?;
        Ok(Outcome { code: 201, body: Answer::Status(done()), changed: true })
    }

    /// Whether an eviction is only tried: its options and those of the request must agree.
    fn is_dry_eviction(&self, options: Option<&DeleteOptions>) -> Result<bool> {
        let asked = self.call.is_dry_run()?;
        let own = options.and_then(|options| options.dry_run.clone()).unwrap_or_default();
        if asked && !own.is_empty() && own != ["All"] {
            let own = own.join(" ");
            let problem = format!("Non-matching dry-run options in request and content: [All] and [{own}]");
            return Err(failure(500, "", problem));
        }
        Ok(asked || !own.is_empty())
    }

    /// Takes one disruption from a budget, before its controller has seen the Pod go.
    fn charge(&mut self, budget: &str) -> Result<()> {
        let resource = self.store.registry.of_table(BUDGETS).cloned().expect("budgets are built in");
        let key = (self.target.namespace.clone(), budget.to_owned());
        let old = self.store.get(BUDGETS, &key).cloned().ok_or_else(|| not_found(&resource, budget))?;
        let mut new = old.value.clone();
        let status = meta::entry(&mut new, "status");
        let allowed = status.get("disruptionsAllowed").and_then(Value::as_i64).unwrap_or(0);
        status.insert("disruptionsAllowed".into(), (allowed - 1).into());
        if allowed == 1 {
            let observed = status.get("observedGeneration").cloned();
            set_insufficient(status, observed, self.now);
        }
        let disrupted = status.entry("disruptedPods").or_insert_with(|| json!({}));
        disrupted[&self.target.name] = meta::time(self.now).into();
        let writer = Writer {
            operation: Operation::Update,
            name: "kube-apiserver".to_owned(),
            api_version: resource.api_version(),
            subresource: "status",
        };
        let changes = Changes::beyond(&empty::parts(&resource), &old.value, &new, Shape::of(&resource));
        let managers = old.managers.after_update(&writer, &changes, self.now);
        self.store.put(&resource, new, managers);
        Ok(())
    }

    /// Stores a version of the Pod that the server itself made, which nobody owns. Returns whether it differs.
    fn store_past_the_rules(&mut self, old: &Object, new: Value) -> Result<bool> {
        if new == old.value || self.call.is_dry_run()? {
            return Ok(false);
        }
        self.store.put(&self.target.resource, new, old.managers.clone());
        Ok(true)
    }
}

/// An eviction, in the version that is current or the one before it.
fn read_eviction(mut body: Value) -> Result<Eviction> {
    if body["apiVersion"] == "policy/v1beta1" {
        body["apiVersion"] = "policy/v1".into();
    }
    serde_json::from_value(body)
        .map_err(|error| bad_request(format!("Eviction in version \"v1\" cannot be handled as an Eviction: {error}")))
}

/// Says that a budget allows no more disruptions.
fn set_insufficient(status: &mut Map<String, Value>, observed: Option<Value>, now: Timestamp) {
    let mut condition = json!({
        "type": "DisruptionAllowed",
        "status": "False",
        "reason": "InsufficientPods",
        "message": "",
        "lastTransitionTime": meta::time(now),
    });
    if let Some(observed) = observed {
        condition["observedGeneration"] = observed;
    }
    let conditions = status.entry("conditions").or_insert_with(|| json!([]));
    let Some(conditions) = conditions.as_array_mut() else { return };
    match conditions.iter_mut().find(|old| old["type"] == condition["type"]) {
        Some(old) => {
            if old["status"] == condition["status"] {
                condition["lastTransitionTime"] = old["lastTransitionTime"].clone();
            }
            *old = condition;
        }
        None => conditions.push(condition),
    }
}

/// Sets a condition of a Pod, keeping the time of its last transition unless the status changes.
fn set_condition(pod: &mut Value, mut condition: Value, now: Timestamp) {
    let conditions = meta::entry(pod, "status").entry("conditions").or_insert_with(|| json!([]));
    if !conditions.is_array() {
        *conditions = json!([]);
    }
    let conditions = conditions.as_array_mut().expect("it was just made a list");
    let old = conditions.iter_mut().find(|old| old["type"] == condition["type"]);
    let same = old.as_ref().filter(|old| old["status"] == condition["status"]);
    condition["lastProbeTime"] = Value::Null;
    condition["lastTransitionTime"] = match same {
        Some(old) => old["lastTransitionTime"].clone(),
        None => meta::time(now).into(),
    };
    match old {
        Some(old) => *old = condition,
        None => conditions.push(condition),
    }
}
