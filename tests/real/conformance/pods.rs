//! Pods that are created.

use serde_json::json;

use super::{
    case::{Case, case, create, get},
    fixture::pod,
};

pub fn cases() -> Vec<Case> {
    vec![
        case("a-pod-gets-its-defaults").ask(create("pods", &pod("web", &json!({})))).ask(get("pods/web")),
        case("a-pod-gets-a-name-of-its-prefix")
            .ask(create("pods", &pod("web", &json!({ "metadata": { "name": null, "generateName": "web-" } })))),
    ]
}
