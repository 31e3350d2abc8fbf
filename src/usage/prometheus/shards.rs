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
    use std::collections::BTreeMap;

    use regex::Regex;

    use super::*;

    /// As PromQL matches: the whole of the value.
    fn belongs(shard: Shard, pod: &str) -> bool {
        let matcher = shard.matcher("pod");
        if matcher.is_empty() {
            return true;
        }
        let (positive, quoted) =
            matcher.strip_prefix("pod=~").map_or_else(|| (false, &matcher["pod!~".len()..]), |quoted| (true, quoted));
        Regex::new(&format!("^(?:{})$", quoted.trim_matches('"'))).unwrap().is_match(pod) == positive
    }

    #[test]
    fn every_pod_belongs_to_exactly_one_shard() {
        let mut pods: Vec<String> = LAST.chars().map(|last| format!("web-7d4b9c6f5d-x{last}")).collect();
        pods.extend(["db-0", "db-10", "odd-É", "UPPER", "-", ""].map(str::to_owned));
        for of in [1, 2, 4, 8, 16, 32] {
            for pod in &pods {
                assert_eq!(Shard::all(of).filter(|shard| belongs(*shard, pod)).count(), 1, "{pod} of {of}");
            }
        }
    }

    #[test]
    fn shards_are_of_about_the_same_size() {
        let drawn = &LAST[..27];
        for of in [2, 4, 8, 16] {
            let mut sizes = BTreeMap::new();
            for last in drawn.chars() {
                let shard = Shard::all(of).find(|shard| belongs(*shard, &format!("web-{last}"))).unwrap();
                *sizes.entry(shard.index).or_insert(0) += 1;
            }
            assert!(sizes.len() == of && sizes.values().max() <= sizes.values().min().map(|n| n + 1).as_ref());
        }
    }
}
