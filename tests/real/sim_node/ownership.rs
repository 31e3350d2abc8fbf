//! Whose Nodes are played, and what becomes of them at the end.

use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
};

use k8s_openapi::api::core::v1::Node;
use kube::{
    ResourceExt,
    api::{DeleteParams, ListParams},
};
use tailor::sim::kubelet::real::{Error, LABEL, NodeError};

use super::*;

async fn nodes(client: Client) -> Vec<String> {
    Api::<Node>::all(client).list(&ListParams::default()).await.unwrap().iter().map(ResourceExt::name_any).collect()
}

#[tokio::test]
async fn a_real_node_and_its_pods_are_never_touched() {
    let Some(cluster) = Cluster::bare(options(vec![node("sim-1", 2_000, 8)])).await else { return };
    let other =
        json!({ "metadata": { "name": "other" }, "status": { "allocatable": { "cpu": "4", "memory": "8Gi" } } });
    let others = Api::<Node>::all(cluster.client());
    others.create(&PostParams::default(), &serde_json::from_value(other).unwrap()).await.unwrap();
    cluster.create(pod("theirs", "other", ["100m", "64Mi"], None)).await;
    cluster.pods().delete("theirs", &DeleteParams::default()).await.unwrap();
    // The kubelets have seen all that when they have seen what came after it.
    cluster.create_and_start(pod("ours", "sim-1", ["100m", "64Mi"], None)).await;
    let theirs = cluster.pods().get("theirs").await.expect("only its own kubelet may end it");
    assert_eq!(theirs.status.unwrap().phase.as_deref(), Some("Pending"));
    assert!(others.get("other").await.unwrap().status.unwrap().conditions.is_none());

    let refused = real::spawn(cluster.client(), options(vec![node("other", 2_000, 8)])).await.err().unwrap();
    assert!(matches!(&refused, Error::Node(NodeError::Foreign { node, .. }) if node == "other"), "{refused}");
    cluster.kubelets.withdraw().await.unwrap();
    assert_eq!(nodes(cluster.plane.client()).await, ["other"]);
}

/// The binary on a cluster; killed when a test fails.
struct SimNode(std::process::Child);

impl SimNode {
    fn start(plane: &ControlPlane, arguments: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tailor"));
        command.env("KUBECONFIG", plane.kubeconfig()).arg("sim-node").args(arguments).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let first = lines.next().unwrap().unwrap();
        assert!(first.starts_with("playing 2 Nodes"), "{first}");
        Self(child)
    }

    fn end(mut self, signal: &str) {
        let sent = Command::new("kill").args([signal, &self.0.id().to_string()]).status().unwrap();
        assert!(sent.success());
        assert!(self.0.wait().unwrap().success());
    }
}

impl Drop for SimNode {
    fn drop(&mut self) {
        let _ = self.0.kill();
    }
}

#[tokio::test]
async fn the_command_plays_nodes_until_it_is_told_to_end_and_takes_them_along_unless_told_otherwise() {
    let Some(plane) = control_plane(ControlPlaneOptions::default()).await else { return };
    let running = SimNode::start(&plane, &["--nodes", "2", "--prefix", "try", "--cpu", "3", "--brisk"]);
    assert_eq!(nodes(plane.client()).await, ["try-1", "try-2"]);
    let node = Api::<Node>::all(plane.client()).get("try-1").await.unwrap();
    assert_eq!(node.labels()[LABEL], "try");
    assert_eq!(node.status.unwrap().capacity.unwrap()["cpu"].0, "3");
    running.end("-TERM");
    assert!(nodes(plane.client()).await.is_empty());

    SimNode::start(&plane, &["--nodes", "2", "--keep"]).end("-INT");
    assert_eq!(nodes(plane.client()).await, ["sim-1", "sim-2"]);
    SimNode::start(&plane, &["--nodes", "2"]).end("-INT");
    assert!(nodes(plane.client()).await.is_empty(), "its own Nodes are taken up again");
}
