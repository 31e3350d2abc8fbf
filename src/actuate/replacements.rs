//! What is known of whether new Pods get their size.
//!
//! Whoever looks after admission says so here, and what it says holds for a while only: silence means no. A Pod is
//! evicted for its size only while the answer is yes.

use std::{sync::Arc, time::Duration};

use tokio::{sync::watch, time::Instant};

use crate::plan::NewPods;

/// What new Pods get, as last heard. Clones are the same.
#[derive(Clone, Debug)]
pub struct Replacements(Arc<watch::Sender<Heard>>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Heard {
    /// Holds until something else is heard.
    Always(NewPods),
    /// New Pods were seen to get their size, and are taken to until then.
    SizedUntil(Instant),
}

impl Heard {
    fn now(self) -> NewPods {
        match self {
            Self::Always(new_pods) => new_pods,
            Self::SizedUntil(until) if Instant::now() < until => NewPods::Sized,
            Self::SizedUntil(_) => NewPods::UnsizedNow,
        }
    }
}

impl Replacements {
    /// It is so until something else is heard.
    pub fn new(new_pods: NewPods) -> Self {
        Self(Arc::new(watch::Sender::new(Heard::Always(new_pods))))
    }

    /// New Pods were just seen to get their size; that holds for so long.
    pub fn are_sized_for(&self, holds: Duration) {
        self.0.send_replace(Heard::SizedUntil(Instant::now() + holds));
    }

    /// New Pods do not get their size now.
    pub fn are_unsized(&self) {
        self.0.send_replace(Heard::Always(NewPods::UnsizedNow));
    }

    /// What a Pod gets that is created now.
    pub fn now(&self) -> NewPods {
        self.0.borrow().now()
    }

    /// Waits until the answer is another one than `known`, and tells it.
    pub async fn changed(&self, known: NewPods) -> NewPods {
        let mut heard = self.0.subscribe();
        loop {
            let now = *heard.borrow_and_update();
            if now.now() != known {
                return now.now();
            }
            match now {
                // The sender lives as long as `self`.
                Heard::Always(_) => _ = heard.changed().await,
                Heard::SizedUntil(until) => _ = tokio::time::timeout_at(until, heard.changed()).await,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);

    #[tokio::test(start_paused = true)]
    async fn what_was_heard_holds_for_a_while_only_and_silence_means_no() {
        let replacements = Replacements::new(NewPods::UnsizedNow);
        assert_eq!(replacements.now(), NewPods::UnsizedNow);
        replacements.are_sized_for(MINUTE);
        tokio::time::advance(MINUTE - Duration::from_secs(1)).await;
        assert_eq!(replacements.now(), NewPods::Sized);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(replacements.now(), NewPods::UnsizedNow);
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_is_told_whether_it_was_said_or_time_brought_it() {
        let replacements = Replacements::new(NewPods::UnsizedNow);
        let mut change = Box::pin(replacements.changed(NewPods::UnsizedNow));
        assert!(change.as_mut().now_or_never().is_none());
        replacements.are_sized_for(MINUTE);
        assert_eq!(change.await, NewPods::Sized);
        let mut change = Box::pin(replacements.changed(NewPods::Sized));
        assert!(change.as_mut().now_or_never().is_none());
        replacements.are_sized_for(MINUTE * 2);
        assert!(change.as_mut().now_or_never().is_none(), "said again is no change");
        assert_eq!(change.await, NewPods::UnsizedNow, "nobody said so, but time has run out");
    }

    #[test]
    fn what_never_changes_needs_no_clock() {
        assert_eq!(Replacements::new(NewPods::Sized).now(), NewPods::Sized);
        assert_eq!(Replacements::new(NewPods::Unsized).now(), NewPods::Unsized);
    }
}
