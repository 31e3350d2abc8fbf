//! The controller: watches, learns, reconciles, publishes.
//!
//! [`run`] starts everything; [`lease`] says who may write, and the [`fence`] holds everybody to it. [`watches`] keep one [`World`](world::World), the ordered picture of the cluster;
//! [`learn`] turns usage into models; both only *trigger* passes. A pass over one policy is [`reconcile`]: observe ->
//! decide (pure, [`decide`]) -> [`apply`] -> [`publish`]. Passes go through the [`turnstile`], so that with a concurrency
//! of one a run depends on nothing but its input.
//!
//! Deliberately absent: polling of what can be watched, a second writer for any field, wall-clock time (see
//! [`Clock`](crate::clock::Clock)), and any decision that is not in `plan` or [`decide`].

pub mod apply;
mod attribution;
pub mod backoff;
pub mod checkpoints;
pub mod conditions;
pub mod context;
pub mod decide;
pub mod events;
pub mod expectations;
pub mod fence;
pub mod figures;
pub mod hearing;
pub mod history;
pub mod journal;
mod kinds;
pub mod latency;
pub mod leadership;
pub mod learn;
pub mod lease;
pub mod memory;
pub mod observe;
pub mod owners;
pub mod policies;
pub mod publish;
pub mod reconcile;
pub mod run;
pub mod scale;
pub mod sizes;
pub mod starts;
pub mod turnstile;
pub mod watches;
pub mod world;

pub use self::{
    journal::{Action, Journal, JournalEntry, NoJournal},
    lease::{LeaseOptions, Timing},
    run::{Controller, Error, Options, Parts},
};
