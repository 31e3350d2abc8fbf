//! Quality of service class, which a resize may never change.
//!
//! Rule: k8s.io/kubernetes `pkg/apis/core/helper/qos`: all containers, init containers included, are looked at.

use super::ContainerResources;

/// The class that the kubelet evicts by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, strum::Display, strum::EnumString, strum::IntoStaticStr)]
pub enum QosClass {
    /// Every container has requests equal to limits for CPU and memory.
    Guaranteed,
    /// Something is asked for, but not as [`QosClass::Guaranteed`].
    Burstable,
    /// Nothing is asked for.
    BestEffort,
}

impl QosClass {
    /// The class of a Pod with these containers (zero amounts count as absent).
    pub fn of<'a>(containers: impl IntoIterator<Item = &'a ContainerResources>) -> Self {
        let mut any = false;
        let mut guaranteed = true;
        for ContainerResources { requests, limits } in containers {
            let cpu = (requests.cpu.filter(|c| c.0 > 0), limits.cpu.filter(|c| c.0 > 0));
            let memory = (requests.memory.filter(|m| m.0 > 0), limits.memory.filter(|m| m.0 > 0));
            any |= cpu.0.is_some() || cpu.1.is_some() || memory.0.is_some() || memory.1.is_some();
            // A limit without a request is defaulted to a request equal to it; a request of zero is not.
            guaranteed &= cpu.1.is_some() && requests.cpu.is_none_or(|r| Some(r) == limits.cpu);
            guaranteed &= memory.1.is_some() && requests.memory.is_none_or(|r| Some(r) == limits.memory);
        }
        match (any, guaranteed) {
            (false, _) => Self::BestEffort,
            (true, true) => Self::Guaranteed,
            (true, false) => Self::Burstable,
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::resources::{Bytes, MilliCpu, Resources};

    fn container(request: Option<u64>, limit: Option<u64>) -> ContainerResources {
        let both = |n: Option<u64>| Resources { cpu: n.map(MilliCpu), memory: n.map(Bytes) };
        ContainerResources { requests: both(request), limits: both(limit) }
    }

    #[rstest]
    #[case::nothing_asked(&[container(None, None)], QosClass::BestEffort)]
    #[case::no_containers(&[], QosClass::BestEffort)]
    #[case::zero_is_absent(&[container(Some(0), None)], QosClass::BestEffort)]
    #[case::equal(&[container(Some(5), Some(5))], QosClass::Guaranteed)]
    #[case::limit_alone_defaults_the_request(&[container(None, Some(5))], QosClass::Guaranteed)]
    #[case::a_request_of_zero_is_below_its_limit(&[container(Some(0), Some(5))], QosClass::Burstable)]
    #[case::below_limit(&[container(Some(4), Some(5))], QosClass::Burstable)]
    #[case::one_container_without(&[container(Some(5), Some(5)), container(None, None)], QosClass::Burstable)]
    fn class_follows_requests_and_limits(#[case] containers: &[ContainerResources], #[case] class: QosClass) {
        assert_eq!(QosClass::of(containers), class);
    }
}
