//! `pods/resize`.

use serde_json::json;

use super::{
    case::{Case, case, create, get, merge, strategic},
    fixture::{NODE, pod},
};

pub fn cases() -> Vec<Case> {
    vec![
        case("a-strategic-patch-resizes")
            .given(create("pods", &pod("web", &json!({ "spec": { "nodeName": NODE } }))))
            .ask(strategic(
                "pods/web/resize",
                &json!({ "spec": { "containers": [{ "name": "app", "resources": { "requests": { "cpu": "600m" } } }] } }),
            ))
            .ask(get("pods/web")),
        case("a-resize-of-no-pod-is-not-found").ask(merge("pods/web/resize", &json!({}))),
    ]
}
