//! One container: up, down, ended; and the back-off between its crashes.

use jiff::{SignedDuration, Timestamp};

use crate::{
    resources::{Bytes, ContainerKind, ContainerResources, MilliCpu, NanoCpu, ResizePolicy},
    sim::load::Demand,
};

/// The first wait between two crashes; it doubles up to [`LONGEST_BACK_OFF`].
const FIRST_BACK_OFF: SignedDuration = SignedDuration::from_secs(10);
const LONGEST_BACK_OFF: SignedDuration = SignedDuration::from_secs(300);
/// A container that ran this long is forgiven its crashes.
const FORGIVEN_AFTER: SignedDuration = SignedDuration::from_secs(600);
/// A quota below 1 ms per 100 ms cannot be set (k8s.io/kubernetes `MinMilliCPULimit`).
const SMALLEST_CPU_LIMIT: MilliCpu = MilliCpu(10);

/// How a container came to an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Exit {
    pub(super) code: i32,
    pub(super) reason: &'static str,
}

impl Exit {
    pub(super) const COMPLETED: Self = Self { code: 0, reason: "Completed" };
    pub(super) const OOM_KILLED: Self = Self { code: 137, reason: "OOMKilled" };
    /// Ended by SIGTERM.
    pub(super) const TERMINATED: Self = Self { code: 143, reason: "Error" };
}

/// A run of a container that is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ended {
    pub(super) exit: Exit,
    pub(super) started: Timestamp,
    pub(super) finished: Timestamp,
    /// Which run it was, counted from one.
    pub(super) run: u32,
}

/// A container's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Run {
    /// Not started yet.
    Created,
    /// Running.
    Up {
        since: Timestamp,
        /// When its work is done, if it ever is.
        ends: Option<Timestamp>,
    },
    /// Starts again at `until`.
    Down { until: Timestamp, back_off: Option<SignedDuration> },
    /// Ended for good.
    Over,
}

/// What it takes while it runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Usage {
    pub(super) cpu: NanoCpu,
    pub(super) throttled: NanoCpu,
    pub(super) memory: Bytes,
    /// It wants more memory than its limit.
    pub(super) over_limit: bool,
}

impl Usage {
    /// What a container with these limits takes of what it wants.
    pub(super) fn within(limits: &crate::resources::Resources, demand: Demand) -> Self {
        let most = limits.cpu.map_or(demand.cpu, |limit| limit.max(SMALLEST_CPU_LIMIT).nano());
        let cpu = demand.cpu.min(most);
        let memory = limits.memory.map_or(demand.memory, |limit| demand.memory.min(limit));
        Self { cpu, throttled: NanoCpu(demand.cpu.0 - cpu.0), memory, over_limit: memory < demand.memory }
    }
}

/// Everything that is known of a container on its Node.
#[derive(Clone, Debug)]
pub(super) struct ContainerState {
    pub(super) name: String,
    pub(super) kind: ContainerKind,
    pub(super) policy: ResizePolicy,
    /// What the Node has promised it.
    pub(super) allocated: ContainerResources,
    /// What the runtime has been told.
    pub(super) actuated: ContainerResources,
    pub(super) run: Run,
    pub(super) ready: bool,
    /// When it becomes ready, while it is not.
    pub(super) ready_at: Option<Timestamp>,
    pub(super) restarts: i32,
    /// How many times it was killed for memory.
    pub(super) oom_kills: u32,
    /// How many times it was started.
    pub(super) runs: u32,
    pub(super) last: Option<Ended>,
    pub(super) back_off: BackOff,
    pub(super) usage: Usage,
    /// When its demand may change.
    pub(super) next_demand: Option<Timestamp>,
    /// When the kernel kills it, unless its limit is raised before.
    pub(super) oom_at: Option<Timestamp>,
}

impl ContainerState {
    pub(super) fn new(name: &str, kind: ContainerKind, policy: ResizePolicy, allocated: ContainerResources) -> Self {
        Self {
            name: name.to_owned(),
            kind,
            policy,
            allocated,
            actuated: allocated,
            run: Run::Created,
            ready: false,
            ready_at: None,
            restarts: 0,
            oom_kills: 0,
            runs: 0,
            last: None,
            back_off: BackOff::default(),
            usage: Usage::default(),
            next_demand: None,
            oom_at: None,
        }
    }

    /// When it was started, while it runs.
    pub(super) fn up_since(&self) -> Option<Timestamp> {
        match self.run {
            Run::Up { since, .. } => Some(since),
            Run::Created | Run::Down { .. } | Run::Over => None,
        }
    }

    /// Whether it runs with other resources than it was promised.
    pub(super) fn lags(&self) -> bool {
        self.up_since().is_some() && self.actuated != self.allocated
    }

    /// The next moment at which something happens by itself.
    pub(super) fn wake(&self) -> Option<Timestamp> {
        match self.run {
            Run::Created | Run::Over => None,
            Run::Down { until, .. } => Some(until),
            Run::Up { ends, .. } => [ends, self.ready_at, self.next_demand, self.oom_at].into_iter().flatten().min(),
        }
    }

    /// Starts it, with what it was promised.
    pub(super) fn bring_up(&mut self, now: Timestamp, startup: SignedDuration, work: Option<SignedDuration>) {
        self.restarts += i32::from(matches!(self.run, Run::Down { .. }));
        self.runs += 1;
        self.actuated = self.allocated;
        self.run = Run::Up { since: now, ends: work.map(|work| now + work) };
        self.ready_at = Some(now + startup);
        self.oom_at = None;
    }

    /// Takes it down; what becomes of it then is for the caller to say.
    pub(super) fn take_down(&mut self, exit: Exit, now: Timestamp) {
        if let Run::Up { since, .. } = self.run {
            self.last = Some(Ended { exit, started: since, finished: now, run: self.runs });
        }
        self.run = Run::Over;
        self.ready = false;
        self.ready_at = None;
        self.oom_at = None;
        self.next_demand = None;
        self.usage = Usage::default();
    }

    /// After a crash: starts again, at once the first time and later and later after that.
    pub(super) fn start_again(&mut self, now: Timestamp, reaction: SignedDuration) {
        let back_off = self.back_off.next(self.allocated, now);
        self.run = Run::Down { until: now + back_off.unwrap_or(reaction), back_off };
    }

    /// The back-off counts for one size: a container that waits to be started with another one need not wait.
    pub(super) fn forget_back_off(&mut self, now: Timestamp, reaction: SignedDuration) {
        if let Run::Down { back_off: Some(_), .. } = self.run
            && self.back_off.size != Some(self.allocated)
        {
            self.run = Run::Down { until: now + reaction, back_off: None };
        }
    }
}

/// The waits between crashes of one container at one size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct BackOff {
    size: Option<ContainerResources>,
    wait: SignedDuration,
    /// When the last wait was over.
    last: Option<Timestamp>,
}

impl BackOff {
    /// How long to wait after a crash at this size; `None` at the first.
    fn next(&mut self, size: ContainerResources, now: Timestamp) -> Option<SignedDuration> {
        let forgiven = self.last.is_none_or(|last| now.duration_since(last) > FORGIVEN_AFTER);
        if self.size != Some(size) || forgiven {
            *self = Self { size: Some(size), wait: FIRST_BACK_OFF, last: Some(now) };
            return None;
        }
        let wait = self.wait;
        self.wait = (wait * 2).min(LONGEST_BACK_OFF);
        self.last = Some(now + wait);
        Some(wait)
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::resources::Resources;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_secs(seconds)
    }

    fn size(cpu: u64) -> ContainerResources {
        ContainerResources { requests: Resources::new(MilliCpu(cpu), Bytes(1)), limits: Resources::default() }
    }

    #[test]
    fn back_off_starts_at_once_and_doubles_up_to_five_minutes() {
        let mut back_off = BackOff::default();
        let mut now = at(0);
        let waits: Vec<_> = (0..8)
            .map(|_| {
                let wait = back_off.next(size(1), now).map(|wait| wait.as_secs());
                now += SignedDuration::from_secs(wait.unwrap_or(0) + 5);
                wait
            })
            .collect();
        assert_eq!(waits, [None, Some(10), Some(20), Some(40), Some(80), Some(160), Some(300), Some(300)]);
    }

    #[test]
    fn another_size_or_ten_quiet_minutes_forgive_the_crashes() {
        let mut back_off = BackOff::default();
        assert_eq!(back_off.next(size(1), at(0)), None);
        assert_eq!(back_off.next(size(1), at(1)), Some(SignedDuration::from_secs(10)));
        assert_eq!(back_off.next(size(2), at(12)), None);
        assert_eq!(back_off.next(size(2), at(612)), Some(SignedDuration::from_secs(10)));
        assert_eq!(back_off.next(size(2), at(612 + 10 + 601)), None);
    }

    #[rstest]
    #[case::no_limit(Resources::default(), 300, 0, 70, false)]
    #[case::held_back(Resources::new(MilliCpu(100), Bytes(70)), 100, 200, 70, false)]
    #[case::killed(Resources::new(MilliCpu(300), Bytes(69)), 300, 0, 69, true)]
    #[case::smallest_limit(Resources { cpu: Some(MilliCpu(1)), memory: None }, 10, 290, 70, false)]
    fn limits_cut_what_a_container_takes(
        #[case] limits: Resources,
        #[case] cpu: u64,
        #[case] throttled: u64,
        #[case] memory: u64,
        #[case] over_limit: bool,
    ) {
        let demand = Demand { cpu: MilliCpu(300).nano(), memory: Bytes(70) };
        let expected = Usage {
            cpu: MilliCpu(cpu).nano(),
            throttled: MilliCpu(throttled).nano(),
            memory: Bytes(memory),
            over_limit,
        };
        assert_eq!(Usage::within(&limits, demand), expected);
    }
}
