use std::collections::BTreeSet;

use jiff::SignedDuration;
use rstest::rstest;
use serde_json::{Value, json};

use super::*;
use crate::{
    resources::{Bytes, NanoCpu},
    usage::Sample,
};

const NOW: Timestamp = Timestamp::constant(1_800_000_000, 0);

fn web(name: &str) -> WorkloadId {
    WorkloadId::new("shop", "apps/v1", "Deployment", name)
}

fn learnt() -> BTreeMap<String, ContainerModel> {
    let mut model = ContainerModel::new();
    for minute in 0..60 {
        model.observe(&Sample {
            namespace: "shop".to_owned(),
            pod: "web-0".to_owned(),
            container: "app".to_owned(),
            at: NOW + SignedDuration::from_mins(minute),
            cpu: Some(NanoCpu::from_cores(0.1)),
            memory: Some(Bytes::mib(64)),
            throttled: None,
            cpu_pressure: None,
            memory_pressure: None,
            oom_events: None,
        });
    }
    BTreeMap::from([("app".to_owned(), model), ("new".to_owned(), ContainerModel::new())])
}

fn written() -> Value {
    object(&web("web"), &contents(&learnt()), NOW, NOW)
}

fn read(object: Value) -> Result<Read, Problem> {
    Read::of(&serde_json::from_value(object).unwrap())
}

#[test]
fn what_is_written_is_read_again_without_containers_that_know_nothing() {
    let read = read(written()).unwrap();
    assert_eq!(read.id, web("web"));
    let [app] = &read.containers[..] else { panic!("{read:?}") };
    let later = NOW + SignedDuration::from_hours(1);
    assert_eq!(checkpoint::decode(&app.model, later).as_ref(), Ok(&learnt()["app"]));
}

#[rstest]
#[case::another_version("/spec/version", json!(2), "its version is 2")]
#[case::a_name_of_another_workload("/metadata/name", json!("mine"), "is called deployment-web-")]
#[case::no_spec("/spec", json!(null), "not of the shape")]
#[case::no_containers("/spec/containers", json!("app"), "not of the shape")]
#[case::a_negative_version("/spec/version", json!(-1), "not of the shape")]
fn what_is_odd_is_told_and_not_read(#[case] place: &str, #[case] value: Value, #[case] says: &str) {
    let mut odd = written();
    *odd.pointer_mut(place).unwrap() = value;
    let problem = read(odd).unwrap_err().to_string();
    assert!(problem.contains(says), "{problem}");
}

#[test]
fn each_workload_has_a_name_of_its_own_that_the_api_server_takes() {
    let long = "x".repeat(253);
    let ids = [
        web("web"),
        web("web.v2"),
        WorkloadId::new("shop", "apps/v1", "StatefulSet", "web"),
        WorkloadId::new("shop", "example.com/v1", "Deployment", "web"),
        web(&long),
        web(&format!("{}y", &long[1..])),
        web(&format!("{}.{}", "a".repeat(228), "b".repeat(20))),
    ];
    let names: BTreeSet<_> = ids.iter().map(name_of).collect();
    assert_eq!(names.len(), ids.len());
    for name in names {
        let is_label = |label: &str| {
            let ends = [label.chars().next(), label.chars().last()];
            ends.iter().all(|end| end.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit()))
        };
        assert!(name.len() <= 253 && name.split('.').all(is_label), "{name}");
    }
}
