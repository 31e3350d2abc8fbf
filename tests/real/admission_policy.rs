//! What a MutatingAdmissionPolicy can do of admission: new Pods get the recommended size without a webhook. Each claim
//! of `docs/admission-policy.md` is shown here, with the manifests that stand beside it.

use http::Method;
use serde_json::{Value, json};

use crate::{
    support::until,
    wire::{JSON, MERGE, create, send},
};
use stage::{Stage, owner, pod};
use webhook::{amounts, serve, sized_by_the_webhook};

mod figures;
mod limits;
mod stage;
mod webhook;

#[tokio::test]
async fn a_policy_without_a_webhook_sizes_new_pods_as_the_webhook_does() {
    let Some(stage) = Stage::start(true).await else { return };
    pods_are_sized_as_by_the_webhook(&stage).await;
    pods_of_each_kind_of_workload_are_sized(&stage).await;
    other_pods_are_left_alone(&stage).await;
    a_sidecar_injected_later_is_sized(&stage).await;
    a_limit_range_counts_before_and_after(&stage).await;
    finished_sizes_are_taken_only_where_they_fit(&stage).await;
    a_new_recommendation_is_in_force_at_once(&stage).await;
    limits::an_apply_configuration_adds_what_is_not_there(&stage).await;
    limits::match_conditions_know_no_variables(&stage).await;
    limits::a_bad_size_costs_the_pod_whatever_the_failure_policy_says(&stage).await;
    limits::an_author_must_be_able_to_read_the_parameters(&stage).await;
    limits::a_missing_parameter_kind_stops_all_pods_of_a_strict_policy(&stage).await;
}

/// A template and a policy.
struct Case {
    name: &'static str,
    /// Resources of the container `app`.
    resources: Value,
    /// Besides its selector.
    spec: Value,
}

fn cases() -> Vec<Case> {
    let case = |name, resources, spec| Case { name, resources, spec };
    let requests = json!({ "cpu": "100m", "memory": "64Mi" });
    let with_limits = |limits: Value| json!({ "requests": requests, "limits": limits });
    let only = |cpu, memory| json!({ "containers": [{ "name": "app", "controlledValues": { "cpu": cpu, "memory": memory } }] });
    let large = json!({ "cpu": "2", "memory": "1Gi" });
    let (both, one) = ("RequestsAndLimits", "RequestsOnly");
    let factor = json!({ "startup": { "cpu": { "factor": 3 } } });
    let value = json!({ "startup": { "cpu": { "value": "2500m" } } });
    vec![
        case("no-limits", json!({ "requests": requests }), json!({})),
        case("nothing", json!({}), json!({})),
        case("one-resource", json!({ "requests": { "cpu": "100m" } }), json!({})),
        case("other-resources", json!({ "requests": { "cpu": "1", "ephemeral-storage": "1Gi" } }), json!({})),
        case("proportion", with_limits(json!({ "cpu": "250m", "memory": "100Mi" })), json!({})),
        case("odd-proportion", with_limits(json!({ "cpu": "333m", "memory": "77777777" })), json!({})),
        case("guaranteed", with_limits(requests.clone()), json!({})),
        case("half-equal", with_limits(json!({ "cpu": "200m", "memory": "64Mi" })), json!({})),
        case("limits-only", json!({ "limits": { "cpu": "200m", "memory": "64Mi" } }), json!({})),
        case("fixed-limits", with_limits(json!({ "cpu": "400m", "memory": "1Gi" })), only(one, one)),
        case("fixed-guaranteed", with_limits(requests.clone()), only(one, one)),
        case("fixed-cpu", with_limits(json!({ "cpu": "400m", "memory": "100Mi" })), only(one, both)),
        case("fixed-half-equal", with_limits(json!({ "cpu": "400m", "memory": "64Mi" })), only(both, one)),
        case("fixed-large-guaranteed", json!({ "requests": large, "limits": large }), only(one, one)),
        case("fixed-large-half-equal", json!({ "requests": large, "limits": { "cpu": "2" } }), only(one, one)),
        case("lowered", json!({ "requests": large, "limits": { "cpu": "3", "memory": "1Gi" } }), json!({})),
        case("boost", json!({ "requests": requests }), factor.clone()),
        case("boost-in-proportion", with_limits(json!({ "cpu": "250m" })), factor),
        case("boost-of-guaranteed", with_limits(requests.clone()), value),
    ]
}

/// From status by arithmetic, and from finished sizes by copying: both give what the webhook gives.
async fn pods_are_sized_as_by_the_webhook(stage: &Stage) {
    for namespace in ["plain", "from-status", "from-config-map"] {
        stage.namespace(namespace).await;
    }
    let target = json!({ "cpu": "750m", "memory": "96Mi" });
    let (mut data, mut pods) = (json!({}), Vec::new());
    for Case { name, resources, spec } in cases() {
        let mut new = pod("plain", name, &json!([{ "name": "app", "image": "a", "resources": resources }]));
        new["spec"]["initContainers"] = json!([
            { "name": "setup", "image": "a", "resources": resources },
            { "name": "mesh", "image": "a", "restartPolicy": "Always", "resources": resources },
        ]);
        let expected = sized_by_the_webhook(&stage.admitted("plain", &new).await, &spec, &target);
        stage.publish("from-status", name, &spec, &[name], &target).await;
        data[format!("Deployment.{name}")] = json!(lines(&expected));
        pods.push((name, new, expected));
    }
    stage.config_map("from-config-map", &data).await;
    for (name, mut new, expected) in pods {
        for namespace in ["from-status", "from-config-map"] {
            new["metadata"]["namespace"] = json!(namespace);
            let matches = async || amounts(&stage.admitted(namespace, &new).await) == amounts(&expected);
            if !matches().await {
                // A status that was written a moment ago may not be seen yet.
                until(&format!("{name} {namespace}: {expected} {}", stage.admitted(namespace, &new).await), matches)
                    .await;
            }
            let sized = stage.admitted(namespace, &new).await;
            let init = |pod: &Value| pod["spec"]["initContainers"][0]["resources"].clone();
            assert_eq!(init(&sized), init(&expected), "{name}: an init container that ends is not sized");
        }
    }
}

/// The sizes of a Pod's containers, as the ConfigMap holds them.
fn lines(pod: &Value) -> String {
    let mut lines = String::new();
    for list in ["containers", "initContainers"] {
        for container in pod["spec"][list].as_array().into_iter().flatten() {
            for (part, amounts) in container["resources"].as_object().into_iter().flatten() {
                for (resource, amount) in amounts.as_object().into_iter().flatten() {
                    lines += &format!("{} {part} {resource} {}\n", container["name"], amount).replace('"', "");
                }
            }
        }
    }
    lines
}

/// Real controllers make these Pods, but for those of a CronJob, whose Job is called as its controller calls it.
async fn pods_of_each_kind_of_workload_are_sized(stage: &Stage) {
    stage.namespace("workloads").await;
    let kinds = [
        ("apps/v1", "Deployment"),
        ("apps/v1", "StatefulSet"),
        ("apps/v1", "DaemonSet"),
        ("batch/v1", "Job"),
        ("batch/v1", "CronJob"),
    ];
    let status = kinds.map(|(api_version, kind)| {
        let target = json!([{ "name": "app", "target": { "cpu": "750m" } }]);
        json!({ "apiVersion": api_version, "kind": kind, "name": kind.to_lowercase(), "containers": target })
    });
    stage.publish_status("workloads", "all", &json!({}), &json!({ "workloads": status })).await;
    create(&stage.client, "/api/v1/nodes", &json!({ "metadata": { "name": "n1" } })).await;
    for (api_version, kind) in kinds {
        let name = if kind == "CronJob" { "cronjob-29925707".to_owned() } else { kind.to_lowercase() };
        let made = if kind == "CronJob" { "Job" } else { kind };
        let labels = json!({ "made-by": name });
        let mut spec = json!({
            "selector": { "matchLabels": labels },
            "template": {
                "metadata": { "labels": labels },
                "spec": { "containers": [{ "name": "app", "image": "a", "resources": { "requests": { "cpu": "100m" } } }] },
            },
        });
        if made == "Job" {
            spec["template"]["spec"]["restartPolicy"] = json!("Never");
            spec["selector"].take();
        }
        let path = format!("/apis/{api_version}/namespaces/workloads/{}s", made.to_lowercase());
        create(&stage.client, &path, &json!({ "metadata": { "name": name }, "spec": spec })).await;
        let pods = format!("/api/v1/namespaces/workloads/pods?labelSelector=made-by={name}");
        until(&format!("a Pod of {name} has its size"), async || {
            let (_, pods) = send(&stage.client, Method::GET, &pods, JSON, &Value::Null).await;
            pods["items"][0]["spec"]["containers"][0]["resources"]["requests"]["cpu"] == "750m"
        })
        .await;
    }
    running_pods_are_left_alone(stage).await;
}

/// Nothing but a creation is looked at: neither updates nor resizes.
async fn running_pods_are_left_alone(stage: &Stage) {
    let path = "/api/v1/namespaces/workloads/pods/statefulset-0";
    let smaller =
        json!({ "spec": { "containers": [{ "name": "app", "resources": { "requests": { "cpu": "200m" } } }] } });
    let strategic = "application/strategic-merge-patch+json";
    let (code, resized) = send(&stage.client, Method::PATCH, &format!("{path}/resize"), strategic, &smaller).await;
    assert_eq!(
        (code, &resized["spec"]["containers"][0]["resources"]["requests"]["cpu"]),
        (200, &json!("200m")),
        "{resized}"
    );
    let label = json!({ "metadata": { "labels": { "seen": "yes" } } });
    let (_, labelled) = send(&stage.client, Method::PATCH, path, MERGE, &label).await;
    assert_eq!(labelled["spec"]["containers"][0]["resources"]["requests"]["cpu"], "200m", "{labelled}");
}

async fn other_pods_are_left_alone(stage: &Stage) {
    let target = json!({ "cpu": "750m" });
    stage.namespace("others").await;
    stage.publish("others", "web", &json!({}), &["web", "cronjob"], &target).await;
    stage.publish("others", "off", &json!({ "strategy": "Off" }), &["idle"], &target).await;
    stage.publish("kube-system", "web", &json!({}), &["web"], &target).await;
    let asks = json!([{ "name": "app", "image": "a", "resources": { "requests": { "cpu": "100m" } } }]);
    let web = || pod("others", "web", &asks);
    let with = |pointer: &str, value: Value| {
        let mut pod = web();
        *pod.pointer_mut(pointer).unwrap() = value;
        pod
    };
    let owned = |kind: &str, name: &str| with("/metadata/ownerReferences/0", owner(kind, name));
    let mut pod_level = web();
    pod_level["spec"]["resources"] = json!({ "requests": { "cpu": "1" } });
    let left_alone = [
        ("of no workload", with("/metadata/ownerReferences", json!([]))),
        ("of another Deployment", pod("others", "web2", &asks)),
        ("of a policy that is off", pod("others", "idle", &asks)),
        ("owned but not controlled", with("/metadata/ownerReferences/0/controller", json!(false))),
        ("of a StatefulSet of the same name", owned("StatefulSet", "web")),
        ("of a ReplicaSet with another hash", owned("ReplicaSet", "web-6f7")),
        ("of a Job whose name has no minute", owned("Job", "cronjob-7")),
        ("of a container that the status does not list", with("/spec/containers/0/name", json!("new"))),
        ("sized as a whole", pod_level),
        ("of the system", with("/metadata/namespace", json!("kube-system"))),
    ];
    until("the policy is seen", async || {
        stage.size_of("others", "web", &asks[0]["resources"]).await["requests"]["cpu"] == "750m"
    })
    .await;
    for (what, pod) in left_alone {
        let namespace = pod["metadata"]["namespace"].as_str().unwrap();
        let admitted = stage.admitted(namespace, &pod).await;
        assert_eq!(admitted["spec"]["containers"][0]["resources"]["requests"]["cpu"], "100m", "a Pod {what}");
    }
}

/// Policies come before webhooks; with `IfNeeded` they come once more after them.
async fn a_sidecar_injected_later_is_sized(stage: &Stage) {
    stage.namespace("injected").await;
    stage.publish("injected", "web", &json!({}), &["web"], &json!({ "cpu": "750m" })).await;
    let mesh = json!({ "name": "mesh", "image": "m", "resources": { "requests": { "cpu": "10m" }, "limits": { "cpu": "20m" } } });
    let patch = json!([{ "op": "add", "path": "/spec/containers/1", "value": mesh }]);
    let server = serve(stage, "injected", patch).await;
    let pod = pod("injected", "web", &json!([{ "name": "app", "image": "a" }]));
    until("the injected sidecar is sized", async || {
        let containers = stage.admitted("injected", &pod).await["spec"]["containers"].take();
        containers[1]["resources"] == json!({ "requests": { "cpu": "750m" }, "limits": { "cpu": "1500m" } })
    })
    .await;
    server.shutdown();
}

/// LimitRanger fills in defaults before policies, and refuses after them.
async fn a_limit_range_counts_before_and_after(stage: &Stage) {
    stage.namespace("ranged").await;
    stage.publish("ranged", "web", &json!({}), &["web"], &json!({ "cpu": "750m" })).await;
    let limits = json!([{ "type": "Container", "defaultRequest": { "cpu": "100m" }, "default": { "cpu": "120m" }, "max": { "cpu": "1" } }]);
    let range = json!({ "metadata": { "name": "range" }, "spec": { "limits": limits } });
    create(&stage.client, "/api/v1/namespaces/ranged/limitranges", &range).await;
    until("a default is in the target's proportion", async || {
        stage.size_of("ranged", "web", &json!({})).await
            == json!({ "requests": { "cpu": "750m" }, "limits": { "cpu": "900m" } })
    })
    .await;
    let wide = json!({ "requests": { "cpu": "100m" }, "limits": { "cpu": "200m" } });
    let pod = pod("ranged", "web", &json!([{ "name": "app", "image": "a", "resources": wide }]));
    let (code, refusal) = stage.dry_run("ranged", &pod).await;
    assert_eq!(code, 403, "{refusal}");
    assert!(
        refusal["message"].as_str().unwrap().ends_with("maximum cpu usage per Container is 1, but limit is 1500m"),
        "{refusal}"
    );
}

/// A Pod that is not as its template (another mutation came first) is sized only if it stays valid and in its class.
async fn finished_sizes_are_taken_only_where_they_fit(stage: &Stage) {
    stage.namespace("finished").await;
    let web = "app requests cpu 750m\napp limits cpu 1500m\napp requests memory plenty\napp limits memory 1Gi";
    stage.config_map("finished", &json!({ "Deployment.web": web })).await;
    let size = |request: &str, limit: &str| json!({ "requests": { "cpu": request }, "limits": { "cpu": limit } });
    until("the ConfigMap is seen", async || {
        stage.size_of("finished", "web", &size("1", "3")).await == size("750m", "1500m")
    })
    .await;
    let equal = json!({ "cpu": "100m", "memory": "64Mi" });
    let memory =
        |request: &str, limit: &str| json!({ "requests": { "memory": request }, "limits": { "memory": limit } });
    for kept in [json!({ "requests": equal, "limits": equal }), memory("2Gi", "3Gi"), json!({})] {
        assert_eq!(stage.size_of("finished", "web", &kept).await, kept);
    }
    assert_eq!(stage.size_of("finished", "web", &memory("64Mi", "2Gi")).await, memory("64Mi", "1Gi"));
    let no_limit = json!({ "requests": { "cpu": "100m" } });
    assert_eq!(stage.size_of("finished", "web", &no_limit).await, json!({ "requests": { "cpu": "750m" } }));
}

/// How stale parameters may be: as long as a watch takes.
async fn a_new_recommendation_is_in_force_at_once(stage: &Stage) {
    let asks = json!({ "requests": { "cpu": "100m" } });
    let mut waited = Vec::new();
    for cpu in (200..220).map(|milli| format!("{milli}m")) {
        let workload = json!({ "apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "containers": [{ "name": "app", "target": { "cpu": cpu } }] });
        stage.update_status("probe", "web", &json!({ "workloads": [workload] })).await;
        let began = std::time::Instant::now();
        until("the new recommendation", async || {
            stage.size_of("probe", "web", &asks).await["requests"]["cpu"] == json!(cpu)
        })
        .await;
        waited.push(began.elapsed());
    }
    waited.sort();
    eprintln!("from a written status to a Pod with it: median {:?}, longest {:?}", waited[10], waited[19]);
}
