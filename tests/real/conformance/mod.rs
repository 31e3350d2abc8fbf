//! The embedded API server held against the real one, request by request.
//!
//! Every case is played on both at once, in a namespace of its own: what it needs is set up, then each request that it
//! is about is answered twice, and the answers must be equal in code, body and the headers that clients act on. What
//! must differ (UIDs, versions, times, generated names) is made equal first, by `answer`. A difference that is meant is
//! written in the case with its reason, or in `differing.txt`, and the suite fails when it is gone.
//!
//! To play some cases only, and see what the real server answers: `CONFORMANCE=part-of-the-name cargo test --test real
//! conformance:: -- --nocapture`. `CONFORMANCE_FLAGS` are given to it, `--emulated-version=1.36` for one.

#![expect(clippy::needless_pass_by_value, reason = "tables of cases, made of literals")]

mod answer;
mod applies;
mod case;
mod definitions;
mod deletions;
mod differing;
mod discovery;
mod eviction;
mod fixture;
mod kinds;
mod known;
mod lists;
mod objects;
mod patches;
mod pods_changed;
mod pods_created;
mod report;
mod requests;
mod resize;
mod resize_admission;
mod resize_parts;
mod resize_rules;
mod side;
mod tables;
mod unchanged;
mod watches;

use std::collections::BTreeSet;

use futures::{StreamExt, stream};
use kube::{Api, Client, Config, CustomResourceExt, api::PostParams, config::Kubeconfig};
use serde_json::json;
use tailor::{
    api::VerticalResizePolicy,
    clock::Clock,
    sim::{
        api_server::{ApiServer, ServerConfig},
        real::ControlPlaneOptions,
        serve,
    },
};

use self::{
    case::{Case, create, get, strategic},
    side::Side,
};
use crate::support::control_plane;

/// How many cases are played at a time.
const AT_A_TIME: usize = 8;

fn all_cases() -> Vec<Case> {
    let themes = [
        pods_created::cases(),
        pods_changed::cases(),
        resize::cases(),
        resize_rules::cases(),
        resize_parts::cases(),
        resize_admission::cases(),
        eviction::cases(),
    ];
    let common = [
        patches::cases(),
        unchanged::cases(),
        applies::cases(),
        watches::cases(),
        lists::cases(),
        tables::cases(),
        objects::cases(),
        requests::cases(),
        deletions::cases(),
        kinds::cases(),
        definitions::cases(),
        discovery::cases(),
    ];
    let mut common: Vec<Case> = common.into_iter().flatten().map(Case::in_any_words).collect();
    differing::add_to(&mut common);
    themes.into_iter().flatten().chain(common).collect()
}

#[tokio::test]
async fn the_embedded_server_answers_as_the_real_one() {
    let flags = std::env::var("CONFORMANCE_FLAGS").unwrap_or_default();
    let api_server_flags = flags.split_whitespace().map(str::to_owned).collect();
    let options = ControlPlaneOptions { api_server_flags, ..ControlPlaneOptions::default() };
    let Some(plane) = control_plane(options).await else { return };
    let server = ApiServer::new(ServerConfig::new(Clock::System, 1));
    let served = serve::spawn(&server, "127.0.0.1:0".parse().expect("an address")).await.expect("a free port");
    let kubeconfig = Kubeconfig::from_yaml(&served.kubeconfig()).expect("our own kubeconfig");
    let config = Config::from_custom_kubeconfig(kubeconfig, &Default::default()).await.expect("our own kubeconfig");
    let embedded = Side { name: "embedded", client: client(config) };
    let real = Side { name: "real", client: client(plane.config()) };
    tokio::join!(prepare(&embedded), prepare(&real));

    let only = std::env::var("CONFORMANCE").unwrap_or_default();
    let cases: Vec<Case> = all_cases().into_iter().filter(|case| case.name.contains(&only)).collect();
    let (embedded, real, shows) = (&embedded, &real, !only.is_empty());
    let played = stream::iter(&cases).map(|case| play(case, embedded, real, shows));
    let told: Vec<Option<String>> = played.buffered(AT_A_TIME).collect().await;
    let told: Vec<String> = told.into_iter().flatten().collect();
    let requests: usize = cases.iter().map(|case| case.steps.len()).sum();
    eprintln!("{} cases, {requests} requests, {} with differences", cases.len(), told.len());
    assert!(told.is_empty(), "the servers differ in {} of {} cases\n{}", told.len(), cases.len(), told.join("\n"));
    served.stop().await;
}

/// A client that gives every answer as it comes: by default, kube would ask again after a 429.
fn client(mut config: Config) -> Client {
    config.default_retry = false;
    Client::try_from(config).expect("it is for a server that runs")
}

/// What is to be told of a case.
async fn play(case: &Case, embedded: &Side, real: &Side, shows: bool) -> Option<String> {
    let (embedded, real) = tokio::join!(embedded.play(case), real.play(case));
    if shows {
        eprintln!("{}: {:#}", case.name, json!(real));
    }
    report::differences(case, &embedded, &real)
}

/// Makes what all cases share: the definition of policies, and Nodes, as the real server's admission must know them.
async fn prepare(side: &Side) {
    let definitions = Api::all(side.client.clone());
    let definition = VerticalResizePolicy::crd();
    definitions.create(&PostParams::default(), &definition).await.expect("the definition is valid");
    let grow = json!({ "spec": { "containers": [{ "name": "app", "resources": { "requests": { "cpu": "600m" } } }] } });
    let mut cases = case::case("prepared")
        .given(create("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", &fixture::widgets("example.com")))
        .until(get("example.com/v1/widgets"), 200)
        .until(get("autoscaling.tailor.dev/v1alpha1/verticalresizepolicies"), 200);
    for node in fixture::nodes() {
        cases = cases.given(create("/api/v1/nodes", &node));
    }
    let pod = fixture::pod("probe", &json!({ "spec": { "nodeName": fixture::DECLARED_NODE } }));
    cases = cases.given(create("pods", &pod)).until(strategic("pods/probe/resize?dryRun=All", &grow), 200);
    let answers = side.play(&cases).await;
    let last = answers.last().expect("it has steps");
    assert!(answers.len() == cases.steps.len() && last["code"] == 200, "{}: {last}", side.name);
}

#[test]
fn every_case_has_a_name_of_its_own_that_a_namespace_can_have() {
    let mut known = BTreeSet::new();
    for case in all_cases() {
        let fits = case.name.len() <= 63
            && case.name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        assert!(fits, "{}", case.name);
        assert!(known.insert(case.name), "{} is there twice", case.name);
    }
}
