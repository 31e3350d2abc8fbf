//! The dashboards and rules of the chart, as files.

use std::{fs, path::PathBuf};

use regex::Regex;
use serde_json::Value;

/// One query of a panel.
#[derive(Clone, Debug)]
pub struct Query {
    /// Board and panel.
    pub panel: String,
    /// PromQL, with Grafana's variables filled in.
    pub expr: String,
    /// Whether it is asked over a time.
    pub ranged: bool,
}

/// A folder of the chart.
pub fn folder(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("charts/tailor").join(name)
}

/// The files of a folder of the chart, by name.
pub fn files(name: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder(name)).unwrap();
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_file()).collect();
    files.sort();
    files
}

/// The dashboards, by file name.
pub fn boards() -> Vec<(String, Value)> {
    let read = |path: &PathBuf| serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    files("dashboards").iter().map(|path| (path.file_stem().unwrap().to_string_lossy().into(), read(path))).collect()
}

/// The panels of a board that ask something.
pub fn panels(board: &Value) -> impl Iterator<Item = &Value> {
    board["panels"].as_array().unwrap().iter().filter(|panel| panel["type"] != "row")
}

/// Every query of every panel, and of every variable.
pub fn queries() -> Vec<Query> {
    let mut queries = Vec::new();
    for (name, board) in boards() {
        for panel in panels(&board) {
            let title = panel["title"].as_str().unwrap();
            for target in panel["targets"].as_array().unwrap() {
                queries.push(Query {
                    panel: format!("{name}: {title}"),
                    expr: filled(target["expr"].as_str().unwrap()),
                    ranged: panel["type"] == "timeseries",
                });
            }
        }
        for variable in board["templating"]["list"].as_array().unwrap() {
            if let Some(query) = variable["query"]["query"].as_str() {
                let (metric, label) =
                    query.strip_prefix("label_values(").unwrap().strip_suffix(')').unwrap().rsplit_once(", ").unwrap();
                let expr = filled(&format!("count by ({label}) ({metric})"));
                queries.push(Query { panel: format!("{name}: variable {label}"), expr, ranged: false });
            }
        }
    }
    queries
}

/// With everything selected, and times that suit a scrape each second.
fn filled(expr: &str) -> String {
    let times = expr.replace("$__rate_interval", "10s").replace("$__range", "5m");
    Regex::new(r#"\$[a-z]+""#).unwrap().replace_all(&times, r#".*""#).into_owned()
}

/// The rule files as one list of rules.
pub fn rules() -> Vec<Value> {
    let mut rules = Vec::new();
    for path in files("rules") {
        let file: Value = serde_saphyr::from_str(&fs::read_to_string(path).unwrap()).unwrap();
        for group in file["groups"].as_array().unwrap() {
            rules.extend(group["rules"].as_array().unwrap().iter().cloned());
        }
    }
    rules
}

/// The metrics of ours that a query names.
pub fn metrics(expr: &str) -> Vec<String> {
    Regex::new(r"\b(tailor|process)_[a-z_]+").unwrap().find_iter(expr).map(|name| name.as_str().to_owned()).collect()
}
