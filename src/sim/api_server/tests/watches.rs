use std::time::Duration;

use futures::{Stream, StreamExt, TryStreamExt, pin_mut};
use kube::{
    api::{WatchEvent, WatchParams},
    core::PartialObjectMeta,
    runtime::{WatchStreamExt, reflector, watcher},
};
use tokio::time::timeout;

use super::*;

/// The next events of a watch, as `ADDED a`; it must bring them without time passing.
async fn next(
    events: &mut (impl Stream<Item = kube::Result<WatchEvent<ConfigMap>>> + Unpin),
    count: usize,
) -> Vec<String> {
    let mut seen = Vec::new();
    while seen.len() < count {
        let event = timeout(Duration::from_secs(1), events.next()).await.unwrap().unwrap().unwrap();
        let name = |map: ConfigMap| map.metadata.name.unwrap();
        seen.push(match event {
            WatchEvent::Added(map) => format!("ADDED {}", name(map)),
            WatchEvent::Modified(map) => format!("MODIFIED {}", name(map)),
            WatchEvent::Deleted(map) => format!("DELETED {}", name(map)),
            WatchEvent::Bookmark(_) => "BOOKMARK".into(),
            WatchEvent::Error(status) => format!("ERROR {}", status.code),
        });
    }
    seen
}

async fn create(client: &Client, name: &str) -> String {
    let made = maps(client).create(&PostParams::default(), &map(name, &json!({}))).await.unwrap();
    made.metadata.resource_version.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_watch_tells_what_happens_after_its_version() {
    let client = server().client("user");
    let version = create(&client, "a").await;
    let events = maps(&client).watch(&WatchParams::default(), &version).await.unwrap().boxed();
    pin_mut!(events);
    create(&client, "b").await;
    merge(&maps(&client), "a", json!({ "data": { "k": "1" } })).await.unwrap();
    merge(&maps(&client), "a", json!({ "data": { "k": "1" } })).await.unwrap();
    maps(&client).delete("b", &kube::api::DeleteParams::default()).await.unwrap();
    assert_eq!(next(&mut events, 3).await, ["ADDED b", "MODIFIED a", "DELETED b"]);
}

#[tokio::test(start_paused = true)]
async fn a_watch_without_a_version_begins_with_the_state() {
    let client = server().client("user");
    create(&client, "a").await;
    create(&client, "b").await;
    let events = maps(&client).watch(&WatchParams::default(), "0").await.unwrap().boxed();
    pin_mut!(events);
    assert_eq!(next(&mut events, 2).await, ["ADDED a", "ADDED b"]);
}

#[tokio::test(start_paused = true)]
async fn a_change_of_labels_moves_an_object_in_and_out_of_a_watch() {
    let client = server().client("user");
    let version = create(&client, "a").await;
    let params = WatchParams::default().labels("tier in (front)");
    let events = maps(&client).watch(&params, &version).await.unwrap().boxed();
    pin_mut!(events);
    for tier in ["front", "front", "back"] {
        let patch = json!({ "metadata": { "labels": { "tier": tier } }, "data": { "again": "x" } });
        merge(&maps(&client), "a", patch).await.unwrap();
        merge(&maps(&client), "a", json!({ "data": { "at": tier } })).await.unwrap();
    }
    assert_eq!(next(&mut events, 3).await, ["ADDED a", "MODIFIED a", "DELETED a"]);
}

#[tokio::test(start_paused = true)]
async fn a_version_that_is_forgotten_is_answered_with_410() {
    let client = server_with(1, 2).client("user");
    let version = create(&client, "a").await;
    for name in ["b", "c", "d"] {
        create(&client, name).await;
    }
    let events = maps(&client).watch(&WatchParams::default(), &version).await.unwrap().boxed();
    pin_mut!(events);
    assert_eq!(next(&mut events, 1).await, ["ERROR 410"]);
    assert!(events.next().await.is_none(), "the watch ends with its error");
}

#[tokio::test(start_paused = true)]
async fn a_quiet_watch_is_given_bookmarks_and_ends_in_time() {
    let client = server().client("user");
    let version = create(&client, "a").await;
    let events = maps(&client).watch(&WatchParams::default().timeout(150), &version).await.unwrap();
    pods(&client).create(&PostParams::default(), &pod("other")).await.unwrap();
    let started = tokio::time::Instant::now();
    let all: Vec<WatchEvent<ConfigMap>> = events.try_collect().await.unwrap();
    assert_eq!(started.elapsed(), Duration::from_secs(150));
    let [WatchEvent::Bookmark(bookmark)] = all.as_slice() else { panic!("{all:?}") };
    assert!(bookmark.metadata.resource_version.parse::<u64>().unwrap() > version.parse().unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_streaming_list_ends_with_a_bookmark() {
    let client = server().client("user");
    create(&client, "a").await;
    let params = WatchParams::default().initial_events();
    let events = maps(&client).watch(&params, "0").await.unwrap().boxed();
    pin_mut!(events);
    assert_eq!(next(&mut events, 2).await, ["ADDED a", "BOOKMARK"]);
}

async fn settle() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

#[rstest::rstest]
#[case::list_and_watch(watcher::Config::default())]
#[case::streaming_list(watcher::Config::default().streaming_lists())]
#[tokio::test(start_paused = true)]
async fn a_reflector_sees_every_change(#[case] config: watcher::Config) {
    let client = server().client("user");
    create(&client, "a").await;
    let (store, writer) = reflector::store();
    let stream = reflector(writer, watcher(maps(&client), config)).applied_objects();
    let reading = tokio::spawn(stream.for_each(|_| async {}));
    store.wait_until_ready().await.unwrap();
    create(&client, "b").await;
    maps(&client).delete("a", &kube::api::DeleteParams::default()).await.unwrap();
    settle().await;
    let names: Vec<String> = store.state().iter().filter_map(|map| map.metadata.name.clone()).collect();
    assert_eq!(names, ["b"]);
    reading.abort();
}

#[tokio::test(start_paused = true)]
async fn a_watcher_that_fell_behind_lists_again() {
    let server = server_with(1, 2);
    let client = server.client("user");
    create(&client, "a").await;
    let (store, writer) = reflector::store();
    let stream = reflector(writer, watcher(maps(&client), watcher::Config::default()).default_backoff());
    pin_mut!(stream);
    while store.state().is_empty() {
        timeout(Duration::from_secs(1), stream.next()).await.unwrap();
    }
    // Nobody reads the stream while more happens than the server remembers.
    for name in ["b", "c", "d", "e"] {
        create(&client, name).await;
    }
    while store.state().len() < 5 {
        timeout(Duration::from_secs(60), stream.next()).await.unwrap();
    }
    let lists = server.requests().into_iter().find(|(key, _)| key.verb == "list").unwrap().1;
    assert_eq!(lists, 2);
}

#[tokio::test(start_paused = true)]
async fn metadata_can_be_watched_alone() {
    let client = server().client("user");
    create(&client, "a").await;
    let api: Api<PartialObjectMeta<ConfigMap>> = Api::namespaced(client, "default");
    let stream = watcher(api, watcher::Config::default()).applied_objects();
    pin_mut!(stream);
    let seen = stream.next().await.unwrap().unwrap();
    assert_eq!(seen.metadata.name.as_deref(), Some("a"));
    assert_eq!(seen.types.unwrap().kind, "PartialObjectMetadata");
}

#[tokio::test(start_paused = true)]
async fn bad_watch_options_are_invalid() {
    let client = server().client("user");
    let path = "/api/v1/configmaps?watch=true&sendInitialEvents=true";
    assert_eq!(send(&client, "GET", path, "", "").await.0, 422);
}
