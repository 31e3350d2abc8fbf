use super::*;

/// Four Pods that all wait for room which comes in pieces of one core.
async fn four_waiting(rig: &Rig) {
    let priority = |name: &str, limits: Option<[&str; 2]>, priority: i32| {
        let mut pod = pod(name, ["250m", "64Mi"], limits);
        pod["spec"]["priority"] = json!(priority);
        pod
    };
    for blocker in ["block-a", "block-b", "block-c"] {
        rig.create_and_start(pod(blocker, ["1", "64Mi"], None)).await;
    }
    rig.create_and_start(priority("plain-late", None, 0)).await;
    rig.create_and_start(priority("plain-early", None, 0)).await;
    rig.create_and_start(priority("guaranteed", Some(["250m", "64Mi"]), 0)).await;
    rig.create_and_start(priority("important", None, 100)).await;
    for name in ["plain-early", "plain-late", "guaranteed", "important"] {
        let limits = if name == "guaranteed" { json!({ "cpu": "1250m" }) } else { json!({}) };
        rig.resize(name, json!({ "requests": { "cpu": "1250m" }, "limits": limits })).await;
        rig.until(name, |pod| pod.resize.pending.is_some()).await;
        rig.sleep(2).await;
    }
}

#[tokio::test(start_paused = true)]
async fn room_goes_to_priority_then_guaranteed_then_the_longest_waiting() {
    let rig = Rig::new(demand(10, 16)).await;
    four_waiting(&rig).await;
    let mut order = Vec::new();
    for blocker in ["block-a", "block-b", "block-c"] {
        rig.delete(blocker).await;
        rig.sleep(10).await;
        for name in ["plain-early", "plain-late", "guaranteed", "important"] {
            if !order.contains(&name) && settled(&rig.view(name).await) {
                order.push(name);
            }
        }
    }
    assert_eq!(order, ["important", "guaranteed", "plain-early"]);
}

#[tokio::test(start_paused = true)]
async fn a_small_wish_is_granted_behind_a_large_one_that_waits() {
    let rig = Rig::new(demand(10, 16)).await;
    rig.create_and_start(pod("large", ["1", "64Mi"], None)).await;
    rig.create_and_start(pod("small", ["1", "64Mi"], None)).await;
    rig.resize("large", json!({ "requests": { "cpu": "3500m" } })).await;
    rig.until("large", |pod| pod.resize.pending.is_some()).await;
    rig.resize("small", json!({ "requests": { "cpu": "2" } })).await;
    rig.until("small", settled).await;
    assert!(rig.view("large").await.resize.pending.is_some());
}
