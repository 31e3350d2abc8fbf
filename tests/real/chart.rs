//! The chart: what it renders, what real Helm makes of it on a real API server, and whether the rights that it gives are
//! those that the controller needs, no more and no less.

mod files;
mod install;
mod render;
mod rights;

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::Value;
use tailor::sim::real::{Assets, ControlPlane};
use tempfile::TempDir;

/// Where each test installs it, and as what.
const NAMESPACE: &str = "tailor-system";
const RELEASE: &str = "tailor";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("charts/tailor")
}

/// The values files that the chart is tried with, by name.
fn values_files() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder().join("ci")).unwrap();
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// Real Helm, with a home of its own.
struct Helm {
    program: PathBuf,
    home: TempDir,
    kubeconfig: Option<PathBuf>,
}

impl Helm {
    /// For what needs no cluster.
    fn offline(assets: &Assets) -> Self {
        Self { program: assets.path("helm"), home: tempfile::tempdir().unwrap(), kubeconfig: None }
    }

    fn on(assets: &Assets, plane: &ControlPlane) -> Self {
        Self { kubeconfig: Some(plane.kubeconfig().to_owned()), ..Self::offline(assets) }
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(&self.program);
        for part in ["CACHE", "CONFIG", "DATA"] {
            command.env(format!("HELM_{part}_HOME"), self.home.path().join(part));
        }
        command.env("KUBECONFIG", self.kubeconfig.as_deref().unwrap_or(Path::new("/dev/null")));
        command.args(arguments).args(["--namespace", NAMESPACE]).output().unwrap()
    }

    /// Its output, when it succeeds.
    fn does(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(output.status.success(), "helm {arguments:?}: {}{}", text(&output.stdout), text(&output.stderr));
        text(&output.stdout)
    }

    /// `helm template`, with further arguments.
    fn template(&self, arguments: &[&str]) -> String {
        let chart = folder();
        self.does(&[&["template", RELEASE, chart.to_str().unwrap()], arguments].concat())
    }

    /// Installs the chart, or another version of its values.
    fn upgrade(&self, arguments: &[&str]) -> String {
        let chart = folder();
        let command = ["upgrade", RELEASE, chart.to_str().unwrap(), "--install", "--create-namespace"];
        self.does(&[&command, arguments].concat())
    }
}

/// The objects of a stream of YAML documents.
fn objects(text: &str) -> Vec<Value> {
    let documents: Vec<Value> = serde_saphyr::from_multiple(text).unwrap();
    documents.into_iter().filter(|document| !document.is_null()).collect()
}

fn kind(object: &Value) -> &str {
    object["kind"].as_str().unwrap()
}

fn name(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap()
}

/// Group, resource and verb.
type Right = (String, String, String);

/// What the roles of the release let Tailor do; those for people are left out.
fn granted(objects: &[Value]) -> BTreeSet<Right> {
    let roles = objects.iter().filter(|object| ["Role", "ClusterRole"].contains(&kind(object)));
    let roles = roles.filter(|role| !name(role).ends_with("-view") && !name(role).ends_with("-edit"));
    let texts = |rule: &Value, key: &str| -> Vec<String> { serde_json::from_value(rule[key].clone()).unwrap() };
    let mut granted = BTreeSet::new();
    for rule in roles.flat_map(|role| role["rules"].as_array().unwrap()) {
        for group in texts(rule, "apiGroups") {
            for resource in texts(rule, "resources") {
                granted.extend(texts(rule, "verbs").into_iter().map(|verb| (group.clone(), resource.clone(), verb)));
            }
        }
    }
    granted
}
