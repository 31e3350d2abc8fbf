//! When a certificate is made anew, which one is shown, and whom the API server must trust. Pure.
//!
//! A Secret holds up to two pairs, each with an authority of its own: `current`, and `next` once a third of the life of
//! the current one is left. From then on the `caBundle` carries both authorities. The next certificate is shown when its
//! authority has been in the bundle for a while ([`Lives::settle`]), so that every API server has heard of it; what
//! is shown is always in the bundle. The next rotation drops the older pair, which has expired by then.
//!
//! Every replica decides alike from the same Secret and the same bundle, whenever each of them looks.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::ByteString;

use super::certificates::{Error, Pair, certificates};

/// How long things last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lives {
    /// A certificate. A new one is made when a third of it is left.
    pub certificate: Duration,
    /// How long an authority is in the bundle before a certificate of its is shown.
    pub settle: Duration,
}

impl Default for Lives {
    fn default() -> Self {
        Self { certificate: Duration::from_hours(24 * 90), settle: Duration::from_mins(1) }
    }
}

/// What the Secret holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// The older pair.
    pub current: Option<Pair>,
    /// The newer pair, while there are two.
    pub next: Option<Pair>,
}

/// The authorities in a `caBundle`, as DER.
pub type Authorities = BTreeSet<Vec<u8>>;

/// So many names of older certificates are kept.
const MOST_KNOWN: usize = 8;

/// What is in a bundle. What is no certificate is not in it.
pub fn authorities(pem: &str) -> Authorities {
    certificates(pem).into_iter().flatten().map(|certificate| certificate.to_vec()).collect()
}

impl Kept {
    /// From the data of the Secret. A pair that is not whole is none.
    pub fn read(data: &BTreeMap<String, ByteString>) -> Self {
        let text = |key: String| String::from_utf8(data.get(&key)?.0.clone()).ok();
        let pair = |slot: &str| {
            let part = |name: &str| text(format!("{slot}.{name}"));
            Some(Pair { authority: part("ca.crt")?, certificate: part("tls.crt")?, key: part("tls.key")? })
        };
        Self { current: pair("current"), next: pair("next") }
    }

    /// As the data of the Secret.
    pub fn data(&self) -> BTreeMap<String, ByteString> {
        let slots = [("current", &self.current), ("next", &self.next)];
        let pairs = slots.into_iter().filter_map(|(slot, pair)| Some((slot, pair.as_ref()?)));
        let parts = pairs.flat_map(|(slot, pair)| {
            let parts = [("ca.crt", &pair.authority), ("tls.crt", &pair.certificate), ("tls.key", &pair.key)];
            parts.map(|(part, text)| (format!("{slot}.{part}"), ByteString(text.clone().into_bytes())))
        });
        parts.collect()
    }

    /// Both pairs, the newer first.
    pub fn pairs(&self) -> impl Iterator<Item = &Pair> {
        self.next.iter().chain(&self.current)
    }

    /// Whom the API server must trust, as PEM.
    pub fn bundle(&self) -> String {
        self.pairs().map(|pair| pair.authority.as_str()).collect()
    }

    /// What the Secret should hold instead, if it should, and else until when it is as it should be. A pair that is being
    /// shown is put back if it is not in the Secret any more, for API servers still rely on it.
    ///
    /// # Errors
    /// No certificate can be made of the names.
    pub fn renewed(&self, shown: Option<&Pair>, names: &[String], now: Timestamp, lives: Lives) -> Result<Due, Error> {
        let newest = self.pairs().chain(shown).find_map(|pair| Some((pair, usable_until(pair, names, now)?)));
        let issue = || Pair::issue(&self.with_known(names), now, lives.certificate);
        let Some((newest, expires)) = newest else {
            return Ok(Due::Now(Self { current: Some(issue()?), next: None }));
        };
        let due = earlier(expires, lives.certificate / 3);
        if now >= due {
            Ok(Due::Now(Self { current: Some(newest.clone()), next: Some(issue()?) }))
        } else if self.pairs().any(|pair| pair == newest) {
            Ok(Due::At(due))
        } else {
            Ok(Due::Now(Self { current: Some(newest.clone()), next: None }))
        }
    }

    /// The names, and those that a certificate here has: replicas of two versions may want different ones, and each would
    /// undo what the other did.
    fn with_known(&self, names: &[String]) -> Vec<String> {
        let known = self.pairs().filter_map(|pair| pair.read().ok()).flat_map(|read| read.names);
        let mut all = names.to_vec();
        for name in known.take(MOST_KNOWN) {
            if !all.contains(&name) {
                all.push(name);
            }
        }
        all
    }
}

/// Whether the Secret should change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Due {
    /// To this.
    Now(Kept),
    /// Not before then.
    At(Timestamp),
}

/// Until when a pair can be used; `None` if it cannot.
fn usable_until(pair: &Pair, names: &[String], now: Timestamp) -> Option<Timestamp> {
    let read = pair.read().ok()?;
    let usable = read.expires > now && names.iter().all(|name| read.names.contains(name)) && pair.certified().is_ok();
    usable.then_some(read.expires)
}

/// `at` less a while.
fn earlier(at: Timestamp, by: Duration) -> Timestamp {
    SignedDuration::try_from(by).ok().and_then(|by| at.checked_sub(by).ok()).unwrap_or(Timestamp::MIN)
}

/// Since when each authority has been in the bundle, as seen here.
#[derive(Clone, Debug, Default)]
pub struct Trusted {
    /// None while there is no configuration to put a bundle into.
    since: Option<BTreeMap<Vec<u8>, Timestamp>>,
}

impl Trusted {
    /// The bundle is this now. `None` if there is no configuration.
    pub fn observe(&mut self, bundle: Option<&Authorities>, now: Timestamp) {
        let before = self.since.take().unwrap_or_default();
        self.since = bundle.map(|bundle| {
            let since = |authority: &Vec<u8>| before.get(authority).copied().unwrap_or(now);
            bundle.iter().map(|authority| (authority.clone(), since(authority))).collect()
        });
    }

    /// Whether all of these are in the bundle, or there is no configuration.
    pub fn has_all(&self, wanted: &Authorities) -> bool {
        self.since.as_ref().is_none_or(|since| wanted.iter().all(|authority| since.contains_key(authority)))
    }

    /// Which pair to show, and when that may be another one. What is shown is in the bundle, unless there is none in
    /// it, or no configuration; then it stays as it is, or becomes the older one.
    pub fn choose<'a>(
        &self,
        kept: &'a Kept,
        shown: Option<&'a Pair>,
        names: &[String],
        now: Timestamp,
        lives: Lives,
    ) -> (Option<&'a Pair>, Option<Timestamp>) {
        let usable: Vec<_> = kept.pairs().filter(|pair| usable_until(pair, names, now).is_some()).collect();
        let trusted = usable.iter().filter_map(|pair| {
            let of = authorities(&pair.authority);
            let since = of.iter().map(|authority| self.since.as_ref()?.get(authority).copied());
            Some((*pair, since.min().flatten()?))
        });
        let trusted: Vec<_> = trusted.collect();
        let settled = |since: Timestamp| {
            SignedDuration::try_from(lives.settle).ok().and_then(|settle| since.checked_add(settle).ok())
        };
        let newest = trusted.iter().find(|(_, since)| settled(*since).is_some_and(|at| at <= now));
        let waits = trusted.iter().filter_map(|(_, since)| settled(*since)).filter(|at| *at > now).min();
        // Where nobody has trusted any for long, nobody has relied on another either.
        let chosen = newest.or(trusted.last()).map(|(pair, _)| *pair);
        let fallback = || shown.or_else(|| usable.last().copied().filter(|_| self.since.is_none()));
        (chosen.or_else(fallback), waits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::constant(1_800_000_000, 0);
    const LIVES: Lives = Lives { certificate: Duration::from_secs(900), settle: Duration::from_secs(60) };

    fn names() -> Vec<String> {
        vec!["tailor.tailor-system.svc".to_owned()]
    }

    fn at(seconds: i64) -> Timestamp {
        NOW + SignedDuration::from_secs(seconds)
    }

    fn pair(issued: i64) -> Pair {
        Pair::issue(&names(), at(issued), LIVES.certificate).unwrap()
    }

    fn due(kept: &Kept, shown: Option<&Pair>, now: i64) -> Due {
        kept.renewed(shown, &names(), at(now), LIVES).unwrap()
    }

    fn trusting(pairs: &[(&Pair, i64)]) -> Trusted {
        let mut trusted = Trusted::default();
        for end in 1..=pairs.len() {
            let bundle = pairs[..end].iter().flat_map(|(pair, _)| authorities(&pair.authority)).collect();
            trusted.observe(Some(&bundle), at(pairs[end - 1].1));
        }
        trusted
    }

    #[test]
    fn the_first_pair_is_made_and_the_next_when_a_third_of_its_life_is_left() {
        let Due::Now(first) = due(&Kept::default(), None, 0) else { panic!() };
        assert!(first.next.is_none());
        assert_eq!(due(&first, None, 0), Due::At(at(600)));
        let Due::Now(second) = due(&first, None, 600) else { panic!() };
        assert_eq!(second.current, first.current);
        assert_eq!(due(&second, None, 600), Due::At(at(1_200)));
        let Due::Now(third) = due(&second, None, 1_200) else { panic!() };
        assert_eq!(third.current, second.next, "the first has expired");
        assert_eq!(authorities(&third.bundle()).len(), 2);
    }

    #[test]
    fn a_secret_reads_back_and_a_damaged_one_is_made_anew() {
        let kept = Kept { current: Some(pair(0)), next: Some(pair(600)) };
        assert_eq!(Kept::read(&kept.data()), kept);
        let mut damaged = kept.data();
        damaged.remove("next.tls.key");
        damaged.insert("current.tls.crt".to_owned(), ByteString(b"x".to_vec()));
        let damaged = Kept::read(&damaged);
        assert!(matches!(due(&damaged, None, 601), Due::Now(_)));
        assert!(matches!(due(&Kept { current: Some(pair(0)), next: None }, None, 901), Due::Now(_)), "expired");
        let other = Pair::issue(&["other".to_owned()], NOW, LIVES.certificate).unwrap();
        let Due::Now(named) = due(&Kept { current: Some(other), next: None }, None, 0) else { panic!("another name") };
        let has = named.current.unwrap().read().unwrap().names;
        assert!(has.contains("other") && has.contains(&names()[0]), "replicas that want different names do not fight");
    }

    #[test]
    fn a_secret_that_is_gone_gets_back_what_is_shown() {
        let shown = pair(0);
        let Due::Now(kept) = due(&Kept::default(), Some(&shown), 10) else { panic!() };
        assert_eq!(kept, Kept { current: Some(shown), next: None });
    }

    #[test]
    fn the_next_certificate_is_shown_once_its_authority_has_been_trusted_for_a_while() {
        let (old, new) = (pair(0), pair(600));
        let kept = Kept { current: Some(old.clone()), next: Some(new.clone()) };
        let chosen = |trusted: &Trusted, now: i64| {
            let (pair, until) = trusted.choose(&kept, Some(&old), &names(), at(now), LIVES);
            (pair.cloned(), until)
        };
        assert_eq!(chosen(&trusting(&[(&old, 0)]), 700), (Some(old.clone()), None), "it is not trusted yet");
        let trusted = trusting(&[(&old, 0), (&new, 610)]);
        assert_eq!(chosen(&trusted, 669), (Some(old.clone()), Some(at(670))));
        assert_eq!(chosen(&trusted, 670), (Some(new.clone()), None));
        // A replica that has just started cannot know for how long, and takes the older one.
        assert_eq!(chosen(&trusting(&[(&old, 700), (&new, 700)]), 700).0, Some(old.clone()));
        assert_eq!(chosen(&trusting(&[(&new, 800)]), 800).0, Some(new), "the only one that is trusted");
    }

    #[test]
    fn what_is_shown_stays_while_the_bundle_is_empty_and_nothing_is_shown_before_it_is_trusted() {
        let (old, new) = (pair(0), pair(600));
        let kept = Kept { current: Some(old.clone()), next: Some(new.clone()) };
        let mut emptied = trusting(&[(&old, 0), (&new, 600)]);
        emptied.observe(Some(&Authorities::new()), at(700));
        assert_eq!(emptied.choose(&kept, Some(&new), &names(), at(700), LIVES).0, Some(&new));
        assert!(!emptied.has_all(&authorities(&old.authority)));
        assert_eq!(emptied.choose(&kept, None, &names(), at(700), LIVES).0, None);
        // Without a configuration nobody calls, and whoever does may see what there is.
        assert_eq!(Trusted::default().choose(&kept, None, &names(), at(700), LIVES).0, Some(&old));
        assert!(Trusted::default().has_all(&authorities(&old.authority)));
    }
}
