//! LimitRange: defaults for containers that say nothing, and bounds for all.
//!
//! Rule: k8s.io/kubernetes `plugin/pkg/admission/limitranger/admission.go`. It runs on create and on resize, both times
//! on the whole Pod. Its defaults are those of `pkg/apis/core/v1/defaults.go`: a maximum is a default limit too.

use std::collections::BTreeMap;

use k8s_openapi::{
    api::core::v1::{Container, LimitRange, LimitRangeItem, Pod, PodSpec},
    apimachinery::pkg::api::resource::Quantity,
};

use super::{
    amount::{Amount, Amounts, read_all},
    status::aggregate,
    totals::{self, Count},
};

/// Where the server notes which values it set.
pub const ANNOTATION: &str = "kubernetes.io/limit-ranger";

type List = BTreeMap<String, Quantity>;

/// Fills in the requests and limits that containers lack, and notes it on the Pod.
pub fn defaults(pod: &mut Pod, ranges: &[LimitRange]) {
    for range in ranges {
        let (requests, limits) = container_defaults(range);
        let Some(spec) = &mut pod.spec else { return };
        let notes = fill_in(spec, &requests, &limits);
        if !notes.is_empty() {
            let note = format!("LimitRanger plugin set: {}", notes.join("; "));
            pod.metadata.annotations.get_or_insert_default().insert(ANNOTATION.to_owned(), note);
        }
    }
}

/// What a LimitRange makes of a container that says nothing: requests and limits.
fn container_defaults(range: &LimitRange) -> (List, List) {
    let (mut requests, mut limits) = (List::new(), List::new());
    for item in range.spec.iter().flat_map(|s| &s.limits).filter(|item| item.type_ == "Container") {
        let fallback = |list: &mut List, from: Option<&List>| {
            for (name, quantity) in from.into_iter().flatten() {
                list.entry(name.clone()).or_insert_with(|| quantity.clone());
            }
        };
        let mut item_limits = item.default.clone().unwrap_or_default();
        fallback(&mut item_limits, item.max.as_ref());
        let mut item_requests = item.default_request.clone().unwrap_or_default();
        fallback(&mut item_requests, Some(&item_limits));
        fallback(&mut item_requests, item.min.as_ref());
        requests.extend(item_requests);
        limits.extend(item_limits);
    }
    (requests, limits)
}

fn fill_in(spec: &mut PodSpec, requests: &List, limits: &List) -> Vec<String> {
    let mut notes = Vec::new();
    let containers = spec.containers.iter_mut().map(|c| ("container", c));
    let init_containers = spec.init_containers.iter_mut().flatten().map(|c| ("init container", c));
    for (what, container) in containers.chain(init_containers) {
        let resources = container.resources.get_or_insert_default();
        for (kind, own, defaults) in
            [("request", &mut resources.requests, requests), ("limit", &mut resources.limits, limits)]
        {
            let missing = |name: &&String| own.as_ref().is_none_or(|own| !own.contains_key(*name));
            let set: Vec<String> = defaults.keys().filter(missing).cloned().collect();
            if !set.is_empty() {
                notes.push(format!("{} {kind} for {what} {}", set.join(", "), container.name));
                let own = own.get_or_insert_default();
                own.extend(set.into_iter().map(|name| (name.clone(), defaults[&name].clone())));
            }
        }
    }
    notes
}

/// Everything in which the Pod breaks the first LimitRange that it breaks, as one message.
pub fn check(pod: &Pod, ranges: &[LimitRange]) -> Result<(), String> {
    for range in ranges {
        let items = range.spec.iter().flat_map(|s| &s.limits);
        let faults: Vec<String> = items.flat_map(|item| check_item(pod, item)).collect();
        if !faults.is_empty() {
            return Err(aggregate(faults));
        }
    }
    Ok(())
}

fn check_item(pod: &Pod, item: &LimitRangeItem) -> Vec<String> {
    let Some(spec) = &pod.spec else { return Vec::new() };
    match item.type_.as_str() {
        "Container" => {
            let all = spec.containers.iter().chain(spec.init_containers.iter().flatten());
            all.flat_map(|container| check_container(container, item)).collect()
        }
        "Pod" => {
            let mut without_overhead = pod.clone();
            if let Some(spec) = &mut without_overhead.spec {
                spec.overhead = None;
            }
            let requests = totals::requests(&without_overhead, Count::Desired);
            let limits = totals::limits(&without_overhead, Count::Desired);
            check_bounds(item, &requests, &limits)
        }
        _ => Vec::new(),
    }
}

fn check_container(container: &Container, item: &LimitRangeItem) -> Vec<String> {
    let resources = container.resources.as_ref();
    let requests = read_all(resources.and_then(|r| r.requests.as_ref()));
    let limits = read_all(resources.and_then(|r| r.limits.as_ref()));
    check_bounds(item, &requests, &limits)
}

fn check_bounds(item: &LimitRangeItem, requests: &Amounts, limits: &Amounts) -> Vec<String> {
    let bounds = |list: &Option<List>| read_all(list.as_ref());
    let of = |name: &String| (requests.get(name).copied(), limits.get(name).copied());
    let mut faults = Vec::new();
    for (name, min) in bounds(&item.min) {
        let (request, limit) = of(&name);
        faults.extend(
            below(min, request, limit).map(|but| format!("minimum {name} usage per {} is {min}{but}", item.type_)),
        );
    }
    for (name, max) in bounds(&item.max) {
        let (request, limit) = of(&name);
        faults.extend(
            above(max, request, limit).map(|but| format!("maximum {name} usage per {} is {max}{but}", item.type_)),
        );
    }
    for (name, ratio) in bounds(&item.max_limit_request_ratio) {
        let (request, limit) = of(&name);
        let most = format!("{name} max limit to request ratio per {} is {ratio}", item.type_);
        faults.extend(too_steep(ratio, request, limit).map(|but| format!("{most}, but {but}")));
    }
    faults
}

fn below(min: Amount, request: Option<Amount>, limit: Option<Amount>) -> Option<String> {
    match (request, limit) {
        (None, _) => Some(".  No request is specified".to_owned()),
        (Some(request), _) if request < min => Some(format!(", but request is {request}")),
        (_, Some(limit)) if limit < min => Some(format!(", but limit is {limit}")),
        _ => None,
    }
}

fn above(max: Amount, request: Option<Amount>, limit: Option<Amount>) -> Option<String> {
    match (limit, request) {
        (None, _) => Some(".  No limit is specified".to_owned()),
        (Some(limit), _) if limit > max => Some(format!(", but limit is {limit}")),
        (_, Some(request)) if request > max => Some(format!(", but request is {request}")),
        _ => None,
    }
}

#[expect(clippy::cast_precision_loss, reason = "the server divides floats too")]
fn too_steep(most: Amount, request: Option<Amount>, limit: Option<Amount>) -> Option<String> {
    let Some(request) = request.filter(|request| !request.is_zero()) else {
        return Some("no request is specified or request is 0".to_owned());
    };
    let Some(limit) = limit.filter(|limit| !limit.is_zero()) else {
        return Some("no limit is specified or limit is 0".to_owned());
    };
    let ratio = limit.milli() as f64 / request.milli() as f64;
    (ratio * 1_000.0 > most.milli() as f64).then(|| format!("provided ratio is {ratio:.6}"))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::{Value, json};

    use super::*;

    fn range(items: &Value) -> LimitRange {
        serde_json::from_value(json!({ "metadata": { "name": "bounds" }, "spec": { "limits": items } })).unwrap()
    }

    fn pod(resources: &Value) -> Pod {
        let containers = json!([{ "name": "app", "resources": resources }]);
        serde_json::from_value(json!({ "metadata": { "name": "web-0" }, "spec": { "containers": containers } }))
            .unwrap()
    }

    fn cpu(request: &str, limit: &str) -> Value {
        json!({ "requests": { "cpu": request }, "limits": { "cpu": limit } })
    }

    #[rstest]
    #[case::default_and_default_request(
        json!({ "default": { "cpu": "500m" }, "defaultRequest": { "cpu": "100m" } }), json!({}), cpu("100m", "500m"))]
    #[case::default_limit_is_a_default_request_too(
        json!({ "default": { "cpu": "500m" } }),
        json!({}),
        cpu("500m", "500m"),
    )]
    #[case::max_is_a_default_limit_too(json!({ "max": { "cpu": "2" } }), json!({}), cpu("2", "2"))]
    #[case::min_is_a_default_request_too(
        json!({ "min": { "cpu": "50m" } }),
        json!({}),
        json!({ "requests": { "cpu": "50m" } }),
    )]
    #[case::what_is_there_stays(
        json!({ "default": { "cpu": "500m", "memory": "1Gi" } }), json!({ "limits": { "cpu": "1" } }),
        json!({ "requests": { "cpu": "500m", "memory": "1Gi" }, "limits": { "cpu": "1", "memory": "1Gi" } }))]
    fn defaults_fill_gaps(#[case] mut item: Value, #[case] before: Value, #[case] after: Value) {
        item["type"] = json!("Container");
        let mut pod = pod(&before);
        defaults(&mut pod, &[range(&json!([item]))]);
        let resources = pod.spec.unwrap().containers.remove(0).resources;
        assert_eq!(serde_json::to_value(resources).unwrap(), after);
    }

    #[test]
    fn defaults_are_noted_and_reach_init_containers() {
        let mut pod = pod(&json!({ "requests": { "cpu": "1" } }));
        pod.spec.as_mut().unwrap().init_containers = serde_json::from_value(json!([{ "name": "init" }])).unwrap();
        let item = json!({ "type": "Container", "default": { "memory": "1Gi", "cpu": "1" } });
        defaults(&mut pod, &[range(&json!([item]))]);
        assert_eq!(
            pod.metadata.annotations.unwrap()[ANNOTATION],
            "LimitRanger plugin set: memory request for container app; cpu, memory limit for container app; \
             cpu, memory request for init container init; cpu, memory limit for init container init"
        );
    }

    #[rstest]
    #[case::inside(json!({ "min": { "cpu": "50m" }, "max": { "cpu": "500m" } }), cpu("50m", "500m"), None)]
    #[case::limit_above_max(
        json!({ "max": { "cpu": "500m" } }),
        cpu("100m", "600m"),
        Some("maximum cpu usage per Container is 500m, but limit is 600m"),
    )]
    #[case::request_above_max(
        json!({ "max": { "cpu": "500m" } }),
        cpu("600m", "500m"),
        Some("maximum cpu usage per Container is 500m, but request is 600m"),
    )]
    #[case::no_limit(
        json!({ "max": { "cpu": "500m" } }),
        json!({}),
        Some("maximum cpu usage per Container is 500m.  No limit is specified"),
    )]
    #[case::request_below_min(
        json!({ "min": { "cpu": "50m" } }),
        cpu("40m", "600m"),
        Some("minimum cpu usage per Container is 50m, but request is 40m"),
    )]
    #[case::limit_below_min(
        json!({ "min": { "cpu": "50m" } }),
        cpu("50m", "40m"),
        Some("minimum cpu usage per Container is 50m, but limit is 40m"),
    )]
    #[case::no_request(
        json!({ "min": { "cpu": "50m" } }),
        json!({}),
        Some("minimum cpu usage per Container is 50m.  No request is specified"),
    )]
    #[case::ratio_kept(json!({ "maxLimitRequestRatio": { "cpu": "2" } }), cpu("1", "2"), None)]
    #[case::ratio_broken(
        json!({ "maxLimitRequestRatio": { "cpu": "2" } }),
        cpu("1", "2500m"),
        Some("cpu max limit to request ratio per Container is 2, but provided ratio is 2.500000"),
    )]
    #[case::ratio_without_request(
        json!({ "maxLimitRequestRatio": { "cpu": "2" } }),
        json!({ "limits": { "cpu": "1" } }),
        Some("cpu max limit to request ratio per Container is 2, but no request is specified or request is 0"),
    )]
    #[case::ratio_without_limit(
        json!({ "maxLimitRequestRatio": { "cpu": "2" } }),
        json!({ "requests": { "cpu": "1" } }),
        Some("cpu max limit to request ratio per Container is 2, but no limit is specified or limit is 0"),
    )]
    fn containers_are_bounded(#[case] mut item: Value, #[case] resources: Value, #[case] fault: Option<&str>) {
        item["type"] = json!("Container");
        let outcome = check(&pod(&resources), &[range(&json!([item]))]);
        assert_eq!(outcome.err().as_deref(), fault);
    }

    #[test]
    fn several_faults_are_one_message() {
        let item = json!({ "type": "Container", "max": { "cpu": "500m", "memory": "500Mi" } });
        let resources = json!({ "limits": { "cpu": "600m", "memory": "600Mi" } });
        assert_eq!(
            check(&pod(&resources), &[range(&json!([item]))]).unwrap_err(),
            "[maximum cpu usage per Container is 500m, but limit is 600m, \
             maximum memory usage per Container is 500Mi, but limit is 600Mi]"
        );
    }

    #[test]
    fn a_pod_is_bounded_by_its_totals() {
        let item = json!({ "type": "Pod", "max": { "cpu": "1" } });
        let mut pod = pod(&cpu("600m", "600m"));
        let spec = pod.spec.as_mut().unwrap();
        spec.overhead = serde_json::from_value(json!({ "cpu": "1" })).unwrap();
        assert_eq!(check(&pod, &[range(&json!([item]))]), Ok(()), "overhead does not count");
        let spec = pod.spec.as_mut().unwrap();
        let second = spec.containers[0].clone();
        spec.containers.push(second);
        assert_eq!(
            check(&pod, &[range(&json!([item]))]).unwrap_err(),
            "maximum cpu usage per Pod is 1, but limit is 1200m"
        );
    }
}
