//! The embedded cluster: API server, scheduler, workload controllers and kubelets, in one process, under simulated time.
//!
//! The controller that runs here is the real one, over the real `kube::Client`. A run is a pure function of
//! (scenario, seed). Start at [`cluster`].

pub mod api_server;
pub mod cluster;
mod informer;
pub mod kubelet;
pub mod ledger;
pub mod load;
pub mod real;
pub mod report;
pub mod scenario;
pub mod scheduler;
pub mod serve;
pub mod usage;
mod user;
pub mod witness;
pub mod workloads;
