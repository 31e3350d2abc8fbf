//! The ground floor: amounts of CPU and memory, and the views of Pods and Nodes that decisions are made from.
//!
//! Everything above speaks in these types and not in Kubernetes' strings: [`MilliCpu`] and [`Bytes`] cannot be mixed
//! up, and a [`PodView`] has been checked once, at the edge. Start at [`pod`].

pub mod amount;
pub mod node;
pub mod placement;
pub mod pod;
pub mod qos;
pub mod quantity;

pub use amount::{Bytes, ContainerResources, MilliCpu, NanoCpu, ResourceKind, Resources};
pub use node::NodeView;
pub use placement::Placement;
pub use pod::{ContainerKind, ContainerView, PendingReason, PodPhase, PodView, ResizePolicy, ResizeStatus};
pub use qos::QosClass;
