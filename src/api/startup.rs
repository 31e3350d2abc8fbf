//! Extra CPU while a container starts.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::Period;
use crate::resources::MilliCpu;

/// Extra CPU from a container's start until it is Ready, then taken back in place.
#[derive(KubeSchema, Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StartupPolicy {
    /// How much CPU the containers start with.
    pub cpu: StartupCpu,
    /// How long the boost lasts on after the Pod became Ready.
    #[serde(default = "duration")]
    pub duration: Period,
    /// When the boost ends for a Pod that never becomes Ready, counted from its creation.
    #[serde(default = "timeout")]
    pub timeout: Period,
}

/// How much CPU the containers start with: exactly one of the two.
#[derive(KubeSchema, Clone, Debug, PartialEq, Deserialize, Serialize)]
#[x_kube(validation = Rule::new("has(self.factor) != has(self.value)").message("set exactly one of factor and value"))]
pub struct StartupCpu {
    /// So many times the fitted CPU request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 2, max = 100))]
    pub factor: Option<u8>,
    /// This CPU request, if it is more than the fitted one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<MilliCpu>,
}

fn duration() -> Period {
    Period::seconds(30)
}

/// As long as a Deployment waits for progress by default (`progressDeadlineSeconds: 600`).
fn timeout() -> Period {
    Period::minutes(10)
}
