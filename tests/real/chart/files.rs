//! What is in the chart's folder and made of something else.

use std::{fs, path::Path};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use serde_json::Value;

use super::{Helm, folder, objects, values_files};
use crate::support::assets;

/// YAML files of a folder, by name, with what is in them.
fn yaml_files(folder: &Path) -> Vec<(String, String)> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    let mut files: Vec<_> = entries.map(|path| (name(&path), fs::read_to_string(&path).unwrap())).collect();
    files.sort();
    files
}

#[test]
fn its_definitions_are_those_that_the_code_makes() {
    let made = yaml_files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("crds"));
    assert!(made == yaml_files(&folder().join("files/crds")), "run `make generate`");
}

#[test]
fn its_definitions_are_rendered_as_they_are() {
    let Some(assets) = assets(&["helm"]) else { return };
    let rendered = objects(&Helm::offline(&assets).template(&["--show-only", "templates/crds.yaml"]));
    let files = yaml_files(&folder().join("files/crds"));
    assert_eq!(rendered.len(), files.len());
    for (_, text) in files {
        let made = objects(&text).remove(0);
        let rendered = rendered.iter().find(|object| object["metadata"]["name"] == made["metadata"]["name"]).unwrap();
        // As the API server reads them: Helm writes 2 where 2.0 was.
        let spec = |object: &Value| serde_json::from_value::<CustomResourceDefinition>(object.clone()).unwrap().spec;
        assert_eq!(spec(rendered), spec(&made));
        assert_eq!(rendered["metadata"]["annotations"]["helm.sh/resource-policy"], "keep");
    }
}

#[test]
fn its_readme_tells_the_values_as_they_are() {
    let Some(assets) = assets(&["helm-docs"]) else { return };
    let root = folder();
    let output = std::process::Command::new(assets.path("helm-docs"))
        .args(["--dry-run", "--log-level=error", "--chart-search-root"])
        .arg(&root)
        .output()
        .unwrap();
    let readme = fs::read_to_string(root.join("README.md")).unwrap();
    assert!(String::from_utf8(output.stdout).unwrap().trim() == readme.trim(), "run `make generate`");
}

#[test]
fn every_value_is_known_to_the_schema() {
    let Some(assets) = assets(&["helm"]) else { return };
    let helm = Helm::offline(&assets);
    for (value, accepted) in [
        ("replicaCount=3", true),
        ("replicas=3", false),
        ("metrics.podMonitor.enable=true", false),
        ("admission.mode=sometimes", false),
        ("admission.webhook.timeoutSeconds=4", false),
        ("image.digest=latest", false),
        ("settings.sampleInterval=30", false),
        ("settings.namespace=shop", false),
        ("settings.lease-name=mine", false),
        ("metrics.podMonitor.enabled=true,metrics.serviceMonitor.enabled=true", false),
    ] {
        let chart = folder();
        let output = helm.run(&["template", "t", chart.to_str().unwrap(), "--set", value]);
        assert_eq!(output.status.success(), accepted, "{value}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn the_controller_takes_the_settings_that_are_rendered() {
    let Some(assets) = assets(&["helm"]) else { return };
    let helm = Helm::offline(&assets);
    let folder = tempfile::tempdir().unwrap();
    for values in values_files() {
        let text = helm.template(&["--values", values.to_str().unwrap(), "--show-only", "templates/configmap.yaml"]);
        let file = folder.path().join("tailor.yaml");
        fs::write(&file, objects(&text)[0]["data"]["tailor.yaml"].as_str().unwrap()).unwrap();
        let run = |file: &Path| {
            let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_tailor"));
            let none = folder.path().join("none");
            command.arg("controller").arg("--config").arg(file).env("KUBECONFIG", none).output().unwrap()
        };
        let output = run(&file);
        // With settings that are right it goes on, and finds that there is no cluster.
        assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
        fs::write(&file, "no-such-setting: 1\n").unwrap();
        assert_eq!(run(&file).status.code(), Some(2));
    }
}
