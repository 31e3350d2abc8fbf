//! What the kubelets' endpoints show, read as Prometheus and metrics-server read it.

use std::collections::BTreeMap;

use super::*;

/// Values by metric and labels, as the text has them.
type Page = BTreeMap<String, f64>;

async fn get(cluster: &Cluster, path: &str) -> String {
    let http = reqwest::Client::builder().danger_accept_invalid_certs(true).build().unwrap();
    let at = cluster.kubelets.endpoints()["sim-1"];
    let answer = http.get(format!("https://{at}{path}")).send().await.unwrap();
    assert!(answer.status().is_success(), "{path}: {}", answer.status());
    answer.text().await.unwrap()
}

/// Reads the text format: every sample belongs to the metric whose type was given last.
fn parse(text: &str) -> Page {
    let mut page = Page::new();
    let mut current = "";
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
            current = name;
            continue;
        }
        if line.starts_with("# HELP ") {
            continue;
        }
        let end = line.rfind('}').map_or_else(|| line.find(' ').unwrap(), |brace| brace + 1);
        let (series, rest) = line.split_at(end);
        assert_eq!(series.split('{').next(), Some(current), "{line}");
        let mut numbers = rest.split_whitespace();
        let value: f64 = numbers.next().unwrap().parse().unwrap();
        let time: Option<i64> = numbers.next().map(|time| time.parse().unwrap());
        assert!(time.is_none_or(|time| time > 1_700_000_000_000), "{line}");
        assert!(page.insert(series.to_owned(), value).is_none(), "{series} is there twice");
    }
    page
}

#[tokio::test]
async fn usage_of_nodes_pods_and_containers_is_served_and_counters_only_grow() {
    let Some(cluster) = Cluster::bare(options(vec![node("sim-1", 2_000, 8)])).await else { return };
    let mut web = pod("web", "sim-1", ["100m", "64Mi"], Some(["250m", "128Mi"]));
    web["metadata"]["annotations"] = json!({ "sim.tailor.dev/cpu": "500m" });
    cluster.create_and_start(web).await;
    assert_eq!(get(&cluster, "/healthz").await, "ok");

    let labels = r#"{container="app",namespace="default",pod="web"}"#;
    let cpu = format!("container_cpu_usage_seconds_total{labels}");
    let first = parse(&get(&cluster, "/metrics/resource").await);
    assert_eq!(first[&format!("container_memory_working_set_bytes{labels}")], 64.0 * 1_048_576.0);
    assert_eq!(first["resource_scrape_error"], 0.0);
    until("a second of CPU", async || parse(&get(&cluster, "/metrics/resource").await)[&cpu] > first[&cpu] + 0.25)
        .await;
    let second = parse(&get(&cluster, "/metrics/resource").await);
    let shrunk = first.iter().find(|(series, value)| series.contains("_total") && second[*series] < **value);
    assert_eq!(shrunk, None);
    let pod = r#"pod_cpu_usage_seconds_total{namespace="default",pod="web"}"#;
    assert_eq!((second[pod], second["node_cpu_usage_seconds_total"]), (second[&cpu], second[&cpu]));

    let page = parse(&get(&cluster, "/metrics/cadvisor").await);
    let of_app = |metric: &str| {
        let is_of_app = |series: &str| {
            series.starts_with(&format!("{metric}{{container=\"app\"")) && series.contains("pod=\"web\"")
        };
        *page.iter().find(|(series, _)| is_of_app(series)).unwrap_or_else(|| panic!("no {metric} in {page:?}")).1
    };
    // It wants twice its limit, so every period is throttled.
    assert_eq!(of_app("container_cpu_cfs_throttled_periods_total"), of_app("container_cpu_cfs_periods_total"));
    assert!(of_app("container_cpu_cfs_periods_total") > 0.0);
    assert_eq!(of_app("container_spec_cpu_quota"), 25_000.0);
    assert_eq!(of_app("container_spec_memory_limit_bytes"), 128.0 * 1_048_576.0);
    assert!(of_app("container_cpu_usage_seconds_total") >= second[&cpu]);
}

#[tokio::test]
async fn what_the_endpoints_show_is_what_the_usage_source_reports() {
    let Some(cluster) = Cluster::bare(options(vec![node("sim-1", 2_000, 8)])).await else { return };
    cluster.create_and_start(pod("web", "sim-1", ["100m", "64Mi"], None)).await;
    let _ = cluster.kubelets.ledger().take_usage(jiff::Timestamp::now());
    let rate = |usage: &[tailor::sim::ledger::ContainerUsage]| usage[0].cpu.unwrap().cores();
    until("some usage", async || !cluster.kubelets.ledger().usage_snapshot(jiff::Timestamp::now()).is_empty()).await;
    assert_eq!(rate(&cluster.kubelets.ledger().usage_snapshot(jiff::Timestamp::now())), 0.1);
    cluster.resize("web", json!({ "requests": { "cpu": "200m" } })).await;
    cluster.until("the resize to be actual", "web", |pod| pod.generation > 1 && settled(pod)).await;
    let page = parse(&get(&cluster, "/metrics/resource").await);
    let since = page[r#"container_start_time_seconds{container="app",namespace="default",pod="web"}"#];
    let cpu = page[r#"container_cpu_usage_seconds_total{container="app",namespace="default",pod="web"}"#];
    let ran = jiff::Timestamp::now().duration_since(jiff::Timestamp::UNIX_EPOCH).as_secs_f64() - since;
    assert!(cpu > 0.0 && cpu <= 0.1 * ran, "{cpu} core-seconds in {ran} seconds");
}
