//! Values as the server's own language prints them, which some of its messages show.

use serde_json::Value;

/// `map[name:app tty:true]`, `[a b]`, `<nil>`.
pub(crate) fn as_go_prints(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) => format!("[{}]", items.iter().map(as_go_prints).collect::<Vec<_>>().join(" ")),
        Value::Object(map) => {
            let entries: Vec<String> = map.iter().map(|(key, part)| format!("{key}:{}", as_go_prints(part))).collect();
            format!("map[{}]", entries.join(" "))
        }
        plain => plain.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_printed_without_quotes_and_by_key() {
        let value = json!({ "b": [1, true], "a": { "x": "y" }, "c": null });
        assert_eq!(as_go_prints(&value), "map[a:map[x:y] b:[1 true] c:<nil>]");
    }
}
