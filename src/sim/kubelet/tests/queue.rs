use k8s_openapi::api::scheduling::v1::PriorityClass;

use super::*;

/// Four Pods that all wait for room which comes in pieces of one core.
async fn four_waiting(rig: &Rig) {
    let class = json!({ "metadata": { "name": "important" }, "value": 100 });
    let classes = Api::<PriorityClass>::all(rig.server.client("test"));
    classes.create(&PostParams::default(), &object(class)).await.unwrap();
    let sized = |name: &str, limits: Option<[&str; 2]>| pod(name, ["250m", "64Mi"], limits);
    for blocker in ["block-a", "block-b", "block-c"] {
        rig.create_and_start(pod(blocker, ["1", "64Mi"], None)).await;
    }
    rig.create_and_start(sized("plain-late", None)).await;
    rig.create_and_start(sized("plain-early", None)).await;
    rig.create_and_start(sized("guaranteed", Some(["250m", "64Mi"]))).await;
    let mut important = sized("important", None);
    important["spec"]["priorityClassName"] = json!("important");
    rig.create_and_start(important).await;
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
