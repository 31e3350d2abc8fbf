//! Where answers are known to differ, of the cases that are about all kinds: `differing.txt`.

use std::collections::BTreeSet;

use super::case::{Case, Difference};

const TABLE: &str = include_str!("differing.txt");

/// A request whose answers differ.
struct Row {
    case: &'static str,
    /// Its number in the case, from 1.
    request: usize,
    /// Pointers into the answer.
    places: Vec<&'static str>,
    why: &'static str,
}

fn rows() -> Vec<Row> {
    let (mut rows, mut why) = (Vec::new(), "");
    for line in TABLE.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(reason) = line.strip_prefix("= ") {
            why = reason;
            continue;
        }
        let mut words = line.split(' ');
        let case = words.next().unwrap_or_default();
        let request = words.next().and_then(|number| number.parse().ok());
        let request = request.unwrap_or_else(|| panic!("the request has no number: {line}"));
        rows.push(Row { case, request, places: words.collect(), why });
    }
    rows
}

/// Adds to the cases what is known of their answers. What is known of requests that are not there is a mistake.
pub fn add_to(cases: &mut [Case]) {
    let mut seen = BTreeSet::new();
    for Row { case: name, request, places, why } in rows() {
        assert!(seen.insert((name, request)), "{name} {request} is there twice");
        let case = cases.iter_mut().find(|case| case.name == name);
        let step = case.and_then(|case| case.steps.get_mut(request - 1));
        let step = step.unwrap_or_else(|| panic!("{name} has no request {request}"));
        step.differences.extend(places.into_iter().map(|at| Difference { at, why }));
    }
}
