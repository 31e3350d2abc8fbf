//! Splitting a query that answers with too much.
//!
//! PromQL has no hash, but names of Pods end with one: what ReplicaSets and DaemonSets add at the end is drawn at random
//! from 27 characters, and StatefulSets number their Pods. So a query is split by the last character of the Pod's name.

use std::fmt::Write as _;

/// More parts than this the last character does not give.
pub(super) const MOST_SHARDS: usize = 32;

/// All last characters of a Pod's name: first those of which Kubernetes draws (`k8s.io/apimachinery` `util/rand`),
/// then the rest, so that parts are of about the same size.
const LAST: &str = "bcdfghjklmnpqrstvwxz2456789013aeiouy";

/// One part of a query that was split.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shard {
    pub(super) index: usize,
    /// A power of two, up to [`MOST_SHARDS`].
    pub(super) of: usize,
}

impl Shard {
    /// The parts of a query that is split into `of`.
    pub(super) fn all(of: usize) -> impl Iterator<Item = Self> {
        (0..of).map(move |index| Self { index, of })
    }

    /// The matcher of this part, none if it is the whole. Every series belongs to exactly one part: the last one also
    /// has those that end in no character that is known.
    pub(super) fn matcher(self, label: &str) -> String {
        let is_last = self.index + 1 == self.of;
        if self.of == 1 {
            return String::new();
        }
        let mut characters = String::new();
        for (place, character) in LAST.chars().enumerate() {
            if (place % self.of == self.index) != is_last {
                _ = write!(characters, "{character}");
            }
        }
        format!("{label}{}\".*[{characters}]\"", if is_last { "!~" } else { "=~" })
    }
}

#[cfg(test)]
mod tests {
    use regex::Regex;

    use super::*;

    /// Which Pods belong to it, as PromQL matches: the whole of the value.
    fn members(shard: Shard, pods: &[String]) -> Vec<&str> {
        let matcher = shard.matcher("pod");
        let quoted = matcher.trim_start_matches("pod=~").trim_start_matches("pod!~").trim_matches('"');
        let (regex, positive) = (Regex::new(&format!("^(?:{quoted})$")).unwrap(), matcher.starts_with("pod=~"));
        let is_member = |pod: &&str| matcher.is_empty() || regex.is_match(pod) == positive;
        pods.iter().map(String::as_str).filter(is_member).collect()
    }

    #[test]
    fn every_pod_belongs_to_exactly_one_shard() {
        let mut pods: Vec<String> = LAST.chars().map(|last| format!("web-7d4b9c6f5d-x{last}")).collect();
        pods.extend(["db-0", "db-10", "odd-É", "UPPER", "-", ""].map(str::to_owned));
        for of in [1, 2, 4, 8, 16, 32] {
            let mut all: Vec<_> = Shard::all(of).flat_map(|shard| members(shard, &pods)).collect();
            all.sort_unstable();
            let mut expected: Vec<_> = pods.iter().map(String::as_str).collect();
            expected.sort_unstable();
            assert_eq!(all, expected, "in {of} parts");
        }
    }

    #[test]
    fn shards_are_of_about_the_same_size() {
        let drawn: Vec<_> = LAST[..27].chars().map(|last| format!("web-{last}")).collect();
        for of in [2, 4, 8, 16] {
            let sizes: Vec<_> = Shard::all(of).map(|shard| members(shard, &drawn).len()).collect();
            let (least, most) = (sizes.iter().min().unwrap(), sizes.iter().max().unwrap());
            assert!(*least >= 1 && most - least <= 1, "{sizes:?}");
        }
    }
}
