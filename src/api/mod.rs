//! The custom resources `VerticalResizePolicy` (`autoscaling.tailor.dev/v1alpha1`, short name `vrp`), which users write,
//! and `VerticalResizeCheckpoint` (`vrc`), in which Tailor keeps what it has learnt ([`checkpoint`]).
//!
//! [`policy`] is what users write, [`status`] what Tailor answers. A default stands beside the field it is for, a CEL
//! rule beside the struct it checks. `crds/` is generated from here by `tailor crd`. On purpose there is no URL, query,
//! token or reference to another namespace in a policy: those are the operator's flags.

pub mod checkpoint;
pub mod containers;
pub mod period;
pub mod policy;
pub mod startup;
pub mod status;
pub mod update;

pub use checkpoint::{
    CheckpointedContainer, CheckpointedWorkload, VerticalResizeCheckpoint, VerticalResizeCheckpointSpec,
};
pub use containers::{ContainerMode, ContainerPolicy, ControlledValues, ControlledValuesPerResource};
pub use period::Period;
pub use policy::{Objective, Strategy, TargetRef, VerticalResizePolicy, VerticalResizePolicySpec};
pub use startup::{StartupCpu, StartupPolicy};
pub use status::{
    Clamp, ClampReason, ContainerStatusEntry, LastAction, PodCounts, VerticalResizePolicyStatus, WorkloadStatus,
};
pub use update::{AfterDeferral, OnInfeasible, UpdatePolicy};

/// Kubernetes knows no unsigned formats, and warns of them whenever the definition is applied. A minimum says the same.
pub(crate) fn drop_unsigned_formats(schema: &mut schemars::Schema) {
    if schema.get("format").and_then(serde_json::Value::as_str).is_some_and(|format| format.starts_with("uint")) {
        schema.remove("format");
    }
}
