//! AdmissionReviews: what comes in, what goes out. A Pod is never refused.
//!
//! Beside Pods there is the [`probe`]: a Lease that exists only in the request. It is refused with a word
//! that nobody else would say, which shows whoever sent it that the API server asked here.

use std::sync::Arc;

use bytes::Bytes;
use http::StatusCode;
use kube::core::{
    DynamicObject,
    admission::{AdmissionRequest, AdmissionResponse, AdmissionReview},
};
use tokio::time::Instant;

use super::{
    probe,
    server::{Answer, Answers, Unread},
};
use crate::{
    actuate::Admission,
    telemetry::{
        health::Health,
        metrics::{Metrics, ReviewOutcome},
    },
};

/// Where reviews are sent to.
pub const PATH: &str = "/admit";

/// The version of AdmissionReview that is spoken.
const VERSION: &str = "admission.k8s.io/v1";

/// Answers reviews.
pub struct Reviews {
    /// What new Pods get.
    pub admission: Arc<Admission>,
    /// Whether the caches are complete.
    pub health: Health,
    /// Where they are counted.
    pub metrics: Arc<Metrics>,
    /// Tailor's own namespace: its Pods are left alone there, whatever the selectors of the webhook say.
    pub namespace: String,
}

impl Answers for Reviews {
    fn path(&self) -> &str {
        PATH
    }

    fn answer(&self, body: &[u8], began: Instant) -> Answer {
        let (outcome, answer) = match read(body) {
            Ok(request) => {
                let (outcome, response) = self.review(&request);
                (outcome, json(response))
            }
            Err(problem) => (ReviewOutcome::BadRequest, Answer::text(StatusCode::BAD_REQUEST, problem)),
        };
        self.metrics.reviewed(outcome, began.elapsed());
        answer
    }

    fn turned_away(&self, why: Unread) {
        self.metrics.turned_away(match why {
            Unread::Elsewhere => ReviewOutcome::BadRequest,
            Unread::TooLarge => ReviewOutcome::TooLarge,
            Unread::TooSlow => ReviewOutcome::TooSlow,
        });
    }
}

impl Reviews {
    fn review(&self, request: &AdmissionRequest<DynamicObject>) -> (ReviewOutcome, AdmissionResponse) {
        if probe::is_probe(request) {
            let response = AdmissionResponse::from(request);
            // Who knows too little to size Pods does not say that it does.
            let response = if self.health.is_ready() { response.deny(probe::ANSWER) } else { response };
            return (ReviewOutcome::Probe, response);
        }
        if self.is_left_alone(request) {
            return (ReviewOutcome::LeftAlone, AdmissionResponse::from(request));
        }
        let response = self.admission.review(request);
        let outcome = if response.patch.is_some() { ReviewOutcome::Sized } else { ReviewOutcome::LeftAlone };
        (outcome, response)
    }

    /// Whether it is about a Pod of the system, or of Tailor itself.
    fn is_left_alone(&self, request: &AdmissionRequest<DynamicObject>) -> bool {
        let namespace = request.namespace.as_deref().unwrap_or_default();
        let labels = request.object.as_ref().and_then(|object| object.metadata.labels.as_ref());
        let is_tailor =
            labels.and_then(|labels| labels.get("app.kubernetes.io/name")).is_some_and(|name| name == "tailor");
        namespace == "kube-system" || (is_tailor && namespace == self.namespace)
    }
}

/// The request in a body, or what is wrong with it.
fn read(body: &[u8]) -> Result<AdmissionRequest<DynamicObject>, String> {
    let review: AdmissionReview<DynamicObject> =
        serde_json::from_slice(body).map_err(|error| format!("this is no AdmissionReview: {error}"))?;
    let (version, kind) = (&review.types.api_version, &review.types.kind);
    if (version.as_str(), kind.as_str()) != (VERSION, "AdmissionReview") {
        return Err(format!("this is {kind} of {version}; AdmissionReview of {VERSION} is understood"));
    }
    review.try_into().map_err(|_| "this AdmissionReview has no request".to_owned())
}

fn json(response: AdmissionResponse) -> Answer {
    match serde_json::to_vec(&response.into_review()) {
        Ok(body) => Answer { code: StatusCode::OK, content_type: "application/json", body: Bytes::from(body) },
        Err(error) => Answer::text(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::Pod;
    use proptest::prelude::*;
    use rstest::rstest;
    use serde_json::{Value, json};

    use super::*;
    use crate::{
        actuate::NewPodSizes,
        resources::{Bytes as Memory, ContainerResources, MilliCpu, PodView, Resources},
    };

    /// Everything should be as large as this.
    struct Large;

    impl NewPodSizes for Large {
        fn sizes(&self, _: &Pod, view: &PodView) -> Vec<(String, ContainerResources)> {
            let requests = Resources::new(MilliCpu(750), Memory::mib(96));
            let size = ContainerResources { requests, limits: Resources::default() };
            view.containers.iter().map(|container| (container.name.clone(), size)).collect()
        }
    }

    fn reviews() -> Reviews {
        let health = Health::default();
        health.is_ready_now();
        let admission = Arc::new(Admission::new(Arc::new(Large)));
        Reviews { admission, health, metrics: Arc::default(), namespace: "tailor-system".to_owned() }
    }

    fn review(namespace: &str, labels: &Value, kind: &str) -> Value {
        let group = if kind == "Lease" { "coordination.k8s.io" } else { "" };
        let resources = json!({ "requests": { "cpu": "100m" } });
        json!({
            "apiVersion": VERSION, "kind": "AdmissionReview",
            "request": {
                "uid": "r1", "operation": if kind == "Lease" { "UPDATE" } else { "CREATE" }, "namespace": namespace, "userInfo": {}, "dryRun": true,
                "kind": { "group": group, "version": "v1", "kind": kind },
                "resource": { "group": group, "version": "v1", "resource": format!("{}s", kind.to_lowercase()) },
                "object": {
                    "apiVersion": "v1", "kind": kind,
                    "metadata": { "generateName": "web-", "labels": labels },
                    "spec": { "containers": [{ "name": "app", "resources": resources }] },
                },
            },
        })
    }

    fn ask(reviews: &Reviews, body: &Value) -> (u16, Value) {
        let answer = reviews.answer(body.to_string().as_bytes(), Instant::now());
        let text = String::from_utf8(answer.body.to_vec()).unwrap();
        (answer.code.as_u16(), serde_json::from_str(&text).unwrap_or(json!(text)))
    }

    #[tokio::test]
    async fn a_new_pod_gets_a_patch_in_an_answer_that_names_its_request() {
        let reviews = reviews();
        let (code, answer) = ask(&reviews, &review("shop", &json!({}), "Pod"));
        assert_eq!((code, &answer["apiVersion"], &answer["kind"]), (200, &json!(VERSION), &json!("AdmissionReview")));
        let response = &answer["response"];
        assert_eq!((&response["uid"], &response["allowed"]), (&json!("r1"), &json!(true)));
        assert_eq!(response["patchType"], "JSONPatch");
        let text = reviews.metrics.text();
        assert!(text.contains(r#"tailor_admission_reviews_total{outcome="sized"} 1"#), "{text}");
        assert!(text.contains("tailor_admission_review_duration_seconds_count 1"), "{text}");
    }

    #[rstest]
    #[case::of_the_system("kube-system", json!({}))]
    #[case::tailors_own("tailor-system", json!({ "app.kubernetes.io/name": "tailor" }))]
    #[tokio::test]
    async fn pods_of_the_system_and_tailors_own_are_left_alone(#[case] namespace: &str, #[case] labels: Value) {
        let (code, answer) = ask(&reviews(), &review(namespace, &labels, "Pod"));
        assert_eq!(
            (code, &answer["response"]["allowed"], &answer["response"]["patch"]),
            (200, &json!(true), &Value::Null)
        );
    }

    #[rstest]
    #[case::nothing(json!(null), "this is no AdmissionReview")]
    #[case::no_request(json!({ "apiVersion": VERSION, "kind": "AdmissionReview" }), "has no request")]
    #[case::another_kind(json!({ "apiVersion": "v1", "kind": "Pod" }), "this is Pod of v1")]
    #[case::an_old_version(json!({ "apiVersion": "admission.k8s.io/v1beta1", "kind": "AdmissionReview" }), "v1beta1")]
    #[tokio::test]
    async fn what_is_no_review_is_told_so(#[case] body: Value, #[case] says: &str) {
        let (code, answer) = ask(&reviews(), &body);
        assert_eq!(code, 400);
        assert!(answer.as_str().is_some_and(|text| text.contains(says)), "{answer}");
    }

    #[tokio::test]
    async fn depth_without_end_is_an_error() {
        let deep = "[".repeat(1_000_000);
        assert_eq!(reviews().answer(deep.as_bytes(), Instant::now()).code, 400);
    }

    #[tokio::test]
    async fn a_probe_is_refused_by_who_is_ready_and_let_through_by_who_is_not() {
        let reviews = reviews();
        let labels = json!({ (probe::LABEL): "true" });
        let (_, answer) = ask(&reviews, &review("tailor-system", &labels, "Lease"));
        assert_eq!(answer["response"]["allowed"], false);
        assert_eq!(answer["response"]["status"]["message"], probe::ANSWER);
        let (_, answer) = ask(&reviews, &review("tailor-system", &json!({}), "Lease"));
        assert_eq!(answer["response"]["allowed"], true, "another's Lease");
        let (_, answer) = ask(&reviews, &review("tailor-system", &labels, "Pod"));
        assert_eq!(answer["response"]["allowed"], true, "a Pod is never refused");
        let reviews = Reviews { health: Health::default(), ..reviews };
        let (_, answer) = ask(&reviews, &review("tailor-system", &labels, "Lease"));
        assert_eq!(answer["response"]["allowed"], true);
    }

    proptest! {
        #[test]
        fn whatever_comes_is_answered(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let answer = reviews().answer(&bytes, Instant::now());
            prop_assert_eq!(answer.code, 400);
        }
    }
}
