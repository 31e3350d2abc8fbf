//! Label selectors: their language, and which labels they select.
//!
//! Tokens, grammar and what is said of a fault follow k8s.io/apimachinery pkg/labels.

use std::{collections::BTreeSet, iter::Peekable, vec::IntoIter};

use serde_json::Value;

use crate::sim::api_server::write::names::{label_value_problems, qualified_name_problems};

/// What one requirement asks of a label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum LabelRule {
    /// It is there.
    Exists(String),
    /// It is not there.
    Missing(String),
    /// It has one of these values.
    In(String, BTreeSet<String>),
    /// It has none of these values, or is not there.
    NotIn(String, BTreeSet<String>),
    /// It is a number above this one.
    Above(String, i64),
    /// It is a number below this one.
    Below(String, i64),
}

impl LabelRule {
    /// Whether labels are as it asks.
    pub(super) fn matches(&self, labels: &Value) -> bool {
        let get = |key: &str| labels.get(key).and_then(Value::as_str);
        let number = |key: &str| get(key).and_then(|text| text.parse::<i64>().ok());
        match self {
            Self::Exists(key) => get(key).is_some(),
            Self::Missing(key) => get(key).is_none(),
            Self::In(key, values) => get(key).is_some_and(|value| values.contains(value)),
            Self::NotIn(key, values) => get(key).is_none_or(|value| !values.contains(value)),
            Self::Above(key, than) => number(key).is_some_and(|value| value > *than),
            Self::Below(key, than) => number(key).is_some_and(|value| value < *than),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token {
    Word,
    Comma,
    Open,
    Close,
    Not,
    Equals,
    DoubleEquals,
    Unequal,
    Above,
    Below,
    End,
}

const SYMBOLS: &[(&str, Token)] = &[
    ("==", Token::DoubleEquals),
    ("!=", Token::Unequal),
    ("=", Token::Equals),
    ("!", Token::Not),
    ("(", Token::Open),
    (")", Token::Close),
    (",", Token::Comma),
    (">", Token::Above),
    ("<", Token::Below),
];

fn tokens(text: &str) -> Vec<(Token, &str)> {
    let mut found = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let symbol = SYMBOLS.iter().find(|(symbol, _)| rest.starts_with(symbol));
        let (token, length) = symbol.map_or_else(
            || (Token::Word, rest.find(|c: char| c.is_whitespace() || "=!(),><".contains(c)).unwrap_or(rest.len())),
            |(symbol, token)| (*token, symbol.len()),
        );
        found.push((token, &rest[..length]));
        rest = rest[length..].trim_start();
    }
    found.push((Token::End, ""));
    found
}

/// Reads a selector; what is wrong with it when it cannot be read.
pub(super) fn parse(text: &str) -> Result<Vec<LabelRule>, String> {
    let mut parser = Parser(tokens(text).into_iter().peekable());
    let mut rules = Vec::new();
    loop {
        match parser.peek() {
            (Token::Word | Token::Not, _) => {
                let rule = parser.requirement().map_err(|problem| format!("unable to parse requirement: {problem}"))?;
                rules.push(rule);
            }
            (Token::End, _) => return Ok(rules),
            (_, found) => return Err(format!("found '{found}', expected: !, identifier, or 'end of string'")),
        }
        match parser.next() {
            (Token::End, _) => return Ok(rules),
            (Token::Comma, _) => {
                let (token, found) = parser.peek();
                if !matches!(token, Token::Word | Token::Not) {
                    return Err(format!("found '{found}', expected: identifier after ','"));
                }
            }
            (_, found) => return Err(format!("found '{found}', expected: ',' or 'end of string'")),
        }
    }
}

struct Parser<'a>(Peekable<IntoIter<(Token, &'a str)>>);

impl<'a> Parser<'a> {
    fn peek(&mut self) -> (Token, &'a str) {
        self.0.peek().copied().unwrap_or((Token::End, ""))
    }

    fn next(&mut self) -> (Token, &'a str) {
        self.0.next().unwrap_or((Token::End, ""))
    }

    fn requirement(&mut self) -> Result<LabelRule, String> {
        let (mut token, mut key) = self.next();
        let is_negated = token == Token::Not;
        if is_negated {
            (token, key) = self.next();
        }
        if token != Token::Word {
            return Err(format!("found '{key}', expected: identifier"));
        }
        let problems = qualified_name_problems(key).join("; ");
        if !problems.is_empty() {
            return Err(format!("<nil>: Invalid value: {key:?}: {problems}"));
        }
        let key = key.to_owned();
        if is_negated {
            return Ok(LabelRule::Missing(key));
        }
        if matches!(self.peek().0, Token::End | Token::Comma) {
            return Ok(LabelRule::Exists(key));
        }
        match self.next() {
            (Token::Word, "in") => Ok(LabelRule::In(key.clone(), checked(&key, self.values()?)?)),
            (Token::Word, "notin") => Ok(LabelRule::NotIn(key.clone(), checked(&key, self.values()?)?)),
            (Token::Equals | Token::DoubleEquals, _) => {
                Ok(LabelRule::In(key.clone(), checked(&key, self.one_value()?)?))
            }
            (Token::Unequal, _) => Ok(LabelRule::NotIn(key.clone(), checked(&key, self.one_value()?)?)),
            (Token::Above, _) => Ok(LabelRule::Above(key, self.number()?)),
            (Token::Below, _) => Ok(LabelRule::Below(key, self.number()?)),
            (_, found) => Err(format!("found '{found}', expected: in, notin, =, ==, !=, gt, lt")),
        }
    }

    fn one_value(&mut self) -> Result<BTreeSet<String>, String> {
        if matches!(self.peek().0, Token::End | Token::Comma) {
            return Ok(BTreeSet::from([String::new()]));
        }
        match self.next() {
            (Token::Word, value) => Ok(BTreeSet::from([value.to_owned()])),
            (_, found) => Err(format!("found '{found}', expected: identifier")),
        }
    }

    fn number(&mut self) -> Result<i64, String> {
        let text = self.one_value()?.pop_first().unwrap_or_default();
        text.parse().map_err(|_| {
            format!("values[0]: Invalid value: {text:?}: for 'Gt', 'Lt' operators, the value must be an integer")
        })
    }

    fn values(&mut self) -> Result<BTreeSet<String>, String> {
        match self.next() {
            (Token::Open, _) => {}
            (_, found) => return Err(format!("found '{found}' expected: '('")),
        }
        match self.peek() {
            (Token::Close, _) => {
                self.next();
                Ok(BTreeSet::from([String::new()]))
            }
            (Token::Word | Token::Comma, _) => self.listed_values(),
            (_, found) => Err(format!("found '{found}', expected: ',', ')' or identifier")),
        }
    }

    /// Values between commas, to the closing parenthesis; nothing between two of these is an empty value.
    fn listed_values(&mut self) -> Result<BTreeSet<String>, String> {
        let mut values = BTreeSet::new();
        loop {
            match self.next() {
                (Token::Word, value) => {
                    values.insert(value.to_owned());
                    match self.peek() {
                        (Token::Comma, _) => {}
                        (Token::Close, _) => break,
                        (_, found) => return Err(format!("found '{found}', expected: ',' or ')'")),
                    }
                }
                (Token::Comma, _) => {
                    let next = self.peek().0;
                    if values.is_empty() || matches!(next, Token::Close | Token::Comma) {
                        values.insert(String::new());
                    }
                    if next == Token::Close {
                        break;
                    }
                }
                (_, found) => return Err(format!("found '{found}', expected: ',', or identifier")),
            }
        }
        self.next();
        Ok(values)
    }
}

fn checked(key: &str, values: BTreeSet<String>) -> Result<BTreeSet<String>, String> {
    let mut problems = Vec::new();
    for (index, value) in values.iter().enumerate() {
        let found = label_value_problems(value).join("; ");
        if !found.is_empty() {
            problems.push(format!("values[{index}][{key}]: Invalid value: {value:?}: {found}"));
        }
    }
    match problems.as_slice() {
        [] => Ok(values),
        [one] => Err(one.clone()),
        many => Err(format!("[{}]", many.join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    #[rstest]
    #[case::equal("app=web", true)]
    #[case::double_equal("app==web", true)]
    #[case::unequal("app!=web", false)]
    #[case::unequal_of_a_missing_key("zone!=a", true)]
    #[case::in_a_set("app in (db, web),tier", true)]
    #[case::not_in_a_set("app notin (db, web)", false)]
    #[case::not_in_a_set_without_the_key("zone notin (a)", true)]
    #[case::exists("tier", true)]
    #[case::missing("!tier", false)]
    #[case::above("count>4", true)]
    #[case::not_above("count > 5", false)]
    #[case::below("count<6", true)]
    #[case::no_number("app<6", false)]
    #[case::nothing_asked(" ", true)]
    fn label_selectors_select(#[case] selector: &str, #[case] expected: bool) {
        let labels = json!({ "app": "web", "tier": "front", "count": "5" });
        let rules = parse(selector).unwrap();
        assert_eq!(rules.iter().all(|rule| rule.matches(&labels)), expected);
    }

    #[rstest]
    #[case("app within (a)", "unable to parse requirement: found 'within', expected: in, notin, =, ==, !=, gt, lt")]
    #[case("app in a", "unable to parse requirement: found 'a' expected: '('")]
    #[case("app=a,", "found '', expected: identifier after ','")]
    #[case("app===a", "unable to parse requirement: found '=', expected: identifier")]
    #[case("!app=a", "found '=', expected: ',' or 'end of string'")]
    fn label_selectors_that_cannot_be_read_are_refused(#[case] selector: &str, #[case] problem: &str) {
        assert_eq!(parse(selector), Err(problem.to_owned()));
    }
}
