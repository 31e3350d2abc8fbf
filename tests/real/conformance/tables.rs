//! Rows, as kubectl asks for them.

use serde_json::json;

use super::{
    case::{Case, Request, case, create, get, merge},
    fixture::{config_map, deployment, pod, widget},
};

const ROWS: &str = "application/json;as=Table;g=meta.k8s.io;v=v1";

pub fn cases() -> Vec<Case> {
    let waiting = json!({ "phase": "Pending", "containerStatuses": [{
        "name": "app", "image": "a", "imageID": "", "ready": false, "restartCount": 2, "state": { "waiting": { "reason": "CrashLoopBackOff" } },
    }] });
    let policy = json!({
        "apiVersion": "autoscaling.tailor.dev/v1alpha1", "kind": "VerticalResizePolicy", "metadata": { "name": "web" },
        "spec": { "targetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": "web" } },
    });
    vec![
        rows(case("rows-of-pods").given(create("pods", &pod("web", &json!({})))), "pods"),
        rows(case("rows-of-running-pods").running(&pod("web", &json!({}))), "pods"),
        rows(
            case("rows-of-failing-pods")
                .given(create("pods", &pod("web", &json!({}))))
                .given(merge("pods/web/status", &json!({ "status": waiting }))),
            "pods",
        ),
        rows(
            case("rows-of-finished-pods")
                .given(create("pods", &pod("web", &json!({}))))
                .given(merge("pods/web/status", &json!({ "status": { "phase": "Succeeded" } }))),
            "pods",
        ),
        rows(
            case("rows-of-deployments").given(create("apps/v1/deployments", &deployment("web"))),
            "apps/v1/deployments",
        ),
        rows(case("rows-of-settings").given(create("configmaps", &config_map("web"))), "configmaps"),
        rows(case("rows-of-widgets").given(create("example.com/v1/widgets", &widget("web"))), "example.com/v1/widgets"),
        rows(
            case("rows-of-policies").given(create("autoscaling.tailor.dev/v1alpha1/verticalresizepolicies", &policy)),
            "autoscaling.tailor.dev/v1alpha1/verticalresizepolicies",
        ),
        rows(
            case("rows-of-leases").given(create(
                "coordination.k8s.io/v1/leases",
                &json!({ "metadata": { "name": "web" }, "spec": { "holderIdentity": "me" } }),
            )),
            "coordination.k8s.io/v1/leases",
        ),
        rows(
            case("rows-of-budgets").given(create(
                "policy/v1/poddisruptionbudgets",
                &json!({ "metadata": { "name": "web" }, "spec": { "minAvailable": 1 } }),
            )),
            "policy/v1/poddisruptionbudgets",
        ),
        rows(case("rows-of-stateful-sets"), "apps/v1/statefulsets"),
        rows(case("rows-of-daemon-sets"), "apps/v1/daemonsets"),
        rows(case("rows-of-replica-sets"), "apps/v1/replicasets"),
        rows(case("rows-of-jobs"), "batch/v1/jobs"),
        rows(case("rows-of-cron-jobs"), "batch/v1/cronjobs"),
        rows(case("rows-of-events"), "events"),
        rows(case("rows-of-secrets"), "secrets"),
        rows(case("rows-of-services"), "services"),
        rows(case("rows-of-service-accounts"), "serviceaccounts"),
        rows(case("rows-of-limit-ranges"), "limitranges"),
        rows(case("rows-of-quotas"), "resourcequotas"),
        rows(case("rows-of-scalers"), "autoscaling/v2/horizontalpodautoscalers"),
        case("rows-of-nodes").ask(listed("/api/v1/nodes/declared")),
        case("rows-of-namespaces").ask(listed("/api/v1/namespaces/{{ns}}")),
        case("rows-with-objects")
            .given(create("configmaps", &config_map("web")))
            .ask(listed("configmaps?includeObject=Object"))
            .ask(listed("configmaps?includeObject=None"))
            .ask(listed("configmaps?includeObject=Metadata"))
            .ask(listed("configmaps?includeObject=Some")),
        case("rows-of-what-is-written").ask(create("configmaps", &config_map("web")).accept(ROWS)),
        case("rows-of-what-is-not-there").ask(listed("configmaps/none")),
    ]
}

fn listed(path: &str) -> Request {
    get(path).accept(ROWS)
}

fn rows(case: Case, collection: &str) -> Case {
    case.ask(listed(collection))
}
