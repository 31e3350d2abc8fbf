//! How the source of usage fares: what policies say of it while it is silent, or while another one speaks for it.

use jiff::Timestamp;

use crate::usage::Fallback;

/// Readings in a row that must fail before policies say so: one may be a restart of the server.
const FAILURES_TOLD: u32 = 3;

/// How the source of usage fares.
#[derive(Debug, Default)]
pub struct Hearing {
    failures: u32,
    problem: String,
    /// When it answered last; when it first failed, if it never has.
    since: Option<Timestamp>,
    fallback: Option<Fallback>,
}

impl Hearing {
    /// It answered, itself or through another source.
    pub fn answered(&mut self, fallback: Option<Fallback>, now: Timestamp) {
        *self = Self { since: Some(now), fallback, ..Self::default() };
    }

    /// It did not, for this reason. Whether it did the time before.
    pub fn failed(&mut self, problem: String, now: Timestamp) -> bool {
        self.failures = self.failures.saturating_add(1);
        self.problem = problem;
        self.since.get_or_insert(now);
        self.fallback = None;
        self.failures == 1
    }

    /// Since when and why there is no usage, while there is none.
    pub fn problem(&self) -> Option<String> {
        let since = self.since.filter(|_| self.failures >= FAILURES_TOLD)?;
        Some(format!("no usage has been read since {}, and nothing is lowered: {}", to_the_second(since), self.problem))
    }

    /// Since when and why usage comes from another source, while it does.
    pub fn fallback(&self) -> Option<String> {
        let Fallback { source_name, since, why } = self.fallback.as_ref()?;
        Some(format!("usage has come from {source_name} since {}: {why}", to_the_second(*since)))
    }

    /// Which of the two is told, and since when: policies are looked at when it changes.
    pub fn told(&self) -> (Option<Timestamp>, Option<Timestamp>) {
        let silent = self.since.filter(|_| self.failures >= FAILURES_TOLD);
        (silent, self.fallback.as_ref().map(|fallback| fallback.since))
    }
}

fn to_the_second(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    const NOW: Timestamp = Timestamp::constant(1_800_000_000, 5);

    fn after(minutes: i64) -> Timestamp {
        NOW + SignedDuration::from_mins(minutes)
    }

    #[test]
    fn silence_is_told_after_three_failures_with_the_time_of_the_last_answer() {
        let mut hearing = Hearing::default();
        hearing.answered(None, NOW);
        assert!(hearing.failed("refused".to_owned(), after(1)));
        assert!(!hearing.failed("refused".to_owned(), after(2)));
        assert_eq!(hearing.problem(), None);
        hearing.failed("no route".to_owned(), after(3));
        let problem = hearing.problem().unwrap();
        assert_eq!(problem, "no usage has been read since 2027-01-15T08:00:00Z, and nothing is lowered: no route");
        hearing.answered(None, after(4));
        assert_eq!((hearing.problem(), hearing.told()), (None, (None, None)));
    }

    #[test]
    fn who_never_answered_is_silent_since_the_first_question() {
        let mut hearing = Hearing::default();
        let mut fails = |minute| hearing.failed("refused".to_owned(), after(minute));
        assert_eq!([1, 2, 3, 4].map(&mut fails), [true, false, false, false]);
        assert_eq!(hearing.told(), (Some(after(1)), None));
    }

    #[test]
    fn another_source_is_told_at_once_and_for_as_long_as_it_speaks() {
        let mut hearing = Hearing::default();
        let fallback = Fallback { source_name: "metrics.k8s.io".to_owned(), since: NOW, why: "refused".to_owned() };
        hearing.answered(Some(fallback), after(1));
        let told = hearing.fallback().unwrap();
        assert_eq!(told, "usage has come from metrics.k8s.io since 2027-01-15T08:00:00Z: refused");
        hearing.answered(None, after(2));
        assert_eq!(hearing.fallback(), None);
    }
}
