//! In what the answers of a case differ, and how that is told.

use std::fmt::Write;

use serde_json::Value;

use super::{
    answer::{Answer, in_any_words, in_order},
    case::{Aim, Body, Case, Request, Step},
};

/// What is to be told of a case: nothing, when both servers answered alike.
pub fn differences(case: &Case, embedded: &[Answer], real: &[Answer]) -> Option<String> {
    let mut told = String::new();
    for (index, step) in case.steps.iter().enumerate() {
        let lines = match (embedded.get(index), real.get(index)) {
            (Some(embedded), Some(real)) => of_step(step, embedded, real),
            (None, None) => break,
            _ => vec!["only one of the servers came this far".to_owned()],
        };
        if lines.is_empty() {
            continue;
        }
        let body = match &step.request.body {
            Body::Empty => String::new(),
            Body::Text(text) => format!("\n      {text}"),
            Body::Edited { of, edits } => format!("\n      {of} with {edits:?}"),
        };
        let Request { method, path, query, .. } = &step.request;
        let query = if query.is_empty() { String::new() } else { format!("?{query}") };
        _ = write!(told, "\n  {}. {method} {path}{query}{body}", index + 1);
        lines.iter().for_each(|line| _ = write!(told, "\n    {line}"));
    }
    (!told.is_empty()).then(|| format!("{}{told}", case.name))
}

fn of_step(step: &Step, embedded: &Answer, real: &Answer) -> Vec<String> {
    match step.aim {
        Aim::Agree => disagreements(step, embedded, real),
        aim => {
            let fits = |answer: &Answer| match aim {
                Aim::Reach(code) => answer["code"] == code,
                _ => answer["code"].as_u64().is_some_and(|code| (200..300).contains(&code)),
            };
            let sides = [("embedded", embedded), ("real", real)].into_iter().filter(|(_, answer)| !fits(answer));
            sides.map(|(side, answer)| format!("{side} is not as the case needs it: {answer}")).collect()
        }
    }
}

fn disagreements(step: &Step, embedded: &Answer, real: &Answer) -> Vec<String> {
    let looked_at = |answer: &Answer| {
        let answer = (step.part)(answer.clone());
        let answer = if step.in_any_order { in_order(answer) } else { answer };
        if step.in_any_words { in_any_words(answer) } else { answer }
    };
    let found = differing(&looked_at(embedded), &looked_at(real));
    let is_meant =
        |at: &str, place: &str| place.strip_prefix(at).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    let mut lines = Vec::new();
    for known in &step.differences {
        if !found.iter().any(|one| is_meant(known.at, &one.at)) {
            lines.push(format!("{} no longer differs, though it should: {}", known.at, known.why));
        }
    }
    for one in found.iter().filter(|one| !step.differences.iter().any(|known| is_meant(known.at, &one.at))) {
        lines.push(format!("{}\n      - embedded  {}\n      + real      {}", one.at, one.embedded, one.real));
    }
    lines
}

/// The places in which two answers differ. Of answers with different codes nothing but the outcome is told.
fn differing(embedded: &Answer, real: &Answer) -> Vec<Place> {
    if embedded["code"] == real["code"] {
        let mut found = Vec::new();
        compare(Some(embedded), Some(real), "", &mut found);
        return found;
    }
    let outcome = |answer: &Answer| {
        let body = &answer["body"];
        format!("{} {}", answer["code"], if body["kind"] == "Status" { &body["message"] } else { &body["kind"] })
    };
    vec![Place { at: "/code".to_owned(), embedded: outcome(embedded), real: outcome(real) }]
}

/// One place in which two answers differ.
struct Place {
    at: String,
    embedded: String,
    real: String,
}

fn compare(embedded: Option<&Value>, real: Option<&Value>, at: &str, found: &mut Vec<Place>) {
    match (embedded, real) {
        (Some(Value::Object(one)), Some(Value::Object(other))) => {
            let keys: std::collections::BTreeSet<&String> = one.keys().chain(other.keys()).collect();
            for key in keys {
                let step = key.replace('~', "~0").replace('/', "~1");
                compare(one.get(key), other.get(key), &format!("{at}/{step}"), found);
            }
        }
        (Some(Value::Array(one)), Some(Value::Array(other))) if one.len() == other.len() => {
            let pairs = one.iter().zip(other).enumerate();
            pairs.for_each(|(index, (one, other))| compare(Some(one), Some(other), &format!("{at}/{index}"), found));
        }
        (one, other) if one == other => {}
        (one, other) => {
            let shown = |value: Option<&Value>| value.map_or_else(|| "(nothing)".to_owned(), Value::to_string);
            found.push(Place { at: at.to_owned(), embedded: shown(one), real: shown(other) });
        }
    }
}

mod tests {
    use serde_json::json;

    use super::*;
    use crate::conformance::case::{case, get};

    fn answer(message: &str, name: &str) -> Answer {
        json!({ "code": 409, "body": { "message": message, "details": { "name": name } }, "headers": {} })
    }

    #[test]
    fn every_difference_is_told_with_both_sides() {
        let case = case("two-places").ask(get("pods/web"));
        let told = differences(&case, &[answer("a", "x")], &[answer("b", "y")]).expect("they differ");
        for part in ["two-places", "1. GET pods/web", "/body/message", "/body/details/name", "\"a\"", "\"y\""] {
            assert!(told.contains(part), "{part} is not in {told}");
        }
        assert_eq!(differences(&case, &[answer("a", "x")], &[answer("a", "x")]), None);
    }

    #[test]
    fn a_difference_that_is_meant_is_told_when_it_is_gone() {
        let case = case("meant").ask(get("pods/web")).differs("/body/message", "they speak otherwise");
        assert_eq!(differences(&case, &[answer("a", "x")], &[answer("b", "x")]), None);
        let told = differences(&case, &[answer("a", "x")], &[answer("a", "x")]).expect("it is gone");
        assert!(told.contains("they speak otherwise"), "{told}");
        assert!(differences(&case, &[answer("a", "x")], &[answer("b", "y")]).is_some(), "only that one is meant");
    }

    #[test]
    fn an_order_that_the_server_draws_is_no_difference() {
        let ask = || case("drawn").ask(get("pods/web"));
        let (one, other) = (answer("bad: [a, b]", "x"), answer("bad: [b, a]", "x"));
        let (one, other) = ([one], [other]);
        assert!(differences(&ask(), &one, &other).is_some());
        assert_eq!(differences(&ask().in_any_order(), &one, &other), None);
    }
}
