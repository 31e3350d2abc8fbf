//! The dashboards and the rules of the chart: every query is asked of a real Prometheus that scrapes the controller, which
//! works on a real API server with simulated Nodes.

mod boards;
mod prometheus;
mod rules;

use std::{
    collections::BTreeSet,
    env,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use tailor::{
    sim::{
        cluster::real::{self, Visit},
        scenario::Scenario,
    },
    telemetry::{http, metrics},
};

use self::{
    boards::{Query, boards, panels, queries},
    prometheus::{Prometheus, pause},
};
use crate::support::assets;

/// What has no data by now has none.
const DEADLINE: Duration = Duration::from_secs(240);

const PROGRAMS: [&str; 3] = ["kube-controller-manager", "kube-scheduler", "prometheus"];

fn scenario() -> Scenario {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/real/dashboards/scenario.yaml");
    Scenario::open(&path).expect("a scenario that is right")
}

/// Serves what the controller tells.
async fn serve(visit: Visit<'_>) -> SocketAddr {
    let listener = http::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(http::serve(listener, visit.told.clone()));
    address
}

#[test]
fn every_query_of_dashboards_and_rules_answers_with_data() {
    let Some(assets) = assets(&PROGRAMS) else { return };
    let guest = async |visit: Visit<'_>| {
        let prometheus = Prometheus::start(&assets, serve(visit).await).await;
        all_have_data(&prometheus, queries()).await;
        rules::all_are_evaluated(&prometheus).await;
    };
    real::visit(&assets, &scenario(), 1, guest).unwrap_or_else(|error| panic!("{error:?}"));
}

/// Waits until each query has had data at some time: some are about what passes.
async fn all_have_data(prometheus: &Prometheus, mut left: Vec<Query>) {
    assert!(left.len() > 60, "the dashboards have lost their queries");
    let began = Instant::now();
    while !left.is_empty() {
        let mut without = Vec::new();
        for query in left {
            if !prometheus.has_data(&query).await {
                without.push(query);
            }
        }
        left = without;
        let named: Vec<_> = left.iter().map(|query| format!("{}: {}", query.panel, query.expr)).collect();
        assert!(began.elapsed() < DEADLINE, "no data: {named:#?}");
        pause().await;
    }
}

/// Draws docs/images anew: `make pictures`. It takes as long as the scenario, or with `TIME_SCALE` that part of it, and needs
/// Python with matplotlib.
#[test]
#[ignore = "takes as long as the scenario, in real time"]
fn pictures() {
    let Some(assets) = assets(&PROGRAMS) else { return };
    let scale = env::var("TIME_SCALE").map_or(1.0, |scale| scale.parse().unwrap());
    let scenario = Scenario { time_scale: scale, ..scenario() };
    let stay = scenario.duration.div_f64(scale);
    let guest = async |visit: Visit<'_>| {
        let prometheus = Prometheus::start(&assets, serve(visit).await).await;
        tokio::time::sleep(scenario.duration).await;
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut draw = Command::new(env::var("PYTHON").unwrap_or_else(|_| "python3".to_owned()));
        draw.arg(root.join("tools/draw-dashboards.py")).arg("--prometheus").arg(&prometheus.url);
        draw.arg("--minutes").arg(stay.as_secs().div_ceil(60).to_string()).arg("--into").arg(root.join("docs/images"));
        if scale > 1.0 {
            draw.arg("--note").arg(format!("Time passed {scale} times as fast for Tailor and the Nodes."));
        }
        draw.args(["--set", "workload.namespace=batch", "--set", "workload.policy=thumbnails"]);
        let drawn = tokio::task::spawn_blocking(move || draw.status()).await.unwrap().unwrap();
        assert!(drawn.success());
    };
    real::visit(&assets, &scenario, 1, guest).unwrap_or_else(|error| panic!("{error:?}"));
}

#[test]
fn dashboards_ask_only_for_metrics_that_are_described() {
    let described: BTreeSet<_> = metrics::ALL.concat().iter().map(metrics::Description::name).collect();
    let parts = ["_bucket", "_count", "_sum"];
    let is_described = |name: &String| {
        let stem = parts.iter().find_map(|part| name.strip_suffix(part)).unwrap_or(name);
        described.contains(name) || described.contains(stem)
    };
    let asked = queries().into_iter().map(|query| query.expr);
    let asked = asked.chain(boards::rules().into_iter().map(|rule| rule["expr"].as_str().unwrap().to_owned()));
    for expr in asked {
        for name in boards::metrics(&expr) {
            assert!(is_described(&name), "{name} in {expr}");
        }
    }
}

#[test]
fn dashboards_can_be_imported_anywhere() {
    for (name, board) in boards() {
        assert_eq!(board.get("uid"), None, "{name}: two Grafanas may have it");
        assert_eq!(board["templating"]["list"][0]["type"], "datasource", "{name}");
        let mut taken = BTreeSet::new();
        for panel in panels(&board) {
            let at = format!("{name}: {}", panel["title"]);
            assert_eq!(panel["datasource"]["uid"], "${datasource}", "{at}");
            assert!(panel["description"].as_str().is_some_and(|text| text.ends_with('.')), "{at} says what it shows");
            assert!(panel["fieldConfig"]["defaults"]["unit"].is_string(), "{at} has a unit");
            for target in panel["targets"].as_array().unwrap() {
                assert_eq!(target["datasource"]["uid"], "${datasource}", "{at}");
            }
            let side = |key: &str| panel["gridPos"][key].as_u64().unwrap();
            assert!(side("x") + side("w") <= 24, "{at} sticks out");
            for x in side("x")..side("x") + side("w") {
                for y in side("y")..side("y") + side("h") {
                    assert!(taken.insert((x, y)), "{at} covers another panel");
                }
            }
        }
    }
}

#[test]
fn each_dashboard_has_its_picture_in_the_docs() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs");
    let page = std::fs::read_to_string(root.join("dashboards.md")).unwrap();
    for (name, _) in boards() {
        let picture = format!("images/dashboard-{name}.png");
        assert!(root.join(&picture).is_file() && page.contains(&picture), "{picture}");
    }
}
