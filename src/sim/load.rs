//! What containers want, as a function of time.

use jiff::Timestamp;

use crate::resources::{Bytes, NanoCpu};

/// What a container wants; nothing is taken from it by this type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Demand {
    /// The CPU it would use if no limit held it back.
    pub cpu: NanoCpu,
    /// The memory it would hold if no limit killed it.
    pub memory: Bytes,
}

/// Which container is asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoadKey<'a> {
    /// The Pod's namespace.
    pub namespace: &'a str,
    /// The name of the workload that the Pod belongs to: the Deployment, not its ReplicaSet.
    pub workload: &'a str,
    /// The Pod's name.
    pub pod: &'a str,
    /// The container's name.
    pub container: &'a str,
    /// The series of a trace that its Pod asks for, by annotation.
    pub series: Option<&'a str>,
    /// When the container was started last, for loads with a start-up phase.
    pub started: Timestamp,
}

/// What every container wants at every moment: a step function, so that nothing has to poll it.
pub trait Load: Send + Sync {
    /// What the container wants at `at`, and until [`Load::next_change`].
    fn demand(&self, key: &LoadKey<'_>, at: Timestamp) -> Demand;

    /// The first moment after `at` at which the demand may be another; `None` if it stays as it is for ever.
    fn next_change(&self, key: &LoadKey<'_>, at: Timestamp) -> Option<Timestamp>;
}

/// Every container wants the same, always.
impl Load for Demand {
    fn demand(&self, _: &LoadKey<'_>, _: Timestamp) -> Demand {
        *self
    }

    fn next_change(&self, _: &LoadKey<'_>, _: Timestamp) -> Option<Timestamp> {
        None
    }
}
