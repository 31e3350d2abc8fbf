//! The documentation: its links lead somewhere, and what it shows is accepted.

use std::{
    fs,
    path::{Path, PathBuf},
};

use kube::CustomResourceExt;
use regex::Regex;
use serde_json::Value;
use tailor::{api::VerticalResizePolicy, sim::api_server::rules::schema::Structural};

/// Every page, with its text.
fn pages() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders = vec![root.join("docs")];
    let mut files = vec![root.join("README.md"), root.join("ARCHITECTURE.md")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder of ours") {
            let path = entry.expect("a folder of ours").path();
            match path.extension().and_then(|extension| extension.to_str()) {
                Some("md") => files.push(path),
                None if path.is_dir() => folders.push(path),
                _ => {}
            }
        }
    }
    files.sort();
    files.into_iter().map(|path| (path.clone(), fs::read_to_string(path).expect("a page of ours"))).collect()
}

/// What a heading is called in a link.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c.to_ascii_lowercase() }).collect()
}

fn has_anchor(text: &str, wanted: &str) -> bool {
    text.lines()
        .filter_map(|line| line.split_once("# "))
        .any(|(hashes, heading)| hashes.chars().all(|c| c == '#') && anchor(heading) == wanted)
}

#[test]
fn every_link_leads_to_a_file_and_a_heading() {
    let link = Regex::new(r"\]\(([^)\s]+)\)").unwrap();
    let pages = pages();
    let mut followed = 0;
    for (path, text) in &pages {
        for found in link.captures_iter(text) {
            let target = &found[1];
            if target.starts_with("http") {
                continue;
            }
            let (file, heading) = target.split_once('#').unwrap_or((target, ""));
            let file = if file.is_empty() { path.clone() } else { path.parent().unwrap().join(file) };
            assert!(file.exists(), "{} links to {target}", path.display());
            if !heading.is_empty() {
                let text = fs::read_to_string(&file).unwrap();
                assert!(has_anchor(&text, heading), "{} links to {target}", path.display());
            }
            followed += 1;
        }
    }
    assert!(followed > 50, "{followed}");
}

#[test]
fn every_policy_that_is_shown_is_accepted() {
    let schema = Structural::from_crd(&VerticalResizePolicy::crd(), "v1alpha1").expect("the schema is structural");
    let block = Regex::new(r"(?s)(?:```yaml\n|<<YAML\n)(.*?)(?:```|\nYAML)").unwrap();
    let mut shown = 0;
    for (path, text) in pages() {
        for found in block.captures_iter(&text) {
            for document in found[1].split("\n---\n").filter(|text| text.contains("kind: VerticalResizePolicy")) {
                let object: Value = serde_saphyr::from_str(document)
                    .unwrap_or_else(|error| panic!("{}: {error}\n{document}", path.display()));
                let refusal = schema.admit(object, None, true).err();
                assert!(refusal.is_none(), "{}: {:?}\n{document}", path.display(), refusal.unwrap().message);
                shown += 1;
            }
        }
    }
    assert!(shown >= 3, "{shown}");
}

#[test]
fn the_index_names_every_page() {
    let index = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/README.md")).unwrap();
    for (path, _) in pages() {
        let Ok(page) = path.strip_prefix(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs")) else { continue };
        let page = page.to_str().unwrap();
        let is_indexed = page == "README.md" || page.starts_with("runbooks/") || index.contains(&format!("({page})"));
        assert!(is_indexed, "docs/README.md does not lead to {page}");
    }
}
