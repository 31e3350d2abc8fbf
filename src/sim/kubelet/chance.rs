//! Seeded chance that does not depend on the order in which it is asked.

use std::ops::RangeInclusive;

use jiff::SignedDuration;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Draws a delay for each purpose of each Pod: two Pods do not disturb each other's draws.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chance {
    seed: u64,
}

impl Chance {
    pub(super) fn new(seed: u64) -> Self {
        Self { seed }
    }

    /// A delay for the `turn`-th time that the Pod with this uid needs one for `purpose`.
    pub(super) fn delay(
        self,
        uid: &str,
        purpose: &'static str,
        turn: u32,
        millis: &RangeInclusive<i64>,
    ) -> SignedDuration {
        let turn = turn.to_le_bytes();
        let parts = [uid.as_bytes(), purpose.as_bytes(), turn.as_slice()];
        let mut rng = ChaCha8Rng::seed_from_u64(parts.iter().fold(self.seed, |hash, part| fnv1a(hash, part)));
        SignedDuration::from_millis(rng.random_range(millis.clone()))
    }
}

/// FNV-1a, continued from `hash`; a separator keeps neighbouring parts apart.
fn fnv1a(hash: u64, bytes: &[u8]) -> u64 {
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0100_0000_01b3;
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(PRIME);
    step(bytes.iter().fold(hash ^ OFFSET, step), &0xff)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delay_depends_on_seed_pod_purpose_and_turn_and_on_nothing_else() {
        let draw = |seed, uid, purpose, turn| Chance::new(seed).delay(uid, purpose, turn, &(0..=1_000_000_000));
        let first = draw(1, "a", "start", 0);
        assert_eq!(first, draw(1, "a", "start", 0));
        let others =
            [draw(2, "a", "start", 0), draw(1, "b", "start", 0), draw(1, "a", "stop", 0), draw(1, "a", "start", 1)];
        assert!(others.iter().all(|other| *other != first));
    }

    #[test]
    fn a_delay_stays_in_its_range() {
        let delays = (0..200).map(|turn| Chance::new(7).delay("a", "start", turn, &(1_000..=3_000)).as_millis());
        assert!(delays.into_iter().all(|millis| (1_000..=3_000).contains(&millis)));
    }
}
