//! Which resources are served, and how each kind differs from the others.
//!
//! Built-in kinds are the table below; custom ones are added by [`super::crd`] when a definition is created.

use std::{collections::BTreeMap, sync::Arc};

use k8s_openapi::{
    api::{apps::v1 as apps, autoscaling::v2 as autoscaling, batch::v1 as batch, coordination::v1 as coordination},
    api::{authentication::v1 as authentication, authorization::v1 as authorization},
    api::{core::v1 as core, events::v1 as events, policy::v1 as policy, scheduling::v1 as scheduling},
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use schemars::{Schema, SchemaGenerator};
use serde_json::Value;

use super::{
    rules::schema::Structural,
    status::{Failure, no_page, no_such_path},
    table::CustomColumn,
    typed::typed,
};

/// A part of an object with a path of its own, or an action on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, strum::IntoStaticStr, strum::EnumString)]
#[strum(serialize_all = "lowercase")]
pub(super) enum Subresource {
    /// What is reported of the object.
    Status,
    /// The number of replicas, as `autoscaling/v1` `Scale`.
    Scale,
    /// The resources of a Pod's containers.
    Resize,
    /// Deletes a Pod if its budgets allow.
    Eviction,
    /// Gives a Pod its Node.
    Binding,
}

/// A resource that is served.
#[derive(Debug)]
pub(super) struct Resource {
    /// The API group, empty for the core.
    pub(super) group: String,
    /// The version in the group.
    pub(super) version: String,
    /// `Pod`
    pub(super) kind: String,
    /// `pods`
    pub(super) plural: String,
    /// `pod`
    pub(super) singular: String,
    /// `po`
    pub(super) short_names: Vec<String>,
    /// `all`
    pub(super) categories: Vec<String>,
    /// Whether objects live in namespaces.
    pub(super) namespaced: bool,
    /// What is served below an object.
    pub(super) subresources: Vec<Subresource>,
    /// Where objects are kept, and the name in messages: `deployments.apps`.
    pub(super) table: String,
    /// What objects must look like.
    pub(super) shape: Shape,
}

/// What objects of a resource must look like.
#[derive(Debug)]
pub(super) enum Shape {
    /// A kind that Kubernetes brings.
    Builtin {
        /// Reads an object into its type and writes it again: checks types, drops unknown fields.
        typed: Typed,
        /// Whether `metadata.generation` counts changes of the spec.
        counts_generation: bool,
        /// Fields, besides those of the metadata, that objects can be selected by.
        selectable: &'static [&'static str],
        /// Adds the OpenAPI schema of its type, and refers to it.
        schema: SchemaOf,
    },
    /// A kind defined by a CustomResourceDefinition.
    Custom {
        /// Its schema, ready for use; boxed for its size.
        rules: Box<Structural>,
        /// The OpenAPI schema as written, from which lists learn how they merge.
        schema: Value,
        /// Where its scale subresource reads and writes.
        scale: Option<ScalePaths>,
        /// Paths that objects can be selected by, dotted.
        selectable: Vec<String>,
        /// What its rows show besides the name.
        columns: Vec<CustomColumn>,
    },
}

type Typed = fn(Value) -> Result<Value, serde_json::Error>;
type SchemaOf = fn(&mut SchemaGenerator) -> Schema;

/// Where the scale of an object is, as dotted paths.
#[derive(Clone, Debug)]
pub(super) struct ScalePaths {
    /// Desired replicas.
    pub(super) spec_replicas: String,
    /// Observed replicas.
    pub(super) status_replicas: String,
    /// The selector in its text form, if the kind has one.
    pub(super) selector: Option<String>,
}

impl Resource {
    /// `v1`, `apps/v1`
    pub(super) fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.clone() } else { format!("{}/{}", self.group, self.version) }
    }

    /// Whether a subresource is served.
    pub(super) fn has(&self, subresource: Subresource) -> bool {
        self.subresources.contains(&subresource)
    }

    /// Whether it is the built-in resource of that table.
    pub(super) fn is(&self, table: &str) -> bool {
        self.table == table
    }

    /// Whether objects can be selected by a field.
    pub(super) fn selects_by(&self, path: &str) -> bool {
        path == "metadata.name"
            || (path == "metadata.namespace" && self.namespaced)
            || match &self.shape {
                Shape::Builtin { selectable, .. } => selectable.contains(&path),
                Shape::Custom { selectable, .. } => selectable.iter().any(|one| one == path),
            }
    }

    /// Whether it is a question that is answered and not stored.
    pub(super) fn is_review(&self) -> bool {
        matches!(self.group.as_str(), "authentication.k8s.io" | "authorization.k8s.io")
    }

    /// What can be done with objects.
    pub(super) fn verbs(&self) -> &'static [&'static str] {
        const ALL: &[&str] = &["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];
        const CUSTOM: &[&str] = &["delete", "deletecollection", "get", "list", "patch", "create", "update", "watch"];
        const NAMESPACES: &[&str] = &["create", "delete", "get", "list", "patch", "update", "watch"];
        match self.shape {
            _ if self.is_review() => &["create"],
            _ if self.is("namespaces") => NAMESPACES,
            Shape::Builtin { .. } => ALL,
            Shape::Custom { .. } => CUSTOM,
        }
    }

    /// Whether an update makes what is not there.
    pub(super) fn is_made_by_update(&self) -> bool {
        ["leases.coordination.k8s.io", "limitranges", "events"].contains(&self.table.as_str())
    }

    /// Whether an update must name the version it was made from.
    pub(super) fn needs_version(&self) -> bool {
        let tables = ["leases.coordination.k8s.io", "poddisruptionbudgets.policy"];
        matches!(self.shape, Shape::Custom { .. }) || tables.contains(&self.table.as_str())
    }
}

/// The resources served, by group, version and plural.
#[derive(Debug)]
pub(super) struct Registry(BTreeMap<(String, String, String), Arc<Resource>>);

impl Registry {
    /// The built-in kinds.
    pub(super) fn builtin() -> Self {
        let mut registry = Self(BTreeMap::new());
        for row in BUILTINS {
            registry.add(row.resource());
        }
        registry
    }

    /// Serves a resource, in place of one with the same group, version and plural.
    pub(super) fn add(&mut self, resource: Resource) {
        let key = (resource.group.clone(), resource.version.clone(), resource.plural.clone());
        self.0.insert(key, Arc::new(resource));
    }

    /// Serves a resource no longer, in any version.
    pub(super) fn remove(&mut self, table: &str) {
        self.0.retain(|_, resource| resource.table != table);
    }

    /// The resource of a group, version and plural.
    pub(super) fn find(&self, group: &str, version: &str, plural: &str) -> Option<&Arc<Resource>> {
        self.0.get(&(group.to_owned(), version.to_owned(), plural.to_owned()))
    }

    /// The resource whose objects are kept in a table.
    pub(super) fn of_table(&self, table: &str) -> Option<&Arc<Resource>> {
        self.all().find(|resource| resource.table == table)
    }

    /// What is answered to a path in a group that leads nowhere: custom kinds are not served where nothing else is.
    pub(super) fn nothing_in(&self, group: &str) -> Failure {
        let is_builtin = |resource: &&Arc<Resource>| matches!(resource.shape, Shape::Builtin { .. });
        if self.all().filter(is_builtin).any(|resource| resource.group == group) { no_such_path() } else { no_page() }
    }

    /// All resources, by group, version and plural.
    pub(super) fn all(&self) -> impl Iterator<Item = &Arc<Resource>> {
        self.0.values()
    }
}

struct Builtin {
    group: &'static str,
    version: &'static str,
    kind: &'static str,
    plural: &'static str,
    short: &'static [&'static str],
    namespaced: bool,
    subresources: &'static [Subresource],
    counts_generation: bool,
    selectable: &'static [&'static str],
    typed: Typed,
    schema: SchemaOf,
}

impl Builtin {
    fn resource(&self) -> Resource {
        let own = |text: &&str| (*text).to_owned();
        let in_all =
            ["pods", "services", "deployments", "replicasets", "statefulsets", "daemonsets", "jobs", "cronjobs"];
        let in_all = in_all.contains(&self.plural) || self.plural == "horizontalpodautoscalers";
        Resource {
            group: self.group.into(),
            version: self.version.into(),
            kind: self.kind.into(),
            plural: self.plural.into(),
            singular: self.kind.to_lowercase(),
            short_names: self.short.iter().map(own).collect(),
            categories: match self.group {
                _ if in_all => vec!["all".into()],
                "apiextensions.k8s.io" => vec!["api-extensions".into()],
                _ => vec![],
            },
            namespaced: self.namespaced,
            subresources: self.subresources.to_vec(),
            table: table(self.plural, self.group),
            shape: Shape::Builtin {
                typed: self.typed,
                counts_generation: self.counts_generation,
                selectable: self.selectable,
                schema: self.schema,
            },
        }
    }
}

/// The table of a resource: `pods`, `deployments.apps`.
pub(super) fn table(plural: &str, group: &str) -> String {
    if group.is_empty() { plural.to_owned() } else { format!("{plural}.{group}") }
}

const NAMESPACED: bool = true;
const CLUSTER: bool = false;
const GENERATION: bool = true;
const NO_GENERATION: bool = false;
const POD: &[Subresource] = &[Subresource::Status, Subresource::Resize, Subresource::Eviction, Subresource::Binding];
const STATUS: &[Subresource] = &[Subresource::Status];
const SCALED: &[Subresource] = &[Subresource::Status, Subresource::Scale];
const POD_FIELDS: &[&str] = &[
    "spec.nodeName",
    "spec.restartPolicy",
    "spec.schedulerName",
    "spec.serviceAccountName",
    "spec.hostNetwork",
    "status.phase",
    "status.podIP",
    "status.podIPs",
    "status.nominatedNodeName",
];
const EVENT_FIELDS: &[&str] = &[
    "involvedObject.kind",
    "involvedObject.namespace",
    "involvedObject.name",
    "involvedObject.uid",
    "involvedObject.apiVersion",
    "involvedObject.resourceVersion",
    "involvedObject.fieldPath",
    "reason",
    "reportingComponent",
    "source",
    "type",
];
const NEW_EVENT_FIELDS: &[&str] = &[
    "regarding.kind",
    "regarding.namespace",
    "regarding.name",
    "regarding.uid",
    "reason",
    "reportingController",
    "type",
];

macro_rules! builtins {
    ($($group:literal $version:literal $plural:literal $kind:ident($module:ident) $short:expr, $scope:expr,
       $subresources:expr, $generation:expr, $selectable:expr;)*) => {
        &[$(Builtin {
            group: $group,
            version: $version,
            kind: stringify!($kind),
            plural: $plural,
            short: $short,
            namespaced: $scope,
            subresources: $subresources,
            counts_generation: $generation,
            selectable: $selectable,
            typed: typed::<$module::$kind>,
            schema: SchemaGenerator::subschema_for::<$module::$kind>,
        }),*]
    };
}

#[rustfmt::skip]
const BUILTINS: &[Builtin] = builtins! {
    "" "v1" "pods" Pod(core) &["po"], NAMESPACED, POD, GENERATION, POD_FIELDS;
    "" "v1" "nodes" Node(core) &["no"], CLUSTER, STATUS, NO_GENERATION, &["spec.unschedulable"];
    "" "v1" "namespaces" Namespace(core) &["ns"], CLUSTER, STATUS, NO_GENERATION, &["status.phase"];
    "" "v1" "events" Event(core) &["ev"], NAMESPACED, &[], NO_GENERATION, EVENT_FIELDS;
    "" "v1" "limitranges" LimitRange(core) &["limits"], NAMESPACED, &[], NO_GENERATION, &[];
    "" "v1" "resourcequotas" ResourceQuota(core) &["quota"], NAMESPACED, STATUS, NO_GENERATION, &[];
    "" "v1" "configmaps" ConfigMap(core) &["cm"], NAMESPACED, &[], NO_GENERATION, &[];
    "" "v1" "secrets" Secret(core) &[], NAMESPACED, &[], NO_GENERATION, &["type"];
    "" "v1" "serviceaccounts" ServiceAccount(core) &["sa"], NAMESPACED, &[], NO_GENERATION, &[];
    "" "v1" "services" Service(core) &["svc"], NAMESPACED, STATUS, NO_GENERATION, &["spec.clusterIP", "spec.type"];
    "apps" "v1" "deployments" Deployment(apps) &["deploy"], NAMESPACED, SCALED, GENERATION, &[];
    "apps" "v1" "replicasets" ReplicaSet(apps) &["rs"], NAMESPACED, SCALED, GENERATION, &[];
    "apps" "v1" "statefulsets" StatefulSet(apps) &["sts"], NAMESPACED, SCALED, GENERATION, &[];
    "apps" "v1" "daemonsets" DaemonSet(apps) &["ds"], NAMESPACED, STATUS, GENERATION, &[];
    "apps" "v1" "controllerrevisions" ControllerRevision(apps) &[], NAMESPACED, &[], NO_GENERATION, &[];
    "batch" "v1" "jobs" Job(batch) &[], NAMESPACED, STATUS, GENERATION, &["status.successful"];
    "batch" "v1" "cronjobs" CronJob(batch) &["cj"], NAMESPACED, STATUS, GENERATION, &[];
    "policy" "v1" "poddisruptionbudgets" PodDisruptionBudget(policy) &["pdb"], NAMESPACED, STATUS, GENERATION, &[];
    "coordination.k8s.io" "v1" "leases" Lease(coordination) &[], NAMESPACED, &[], NO_GENERATION, &[];
    "autoscaling" "v2" "horizontalpodautoscalers" HorizontalPodAutoscaler(autoscaling) &["hpa"], NAMESPACED, STATUS,
        NO_GENERATION, &[];
    "scheduling.k8s.io" "v1" "priorityclasses" PriorityClass(scheduling) &["pc"], CLUSTER, &[], GENERATION, &[];
    "events.k8s.io" "v1" "events" Event(events) &["ev"], NAMESPACED, &[], NO_GENERATION, NEW_EVENT_FIELDS;
    "authentication.k8s.io" "v1" "selfsubjectreviews" SelfSubjectReview(authentication) &[], CLUSTER, &[],
        NO_GENERATION, &[];
    "authorization.k8s.io" "v1" "selfsubjectaccessreviews" SelfSubjectAccessReview(authorization) &[], CLUSTER, &[],
        NO_GENERATION, &[];
    "authorization.k8s.io" "v1" "selfsubjectrulesreviews" SelfSubjectRulesReview(authorization) &[], CLUSTER, &[],
        NO_GENERATION, &[];
    "apiextensions.k8s.io" "v1" "customresourcedefinitions" CustomResourceDefinition(self) &["crd", "crds"], CLUSTER,
        STATUS, GENERATION, &[];
};
