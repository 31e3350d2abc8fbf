//! What is rendered, for several values, against the schemas of each supported Kubernetes and a linter.

use std::{
    io::Write,
    process::{Command, Stdio},
};

use rstest::rstest;
use serde_json::json;

use super::{Helm, NAMESPACE, folder, granted, kind, objects, values_files};
use crate::support::assets;

/// What a checker says of `text`, and whether it is content.
fn check(program: &mut Command, text: &str) -> (bool, String) {
    let mut child = program.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.success(), said)
}

#[test]
fn helm_lint_finds_nothing() {
    let Some(assets) = assets(&["helm"]) else { return };
    let helm = Helm::offline(&assets);
    for values in values_files() {
        helm.does(&["lint", "--strict", folder().to_str().unwrap(), "--values", values.to_str().unwrap()]);
    }
}

#[rstest]
#[case("v1.33")]
#[case("v1.34")]
#[case("v1.35")]
#[case("v1.36")]
#[case("v1.37")]
fn every_object_is_of_the_api(#[case] version: &str) {
    let Some(assets) = assets(&["helm", "kube-schema"]) else { return };
    let helm = Helm::offline(&assets);
    for values in values_files() {
        let text = helm.template(&["--values", values.to_str().unwrap(), "--kube-version", version]);
        let (good, said) = check(Command::new(assets.path("kube-schema")).arg(version), &text);
        assert!(good, "{}: {said}", values.display());
        // It does look.
        let wrong = text.replace("unhealthyPodEvictionPolicy:", "unhealthyPodPolicy:");
        let (good, said) = check(Command::new(assets.path("kube-schema")).arg(version), &wrong);
        assert!(good == (wrong == text), "{said}");
    }
}

/// What kube-score would have otherwise, and why not.
const NOT_WANTED: [&str; 5] = [
    // Nothing is written but logs.
    "container-ephemeral-storage-request-and-limit",
    // A tag of ours never moves.
    "container-image-pull-policy",
    // Where Prometheus and the API server are is not ours to know: there is one, and it is off by default.
    "pod-networkpolicy",
    // Replicas are spread by topology, over zones too.
    "deployment-has-host-podantiaffinity",
    // The Pod of `helm test` ends; the probes of the Deployment are looked at below.
    "pod-probes",
];

#[test]
fn a_linter_for_security_finds_nothing() {
    let Some(assets) = assets(&["helm", "kube-score"]) else { return };
    let helm = Helm::offline(&assets);
    for values in values_files() {
        let text = helm.template(&["--values", values.to_str().unwrap()]);
        let score = |text: &str| {
            let mut command = Command::new(assets.path("kube-score"));
            // A limit of CPU would throttle what others leave unused.
            let flags = ["--output-format=ci", "--exit-one-on-warning", "--ignore-container-cpu-limit"];
            command.arg("score").args(flags).arg("-");
            command.args(NOT_WANTED.iter().flat_map(|test| ["--ignore-test", test]));
            check(&mut command, text)
        };
        let (good, said) = score(&text);
        assert!(good, "{}: {said}", values.display());
        assert!(!score(&text.replace("readOnlyRootFilesystem: true", "privileged: true")).0);
    }
}

#[test]
fn no_right_is_open_ended_or_lets_it_write_workloads_pods_or_rights() {
    let Some(assets) = assets(&["helm"]) else { return };
    let helm = Helm::offline(&assets);
    for values in values_files() {
        let objects = objects(&helm.template(&["--values", values.to_str().unwrap()]));
        for (group, resource, verb) in granted(&objects) {
            let right = format!("{}: {verb} {resource}.{group}", values.display());
            assert!(![&group, &resource, &verb].iter().any(|text| text.contains('*')), "{right}");
            assert!(!["escalate", "bind", "impersonate", "deletecollection"].contains(&verb.as_str()), "{right}");
            let reads = ["get", "list", "watch"].contains(&verb.as_str());
            assert!(reads || !["pods", "nodes"].contains(&resource.as_str()), "{right}");
            assert!(reads || !["apps", "batch", "rbac.authorization.k8s.io"].contains(&group.as_str()), "{right}");
        }
    }
}

#[test]
fn the_right_to_evict_is_there_unless_pods_are_resized_in_place_only() {
    let Some(assets) = assets(&["helm"]) else { return };
    let helm = Helm::offline(&assets);
    let evicts = |arguments: &[&str]| {
        let granted = granted(&objects(&helm.template(arguments)));
        granted.iter().any(|(_, resource, _)| resource == "pods/eviction")
    };
    assert!(evicts(&[]));
    assert!(!evicts(&["--set", "inPlaceOnly=true"]));
    assert!(!evicts(&["--set", "inPlaceOnly=true,watchNamespace=shop"]));
}

#[test]
fn one_namespace_without_nodes_needs_no_cluster_role() {
    let Some(assets) = assets(&["helm"]) else { return };
    let helm = Helm::offline(&assets);
    let values = folder().join("ci/namespaced-values.yaml");
    let objects = objects(&helm.template(&["--values", values.to_str().unwrap()]));
    let cluster: Vec<_> = objects.iter().filter(|object| object["metadata"]["namespace"].is_null()).collect();
    assert!(cluster.iter().all(|object| kind(object) == "CustomResourceDefinition"), "{cluster:?}");
    assert!(objects.iter().any(|object| kind(object) == "Role" && object["metadata"]["namespace"] == "default"));
}

#[test]
fn new_pods_never_wait_long_for_the_webhook_and_tailors_own_and_the_systems_not_at_all() {
    let Some(assets) = assets(&["helm"]) else { return };
    let arguments = ["--set", "admission.mode=webhook", "--show-only", "templates/webhook.yaml"];
    let objects = objects(&Helm::offline(&assets).template(&arguments));
    let [webhook, probe] = objects[1]["webhooks"].as_array().unwrap().as_slice() else { panic!("two webhooks") };
    assert_eq!(webhook["failurePolicy"], "Ignore");
    assert!(webhook["timeoutSeconds"].as_i64().unwrap() <= 3);
    let expression = &webhook["namespaceSelector"]["matchExpressions"][0];
    assert_eq!(expression["operator"], "NotIn");
    assert_eq!(expression["values"], json!(["kube-system", NAMESPACE]));
    // The other one may refuse, but is about nothing that anybody needs.
    assert_eq!(probe["rules"][0]["resources"], json!(["leases"]));
    assert_eq!(probe["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"], NAMESPACE);
    assert_eq!(probe["objectSelector"]["matchLabels"]["autoscaling.tailor.dev/admission-probe"], "true");
    // The controller owns the bundle, and the chart does not take it back.
    assert!([webhook, probe].iter().all(|webhook| webhook["clientConfig"].get("caBundle").is_none()));
}
