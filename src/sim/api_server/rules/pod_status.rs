//! What may be reported of a Pod.
//!
//! Rule: k8s.io/kubernetes `pkg/apis/core/validation/validation.go` `ValidatePodStatusUpdate`, as far as the class,
//! generations and conditions go.

use k8s_openapi::{api::core::v1::Pod, apimachinery::pkg::apis::meta::v1::Status};

use super::{
    pod::subject,
    status::{self, Fault},
};

/// 422 if the status of `new` may not follow that of `old`.
pub fn validate(old: &Pod, new: &Pod) -> Result<(), Box<Status>> {
    let mut faults = Vec::new();
    let (none, path) = (Default::default(), "status.conditions");
    let (before, after) = (old.status.as_ref().unwrap_or(&none), new.status.as_ref().unwrap_or(&none));
    for (index, condition) in after.conditions.iter().flatten().enumerate() {
        let negative = condition.observed_generation.filter(|generation| *generation < 0);
        faults.extend(negative.map(|generation| {
            let detail = "must be a non-negative integer";
            Fault::invalid(format!("{path}[{index}].observedGeneration"), generation, detail)
        }));
    }
    if let Some(generation) = after.observed_generation.filter(|generation| *generation < 0) {
        faults.push(Fault::invalid("status.observedGeneration", generation, "must be a non-negative integer"));
    }
    if after.qos_class != before.qos_class {
        faults.push(Fault::invalid("status.qosClass", &after.qos_class, "field is immutable"));
    }
    status::check(subject("Pod", new), &faults)
}
