//! What happens to the containers when an allocated resize is carried out.
//!
//! Rules: k8s.io/kubernetes v1.37 `pkg/kubelet/kuberuntime` (`doPodResizeAction`, `validateMemoryResizeAction`).

use crate::resources::{Bytes, ContainerResources, ResizePolicy};

/// What one running container has, and is to get.
#[derive(Clone, Copy, Debug)]
pub(super) struct Change<'a> {
    pub(super) container: &'a str,
    pub(super) from: ContainerResources,
    pub(super) to: ContainerResources,
    pub(super) policy: ResizePolicy,
    /// What it holds now, page cache included.
    pub(super) usage: Bytes,
}

impl Change<'_> {
    /// Whether a resource changes whose policy is `RestartContainer`.
    pub(super) fn restarts(&self) -> bool {
        let cpu = self.from.requests.cpu != self.to.requests.cpu || self.from.limits.cpu != self.to.limits.cpu;
        let memory =
            self.from.requests.memory != self.to.requests.memory || self.from.limits.memory != self.to.limits.memory;
        (cpu && self.policy.cpu_restarts) || (memory && self.policy.memory_restarts)
    }

    /// Whether the memory limit is lowered, or added where there was none.
    fn lowers_memory_limit(&self) -> Option<Bytes> {
        let to = self.to.limits.memory?;
        self.from.limits.memory.is_none_or(|from| to < from).then_some(to)
    }
}

/// Refuses the whole resize, before anything is changed, if a container holds as much memory as its new limit or more.
/// The usage in the message is the Pod's, as upstream prints it.
pub(super) fn check_memory(changes: &[Change<'_>], pod_usage: Bytes) -> Result<(), String> {
    let too_low = |change: &&Change<'_>| change.lowers_memory_limit().is_some_and(|limit| change.usage >= limit);
    let Some(change) = changes.iter().filter(|change| !change.restarts()).find(too_low) else { return Ok(()) };
    Err(format!(
        "cannot decrease memory limits: attempting to set container {:?} memory limit ({}) below current usage ({})",
        change.container,
        change.to.limits.memory.unwrap_or_default().0,
        pod_usage.0,
    ))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::resources::{MilliCpu, Resources};

    fn limits(cpu: u64, memory: Option<u64>) -> ContainerResources {
        let limits = Resources { cpu: Some(MilliCpu(cpu)), memory: memory.map(Bytes) };
        ContainerResources { requests: Resources::default(), limits }
    }

    fn change(from: Option<u64>, to: Option<u64>, usage: u64) -> Change<'static> {
        Change {
            container: "app",
            from: limits(100, from),
            to: limits(200, to),
            policy: ResizePolicy::default(),
            usage: Bytes(usage),
        }
    }

    #[rstest]
    #[case::above_usage(change(Some(100), Some(51), 50), true)]
    #[case::at_usage(change(Some(100), Some(50), 50), false)]
    #[case::below_usage(change(Some(100), Some(49), 50), false)]
    #[case::added_below_usage(change(None, Some(49), 50), false)]
    #[case::raised(change(Some(40), Some(49), 50), true)]
    #[case::removed(change(Some(40), None, 50), true)]
    #[case::a_restart_frees_memory(
        Change { policy: ResizePolicy { memory_restarts: true, ..ResizePolicy::default() }, ..change(Some(100), Some(1), 50) },
        true
    )]
    fn a_memory_limit_is_not_set_to_what_is_in_use(#[case] change: Change<'_>, #[case] passes: bool) {
        assert_eq!(check_memory(&[change], change.usage).is_ok(), passes);
    }

    #[test]
    fn the_refusal_names_the_container_and_the_usage_of_the_pod() {
        let message = check_memory(&[change(Some(100), Some(49), 50)], Bytes(80)).unwrap_err();
        assert_eq!(
            message,
            "cannot decrease memory limits: attempting to set container \"app\" memory limit (49) \
             below current usage (80)"
        );
    }

    #[rstest]
    #[case::cpu_changes(true, false, true)]
    #[case::memory_does_not_change(false, true, false)]
    fn a_container_restarts_only_for_the_resource_whose_policy_says_so(
        #[case] cpu_restarts: bool,
        #[case] memory_restarts: bool,
        #[case] restarts: bool,
    ) {
        let policy = ResizePolicy { cpu_restarts, memory_restarts };
        assert_eq!(Change { policy, ..change(Some(1), Some(1), 0) }.restarts(), restarts);
    }
}
