//! A real Prometheus that scrapes the controller.

use std::{
    fs,
    net::{SocketAddr, TcpListener},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tailor::sim::real::Assets;
use tempfile::TempDir;

use super::boards::{Query, files};

/// It is scraped and its rules are evaluated this often.
pub const EVERY: &str = "1s";

/// Ends when it is dropped.
pub struct Prometheus {
    child: Child,
    /// Where it is asked.
    pub url: String,
    http: reqwest::Client,
    folder: TempDir,
}

impl Prometheus {
    /// Scrapes `target` as the job `tailor`, and evaluates the rules of the chart.
    pub async fn start(assets: &Assets, target: SocketAddr) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = json!({
            "global": { "scrape_interval": EVERY, "evaluation_interval": EVERY },
            "rule_files": files("rules"),
            "scrape_configs": [{
                "job_name": "tailor",
                "honor_labels": true,
                "static_configs": [{ "targets": [target.to_string()] }],
            }],
        });
        let file = folder.path().join("prometheus.yaml");
        // JSON is YAML.
        fs::write(&file, config.to_string()).unwrap();
        let address = free_address();
        let log = fs::File::create(folder.path().join("log")).unwrap();
        let child = Command::new(assets.path("prometheus"))
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .stdin(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let prometheus = Self { child, url: format!("http://{address}"), http: reqwest::Client::new(), folder };
        let began = Instant::now();
        while !prometheus.is_ready().await {
            assert!(began.elapsed() < Duration::from_secs(60), "{}", prometheus.log());
            pause().await;
        }
        prometheus
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    async fn is_ready(&self) -> bool {
        let answer = self.http.get(format!("{}/-/ready", self.url)).send().await;
        answer.is_ok_and(|answer| answer.status().is_success())
    }

    /// What it answers to a path of its API.
    pub async fn ask(&self, path: &str, parameters: &[(&str, String)]) -> Value {
        let form = parameters.iter().map(|(name, value)| format!("{name}={}", escaped(value))).collect::<Vec<_>>();
        let url = format!("{}/api/v1/{path}?{}", self.url, form.join("&"));
        let text = self.http.get(url).send().await.unwrap().text().await.unwrap();
        let answer: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(answer["status"], "success", "{parameters:?}: {answer}");
        answer["data"].clone()
    }

    /// Whether a query answers with at least one number, now or, if it is ranged, in the last five minutes.
    pub async fn has_data(&self, query: &Query) -> bool {
        let mut parameters = vec![("query", query.expr.clone())];
        if query.ranged {
            let now = jiff::Timestamp::now().as_second();
            parameters.extend([
                ("start", (now - 300).to_string()),
                ("end", now.to_string()),
                ("step", EVERY.to_owned()),
            ]);
        }
        let data = self.ask(if query.ranged { "query_range" } else { "query" }, &parameters).await;
        let is_number = |value: &Value| value[1].as_str().is_some_and(|number| number != "NaN");
        data["result"].as_array().unwrap().iter().any(|series| match series["values"].as_array() {
            Some(values) => values.iter().any(is_number),
            None => is_number(&series["value"]),
        })
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn escaped(text: &str) -> String {
    text.bytes()
        .map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte).into() } else { format!("%{byte:02X}") })
        .collect()
}

fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// Ten seconds of the cluster's time, which stands still while a thread is waited for.
pub async fn pause() {
    tokio::time::sleep(Duration::from_secs(10)).await;
}
