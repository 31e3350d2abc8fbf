//! `tailor controller` as a process of its own.

use std::{
    io::{BufRead, BufReader, Lines},
    path::Path,
    process::{Child, ChildStderr, Command, ExitStatus, Stdio},
    sync::mpsc,
    time::Duration,
};

/// Longer than between two readings of usage, after which it writes a line if there is anything to do.
const SILENCE: Duration = Duration::from_millis(1_500);

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

    /// Starts it, and kills it as soon as it has written so many lines of its more talkative log, or says no more.
    pub fn start_and_kill(kubeconfig: &Path, config: &Path, after_lines: usize) {
        let (mut child, lines) = spawn(kubeconfig, config, "warn,tailor=debug,kube_client=debug");
        let (written, read) = mpsc::channel();
        std::thread::spawn(move || lines.map_while(Result::ok).try_for_each(|_| written.send(())));
        let count = (0..after_lines).take_while(|_| read.recv_timeout(SILENCE).is_ok()).count();
        assert!(count > 0 && child.try_wait().unwrap().is_none(), "it ended by itself");
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
