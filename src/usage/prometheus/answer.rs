//! Reading an answer of the query API as it comes, within bounds: what is not wanted is never held in memory.
//!
//! The format: <https://prometheus.io/docs/prometheus/latest/querying/api/>. Thanos, Mimir and VictoriaMetrics write the
//! same, with words of their own for an answer that lacks something.

use std::{
    fmt,
    io::{self, BufReader, ErrorKind, Read},
};

use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::queries::Labels;

/// No name in Kubernetes is longer.
const LONGEST_NAME: usize = 253;

/// So many warnings are kept, and so much of each text.
const WARNINGS_KEPT: usize = 3;
const TEXT_KEPT: usize = 300;

/// How much of an answer is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caps {
    /// Bytes, as they are after decompression.
    pub bytes: u64,
    /// Series.
    pub series: usize,
    /// Values in all series together.
    pub values: usize,
    /// Samples of one call of [`UsageSource::history`](crate::usage::UsageSource::history), which may take many answers;
    /// a million take about 250 MB.
    pub history: usize,
}

impl Default for Caps {
    fn default() -> Self {
        Self { bytes: 64 << 20, series: 50_000, values: 1_000_000, history: 1_000_000 }
    }
}

/// Namespace, Pod and container.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Container {
    pub(super) namespace: String,
    pub(super) pod: String,
    pub(super) name: String,
}

/// The values of one container. Of those in several series nothing is decided here.
#[derive(Debug, PartialEq)]
pub(super) struct Series {
    pub(super) container: Container,
    /// Unix time in seconds, and value.
    pub(super) points: Vec<(f64, f64)>,
}

/// What was read.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Answer {
    pub(super) series: Vec<Series>,
    /// Series that do not say which container they are about.
    pub(super) unlabelled: usize,
    /// Why the answer may lack something.
    pub(super) warnings: Vec<String>,
    /// How much was read of what may be.
    pub(super) fullness: f64,
}

/// A bound on an answer that was passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, derive_more::Display)]
pub(super) enum Bound {
    #[display("{_0} bytes")]
    Bytes(u64),
    #[display("{_0} series")]
    Series(usize),
    #[display("{_0} values")]
    Values(usize),
    /// One of the server's own.
    #[display("what the server allows a query")]
    Servers,
}

/// Why nothing was read.
#[derive(Debug)]
pub(super) enum Problem {
    TooLarge(Bound),
    /// The server says that it cannot answer, and why.
    Refused(String),
    /// It is no answer of the query API.
    Malformed(String),
    /// It ended too early, or too late.
    Broken(io::Error),
}

/// What a query gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, derive_more::Display)]
pub(super) enum Kind {
    /// A value for each series.
    #[display("vector")]
    Vector,
    /// Several.
    #[display("matrix")]
    Matrix,
}

/// Reads one answer to its end.
pub(super) fn read(body: impl Read, kind: Kind, labels: &Labels, caps: Caps) -> Result<Answer, Problem> {
    let mut state = State { kind, labels, caps, answer: Answer::default(), values: 0, too_large: None };
    let mut body = Capped { body, left: caps.bytes };
    let mut deserializer = serde_json::Deserializer::from_reader(BufReader::new(&mut body));
    let read = Envelope(&mut state).deserialize(&mut deserializer);
    let read = read.and_then(|envelope| deserializer.end().map(|()| envelope));
    let (too_large, answer, values) = (state.too_large, state.answer, state.values);
    let envelope = read.map_err(|error| match (too_large, error.io_error_kind()) {
        (Some(bound), _) => Problem::TooLarge(bound),
        (None, Some(ErrorKind::FileTooLarge)) => Problem::TooLarge(Bound::Bytes(caps.bytes)),
        (None, Some(_)) => Problem::Broken(error.into()),
        (None, None) => Problem::Malformed(tidy(&error.to_string())),
    })?;
    match envelope {
        Said::Success => {
            let bytes = share(caps.bytes - body.left, caps.bytes);
            let series = share(answer.series.len() as u64, caps.series as u64);
            let fullness = bytes.max(series).max(share(values as u64, caps.values as u64));
            Ok(Answer { fullness, ..answer })
        }
        Said::Error(text) => Err(Problem::Refused(tidy(&text))),
    }
}

#[expect(clippy::cast_precision_loss, reason = "a share need not be exact")]
fn share(part: u64, whole: u64) -> f64 {
    part as f64 / whole.max(1) as f64
}

/// Text of a server, made fit for a log and a status: short, on one line, with no control characters.
pub(super) fn tidy(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(TEXT_KEPT).collect::<String>().trim().to_owned()
}

/// A reader that fails where the bound is, rather than end there: half an answer is none.
struct Capped<R> {
    body: R,
    left: u64,
}

impl<R: Read> Read for &mut Capped<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.body.read(buffer)?;
        let left = self.left.checked_sub(read as u64);
        self.left = left.ok_or_else(|| io::Error::from(ErrorKind::FileTooLarge))?;
        Ok(read)
    }
}

struct State<'a> {
    kind: Kind,
    labels: &'a Labels,
    caps: Caps,
    answer: Answer,
    values: usize,
    /// The bound that was passed.
    too_large: Option<Bound>,
}

impl State<'_> {
    fn too_large<E: serde::de::Error>(&mut self, bound: Bound) -> E {
        self.too_large = Some(bound);
        E::custom("too large")
    }
}

enum Said {
    Success,
    Error(String),
}

/// The outermost object.
struct Envelope<'a, 'b>(&'a mut State<'b>);
/// The object under `data`.
struct Data<'a, 'b>(&'a mut State<'b>);
/// The list of series.
struct AllSeries<'a, 'b>(&'a mut State<'b>);
/// One of them.
struct OneSeries<'a, 'b>(&'a mut State<'b>);
/// Its labels.
struct Metric<'a>(&'a Labels);
/// `[time, "value"]`.
struct Point;
/// A list of those.
struct Points<'a, 'b>(&'a mut State<'b>);

/// Lets a seed be read as what it visits, whatever comes.
macro_rules! seed {
    ($seed:ty => $value:ty) => {
        impl<'de> DeserializeSeed<'de> for $seed {
            type Value = $value;
            fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<$value, D::Error> {
                deserializer.deserialize_any(self)
            }
        }
    };
}
seed!(Envelope<'_, '_> => Said);
seed!(Data<'_, '_> => ());
seed!(AllSeries<'_, '_> => ());
seed!(OneSeries<'_, '_> => Option<Series>);
seed!(Metric<'_> => Option<Container>);
seed!(Point => (f64, f64));
seed!(Points<'_, '_> => Vec<(f64, f64)>);

impl<'de> Visitor<'de> for Envelope<'_, '_> {
    type Value = Said;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an answer of the query API")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Said, A::Error> {
        let (mut status, mut error) = (None, None);
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "status" => status = Some(map.next_value::<String>()?),
                "data" => map.next_value_seed(Data(self.0))?,
                "error" => error = map.next_value::<Option<String>>()?,
                "warnings" => {
                    let warnings = map.next_value::<Option<Vec<String>>>()?.unwrap_or_default();
                    self.0.answer.warnings.extend(warnings.iter().take(WARNINGS_KEPT).map(|text| tidy(text)));
                }
                "isPartial" => {
                    let partial = map.next_value::<Option<bool>>()?.unwrap_or_default();
                    let text = || "some storage nodes did not answer (isPartial)".to_owned();
                    self.0.answer.warnings.extend(partial.then(text));
                }
                _ => _ = map.next_value::<IgnoredAny>()?,
            }
        }
        match status.as_deref() {
            Some("success") => Ok(Said::Success),
            Some("error") => Ok(Said::Error(error.unwrap_or_else(|| "without a reason".to_owned()))),
            _ => Err(A::Error::custom("it has neither status `success` nor `error`")),
        }
    }
}

impl<'de> Visitor<'de> for Data<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a type and a result")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "resultType" => {
                    let (given, wanted) = (map.next_value::<String>()?, self.0.kind);
                    if given != wanted.to_string() {
                        let problem = format!("the query gives a {}, and not a {wanted}", tidy(&given));
                        return Err(A::Error::custom(problem));
                    }
                }
                "result" => map.next_value_seed(AllSeries(self.0))?,
                _ => _ = map.next_value::<IgnoredAny>()?,
            }
        }
        Ok(())
    }
}

impl<'de> Visitor<'de> for AllSeries<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of series")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut all: A) -> Result<(), A::Error> {
        let mut seen = 0;
        while let Some(series) = all.next_element_seed(OneSeries(self.0))? {
            seen += 1;
            if seen > self.0.caps.series {
                return Err(self.0.too_large(Bound::Series(self.0.caps.series)));
            }
            match series {
                Some(series) => self.0.answer.series.push(series),
                None => self.0.answer.unlabelled += 1,
            }
        }
        Ok(())
    }
}

impl<'de> Visitor<'de> for OneSeries<'_, '_> {
    type Value = Option<Series>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a series")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let (mut container, mut points) = (None, Vec::new());
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "metric" => container = map.next_value_seed(Metric(self.0.labels))?,
                "value" => points.push(map.next_value_seed(Point)?),
                "values" => points = map.next_value_seed(Points(self.0))?,
                _ => _ = map.next_value::<IgnoredAny>()?,
            }
        }
        Ok(container.map(|container| Series { container, points }))
    }
}

impl<'de> Visitor<'de> for Metric<'_> {
    type Value = Option<Container>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("labels")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let wanted = [&self.0.namespace, &self.0.pod, &self.0.container];
        let mut found = [const { None }; 3];
        while let Some(label) = map.next_key::<String>()? {
            match wanted.into_iter().position(|wanted| *wanted == label) {
                Some(which) => found[which] = Some(map.next_value::<String>()?),
                None => _ = map.next_value::<IgnoredAny>()?,
            }
        }
        let [namespace, pod, name] = found.map(|name| name.filter(|name| (1..=LONGEST_NAME).contains(&name.len())));
        Ok(namespace.zip(pod).zip(name).map(|((namespace, pod), name)| Container { namespace, pod, name }))
    }
}

impl<'de> Visitor<'de> for Point {
    type Value = (f64, f64);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a time and a value in quotes")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut pair: A) -> Result<(f64, f64), A::Error> {
        let missing = || A::Error::custom("a value lacks its time, or a time its value");
        let time = pair.next_element::<f64>()?.ok_or_else(missing)?;
        let value = pair.next_element::<String>()?.ok_or_else(missing)?;
        while pair.next_element::<IgnoredAny>()?.is_some() {}
        let value = value.parse().map_err(|_| A::Error::custom(format!("`{}` is no number", tidy(&value))))?;
        Ok((time, value))
    }
}

impl<'de> Visitor<'de> for Points<'_, '_> {
    type Value = Vec<(f64, f64)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of times and values")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut all: A) -> Result<Self::Value, A::Error> {
        let mut points = Vec::new();
        while let Some(point) = all.next_element_seed(Point)? {
            self.0.values += 1;
            if self.0.values > self.0.caps.values {
                return Err(self.0.too_large(Bound::Values(self.0.caps.values)));
            }
            points.push(point);
        }
        Ok(points)
    }
}

#[cfg(test)]
mod tests;
