//! `tailor controller` as a process of its own.

use std::{
    io::{BufRead, BufReader, Lines},
    path::Path,
    process::{Child, ChildStderr, Command, ExitStatus, Stdio},
};

/// A child that does not outlive the test.
pub struct Tailor {
    child: Child,
    /// Where it serves its health.
    /// So that what asks it can be another process too.
    pub url: String,
}

impl Tailor {
    /// Starts it with the settings in a file, and waits until it says where it listens.
    pub fn start(kubeconfig: &Path, config: &Path) -> Self {
        let (child, mut lines) = spawn(kubeconfig, config, "info");
        let address = lines.by_ref().map_while(Result::ok).find_map(|line| {
            let line: serde_json::Value = serde_json::from_str(&line).ok()?;
            line["address"].as_str().map(str::to_owned)
        });
        // It must not wait for whoever reads its log.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, url: format!("http://{}", address.expect("it says where it listens")) }
    }

    /// Starts it, and kills it as soon as it has written so many lines of its most talkative log.
    pub fn start_and_kill(kubeconfig: &Path, config: &Path, after_lines: usize) {
        let (mut child, lines) = spawn(kubeconfig, config, "warn,tailor=debug,kube_client=debug");
        assert_eq!(lines.take(after_lines).filter_map(Result::ok).count(), after_lines, "it ended by itself");
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Code and body of what it answers at a path, if it answers.
    pub async fn says(&self, path: &str) -> Option<(u16, String)> {
        let answer = reqwest::get(format!("{}{path}", self.url)).await.ok()?;
        Some((answer.status().as_u16(), answer.text().await.ok()?))
    }

    /// Asks it to end, and waits until it has.
    pub fn terminate(&mut self) -> ExitStatus {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        self.child.wait().unwrap()
    }
}

impl Drop for Tailor {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(kubeconfig: &Path, config: &Path, log: &str) -> (Child, Lines<BufReader<ChildStderr>>) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_tailor"))
        .args(["controller", "--listen=127.0.0.1:0", "--log-format=json"])
        .args([format!("--log={log}"), format!("--config={}", config.display())])
        .env("KUBECONFIG", kubeconfig)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let log = BufReader::new(child.stderr.take().unwrap());
    (child, log.lines())
}
