//! A run that never was, with a bit of everything in it.

use std::{collections::BTreeMap, time::Duration};

use jiff::{SignedDuration, Timestamp};

use super::{
    ConditionReport, PolicyReport,
    collect::{Missing, Outcome},
};
use crate::{
    api::TargetRef,
    controller::{Action, JournalEntry},
    plan::{ContainerChange, Why},
    resources::{Bytes, ContainerKind, ContainerResources, MilliCpu, NanoCpu, Resources},
    sim::{
        ledger::{AccountKey, Happening, Ledger, Reading},
        witness::Grant,
    },
};

pub(super) fn outcome() -> Outcome {
    let start = Timestamp::constant(1_767_571_200, 0);
    let ledger = Ledger::new(start + SignedDuration::from_hours(1));
    workload(&ledger, start, "web", 1_000, 250);
    workload(&ledger, start, "a-name-that-is-longer-than-any-column", 100, 400);
    let end = start + SignedDuration::from_hours(6);
    Outcome {
        seed: 7,
        scenario: "fixture </script><b>".to_owned(),
        start,
        simulated: Duration::from_hours(6),
        wall: Duration::from_millis(1_250),
        pods: 2,
        samples: 720,
        api_writes: 12,
        evictions_asked: 1,
        accounts: ledger.accounts(end),
        journal: vec![
            entry(start, 30, "web", Action::Resize, Why::Oversized, (1_000, 250)),
            entry(start, 89, "web", Action::Resize, Why::Shortage, (250, 600)),
            entry(start, 90, "web", Action::Defer, Why::ResizeDeferred, (250, 600)),
            entry(start, 92, "web", Action::Resize, Why::Shortage, (600, 640)),
            entry(start, 93, "web", Action::Defer, Why::ResizeDeferred, (600, 640)),
            entry(start, 200, "web", Action::Evict, Why::NodeTooSmall, (250, 900)),
        ],
        grants: vec![Grant {
            at: start + SignedDuration::from_mins(120),
            namespace: "shop".to_owned(),
            pod: "web-0".to_owned(),
            changes: entry(start, 120, "web", Action::Grant, Why::Shortage, (250, 640)).changes,
        }],
        missing: BTreeMap::from([(
            ("shop".to_owned(), "Deployment".to_owned(), "gone".to_owned()),
            Missing { pending: 1, refused: 3, message: "0/2 nodes are available".to_owned() },
        )]),
        policies: vec![PolicyReport {
            namespace: "shop".to_owned(),
            name: "lost".to_owned(),
            conditions: vec![ConditionReport {
                r#type: "Ready".to_owned(),
                status: "False".to_owned(),
                reason: "TargetNotFound".to_owned(),
                message: "there is no Deployment shop/lost (apps/v1)".to_owned(),
            }],
        }],
        scored_after: Duration::from_hours(1),
    }
}

fn workload(ledger: &Ledger, start: Timestamp, name: &str, before: u64, after: u64) {
    let key = AccountKey {
        namespace: "shop".to_owned(),
        kind: "Deployment".to_owned(),
        workload: name.to_owned(),
        container: "app".to_owned(),
    };
    ledger.set_original(&key, Resources::new(MilliCpu(before), Bytes::mib(512)));
    for minute in 0..360 {
        let cpu = if minute < 30 { before } else { after };
        let reading = Reading {
            running: true,
            cpu: NanoCpu(50_000_000 + (minute * 7 % 60) * 1_000_000),
            throttled: NanoCpu(0),
            memory: Bytes::mib(100),
            requests: Resources::new(MilliCpu(cpu), Bytes::mib(if minute < 30 { 512 } else { 128 })),
            limits: Resources { cpu: None, memory: Some(Bytes::mib(1_024)) },
        };
        let at = start + SignedDuration::from_mins(minute.cast_signed());
        ledger.observe(&key, "pod-0", reading, at);
        if minute == 45 {
            ledger.count(&key, Happening::OomKill, at);
            ledger.count(&key, Happening::Restart, at);
        }
    }
}

fn entry(start: Timestamp, minute: i64, name: &str, action: Action, reason: Why, cpu: (u64, u64)) -> JournalEntry {
    let size = |cpu| ContainerResources {
        requests: Resources { cpu: Some(MilliCpu(cpu)), memory: None },
        limits: Resources::default(),
    };
    JournalEntry {
        at: start + SignedDuration::from_mins(minute),
        policy: "all".to_owned(),
        namespace: "shop".to_owned(),
        workload: TargetRef { api_version: "apps/v1".to_owned(), kind: "Deployment".to_owned(), name: name.to_owned() },
        pod: format!("{name}-0"),
        action,
        reason,
        message: String::new(),
        changes: vec![ContainerChange {
            container: "app".to_owned(),
            kind: ContainerKind::App,
            from: size(cpu.0),
            to: size(cpu.1),
        }],
    }
}
