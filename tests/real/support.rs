//! What tests against a real control plane share.

use std::{
    io::{self, Write},
    thread,
    time::Duration,
};

use tailor::sim::real::{Assets, ControlPlane, ControlPlaneOptions};

/// A busy machine is slow; what has not come by now does not come.
const DEADLINE: Duration = Duration::from_secs(60);

/// The programs of a real control plane, if all of `programs` are there beside etcd and kube-apiserver. Otherwise it
/// says on standard error what is skipped and how not to.
pub fn assets(programs: &[&str]) -> Option<Assets> {
    let assets = Assets::find().unwrap_or_else(|error| panic!("{error}"));
    let Some(assets) = assets else {
        skipped("there is no real control plane; `make rig` builds one, or set KUBEBUILDER_ASSETS");
        return None;
    };
    if let Some(missing) = programs.iter().find(|program| !assets.has(program)) {
        skipped(&format!("{} has no {missing}; `make rig` builds it", assets.path("").display()));
        return None;
    }
    Some(assets)
}

/// Past the capture of output, which hides what a test that passes prints.
fn skipped(why: &str) {
    let test = thread::current().name().unwrap_or_default().to_owned();
    let _ = writeln!(io::stderr(), "skipped {test}: {why}");
}

/// A control plane, or none and a word why.
pub async fn control_plane(options: ControlPlaneOptions) -> Option<ControlPlane> {
    let mut programs = Vec::new();
    programs.extend(options.controllers.then_some("kube-controller-manager"));
    programs.extend(options.metrics_server.then_some("metrics-server"));
    programs.extend(options.scheduler.then_some("kube-scheduler"));
    let assets = assets(&programs)?;
    Some(ControlPlane::start(&assets, options).await.unwrap_or_else(|error| panic!("{error}")))
}

/// Waits until `holds`, and fails with `what` after a minute.
pub async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let wait = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    assert!(tokio::time::timeout(DEADLINE, wait).await.is_ok(), "waited {DEADLINE:?} in vain: {what}");
}
