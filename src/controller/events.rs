//! Kubernetes Events, one per transition.
//!
//! kube's recorder stamps wall-clock time and counts repeats; here a name follows from what is told, of whom and when, so
//! that a run repeats itself and a crash between two attempts tells nothing twice. An Event that cannot be written is
//! logged and forgotten: it is news, not state.

use jiff::Timestamp;
use k8s_openapi::{
    api::core::v1::{Event, EventSource, ObjectReference},
    apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta, Time},
};
use kube::{Api, Client, Resource, ResourceExt, api::PostParams};

use super::conditions::shortened;
use crate::{api::VerticalResizePolicy, resources::PodView};

/// Who tells.
const COMPONENT: &str = "tailor";

/// What is told.
#[derive(Clone, Copy, Debug)]
pub struct News<'a> {
    /// Whether it needs somebody's attention.
    pub warning: bool,
    /// What happened, such as `Resize`.
    pub action: &'a str,
    /// Why, such as `Undersized`.
    pub reason: &'a str,
    /// The whole of it, for people.
    pub message: &'a str,
}

/// The Pod, to be told about.
pub fn pod_reference(pod: &PodView) -> ObjectReference {
    ObjectReference {
        api_version: Some("v1".to_owned()),
        kind: Some("Pod".to_owned()),
        namespace: Some(pod.namespace.clone()),
        name: Some(pod.name.clone()),
        uid: Some(pod.uid.clone()),
        ..ObjectReference::default()
    }
}

/// The policy, to be told about.
pub fn policy_reference(policy: &VerticalResizePolicy) -> ObjectReference {
    ObjectReference {
        api_version: Some(VerticalResizePolicy::api_version(&()).into_owned()),
        kind: Some(VerticalResizePolicy::kind(&()).into_owned()),
        namespace: policy.namespace(),
        name: Some(policy.name_any()),
        uid: policy.uid(),
        ..ObjectReference::default()
    }
}

/// Tells it.
pub async fn publish(client: &Client, about: ObjectReference, news: News<'_>, now: Timestamp) {
    let namespace = about.namespace.clone().unwrap_or_default();
    let event = event(about, news, now);
    let answer = Api::<Event>::namespaced(client.clone(), &namespace).create(&PostParams::default(), &event).await;
    match answer {
        Ok(_) => {}
        Err(kube::Error::Api(status)) if status.code == 409 => {}
        Err(error) => tracing::warn!(%namespace, reason = news.reason, %error, "cannot write an Event"),
    }
}

fn event(about: ObjectReference, news: News<'_>, now: Timestamp) -> Event {
    let (name, uid) = (about.name.clone().unwrap_or_default(), about.uid.clone().unwrap_or_default());
    let identity = fnv(&[&uid, news.action, news.reason, news.message, &now.as_nanosecond().to_string()]);
    // 253 characters are allowed, and 17 are added.
    let prefix: String = name.chars().take(230).collect();
    Event {
        metadata: ObjectMeta {
            name: Some(format!("{prefix}.{identity:016x}")),
            namespace: about.namespace.clone(),
            ..ObjectMeta::default()
        },
        involved_object: about,
        type_: Some(if news.warning { "Warning" } else { "Normal" }.to_owned()),
        reason: Some(news.reason.to_owned()),
        action: Some(news.action.to_owned()),
        message: Some(shortened(news.message)),
        source: Some(EventSource { component: Some(COMPONENT.to_owned()), host: None }),
        reporting_component: Some(COMPONENT.to_owned()),
        reporting_instance: Some(COMPONENT.to_owned()),
        event_time: Some(MicroTime(now)),
        first_timestamp: Some(Time(now)),
        last_timestamp: Some(Time(now)),
        count: Some(1),
        ..Event::default()
    }
}

/// FNV-1a, 64 bits: the same on every machine and in every version.
fn fnv(parts: &[&str]) -> u64 {
    let bytes = parts.iter().flat_map(|part| part.bytes().chain([0xff]));
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::constant(1_800_000_000, 0);

    fn news(message: &str) -> News<'_> {
        News { warning: false, action: "Resize", reason: "Undersized", message }
    }

    fn about(uid: &str) -> ObjectReference {
        ObjectReference { name: Some("web-0".to_owned()), uid: Some(uid.to_owned()), ..ObjectReference::default() }
    }

    fn name(uid: &str, message: &str, at: Timestamp) -> String {
        event(about(uid), news(message), at).metadata.name.unwrap()
    }

    #[test]
    fn a_name_follows_from_what_is_told_of_whom_and_when() {
        assert_eq!(name("u1", "a", NOW), name("u1", "a", NOW));
        assert_ne!(name("u1", "a", NOW), name("u2", "a", NOW));
        assert_ne!(name("u1", "a", NOW), name("u1", "b", NOW));
        assert_ne!(name("u1", "a", NOW), name("u1", "a", NOW + jiff::SignedDuration::from_millis(1)));
    }

    #[test]
    fn an_event_stays_inside_the_limits_of_the_api() {
        let long = ObjectReference { name: Some("n".repeat(253)), ..about("u1") };
        let event = event(long, news(&"m".repeat(5_000)), NOW);
        assert!(event.metadata.name.unwrap().len() <= 253);
        assert!(event.message.unwrap().len() <= 1_024);
    }
}
