//! The product against real Kubernetes: API server, scheduler and controllers as child processes, a file per theme.
//!
//! `make rig` builds those programs, or `KUBEBUILDER_ASSETS` names a folder that has them; without, these tests are
//! skipped and say so.

#[cfg(test)]
mod admission_policy;
#[cfg(test)]
mod both_clusters;
#[cfg(test)]
mod chart;
#[cfg(test)]
mod checkpoints;
#[cfg(test)]
mod conformance;
#[cfg(test)]
mod control_plane;
#[cfg(test)]
mod crd;
#[cfg(test)]
mod dashboards;
#[cfg(test)]
mod process;
#[cfg(test)]
mod running;
#[cfg(test)]
mod sim_node;
#[cfg(test)]
mod support;
#[cfg(test)]
mod tour;
#[cfg(test)]
mod usage;
#[cfg(test)]
mod webhook;
#[cfg(test)]
mod wire;
