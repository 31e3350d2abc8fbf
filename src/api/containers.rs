//! What may be done with which container.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::resources::{ResourceKind, Resources};

/// The name that stands for every container without an entry of its own.
pub const ANY_CONTAINER: &str = "*";

/// What may be done with one container, app or sidecar.
#[derive(KubeSchema, Clone, Debug, PartialEq, Deserialize, Serialize)]
#[x_kube(validation = Rule::new("!has(self.min) || !has(self.max) || !has(self.min.cpu) || !has(self.max.cpu) || quantity(string(self.min.cpu)).compareTo(quantity(string(self.max.cpu))) <= 0").message("min.cpu must not be above max.cpu"))]
#[x_kube(validation = Rule::new("!has(self.min) || !has(self.max) || !has(self.min.memory) || !has(self.max.memory) || quantity(string(self.min.memory)).compareTo(quantity(string(self.max.memory))) <= 0").message("min.memory must not be above max.memory"))]
#[serde(rename_all = "camelCase")]
pub struct ContainerPolicy {
    /// The container's name, or `*` for every container without an entry of its own.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^(\*|[a-z0-9]([-a-z0-9]*[a-z0-9])?)$"))]
    pub name: String,
    /// Whether Tailor changes this container at all.
    #[serde(default)]
    pub mode: ContainerMode,
    /// Which resources are fitted; the others stay as they are.
    #[serde(default = "both_resources")]
    #[schemars(length(min = 1, max = 2))]
    pub resources: Vec<ResourceKind>,
    /// What is changed with a request: its limit too, in proportion, or the request alone.
    #[serde(default)]
    pub controlled_values: ControlledValuesPerResource,
    /// The least that may be requested.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<Resources>,
    /// The most that may be requested.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<Resources>,
}

impl ContainerPolicy {
    /// What holds for a container that no entry names.
    pub fn unnamed() -> Self {
        Self {
            name: ANY_CONTAINER.to_owned(),
            mode: ContainerMode::default(),
            resources: both_resources(),
            controlled_values: ControlledValuesPerResource::default(),
            min: None,
            max: None,
        }
    }

    /// Whether `resource` is fitted.
    pub fn fits(&self, resource: ResourceKind) -> bool {
        self.mode == ContainerMode::Auto && self.resources.contains(&resource)
    }
}

fn both_resources() -> Vec<ResourceKind> {
    vec![ResourceKind::Cpu, ResourceKind::Memory]
}

/// Whether Tailor changes a container at all.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub enum ContainerMode {
    /// Fit it.
    #[default]
    Auto,
    /// Leave it alone.
    Off,
}

/// What is changed with a request.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub enum ControlledValues {
    /// The limit moves with the request, in the proportion of the workload's template. A limit that the template does
    /// not have stays absent.
    #[default]
    RequestsAndLimits,
    /// The limit stays; the request never passes it.
    RequestsOnly,
}

/// What is changed with the request of each resource.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct ControlledValuesPerResource {
    /// For CPU.
    #[serde(default)]
    pub cpu: ControlledValues,
    /// For memory.
    #[serde(default)]
    pub memory: ControlledValues,
}
