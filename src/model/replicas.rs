//! Which sample of which replica was learnt last, so that none is learnt twice.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::covered::LONGEST_STEP;

/// So many replicas teach how CPU use is spread; more of them would only say the same. 128 bytes.
const MOST_REPLICAS: usize = 16;

/// The newest sample of each replica.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(into = "Packed", from = "Packed")]
pub struct Replicas(Vec<Replica>);

/// As it is stored: times count back from the newest, and so are short.
#[derive(Serialize, Deserialize)]
struct Packed {
    newest: u32,
    /// Hash of the name, and age.
    replicas: Vec<([u8; 4], u32)>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
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

    /// Whether samples up to `latest` can have made it so.
    pub(super) fn is_sound(&self, latest: Timestamp) -> bool {
        let in_time = |replica: &Replica| i64::from(replica.newest) <= latest.as_second();
        self.0.len() <= MOST_REPLICAS && self.0.iter().all(in_time)
    }

    /// Bytes on the heap.
    pub(super) fn heap_bytes(&self) -> usize {
        self.0.capacity() * size_of::<Replica>()
    }
}

impl From<Replicas> for Packed {
    fn from(Replicas(replicas): Replicas) -> Self {
        let newest = replicas.iter().map(|replica| replica.newest).max().unwrap_or(0);
        let packed = |replica: &Replica| (replica.name_hash.to_le_bytes(), newest - replica.newest);
        Self { newest, replicas: replicas.iter().map(packed).collect() }
    }
}

impl From<Packed> for Replicas {
    fn from(Packed { newest, replicas }: Packed) -> Self {
        let replica = |(hash, age): ([u8; 4], u32)| Replica {
            name_hash: u32::from_le_bytes(hash),
            newest: newest.saturating_sub(age),
        };
        Self(replicas.into_iter().map(replica).collect())
    }
}

/// What the first sample of a Pod is taken to speak for, in seconds.
const FIRST_STEP: u32 = 60;

/// A hash that is the same in each run and version.
fn fnv1a(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}
