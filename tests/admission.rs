//! Evictions hang on whether new Pods get their size: the controller on the embedded API server.

#[cfg(test)]
#[path = "controller/rig.rs"]
#[expect(dead_code, reason = "the rig serves other tests too")]
mod rig;

use std::time::Duration;

use rig::{Rig, cores, minutes, web_policy};
use serde_json::json;
use tailor::{
    controller::{Action, Options},
    plan::NewPods,
};

/// A Pod that needs more than its Node can ever give, and a Node that is large enough.
async fn one_pod_that_should_move(new_pods: NewPods) -> Rig {
    let rig = Rig::prepared_with(Options { new_pods, ..Options::default() }).await.run().await;
    rig.node("n1", "4").await;
    rig.node("huge", "64").await;
    rig.deployment("web").await;
    rig.pod("web", "web-a", "n1", "100m").await;
    rig.policy("fit", &web_policy(&json!({ "containers": [{ "name": "app", "resources": ["cpu"] }] }))).await;
    rig.uses("web-a", cores(6.0), 32);
    rig
}

#[tokio::test(start_paused = true)]
async fn no_pod_is_evicted_for_its_size_while_new_pods_do_not_get_theirs() {
    let rig = one_pod_that_should_move(NewPods::UnsizedNow).await;
    rig.wait(minutes(120)).await;
    assert_eq!(rig.requests("POST", "/eviction").len(), 0);
    let status = rig.status("fit").await;
    assert_eq!(rig::condition(&status, "Ready"), Some(("False", "AdmissionUnavailable")));
    assert!(rig::message(&status, "Ready").contains("docs/admission.md"), "{status}");
    let told: Vec<_> = rig.journal().into_iter().filter(|entry| entry.action == Action::EvictRefused).collect();
    assert_eq!(told.len(), 1, "told once: {told:?}");

    rig.replacements.are_sized_for(minutes(1));
    rig.wait(Duration::from_secs(5)).await;
    assert_eq!(rig.requests("POST", "/eviction").len(), 1, "at once when they do");
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn where_nothing_sizes_new_pods_a_pod_makes_do_with_its_node() {
    let rig = one_pod_that_should_move(NewPods::Unsized).await;
    rig.wait(minutes(2)).await;
    rig.settle("web-a").await;
    rig.wait(minutes(120)).await;
    assert_eq!(rig.cpu_request("web-a").await, 4_000, "what the Node can hold");
    assert_eq!(rig.requests("POST", "/eviction").len(), 0);
    assert_eq!(rig::condition(&rig.status("fit").await, "Ready"), Some(("False", "AdmissionOff")));
    rig.stop().await;
}
