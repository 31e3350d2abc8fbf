//! A request as far as it is about resources: who asks, how, and with which options.

use std::{collections::BTreeMap, sync::Mutex};

use http::{HeaderMap, Method, header, request::Parts};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::StatusDetails;
use serde_json::Value;

use super::{
    locked,
    object::Form,
    protobuf,
    status::{Cause, Failure, Result, bad_request, invalid_options, not_acceptable, unsupported_media_type},
    table::Include,
};

/// The longest name of a field manager, in bytes.
const LONGEST_MANAGER: usize = 128;

/// What becomes of fields that a kind does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FieldValidation {
    /// They are dropped.
    Ignore,
    /// They are dropped, and the client is told.
    Warn,
    /// The request is refused.
    Strict,
}

/// How objects are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum View {
    /// As themselves.
    Objects(Form),
    /// As rows.
    Table(Include),
}

/// An acceptable media type that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    Full,
    Metadata,
    Table,
}

impl Wanted {
    fn read(accepted: &str) -> Option<Self> {
        let mut parts = accepted.split(';').map(str::trim);
        let is_json = matches!(parts.next(), Some("application/json" | "application/*" | "*/*"));
        let parameters: BTreeMap<&str, &str> = parts.filter_map(|part| part.split_once('=')).collect();
        match (parameters.get("as").copied(), parameters.get("v").copied()) {
            _ if !is_json => None,
            (None, _) => Some(Self::Full),
            (Some("PartialObjectMetadata" | "PartialObjectMetadataList"), Some("v1")) => Some(Self::Metadata),
            (Some("Table"), Some("v1")) => Some(Self::Table),
            _ => None,
        }
    }
}

/// Who asks, how, and with which options.
pub(super) struct Call {
    /// The user that the client was made for.
    pub(super) user: &'static str,
    /// The HTTP method.
    pub(super) method: Method,
    /// The query parameters.
    query: BTreeMap<String, String>,
    headers: HeaderMap,
    shows_warnings: bool,
    warnings: Mutex<Vec<String>>,
}

impl Call {
    /// Reads the head of a request. `shows_warnings` says whether the client has somebody to show them to.
    pub(super) fn new(user: &'static str, parts: &Parts, shows_warnings: bool) -> Self {
        let query = parts.uri.query().unwrap_or_default();
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        let mut query = BTreeMap::new();
        for pair in pairs {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            query.entry(decoded(key)).or_insert_with(|| decoded(value));
        }
        Self {
            user,
            method: parts.method.clone(),
            query,
            headers: parts.headers.clone(),
            shows_warnings,
            warnings: Mutex::default(),
        }
    }

    /// A query parameter; empty when absent.
    pub(super) fn option(&self, name: &str) -> &str {
        self.query.get(name).map_or("", String::as_str)
    }

    /// Whether a query parameter is given at all.
    pub(super) fn has(&self, name: &str) -> bool {
        self.query.contains_key(name)
    }

    /// Whether a query parameter is given and does not say no.
    pub(super) fn is_set(&self, name: &str) -> bool {
        self.query.get(name).is_some_and(|text| text != "0" && !text.eq_ignore_ascii_case("false"))
    }

    /// The name under which field ownership is recorded.
    pub(super) fn manager(&self) -> &str {
        let named = self.option("fieldManager");
        if !named.is_empty() {
            return named;
        }
        let agent = self.header(header::USER_AGENT.as_str());
        let agent = agent.split(['/', ' ']).next().unwrap_or_default();
        if agent.is_empty() { self.user } else { agent }
    }

    /// Whether nothing may be stored.
    pub(super) fn is_dry_run(&self) -> Result<bool> {
        match self.option("dryRun") {
            "" => Ok(false),
            "All" => Ok(true),
            other => {
                let message = format!("Unsupported value: [{other:?}]: supported values: \"All\"");
                Err(self.bad_option(Cause { reason: "FieldValueNotSupported", field: "dryRun".into(), message }))
            }
        }
    }

    /// 422 when an option of a write cannot be.
    pub(super) fn check_options(&self) -> Result<()> {
        self.is_dry_run()?;
        let manager = self.option("fieldManager");
        if manager.len() > LONGEST_MANAGER {
            let message = format!("Too long: may not be more than {LONGEST_MANAGER} bytes");
            return Err(self.bad_option(Cause { reason: "FieldValueTooLong", field: "fieldManager".into(), message }));
        }
        if let Some((at, unprintable)) = manager.char_indices().find(|(_, character)| character.is_control()) {
            let problem = format!("invalid character U+{:04X} (at position {at})", u32::from(unprintable));
            return Err(self.bad_option(Cause::invalid("fieldManager", &as_go_quotes(manager), &problem)));
        }
        let validation = self.option("fieldValidation");
        if !["", "Ignore", "Strict", "Warn"].contains(&validation) {
            let supported = r#"supported values: "", "Ignore", "Strict", "Warn""#;
            let message = format!("Unsupported value: {validation:?}: {supported}");
            let cause = Cause { reason: "FieldValueNotSupported", field: "fieldValidation".into(), message };
            return Err(self.bad_option(cause));
        }
        Ok(())
    }

    #[expect(clippy::needless_pass_by_value, reason = "every caller makes the cause for this")]
    fn bad_option(&self, cause: Cause) -> Failure {
        let kind = match self.method {
            Method::PUT => "UpdateOptions",
            Method::PATCH => "PatchOptions",
            Method::DELETE => "DeleteOptions",
            _ => "CreateOptions",
        };
        invalid_options(kind, &cause)
    }

    /// What becomes of unknown fields.
    pub(super) fn field_validation(&self) -> FieldValidation {
        match self.option("fieldValidation") {
            "Strict" => FieldValidation::Strict,
            "Ignore" => FieldValidation::Ignore,
            // Looking for them costs time, and a client in the process shows warnings to nobody.
            "" if !self.shows_warnings => FieldValidation::Ignore,
            _ => FieldValidation::Warn,
        }
    }

    /// Tells the client something that it did not ask for.
    pub(super) fn warn(&self, warning: String) {
        let mut warnings = locked(&self.warnings);
        if !warnings.contains(&warning) {
            warnings.push(warning);
        }
    }

    /// What the client has been warned of.
    pub(super) fn warnings(&self) -> Vec<String> {
        locked(&self.warnings).clone()
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// How the client wants objects: the first acceptable way that is known; 406 when there is none.
    pub(super) fn view(&self) -> Result<View> {
        let accepted = self.header(header::ACCEPT.as_str());
        if accepted.is_empty() {
            return Ok(View::Objects(Form::Full));
        }
        let mut wanted = accepted.split(',').filter_map(Wanted::read);
        match wanted.next() {
            Some(Wanted::Full) => Ok(View::Objects(Form::Full)),
            Some(Wanted::Metadata) => Ok(View::Objects(Form::Metadata)),
            Some(Wanted::Table) => Include::read(self).map(View::Table),
            None if accepted.contains("json") || accepted.contains('*') => {
                Err(not_acceptable("only the following media types are accepted: application/json"))
            }
            None => {
                let mut refused = not_acceptable("406: Not Acceptable: application/json is served");
                refused.details = Some(StatusDetails::default());
                Err(refused)
            }
        }
    }

    /// Whether the first acceptable media type carries a parameter.
    pub(super) fn accepts(&self, parameter: &str) -> bool {
        let first = self.header(header::ACCEPT.as_str()).split(',').next().unwrap_or_default();
        first.split(';').any(|part| part.trim().starts_with(parameter))
    }

    /// The media type of the body, without parameters.
    pub(super) fn media_type(&self) -> &str {
        self.header(header::CONTENT_TYPE.as_str()).split(';').next().unwrap_or_default().trim()
    }

    /// Reads a body that is an object, in JSON or YAML.
    pub(super) fn object(&self, body: &[u8]) -> Result<Value> {
        match self.media_type() {
            "" | "application/json" | "application/yaml" => parsed(body),
            protobuf::MEDIA_TYPE => protobuf::object(body),
            _ => Err(unsupported_media_type(&["application/json", "application/yaml", protobuf::MEDIA_TYPE])),
        }
    }
}

/// A text in quotes, as the server's own language escapes what cannot be printed.
fn as_go_quotes(text: &str) -> String {
    let escaped = text.chars().map(|character| match character {
        '"' | '\\' => format!("\\{character}"),
        control if control.is_ascii_control() => format!("\\x{:02x}", u32::from(control)),
        plain => plain.to_string(),
    });
    format!("\"{}\"", escaped.collect::<String>())
}

/// Reads JSON or YAML.
pub(super) fn parsed(body: &[u8]) -> Result<Value> {
    if let Ok(value) = serde_json::from_slice(body) {
        return Ok(value);
    }
    serde_saphyr::from_slice(body)
        .map_err(|error| bad_request(format!("the object provided is unrecognized (must be of type Object): {error}")))
}

/// Undoes the percent and plus encoding of a query.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'+' => bytes.push(b' '),
            b'%' => {
                let digits = [rest.next().unwrap_or(b'0'), rest.next().unwrap_or(b'0')];
                let code = std::str::from_utf8(&digits).ok().and_then(|digits| u8::from_str_radix(digits, 16).ok());
                bytes.push(code.unwrap_or(b'?'));
            }
            other => bytes.push(other),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn query_text_is_decoded() {
        assert_eq!(decoded("app+in+%28a%2Cb%29%3D"), "app in (a,b)=");
    }
}
