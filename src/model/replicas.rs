//! Which sample of which replica was learnt last, so that none is learnt twice.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::covered::LONGEST_STEP;

/// So many replicas teach how CPU use is spread; more of them would only say the same. 128 bytes.
const MOST_REPLICAS: usize = 16;

/// The newest sample of each replica.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Replicas(Vec<Replica>);

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Replica {
    name_hash: u32,
    /// Unix time: enough until 2106.
    newest: u32,
}

impl Replicas {
    /// Notes a sample of `pod`, and answers how many seconds it speaks for: those since the Pod's last sample, none
    /// if it is that one. `None` if it is older, or if enough other replicas teach already.
    pub fn note(&mut self, pod: &str, at: Timestamp) -> Option<u32> {
        let longest = u32::try_from(LONGEST_STEP.as_secs()).expect("minutes");
        let now = u32::try_from(at.as_second().clamp(0, i64::from(u32::MAX))).expect("clamped");
        let name_hash = fnv1a(pod);
        if let Some(known) = self.0.iter_mut().find(|replica| replica.name_hash == name_hash) {
            let step = now.checked_sub(known.newest)?;
            known.newest = now;
            return Some(step.min(longest));
        }
        let new = Replica { name_hash, newest: now };
        if self.0.len() < MOST_REPLICAS {
            self.0.reserve_exact(1);
            self.0.push(new);
            return Some(FIRST_STEP);
        }
        let oldest = self.0.iter_mut().min_by_key(|replica| replica.newest)?;
        if now.saturating_sub(oldest.newest) <= longest {
            return None;
        }
        *oldest = new;
        Some(FIRST_STEP)
    }

    /// Bytes on the heap.
    pub(super) fn heap_bytes(&self) -> usize {
        self.0.capacity() * size_of::<Replica>()
    }
}

/// What the first sample of a Pod is taken to speak for, in seconds.
const FIRST_STEP: u32 = 60;

/// A hash that is the same in each run and version.
fn fnv1a(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}
