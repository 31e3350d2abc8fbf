use rstest::rstest;
use serde_json::{Value, json};

use super::*;

fn web(changes: &Value) -> Pod {
    let mut pod = json!({
        "metadata": { "name": "web-0", "namespace": "shop" },
        "spec": { "containers": [{
            "name": "app", "image": "app:1", "resources": { "limits": { "cpu": "0.5", "memory": "1Gi" } },
        }]},
    });
    json_patch::merge(&mut pod, changes);
    pod_defaults::fill_in(&mut pod);
    serde_json::from_value(pod).unwrap()
}

fn create(pod: Pod) -> Result<Pod, Box<Status>> {
    prepare_create(pod, &Around::default(), "2026-01-01T00:00:00Z".parse().unwrap())
}

fn messages(refusal: Box<Status>) -> Vec<String> {
    assert_eq!((refusal.code, refusal.reason.as_deref()), (Some(422), Some("Invalid")));
    let causes = refusal.details.unwrap().causes.unwrap().into_iter();
    causes.map(|c| format!("{} {}: {}", c.reason.unwrap(), c.field.unwrap(), c.message.unwrap())).collect()
}

#[test]
fn a_new_pod_is_defaulted_and_pending() {
    let stored = create(web(&json!({ "status": { "phase": "Running", "podIP": "1.2.3.4" } }))).unwrap();
    assert_eq!(
        serde_json::to_value(stored).unwrap(),
        json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {
                "name": "web-0", "namespace": "shop", "generation": 1, "creationTimestamp": "2026-01-01T00:00:00Z",
            },
            "spec": {
                "containers": [{
                    "name": "app", "image": "app:1", "imagePullPolicy": "IfNotPresent",
                    "resources": {
                        "requests": { "cpu": "0.5", "memory": "1Gi" }, "limits": { "cpu": "0.5", "memory": "1Gi" },
                    },
                    "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File",
                }],
                "dnsPolicy": "ClusterFirst", "enableServiceLinks": true, "preemptionPolicy": "PreemptLowerPriority",
                "priority": 0, "restartPolicy": "Always", "schedulerName": "default-scheduler", "securityContext": {},
                "terminationGracePeriodSeconds": 30,
                "tolerations": [
                    toleration("node.kubernetes.io/not-ready", Some(300)),
                    toleration("node.kubernetes.io/unreachable", Some(300)),
                ],
            },
            "status": { "phase": "Pending", "qosClass": "Guaranteed" },
        })
    );
}

#[test]
fn what_is_set_is_not_defaulted() {
    let set = json!({
        "restartPolicy": "Never", "dnsPolicy": "Default", "terminationGracePeriodSeconds": 0, "schedulerName": "mine",
        "tolerations": [{ "operator": "Exists" }],
    });
    let stored = create(web(&json!({ "spec": set }))).unwrap();
    let stored = serde_json::to_value(stored.spec).unwrap();
    for (field, value) in set.as_object().unwrap() {
        assert_eq!(&stored[field], value, "{field}");
    }
}

#[test]
fn a_negative_grace_period_is_one_second() {
    let stored = create(web(&json!({ "spec": { "terminationGracePeriodSeconds": -5 } }))).unwrap();
    assert_eq!(stored.spec.unwrap().termination_grace_period_seconds, Some(1));
}

#[rstest]
#[case("app", "Always")]
#[case("app:latest", "Always")]
#[case("host:5000/app", "Always")]
#[case("host:5000/app:1", "IfNotPresent")]
#[case("app@sha256:abc", "IfNotPresent")]
fn the_pull_policy_follows_the_tag(#[case] image: &str, #[case] policy: &str) {
    let stored = create(web(&json!({ "spec": { "containers": [{ "name": "app", "image": image }] } }))).unwrap();
    assert_eq!(stored.spec.unwrap().containers[0].image_pull_policy.as_deref(), Some(policy));
}

#[test]
fn pod_level_resources_are_completed_from_the_containers() {
    let stored = create(web(&json!({ "spec": { "resources": { "requests": { "cpu": "2" } } } }))).unwrap();
    let resources = serde_json::to_value(stored.spec.unwrap().resources).unwrap();
    let expected = json!({ "requests": { "cpu": "2", "memory": "1Gi" }, "limits": { "cpu": "2", "memory": "1Gi" } });
    assert_eq!(resources, expected);
    assert_eq!(stored.status.unwrap().qos_class.as_deref(), Some("Guaranteed"));
}

#[test]
fn a_gated_pod_says_so() {
    let stored = create(web(&json!({ "spec": { "schedulingGates": [{ "name": "wait" }] } }))).unwrap();
    let condition = stored.status.unwrap().conditions.unwrap().remove(0);
    assert_eq!((condition.type_.as_str(), condition.reason.as_deref()), ("PodScheduled", Some("SchedulingGated")));
}

fn container(changes: &Value) -> Value {
    let mut container = json!({ "name": "app", "image": "app:1" });
    json_patch::merge(&mut container, changes);
    json!({ "spec": { "containers": [container] } })
}

fn policies(entries: &Value) -> Value {
    container(&json!({ "resizePolicy": entries }))
}

#[rstest]
#[case::no_name(
    json!({ "metadata": { "name": null } }),
    "FieldValueRequired metadata.name: Required value: name or generateName is required",
)]
#[case::no_containers(json!({ "spec": { "containers": [] } }), "FieldValueRequired spec.containers: Required value")]
#[case::container_without_name(
    container(&json!({ "name": "" })),
    "FieldValueRequired spec.containers[0].name: Required value",
)]
#[case::container_without_image(
    container(&json!({ "image": null })),
    "FieldValueRequired spec.containers[0].image: Required value",
)]
#[case::same_name_twice(
    json!({ "spec": { "containers": [{ "name": "app", "image": "i" }, { "name": "app", "image": "i" }] } }),
    "FieldValueDuplicate spec.containers[1].name: Duplicate value: \"app\"")]
#[case::same_name_in_init(
    json!({ "spec": { "initContainers": [{ "name": "app", "image": "i" }] } }),
    "FieldValueDuplicate spec.initContainers[0].name: Duplicate value: \"app\"")]
#[case::request_above_limit(
    container(&json!({ "resources": { "requests": { "memory": "2Gi" }, "limits": { "memory": "1024Mi" } } })),
    "FieldValueInvalid spec.containers[0].resources.requests: Invalid value: \"2Gi\": must be less than or equal to \
     memory limit of 1Gi",
)]
#[case::negative(
    container(&json!({ "resources": { "requests": { "cpu": "-500m" } } })),
    "FieldValueInvalid spec.containers[0].resources.requests[cpu]: Invalid value: \"-500m\": must be greater than or \
     equal to 0",
)]
#[case::extended_without_limit(
    container(&json!({ "resources": { "requests": { "example.dev/gpu": "1" } } })),
    "FieldValueRequired spec.containers[0].resources.limits: Required value: Limit must be set for non \
     overcommitable resources",
)]
#[case::extended_below_limit(
    container(&json!({
        "resources": { "requests": { "example.dev/gpu": "1" }, "limits": { "example.dev/gpu": "2" } },
    })),
    "FieldValueInvalid spec.containers[0].resources.requests: Invalid value: \"1\": must be equal to example.dev/gpu \
     limit of 2",
)]
#[case::policy_for_another_resource(
    policies(&json!([{ "resourceName": "disk", "restartPolicy": "NotRequired" }])),
    "FieldValueNotSupported spec.containers[0].resizePolicy: Unsupported value: \"disk\": supported values: \"cpu\", \
     \"memory\"",
)]
#[case::unknown_policy(
    policies(&json!([{ "resourceName": "cpu", "restartPolicy": "PreferNoRestart" }])),
    "FieldValueNotSupported spec.containers[0].resizePolicy: Unsupported value: \"PreferNoRestart\": supported \
     values: \"NotRequired\", \"RestartContainer\"",
)]
#[case::policy_twice(
    policies(&json!([
        { "resourceName": "cpu", "restartPolicy": "NotRequired" },
        { "resourceName": "cpu", "restartPolicy": "NotRequired" },
    ])),
    "FieldValueDuplicate spec.containers[0].resizePolicy[1]: Duplicate value: \"cpu\"",
)]
#[case::restarting_init_container(
    json!({
        "spec": {
            "initContainers": [{
                "name": "i", "image": "i",
                "resizePolicy": [{ "resourceName": "cpu", "restartPolicy": "RestartContainer" }],
            }],
        },
    }),
    "FieldValueInvalid spec.initContainers[0].resizePolicy[0].restartPolicy: Invalid value: \"RestartContainer\": \
     must not be set to 'RestartContainer' for non-sidecar initContainers",
)]
#[case::unknown_restart_policy(
    json!({ "spec": { "restartPolicy": "Sometimes" } }),
    "FieldValueNotSupported spec.restartPolicy: Unsupported value: \"Sometimes\": supported values: \"Always\", \
     \"OnFailure\", \"Never\"",
)]
#[case::deadline_of_zero(
    json!({ "spec": { "activeDeadlineSeconds": 0 } }),
    "FieldValueInvalid spec.activeDeadlineSeconds: Invalid value: 0: must be between 1 and 2147483647, inclusive")]
fn an_invalid_pod_is_422(#[case] changes: Value, #[case] fault: &str) {
    assert_eq!(messages(create(web(&changes)).unwrap_err()), [fault]);
}

#[rstest]
#[case::container(
    container(&json!({ "name": "App" })),
    "FieldValueInvalid spec.containers[0].name: Invalid value: \"App\": a lowercase RFC 1123 label must consist of \
     lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. \
     'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)]
#[case::pod(
    json!({ "metadata": { "name": "web_0" } }),
    "FieldValueInvalid metadata.name: Invalid value: \"web_0\": a lowercase RFC 1123 subdomain must consist of lower \
     case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. \
     'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)]
fn names_are_dns_names(#[case] changes: Value, #[case] fault: &str) {
    assert_eq!(messages(create(web(&changes)).unwrap_err()), [fault]);
}

#[test]
fn a_pod_that_never_restarts_cannot_restart_for_a_resize() {
    let mut changes = policies(&json!([{ "resourceName": "cpu", "restartPolicy": "RestartContainer" }]));
    assert!(create(web(&changes)).is_ok());
    changes["spec"]["restartPolicy"] = json!("Never");
    assert_eq!(
        messages(create(web(&changes)).unwrap_err()),
        ["FieldValueInvalid spec.containers[0].resizePolicy: Invalid value: \"RestartContainer\": must be \
             'NotRequired' when pod `restartPolicy` is 'Never'"]
    );
}

#[test]
fn an_amount_that_cannot_be_read_is_a_bad_request() {
    let pod = web(&container(&json!({ "resources": { "limits": { "cpu": "1,5" } } })));
    let refusal = create(pod).unwrap_err();
    assert_eq!((refusal.code, refusal.reason.as_deref()), (Some(400), Some("BadRequest")));
}

#[test]
fn a_limit_range_gives_defaults_then_bounds_and_a_422_hides_its_403() {
    let range = json!({ "metadata": { "name": "bounds" }, "spec": { "limits": [{
        "type": "Container", "default": { "cpu": "2" }, "defaultRequest": { "cpu": "1" }, "max": { "memory": "512Mi" },
    }]}});
    let ranges = [serde_json::from_value(range).unwrap()];
    let around = Around { limit_ranges: &ranges, ..Around::default() };
    let now = Timestamp::UNIX_EPOCH;
    let stored = prepare_create(web(&container(&json!({}))), &around, now).unwrap();
    let resources = serde_json::to_value(&stored.spec.as_ref().unwrap().containers[0].resources).unwrap();
    assert_eq!(
        resources,
        json!({ "requests": { "cpu": "1", "memory": "512Mi" }, "limits": { "cpu": "2", "memory": "512Mi" } })
    );
    assert!(stored.metadata.annotations.unwrap().contains_key(limit_range::ANNOTATION));
    let refusal = prepare_create(web(&json!({})), &around, now).unwrap_err();
    assert_eq!(
        refusal.message.as_deref(),
        Some("pods \"web-0\" is forbidden: maximum memory usage per Container is 512Mi, but limit is 1Gi")
    );
    let invalid = web(&json!({ "spec": { "activeDeadlineSeconds": 0 } }));
    assert_eq!(prepare_create(invalid, &around, now).unwrap_err().code, Some(422));
}

#[test]
fn a_quota_refuses_a_new_pod() {
    let quotas = [serde_json::from_value(
        json!({ "metadata": { "name": "team" }, "spec": { "hard": { "limits.cpu": "1", "pods": "9" } } }),
    )
    .unwrap()];
    let pods = [create(web(&json!({}))).unwrap(), create(web(&json!({ "metadata": { "name": "web-1" } }))).unwrap()];
    let around = Around { quotas: &quotas, namespace_pods: &pods, ..Around::default() };
    let new = web(&json!({ "metadata": { "name": null, "generateName": "web-" } }));
    let refusal = check_quotas(&new, None, &around).unwrap_err();
    assert_eq!((refusal.code, refusal.reason.as_deref()), (Some(403), Some("Forbidden")));
    assert_eq!(
        refusal.message.as_deref(),
        Some(
            "pods \"web-\" is forbidden: exceeded quota: team, requested: limits.cpu=500m, used: limits.cpu=1, \
             limited: limits.cpu=1"
        )
    );
}

fn toleration(key: &str, seconds: Option<i64>) -> Value {
    json!({ "key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": seconds })
}

#[rstest]
#[case::nothing(json!({}))]
#[case::image(
    json!({
        "spec": {
            "containers": [{
                "name": "app", "image": "app:2", "resources": { "limits": { "cpu": "500m", "memory": "1024Mi" } },
            }],
        },
    }),
)]
#[case::shorter_deadline(json!({ "spec": { "activeDeadlineSeconds": 50 } }))]
#[case::toleration_added(json!({ "spec": { "tolerations": [toleration("a", Some(9)), toleration("b", None)] } }))]
#[case::gate_removed(json!({ "spec": { "schedulingGates": null } }))]
#[case::labels(json!({ "metadata": { "labels": { "x": "y" } } }))]
fn a_plain_update_may_change_little(#[case] changes: Value) {
    assert_eq!(update(&changes), Ok(()));
}

fn update(changes: &Value) -> Result<(), Box<Status>> {
    let (old, mut new) = (stored(), changed(changes));
    admit_update(&old, &mut new);
    validate_update(&old, &new)
}

fn stored() -> Pod {
    create(web(&json!({ "spec": {
        "activeDeadlineSeconds": 60, "tolerations": [toleration("a", Some(5))], "schedulingGates": [{ "name": "g" }],
    }})))
    .unwrap()
}

fn changed(changes: &Value) -> Pod {
    let mut json = serde_json::to_value(stored()).unwrap();
    json_patch::merge(&mut json, changes);
    pod_defaults::fill_in(&mut json);
    serde_json::from_value(json).unwrap()
}

#[test]
fn a_plain_update_that_leaves_out_pod_level_resources_does_not_change_them() {
    let old = create(web(&json!({ "spec": { "resources": { "requests": { "cpu": "2" } } } }))).unwrap();
    let mut new = old.clone();
    new.spec.as_mut().unwrap().resources = None;
    admit_update(&old, &mut new);
    assert_eq!(new, old);
    new.spec.as_mut().unwrap().resources = serde_json::from_value(json!({ "requests": { "cpu": "3" } })).unwrap();
    assert_eq!(validate_update(&old, &new).unwrap_err().code, Some(422));
}

const REFUSED: &str = "FieldValueForbidden spec: Forbidden: pod updates may not change fields other than \
                       `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,\
                       `spec.tolerations` (only additions to existing tolerations),\
                       `spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)\n";

#[rstest]
#[case::resources(
    json!({
        "spec": {
            "containers": [{
                "name": "app", "image": "app:1", "resources": { "limits": { "cpu": "2", "memory": "1Gi" } },
            }],
        },
    }),
    format!("{REFUSED}  spec.containers.0.resources.limits.cpu: \"500m\" -> \"2000m\"\n  \
     spec.containers.0.resources.requests.cpu: \"500m\" -> \"2000m\""),
)]
#[case::node(json!({ "spec": { "nodeName": "n1" } }), format!("{REFUSED}  spec.nodeName: nothing -> \"n1\""))]
#[case::container_added(
    json!({ "spec": { "containers": [{ "name": "app", "image": "app:1" }, { "name": "b", "image": "b" }] } }),
    "FieldValueForbidden spec.containers: Forbidden: pod updates may not add or remove containers".to_owned())]
#[case::longer_deadline(
    json!({ "spec": { "activeDeadlineSeconds": 61 } }),
    "FieldValueInvalid spec.activeDeadlineSeconds: Invalid value: 61: must be less than or equal to previous \
     value".to_owned(),
)]
#[case::no_deadline(
    json!({ "spec": { "activeDeadlineSeconds": null } }),
    "FieldValueInvalid spec.activeDeadlineSeconds: Invalid value: null: must not update from a positive integer to \
     nil value".to_owned(),
)]
#[case::toleration_removed(
    json!({ "spec": { "tolerations": [toleration("b", None)] } }),
    "FieldValueForbidden spec.tolerations: Forbidden: existing toleration can not be modified except its \
     tolerationSeconds".to_owned(),
)]
#[case::gate_added(
    json!({ "spec": { "schedulingGates": [{ "name": "g" }, { "name": "h" }] } }),
    "FieldValueForbidden spec.schedulingGates[1].name: Forbidden: only deletion is allowed, but found new scheduling \
     gate \
     'h'".to_owned(),
)]
fn a_plain_update_may_not_change_more(#[case] changes: Value, #[case] fault: String) {
    assert_eq!(messages(update(&changes).unwrap_err()), [fault]);
}

#[test]
fn a_gated_pod_may_be_kept_from_nodes_but_not_let_on_others() {
    let kept_from = json!({ "spec": { "nodeSelector": { "zone": "a" } } });
    assert_eq!(update(&kept_from), Ok(()));
    let mut old = stored();
    old.spec.as_mut().unwrap().node_selector = Some([("zone".to_owned(), "b".to_owned())].into());
    let refusal = validate_update(&old, &changed(&kept_from)).unwrap_err();
    assert!(refusal.message.unwrap().contains("only additions to spec.nodeSelector are allowed"));
}

fn with_classes(pod: Pod) -> Result<Pod, Box<Status>> {
    let class = |name: &str, value: i32, default: bool| {
        serde_json::from_value(json!({ "metadata": { "name": name }, "value": value, "globalDefault": default }))
            .unwrap()
    };
    let classes = [class("high", 100, false), class("usual", 5, true)];
    prepare_create(pod, &Around { priority_classes: &classes, ..Around::default() }, Timestamp::UNIX_EPOCH)
}

#[rstest]
#[case::by_its_class(json!({ "priorityClassName": "high" }), Ok((100, "high")))]
#[case::by_the_default(json!({}), Ok((5, "usual")))]
#[case::by_hand_as_its_class(json!({ "priorityClassName": "high", "priority": 100 }), Ok((100, "high")))]
#[case::by_hand(json!({ "priority": 7 }), Err("the integer value of priority (7) must not be provided in pod spec"))]
#[case::unknown(json!({ "priorityClassName": "royal" }), Err("no PriorityClass with name royal was found"))]
#[case::other_preemption(
    json!({ "preemptionPolicy": "Never" }), Err("the string value of PreemptionPolicy (Never) must not be provided"))]
fn a_pod_has_the_priority_of_its_class(#[case] spec: Value, #[case] expected: Result<(i32, &str), &str>) {
    match (with_classes(web(&json!({ "spec": spec }))), expected) {
        (Ok(pod), Ok((priority, class))) => {
            let spec = pod.spec.unwrap();
            assert_eq!((spec.priority, spec.priority_class_name.as_deref()), (Some(priority), Some(class)));
        }
        (Err(refusal), Err(why)) => {
            assert_eq!(refusal.code, Some(403));
            assert!(refusal.message.as_ref().unwrap().contains(why), "{refusal:?}");
        }
        (outcome, expected) => panic!("{outcome:?} and not {expected:?}"),
    }
}

#[rstest]
#[case::qos_class(json!({ "qosClass": "Guaranteed" }), "status.qosClass")]
#[case::generation(json!({ "observedGeneration": -1 }), "status.observedGeneration")]
#[case::generation_of_a_condition(
    json!({ "conditions": [{ "type": "Ready", "status": "True", "observedGeneration": -1 }] }),
    "status.conditions[0].observedGeneration",
)]
fn some_things_cannot_be_reported(#[case] status: Value, #[case] field: &str) {
    let old = create(web(&json!({ "spec": { "containers": [{ "name": "app", "image": "i" }] } }))).unwrap();
    let mut new = serde_json::to_value(&old).unwrap();
    json_patch::merge(&mut new["status"], &status);
    let refusal = super::super::pod_status::validate(&old, &serde_json::from_value(new).unwrap()).unwrap_err();
    assert_eq!(refusal.details.unwrap().causes.unwrap()[0].field.as_deref(), Some(field));
}
