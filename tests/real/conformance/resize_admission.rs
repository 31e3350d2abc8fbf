//! What a cluster may have against a resize that is right in itself: Nodes, LimitRanges, quotas. All are 403.

use serde_json::{Value, json};

use super::{
    case::{Case, case, create, delete, get, merge, strategic},
    fixture::{DECLARED_NODE, NODE, WINDOWS_NODE, container, on, pod, pod_of, sizes},
    known::NO_QUOTA_STATUS,
    resize::{app, resize},
};

pub fn cases() -> Vec<Case> {
    let mut cases = nodes();
    cases.extend(limit_ranges().into_iter().map(Case::in_any_order));
    cases.extend(limit_range_defaults());
    cases.extend(quotas());
    cases.extend(creations().into_iter().map(Case::in_any_order));
    cases
}

const USED: &str = "/body/status/used";
const OWNERS: &str = "/body/metadata/managedFields";

fn nodes() -> Vec<Case> {
    let requests = |cpu: &str, memory: &str| resize(&json!({ "requests": { "cpu": cpu, "memory": memory } }));
    let web = || pod_of("web", &[container("app", &json!({ "requests": { "cpu": "1", "memory": "1Gi" } }))]);
    let large = || pod_of("web", &[container("app", &json!({ "requests": { "cpu": "6", "memory": "1Gi" } }))]);
    let ran = |name, pod: &Value, request| case(name).running(pod).ask(request).ask(get("pods/web"));
    let two = pod_of(
        "web",
        &[
            container("app", &json!({ "requests": { "cpu": "1" } })),
            container("log", &json!({ "requests": { "cpu": "2" } })),
        ],
    );
    let mut sized = web();
    sized["spec"]["resources"] = json!({ "requests": { "cpu": "2", "memory": "2Gi" } });
    vec![
        ran("a-resize-fills-the-node", &web(), requests("4", "8Gi")),
        ran("a-resize-has-too-much-cpu-for-the-node", &web(), requests("4001m", "1Gi")),
        ran("a-resize-has-too-much-memory-for-the-node", &web(), requests("1", "8193Mi")),
        ran("a-resize-has-too-much-of-both-for-the-node", &web(), requests("4500m", "9Gi")),
        ran("a-dry-run-has-too-much-for-the-node", &web(), {
            let mut request = requests("5", "1Gi");
            request.query = "dryRun=All".to_owned();
            request
        }),
        ran("a-limit-may-be-above-the-node", &web(), resize(&json!({ "limits": { "cpu": "100", "memory": "1Ti" } }))),
        ran("containers-are-too-much-for-the-node-together", &two, resize(&json!({ "requests": { "cpu": "2500m" } }))),
        ran("a-pod-above-its-node-shrinks-part-way", &large(), requests("5", "1Gi")),
        ran("a-pod-above-its-node-shrinks-enough", &large(), requests("4", "1Gi")),
        ran("a-pod-above-its-node-does-not-change", &large(), requests("6", "1Gi")),
        ran("an-unknown-node", &on("absent", web()), requests("2", "1Gi")),
        ran("an-unknown-node-is-not-asked-about-nothing", &on("absent", web()), requests("1", "1Gi")),
        ran("a-windows-node", &on(WINDOWS_NODE, web()), requests("2", "1Gi")),
        ran("a-windows-node-that-is-too-small", &on(WINDOWS_NODE, web()), requests("5", "1Gi")),
        ran(
            "an-invalid-resize-hides-what-the-node-says",
            &on(WINDOWS_NODE, web()),
            resize(&json!({ "requests": { "cpu": "5", "memory": null } })),
        ),
        ran(
            "a-pod-as-a-whole-is-too-much-for-the-node",
            &on(DECLARED_NODE, sized.clone()),
            strategic("pods/web/resize", &json!({ "spec": { "resources": { "requests": { "cpu": "5" } } } })),
        ),
        ran(
            "a-feature-that-the-node-lacks-comes-first",
            &on(NODE, sized),
            strategic("pods/web/resize", &json!({ "spec": { "resources": { "requests": { "cpu": "5" } } } })),
        ),
    ]
}

impl Case {
    /// A LimitRange, once the server knows it: `breaks` is a Pod that it refuses, or makes invalid.
    fn limits(self, items: &Value, breaks: &Value, code: u16) -> Self {
        let range = json!({ "metadata": { "name": "bounds" }, "spec": { "limits": items } });
        self.given(create("limitranges", &range)).until(create("pods?dryRun=All", breaks), code)
    }

    /// A ResourceQuota with its status as the controller would find it, once the server knows both.
    fn quota(self, spec: &Value, used: &Value) -> Self {
        let mut quota = json!({ "metadata": { "name": "budget" }, "spec": spec });
        quota["spec"]["hard"]["count/pods"] = json!("5");
        let mut used = used.clone();
        used["count/pods"] = json!("1");
        let status = json!({ "status": { "hard": quota["spec"]["hard"], "used": used } });
        let huge = pod_of("probe", &[container("app", &sizes(["90", "90Gi"], ["90", "90Gi"]))]);
        let small = pod_of("probe", &[container("app", &sizes(["1m", "1Mi"], ["1m", "1Mi"]))]);
        self.given(create("resourcequotas", &quota))
            .given(merge("resourcequotas/budget/status", &status))
            .until(create("pods?dryRun=All", &huge), 403)
            .until(create("pods?dryRun=All", &small), 201)
    }
}

fn probe(resources: &Value) -> Value {
    pod_of("probe", &[container("app", resources)])
}

fn limit_ranges() -> Vec<Case> {
    let huge = probe(&sizes(["90", "90Gi"], ["90", "90Gi"]));
    let tiny = probe(&sizes(["1m", "1Mi"], ["1m", "1Mi"]));
    let web = || pod("web", &json!({}));
    let container_max = json!([{ "type": "Container", "max": { "cpu": "2", "memory": "1Gi" } }]);
    let container_min = json!([{ "type": "Container", "min": { "cpu": "100m", "memory": "64Mi" } }]);
    let ratio = json!([{ "type": "Container", "max": { "cpu": "8" }, "maxLimitRequestRatio": { "cpu": "2" } }]);
    let pod_max = json!([{ "type": "Pod", "max": { "cpu": "2", "memory": "1Gi" } }]);
    let bounded = |name, items: &Value, breaks: &Value| case(name).running(&web()).limits(items, breaks, 403);
    vec![
        bounded("a-resize-within-its-limit-range", &container_max, &huge)
            .ask(resize(&sizes(["1", "512Mi"], ["2", "1Gi"])))
            .ask(get("pods/web")),
        bounded("a-resize-above-the-maximum-cpu", &container_max, &huge)
            .ask(resize(&json!({ "limits": { "cpu": "3" } }))),
        bounded("a-resize-above-the-maximum-memory", &container_max, &huge)
            .ask(resize(&json!({ "limits": { "memory": "2Gi" } }))),
        bounded("a-resize-above-both-maxima", &container_max, &huge)
            .ask(resize(&json!({ "limits": { "cpu": "3", "memory": "2Gi" } }))),
        bounded("a-resize-below-the-minimum", &container_min, &tiny)
            .ask(resize(&json!({ "requests": { "cpu": "50m" } }))),
        bounded("a-resize-below-both-minima", &container_min, &tiny)
            .ask(resize(&json!({ "requests": { "cpu": "50m", "memory": "32Mi" } }))),
        bounded("a-resize-beyond-the-ratio", &ratio, &huge).ask(resize(&json!({ "limits": { "cpu": "3" } }))),
        bounded("a-resize-above-the-maximum-per-pod", &pod_max, &huge)
            .ask(resize(&json!({ "limits": { "cpu": "3" } }))),
        bounded("a-resize-within-the-maximum-per-pod", &pod_max, &huge)
            .ask(resize(&json!({ "limits": { "cpu": "2", "memory": "1Gi" } }))),
        bounded("nothing-is-asked-of-a-pod-that-fits", &container_max, &huge).ask(resize(&json!({}))),
        bounded("a-limit-range-and-the-node-object", &container_max, &huge)
            .ask(resize(&sizes(["5", "10Gi"], ["5", "10Gi"])))
            .ask(resize(&sizes(["5", "9Gi"], ["6", "10Gi"]))),
        case("a-pod-that-goes-is-not-bounded")
            .running(&web())
            .limits(&container_max, &huge, 403)
            .given(delete("pods/web"))
            .ask(resize(&json!({ "limits": { "cpu": "3" } }))),
        case("a-pod-that-breaks-its-limit-range-already")
            .running(&pod_of("web", &[container("app", &sizes(["500m", "256Mi"], ["3", "512Mi"]))]))
            .limits(&container_max, &huge, 403)
            .ask(resize(&json!({ "requests": { "memory": "300Mi" } })))
            .ask(resize(&json!({})))
            .ask(resize(&json!({ "limits": { "cpu": "2" } }))),
        case("a-neighbour-breaks-the-limit-range")
            .running(&pod_of(
                "web",
                &[
                    container("app", &sizes(["500m", "256Mi"], ["1", "512Mi"])),
                    container("log", &sizes(["500m", "256Mi"], ["3", "512Mi"])),
                ],
            ))
            .limits(&container_max, &huge, 403)
            .ask(resize(&json!({ "requests": { "cpu": "600m" } }))),
    ]
}

fn limit_range_defaults() -> Vec<Case> {
    let refused = probe(&json!({ "requests": { "cpu": "90", "memory": "90Gi" } }));
    let defaults = json!([{
        "type": "Container", "default": { "cpu": "2", "memory": "2Gi" }, "defaultRequest": { "cpu": "200m", "memory": "128Mi" },
    }]);
    let storage = json!([{ "type": "Container", "default": { "cpu": "2", "ephemeral-storage": "2Gi" } }]);
    let equal = json!([{ "type": "Container", "default": { "cpu": "500m", "memory": "256Mi" } }]);
    let of = |name, resources: &Value, items: &Value| {
        case(name).running(&pod_of("web", &[container("app", resources)])).limits(items, &refused, 422)
    };
    let cpu = json!({ "requests": { "cpu": "500m" } });
    let grow = || resize(&json!({ "requests": { "cpu": "600m" } }));
    vec![
        of("a-resize-is-given-defaults-of-a-limit-range", &cpu, &defaults).ask(grow()).ask(get("pods/web")),
        of("nothing-is-asked-and-defaults-are-given", &cpu, &defaults).ask(resize(&json!({}))).ask(get("pods/web")),
        of("a-dry-run-is-given-defaults", &cpu, &defaults)
            .ask(strategic("pods/web/resize?dryRun=All", &app(&cpu)))
            .ask(get("pods/web")),
        of("a-best-effort-pod-is-given-defaults", &json!({}), &defaults).ask(resize(&json!({}))),
        of("defaults-change-the-class", &json!({ "requests": { "cpu": "500m", "memory": "256Mi" } }), &equal)
            .ask(resize(&json!({ "requests": { "cpu": "400m" } })))
            .ask(resize(&json!({ "requests": { "cpu": "500m" } }))),
        of("a-default-for-storage-stops-a-resize", &cpu, &storage).ask(grow()),
        case("an-init-container-is-given-defaults")
            .running(&{
                let mut web = pod_of("web", &[container("app", &sizes(["500m", "256Mi"], ["1", "512Mi"]))]);
                web["spec"]["initContainers"] = json!([container("first", &json!({}))]);
                web
            })
            .limits(&defaults, &refused, 422)
            .ask(grow()),
        case("a-default-below-the-request")
            .running(&pod_of("web", &[container("app", &json!({ "requests": { "cpu": "3" } }))]))
            .limits(&defaults, &refused, 422)
            .ask(resize(&json!({ "requests": { "cpu": "3500m" } }))),
        case("a-pod-that-goes-is-given-no-defaults")
            .running(&pod_of("web", &[container("app", &cpu)]))
            .limits(&defaults, &refused, 422)
            .given(delete("pods/web"))
            .ask(grow()),
        of("pod-status-does-not-ask-limit-ranges", &cpu, &defaults)
            .ask(merge("pods/web/status", &json!({ "status": { "message": "a" } }))),
        of("pod-updates-do-not-ask-limit-ranges", &cpu, &defaults)
            .ask(strategic("pods/web", &json!({ "spec": { "containers": [{ "name": "app", "image": "b:2" }] } }))),
    ]
}

fn quotas() -> Vec<Case> {
    let hard =
        json!({ "hard": { "requests.cpu": "2", "requests.memory": "2Gi", "limits.cpu": "4", "limits.memory": "4Gi" } });
    let used =
        json!({ "requests.cpu": "500m", "requests.memory": "256Mi", "limits.cpu": "1", "limits.memory": "512Mi" });
    let web = || pod("web", &json!({}));
    let charged = |name| case(name).running(&web()).quota(&hard, &used);
    let quota = || get("resourcequotas/budget");
    let short = json!({ "hard": { "cpu": "1", "memory": "1Gi" } });
    let short_used = json!({ "cpu": "500m", "memory": "256Mi" });
    vec![
        charged("a-resize-within-its-quota").ask(resize(&sizes(["1", "1Gi"], ["2", "2Gi"]))).ask(quota()).differs(USED, NO_QUOTA_STATUS).differs(OWNERS, NO_QUOTA_STATUS),
        charged("a-resize-fills-its-quota").ask(resize(&sizes(["2", "2Gi"], ["3", "3Gi"]))).ask(quota()).differs(USED, NO_QUOTA_STATUS).differs(OWNERS, NO_QUOTA_STATUS),
        charged("a-resize-exceeds-its-quota-in-cpu").ask(resize(&json!({ "requests": { "cpu": "2500m" }, "limits": { "cpu": "3" } }))).ask(quota()),
        charged("a-resize-exceeds-its-quota-in-memory").ask(resize(&json!({ "requests": { "memory": "3Gi" }, "limits": { "memory": "3Gi" } }))),
        charged("a-resize-exceeds-its-quota-in-everything").ask(resize(&sizes(["3", "5Gi"], ["5", "6Gi"]))),
        charged("a-resize-shrinks-under-a-quota").ask(resize(&json!({ "requests": { "cpu": "100m" } }))).ask(quota()),
        charged("a-dry-run-within-its-quota").ask(strategic("pods/web/resize?dryRun=All", &app(&json!({ "requests": { "cpu": "1" } })))).ask(quota()),
        charged("a-dry-run-exceeds-its-quota").ask(strategic("pods/web/resize?dryRun=All", &app(&json!({ "requests": { "cpu": "3" }, "limits": { "cpu": "3" } })))),
        charged("nothing-is-asked-of-a-quota").ask(resize(&json!({}))).ask(quota()),
        charged("a-resize-is-charged-twice").ask(resize(&json!({ "requests": { "cpu": "1" } }))).ask(resize(&json!({ "requests": { "cpu": "500m" } })))
            .ask(resize(&json!({ "requests": { "cpu": "1" } }))).ask(quota()).differs(USED, NO_QUOTA_STATUS).differs(OWNERS, NO_QUOTA_STATUS),
        case("a-quota-in-the-short-form").running(&web()).quota(&short, &short_used)
            .ask(resize(&json!({ "requests": { "cpu": "1" } }))).ask(resize(&sizes(["1100m", "2Gi"], ["2", "2Gi"]))),
        case("an-infeasible-wish-is-not-charged").running(&web())
            .given(strategic("pods/web/resize", &app(&json!({ "requests": { "cpu": "900m" } }))))
            .given(merge("pods/web/status", &json!({ "status": { "conditions": [
                { "type": "PodResizePending", "status": "True", "reason": "Infeasible", "lastTransitionTime": "2026-01-01T00:00:00Z" },
            ] } })))
            .quota(&short, &short_used)
            .ask(resize(&json!({ "requests": { "cpu": "1" } })))
            .ask(quota()),
        case("a-quota-that-wants-what-a-container-lacks").running(&pod_of("web", &[container("app", &json!({ "requests": { "cpu": "500m" } }))]))
            .quota(&hard, &json!({ "requests.cpu": "500m", "requests.memory": "0", "limits.cpu": "0", "limits.memory": "0" }))
            .ask(resize(&json!({ "requests": { "cpu": "600m" } })))
            .ask(resize(&json!({}))),
        case("a-quota-whose-use-is-not-known")
            .running(&web())
            .given(create("resourcequotas", &json!({ "metadata": { "name": "budget" }, "spec": short })))
            .given(merge("resourcequotas/budget/status", &json!({ "status": { "hard": { "cpu": "1", "memory": "1Gi" } } })))
            .until(create("pods?dryRun=All", &probe(&sizes(["90", "90Gi"], ["90", "90Gi"]))), 403)
            .ask(resize(&json!({ "requests": { "cpu": "600m" } })))
            .differs("/code", NO_QUOTA_STATUS),
        case("a-quota-for-best-effort-pods").running(&web())
            .given(create("resourcequotas", &json!({ "metadata": { "name": "other" }, "spec": { "hard": { "pods": "0" }, "scopes": ["BestEffort"] } })))
            .given(merge("resourcequotas/other/status", &json!({ "status": { "hard": { "pods": "0" }, "used": { "pods": "0" } } })))
            .until(create("pods?dryRun=All", &pod_of("probe", &[container("app", &json!({}))])), 403)
            .ask(resize(&json!({ "requests": { "cpu": "600m" } })))
            .ask(create("pods", &pod_of("free", &[container("app", &json!({}))]))),
        case("a-limit-range-comes-before-a-quota").running(&web()).quota(&hard, &used)
            .limits(&json!([{ "type": "Container", "max": { "cpu": "1" } }]), &probe(&sizes(["1500m", "1Mi"], ["1500m", "1Mi"])), 403)
            .ask(resize(&json!({ "requests": { "cpu": "2500m" }, "limits": { "cpu": "3" } }))),
        case("the-node-comes-before-a-quota").running(&web()).quota(&hard, &used)
            .ask(resize(&json!({ "requests": { "cpu": "5" }, "limits": { "cpu": "5" } }))),
    ]
}

/// What LimitRanges and quotas make of new Pods.
fn creations() -> Vec<Case> {
    let huge = probe(&sizes(["90", "90Gi"], ["90", "90Gi"]));
    let bounds = json!([
        { "type": "Container", "min": { "cpu": "100m" }, "max": { "cpu": "2", "memory": "1Gi" }, "default": { "cpu": "1" }, "defaultRequest": { "cpu": "200m" } },
        { "type": "Pod", "max": { "cpu": "3" } },
    ]);
    let create_web = |containers: &[Value]| create("pods", &pod_of("web", containers));
    let bounded = |name| case(name).limits(&bounds, &huge, 403);
    let hard = json!({ "hard": { "requests.cpu": "1", "pods": "2" } });
    let used = json!({ "requests.cpu": "500m", "pods": "1" });
    let charged = |name| case(name).running(&pod("first", &json!({}))).quota(&hard, &used);
    vec![
        bounded("a-new-pod-is-given-defaults")
            .ask(create_web(&[container("app", &json!({}))]))
            .ask(get("limitranges/bounds")),
        bounded("two-containers-are-given-defaults").ask(create_web(&[
            container("app", &json!({})),
            container("log", &json!({ "limits": { "memory": "64Mi" } })),
        ])),
        bounded("a-new-pod-is-too-large").ask(create_web(&[container("app", &sizes(["3", "2Gi"], ["3", "2Gi"]))])),
        bounded("a-new-pod-is-too-small")
            .ask(create_web(&[container("app", &json!({ "requests": { "cpu": "50m" } }))])),
        bounded("new-containers-are-too-large-together").ask(create_web(&[
            container("app", &json!({ "limits": { "cpu": "2" } })),
            container("log", &json!({ "limits": { "cpu": "2" } })),
        ])),
        charged("a-new-pod-within-its-quota")
            .ask(create("pods", &pod("web", &json!({}))))
            .ask(get("resourcequotas/budget"))
            .differs(USED, NO_QUOTA_STATUS)
            .differs(OWNERS, NO_QUOTA_STATUS),
        charged("a-new-pod-exceeds-its-quota")
            .ask(create("pods", &pod_of("web", &[container("app", &json!({ "requests": { "cpu": "600m" } }))]))),
        charged("a-new-pod-lacks-what-a-quota-wants")
            .ask(create("pods", &pod_of("web", &[container("app", &json!({}))]))),
        charged("one-new-pod-too-many")
            .given(create("pods", &pod_of("web", &[container("app", &json!({ "requests": { "cpu": "1m" } }))])))
            .ask(create("pods", &pod_of("more", &[container("app", &json!({ "requests": { "cpu": "1m" } }))]))),
        charged("a-pod-that-goes-is-credited-by-the-controller-only")
            .given(delete("pods/first").query("gracePeriodSeconds=0"))
            .ask(get("resourcequotas/budget")),
    ]
}
