//! Tailor keeps every container's CPU and memory requests and limits fitted to what it really uses, in place.
//!
//! Data flows one way: usage -> model -> recommend -> plan -> actuate -> status. The rooms, from the ground up; imports
//! run down this list and never up it (ARCHITECTURE.md is the map):
//!
//! | room | what is in it |
//! |---|---|
//! | [`resources`] | `MilliCpu` and `Bytes`, quantities, QoS class, and the views of Pods and Nodes that decisions are made from |
//! | [`api`] | the custom resource `VerticalResizePolicy`: types, defaults, CEL rules, printer columns |
//! | [`clock`] | the one place that reads time: the wall clock, or simulated time |
//! | [`tls`] | the one provider of cryptography, and servers with a certificate of their own |
//! | [`usage`] | where usage comes from: `Sample`, `UsageSource`, and its implementations |
//! | [`model`] | what has been learnt of one container: CPU histogram, memory peaks, OOM kills |
//! | [`recommend`] | what a container should get: lower, target and upper, inside every bound |
//! | [`plan`](mod@plan) | what to do with one Pod now, and why: `Keep`, `Resize`, `Wait` or `Evict` |
//! | [`actuate`] | every write to a Pod: resize, evict, and the admission patch for new Pods |
//! | [`telemetry`] | logs and metrics of Tailor itself |
//! | [`controller`] | watches, learns, reconciles, publishes |
//! | [`webhook`] | admission as an HTTPS server with certificates of its own, and whether it works |
//! | [`sim`] | the embedded cluster in which the same controller runs under simulated time |
//! | [`cli`] | the command line: a file per subcommand |

pub mod actuate;
pub mod api;
pub mod cli;
pub mod clock;
pub mod controller;
pub mod model;
pub mod plan;
pub mod recommend;
pub mod resources;
pub mod sim;
pub mod telemetry;
pub mod tls;
pub mod usage;
pub mod webhook;
