//! Tailor keeps every container's CPU and memory requests and limits fitted to what it really uses, in place.
//!
//! Data flows one way: [`usage`] -> [`model`] -> [`recommend`] -> [`plan`] -> [`actuate`] -> status. Imports run the
//! same way down the list below and never upwards; ARCHITECTURE.md is the map.

/// Every write to a Pod: resize, evict, and the admission patch for new Pods.
pub mod actuate;
/// The custom resource `VerticalResizePolicy`: types, defaults, CEL rules, printer columns.
pub mod api;
/// The command line: a file per subcommand.
pub mod cli;
/// The one place that reads time: the wall clock, or simulated time.
pub mod clock;
/// The controller: watches, learns, reconciles, publishes.
pub mod controller;
/// What has been learnt of one container: CPU histogram, memory peaks, OOM kills.
pub mod model;
/// What to do with one Pod now, and why: `Keep | Resize | Wait | Evict`.
pub mod plan;
/// What a container should get: lower, target and upper, inside every bound.
pub mod recommend;
/// MilliCpu and Bytes, quantities, QoS class, and the views of Pods and Nodes that decisions are made from.
pub mod resources;
/// The embedded cluster in which the same controller runs under simulated time.
pub mod sim;
/// Logs and metrics of Tailor itself.
pub mod telemetry;
/// Where usage comes from: `Sample`, `UsageSource`, and its implementations.
pub mod usage;
