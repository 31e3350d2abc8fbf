//! Why a step was chosen, spelled as Conditions, Events, metrics, `explain` and the report show it.

/// The reason for a [`Step`](super::Step).
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    serde::Serialize,
    strum::Display,
    strum::IntoStaticStr,
    strum::EnumIter,
)]
pub enum Why {
    /// Kept: inside the band, and the change would be too small to be worth a write.
    Fits,
    /// Kept: `strategy` is `Off`.
    StrategyOff,
    /// Kept: `strategy` is `Initial`, which leaves running Pods alone.
    StrategyInitial,
    /// Kept: the Pod is being deleted.
    PodTerminating,
    /// Kept: the Pod has ended.
    PodFinished,
    /// Kept: no Node yet; admission sizes new Pods.
    PodNotScheduled,
    /// Kept: not all of it runs; a resize now could clash with its start.
    PodNotRunning,
    /// Kept: a static Pod's mirror.
    StaticPod,
    /// Kept: a Windows Pod.
    WindowsPod,
    /// Kept: pod-level resources.
    PodLevelResources,
    /// Kept: asks for nothing, and a resize may not change that.
    BestEffort,
    /// Kept: the cluster or the Node has no in-place resize.
    ResizeUnsupported,
    /// Kept: the change would give the Pod another QoS class.
    QosWouldChange,
    /// Kept: nothing is known of its use.
    NoSamples,
    /// Kept: it looks too large, but fresh samples are too few to lower anything.
    TooFewFreshSamples,
    /// Kept: a memory limit would fall to what was used lately, or the kubelet could not lower it.
    MemoryInUse,
    /// Waits: the Node is not known.
    NodeUnknown,
    /// Waits: too large, but not for long enough.
    ScaleDownStabilizing,
    /// Waits: the Node has no room for growth that can wait.
    NoRoomOnNode,
    /// Waits: the kubelet has not seen the last resize.
    ResizeNotSeen,
    /// Waits: the kubelet is at work on the last resize.
    ResizeInProgress,
    /// Waits: the kubelet has deferred the resize for want of room.
    ResizeDeferred,
    /// Waits: the kubelet has deferred the resize for another cause than size.
    DeferredByNode,
    /// Waits: the kubelet reports an error, and tries again.
    ResizeError,
    /// Waits: the same resize failed here not long ago.
    ResizeFailedBefore,
    /// Waits: no Node could hold the size.
    NoNodeLargeEnough,
    /// Waits: fewer live Pods than `minReplicas`.
    MinReplicas,
    /// Waits: as many Pods are away as `maxUnavailable` allows.
    MaxUnavailable,
    /// Waits: the budget of evictions over time is spent.
    EvictionBudgetSpent,
    /// Waits: no controller would bring the Pod back.
    NothingRecreatesPod,
    /// Waits: the replacement would not get its new size.
    ReplacementUnsized,
    /// Waits: the API server cannot have new Pods sized now.
    AdmissionUnavailable,
    /// Waits: nothing is set up to size new Pods.
    AdmissionOff,
    /// Resized: it uses more than it has.
    Shortage,
    /// Resized: grows with its use.
    Undersized,
    /// Resized: shrinks with its use.
    Oversized,
    /// Resized: extra CPU while it starts.
    StartupBoost,
    /// Resized: takes the start-up boost back.
    StartupBoostEnded,
    /// Resized: a wish that is not granted yet shrinks.
    PendingWishShrunk,
    /// Resized: a wish that cannot come true is taken back.
    WishTakenBack,
    /// Resized: a memory limit that could not be lowered is raised again.
    MemoryDecreaseRefused,
    /// Resized: the largest size that the Node can hold, which is less than it wants.
    FitsNodeOnly,
    /// Waits or evicts: the Node can never hold the size.
    NodeTooSmall,
    /// Waits or evicts: the kubelet refuses the resize for good.
    ResizeInfeasible,
    /// Waits or evicts: deferred for longer than `deferredTimeout`.
    DeferredTooLong,
    /// Evicts: outside the band, and `strategy` is `Recreate`.
    RecreateToFit,
}

impl Why {
    /// Whether a Pod is left where it is because its replacement would not get its size.
    pub fn is_about_admission(self) -> bool {
        matches!(self, Self::AdmissionUnavailable | Self::AdmissionOff)
    }

    /// One sentence for people.
    pub fn describe(self) -> &'static str {
        match self {
            Self::Fits => "The Pod runs at the size it should have.",
            Self::StrategyOff => "The policy only recommends (strategy Off).",
            Self::StrategyInitial => "The policy sizes new Pods only (strategy Initial).",
            Self::PodTerminating => "The Pod is being deleted.",
            Self::PodFinished => "The Pod has ended.",
            Self::PodNotScheduled => "The Pod has no Node yet; new Pods are sized when they are created.",
            Self::PodNotRunning => "The Pod does not run yet, or its Node cannot be reached.",
            Self::StaticPod => "A static Pod cannot be resized.",
            Self::WindowsPod => "A Windows Pod cannot be resized.",
            Self::PodLevelResources => "The Pod has pod-level resources, which Tailor does not resize.",
            Self::BestEffort => "The Pod requests nothing (QoS class BestEffort), and a resize may not change that.",
            Self::ResizeUnsupported => "The cluster or the Pod's Node does not support in-place resize.",
            Self::QosWouldChange => "The resize would change the Pod's QoS class, which Kubernetes refuses.",
            Self::NoSamples => "Nothing is known yet of what the Pod uses.",
            Self::TooFewFreshSamples => "There are too few fresh usage samples to lower anything.",
            Self::MemoryInUse => "A memory limit is not lowered to what the container used lately.",
            Self::NodeUnknown => "The Pod's Node is not known, so its room is not either.",
            Self::ScaleDownStabilizing => "The Pod is too large, but not yet for as long as scaleDownStabilization.",
            Self::NoRoomOnNode => "The Node has no room for this growth now, and it is not urgent.",
            Self::ResizeNotSeen => "The kubelet has not seen the last resize yet.",
            Self::ResizeInProgress => "The kubelet is actuating the last resize.",
            Self::ResizeDeferred => "The kubelet has deferred the resize until the Node has room.",
            Self::DeferredByNode => {
                "The kubelet has deferred the resize for a cause that is not size; see its message."
            }
            Self::ResizeError => "The kubelet reports an error with the resize and tries again.",
            Self::ResizeFailedBefore => "The same resize failed on this Node not long ago.",
            Self::NoNodeLargeEnough => {
                "No Node that the Pod may be placed on has room for the size that it should have."
            }
            Self::MinReplicas => "The workload has fewer live Pods than minReplicas.",
            Self::MaxUnavailable => "As many of the workload's Pods are unavailable as maxUnavailable allows.",
            Self::EvictionBudgetSpent => "The budget of evictions over time is spent.",
            Self::NothingRecreatesPod => "No controller would bring the Pod back after an eviction.",
            Self::ReplacementUnsized => "A replacement would not get its new size.",
            Self::AdmissionUnavailable => "New Pods do not get their size now, so nothing is evicted for its size.",
            Self::AdmissionOff => {
                "Nothing is set up to give new Pods their size (--admission), so nothing is evicted for its size."
            }
            Self::Shortage => "The Pod needs more than it has.",
            Self::Undersized => "The Pod grows with its use.",
            Self::Oversized => "The Pod shrinks with its use.",
            Self::StartupBoost => "The Pod gets extra CPU while it starts.",
            Self::StartupBoostEnded => "The Pod has started, and its extra CPU is taken back.",
            Self::PendingWishShrunk => "The pending resize asks for more than the Pod needs now.",
            Self::WishTakenBack => "A resize that cannot come true is taken back.",
            Self::MemoryDecreaseRefused => "The kubelet could not lower a memory limit, and it is raised again.",
            Self::FitsNodeOnly => "The Pod gets the largest size that its Node can hold, less than it should have.",
            Self::NodeTooSmall => "The Pod's Node can never hold the size that the Pod should have.",
            Self::ResizeInfeasible => "The kubelet can never grant the resize on this Node.",
            Self::DeferredTooLong => "The resize has been deferred for longer than deferredTimeout.",
            Self::RecreateToFit => "The Pod's size is off, and the policy recreates Pods (strategy Recreate).",
        }
    }
}
