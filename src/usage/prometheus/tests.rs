//! Against a stand-in for the server: what a real one cannot be made to do. `tests/real/usage` has a real one.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, Uri},
    response::{IntoResponse, Response},
};
use jiff::SignedDuration;
use regex::Regex;
use serde_json::json;

use super::*;
use crate::resources::NanoCpu;

/// A query as it came.
#[derive(Clone, Debug)]
struct Asked {
    path: String,
    parameters: BTreeMap<String, String>,
    headers: HeaderMap,
}

impl Asked {
    fn query(&self) -> &str {
        &self.parameters["query"]
    }

    fn number(&self, name: &str) -> i64 {
        self.parameters[name].parse().unwrap()
    }

    /// Which Pods the query is about: what PromQL makes of the matcher of a shard.
    fn pods<'a>(&self, all: &'a [String]) -> Vec<&'a String> {
        let matcher = Regex::new(r#"pod(=~|!~)"\.\*\[(\w+)\]""#).unwrap();
        let Some(found) = matcher.captures(self.query()) else { return all.iter().collect() };
        let (characters, positive) = (&found[2], &found[1] == "=~");
        let ends_so = |pod: &str| pod.chars().last().is_some_and(|last| characters.contains(last));
        all.iter().filter(|pod| ends_so(pod) == positive).collect()
    }
}

type Answers = dyn Fn(&Asked) -> Response + Send + Sync;

struct StandIn {
    url: String,
    hands: Hands,
}

/// What was asked, and what is answered.
#[derive(Clone)]
struct Hands {
    asked: Arc<Mutex<Vec<Asked>>>,
    answers: Arc<Mutex<Arc<Answers>>>,
}

impl StandIn {
    async fn start(answers: impl Fn(&Asked) -> Response + Send + Sync + 'static) -> Self {
        crate::tls::use_ring();
        let hands = Hands { asked: Arc::default(), answers: Arc::new(Mutex::new(Arc::new(answers))) };
        let app = Router::new().fallback(answer).with_state(hands.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(axum::serve(listener, app).into_future());
        Self { url, hands }
    }

    fn now_answers(&self, answers: impl Fn(&Asked) -> Response + Send + Sync + 'static) {
        *self.hands.answers.lock().unwrap() = Arc::new(answers);
    }

    fn source(&self, settings: Settings) -> Prometheus {
        Prometheus::new(&self.url, settings, Clock::System).unwrap()
    }

    /// What was asked since it was last looked.
    fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut self.hands.asked.lock().unwrap())
    }
}

async fn answer(State(hands): State<Hands>, uri: Uri, headers: HeaderMap, body: String) -> Response {
    let form = reqwest::Url::parse(&format!("http://x/?{body}")).unwrap();
    let parameters = form.query_pairs().into_owned().collect();
    let one = Asked { path: uri.path().to_owned(), parameters, headers };
    hands.asked.lock().unwrap().push(one.clone());
    let answers = Arc::clone(&hands.answers.lock().unwrap());
    answers(&one)
}

fn vector(series: &[serde_json::Value]) -> Response {
    gives("vector", series)
}

fn gives(kind: &str, series: &[serde_json::Value]) -> Response {
    let answer = json!({ "status": "success", "data": { "resultType": kind, "result": series } });
    answer.to_string().into_response()
}

fn empty(_: &Asked) -> Response {
    vector(&[])
}

/// Names that end as those of a ReplicaSet's Pods do.
fn pods(count: usize) -> Vec<String> {
    let drawn = b"bcdfghjklmnpqrstvwxz2456789";
    let last = |number: usize| char::from(drawn[number % drawn.len()]);
    (0..count).map(|number| format!("web-{number}-{}{}", last(number / 7), last(number))).collect()
}

/// Answers with a value for each Pod that the query is about, at the moments that it asks for.
fn of_pods(count: usize) -> impl Fn(&Asked) -> Response + Send + Sync + 'static {
    let pods = pods(count);
    move |asked| {
        let metric = |pod: &String| json!({ "namespace": "shop", "pod": pod, "container": "app" });
        let mine = asked.pods(&pods).into_iter();
        if asked.path.ends_with("query_range") {
            let (start, end, step) = (asked.number("start"), asked.number("end"), asked.number("step"));
            let times = (0..).map(|index| start + index * step).take_while(|time| *time <= end);
            let values: Vec<_> = times.map(|time| json!([time, value(time)])).collect();
            let series: Vec<_> = mine.map(|pod| json!({ "metric": metric(pod), "values": values })).collect();
            return gives("matrix", &series);
        }
        let time = asked.number("time");
        let series: Vec<_> = mine.map(|pod| json!({ "metric": metric(pod), "value": [time, value(time)] })).collect();
        vector(&series)
    }
}

/// Some use that differs from moment to moment.
fn value(time: i64) -> String {
    format!("0.{:03}", time % 997)
}

fn caps(series: usize) -> Settings {
    Settings { caps: Caps { series, ..Caps::default() }, ..Settings::default() }
}

fn names(samples: &[Sample]) -> Vec<&str> {
    samples.iter().map(|sample| sample.pod.as_str()).collect()
}

#[tokio::test]
async fn a_reading_asks_as_often_for_ten_pods_as_for_ten_thousand_and_for_one_moment() {
    for count in [10, 1_000, 10_000] {
        let server = StandIn::start(of_pods(count)).await;
        let samples = server.source(Settings::default()).samples().await.unwrap();
        assert_eq!(samples.len(), count);
        let asked = server.asked();
        assert_eq!(asked.len(), 6, "{count} Pods");
        assert!(asked.iter().all(|one| one.parameters["time"] == asked[0].parameters["time"]));
    }
}

#[tokio::test]
async fn an_answer_over_the_bound_is_asked_for_in_parts_that_give_the_same_samples() {
    let server = StandIn::start(of_pods(1_000)).await;
    let whole = server.source(Settings::default()).samples().await.unwrap();
    let source = server.source(caps(200));
    let parts = source.samples().await.unwrap();
    assert_eq!(source.shards(), 8);
    server.asked();
    assert_eq!(names(&parts), names(&whole), "both are in the order of their names");
    source.samples().await.unwrap();
    assert_eq!(server.asked().len(), 6 * 8, "it remembers");
    server.now_answers(of_pods(100));
    source.samples().await.unwrap();
    assert_eq!(source.shards(), 4, "and puts together what has become small");
}

#[tokio::test]
async fn what_cannot_be_split_far_enough_is_refused() {
    let server = StandIn::start(of_pods(1_000)).await;
    let error = server.source(caps(10)).samples().await.unwrap_err().to_string();
    assert!(error.contains("passes 10 series; raise --prometheus-max-series"), "{error}");
    let queries = Queries { memory: "my_rule".to_owned(), ..Queries::default() };
    let error = server.source(Settings { queries, ..caps(200) }).samples().await.unwrap_err().to_string();
    assert!(error.contains("`my_rule` has no $selector"), "{error}");
}

#[tokio::test]
async fn where_the_server_finds_a_query_too_large_it_is_split_too() {
    let server = StandIn::start(|asked| {
        if asked.query().contains(".*[") {
            return of_pods(50)(asked);
        }
        let text = "query processing would load too many samples into memory in query execution";
        let error = json!({ "status": "error", "errorType": "execution", "error": text });
        (StatusCode::UNPROCESSABLE_ENTITY, error.to_string()).into_response()
    })
    .await;
    let source = server.source(Settings::default());
    assert_eq!(source.samples().await.unwrap().len(), 50);
    server.asked();
    assert_eq!(source.samples().await.unwrap().len(), 50);
    assert_eq!(server.asked().len(), 12, "it is not tried again every time");
}

#[tokio::test]
async fn a_body_without_end_is_read_up_to_the_bound_compressed_or_not() {
    use std::io::Write;
    let endless = |_: &Asked| {
        let spaces = stream::repeat(Bytes::from_static(&[b' '; 65_536])).map(Ok::<_, io::Error>);
        Body::from_stream(spaces).into_response()
    };
    let server = StandIn::start(endless).await;
    let queries = Queries { cpu: "a".to_owned(), memory: String::new(), ..Queries::default() };
    let caps = Caps { bytes: 1 << 20, ..Caps::default() };
    let source = server.source(Settings { queries, caps, ..Settings::default() });
    let error = source.samples().await.unwrap_err();
    assert!(matches!(error, Error::TooLarge { .. }), "{error}");

    let mut bomb = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    bomb.write_all(&vec![b' '; 64 << 20]).unwrap();
    let bomb = bomb.finish().unwrap();
    assert!(bomb.len() < 1 << 20);
    server.now_answers(move |_| ([("content-encoding", "gzip")], bomb.clone()).into_response());
    let error = source.samples().await.unwrap_err().to_string();
    assert!(error.contains("1048576 bytes"), "{error}");
}

#[tokio::test]
async fn an_empty_answer_is_blindness_and_it_recovers_by_itself() {
    let server = StandIn::start(empty).await;
    let source = server.source(Settings::default());
    let error = source.samples().await.unwrap_err();
    assert!(matches!(error, Error::Blind { .. }) && error.to_string().contains("/metrics/cadvisor"), "{error}");
    let one = |metric: serde_json::Value, off: i64, value: &'static str| {
        move |asked: &Asked| vector(&[json!({ "metric": metric, "value": [asked.number("time") + off, value] })])
    };
    let named = json!({ "namespace": "shop", "pod": "a", "container": "app" });
    server.now_answers(one(json!({ "pod_name": "a" }), 0, "1"));
    assert!(source.samples().await.unwrap_err().to_string().contains("lack the labels namespace, pod and container"));
    server.now_answers(one(named.clone(), 0, "NaN"));
    assert!(source.samples().await.unwrap_err().to_string().contains("NaN"));
    server.now_answers(one(named.clone(), -600, "1"));
    assert!(source.samples().await.unwrap_err().to_string().contains("compare the clocks"));
    server.now_answers(one(named, 0, "1"));
    let samples = source.samples().await.unwrap();
    assert_eq!((samples.len(), samples[0].cpu), (1, Some(NanoCpu::from_cores(1.0))));
}

#[tokio::test]
async fn signals_that_a_cluster_lacks_are_absent_and_one_query_that_fails_fails_the_reading() {
    let server =
        StandIn::start(|asked| if asked.query().contains("usage_seconds") { of_pods(1)(asked) } else { vector(&[]) })
            .await;
    let source = server.source(Settings::default());
    let samples = source.samples().await.unwrap();
    let signals = (samples[0].throttled, samples[0].cpu_pressure, samples[0].memory_pressure, samples[0].oom_events);
    assert_eq!((samples[0].memory, signals), (None, (None, None, None, None)));
    server.now_answers(|asked| {
        if asked.query().contains("oom") { StatusCode::BAD_GATEWAY.into_response() } else { of_pods(1)(asked) }
    });
    let error = source.samples().await.unwrap_err().to_string();
    assert!(error.contains("502 Bad Gateway"), "{error}");
}

#[tokio::test]
async fn a_partial_answer_counts_for_what_it_has() {
    let server = StandIn::start(|asked| {
        let metric = json!({ "namespace": "shop", "pod": "a", "container": "app" });
        let result = json!([{ "metric": metric, "value": [asked.number("time"), "1"] }]);
        let data = json!({ "resultType": "vector", "result": result });
        json!({ "status": "success", "data": data, "warnings": ["a store is down"] }).to_string().into_response()
    })
    .await;
    let source = server.source(Settings::default());
    assert_eq!(source.samples().await.unwrap().len(), 1);
    assert_eq!(*source.told.lock().unwrap(), "it warns: a store is down");
    server.now_answers(of_pods(1));
    source.samples().await.unwrap();
    assert_eq!(*source.told.lock().unwrap(), "");
}

#[tokio::test]
async fn a_server_that_hangs_or_is_gone_is_an_error_in_time() {
    let server =
        StandIn::start(|_| Body::from_stream(stream::pending::<Result<Bytes, io::Error>>()).into_response()).await;
    let settings = Settings { timeout: Duration::from_millis(200), ..Settings::default() };
    let source = server.source(settings.clone());
    let error = source.samples().await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error}");
    let gone = Prometheus::new("http://127.0.0.1:1", settings, Clock::System).unwrap();
    assert!(matches!(gone.samples().await, Err(Error::Unreachable { .. })));
    server.now_answers(of_pods(1));
    assert_eq!(source.samples().await.unwrap().len(), 1);
}

/// A parser waits on a thread of its own for what the server sends.
#[test]
fn a_reading_that_hangs_does_not_hold_up_the_end() {
    use std::io::{Read as _, Write as _};
    crate::tls::use_ring();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (seen, asked) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{";
            _ = stream.read(&mut [0; 4_096]).and_then(|_| stream.write_all(answer));
            // It is kept open, and nothing more is ever sent.
            _ = seen.send(stream);
        }
    });
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let source = Prometheus::new(&url, Settings::default(), Clock::System).unwrap();
    runtime.spawn(async move { source.samples().await });
    let _open = asked.recv().unwrap();
    let began = std::time::Instant::now();
    drop(runtime);
    assert!(began.elapsed() < Duration::from_secs(10), "it waited for the server");
}

#[tokio::test]
async fn refusals_say_what_to_do_and_redirects_are_not_followed() {
    let server = StandIn::start(empty).await;
    let source = server.source(Settings::default());
    let bad = json!({ "status": "error", "errorType": "bad_data", "error": "parse error: unexpected" }).to_string();
    let cases: [(StatusCode, String, &str); 4] = [
        (StatusCode::UNAUTHORIZED, "no".to_owned(), "check the token"),
        (StatusCode::NOT_FOUND, "404 page not found".to_owned(), "check the path"),
        (StatusCode::BAD_REQUEST, bad, "parse error: unexpected"),
        (StatusCode::FOUND, String::new(), "which is not followed"),
    ];
    for (status, body, says) in cases {
        let elsewhere = format!("{}/elsewhere", server.url);
        server.now_answers(move |_| (status, [("location", elsewhere.clone())], body.clone()).into_response());
        let error = source.samples().await.unwrap_err();
        assert!(matches!(error, Error::Refused { .. }) && error.to_string().contains(says), "{error}");
    }
    assert!(server.asked().iter().all(|one| one.path == "/api/v1/query"));
}

#[tokio::test]
async fn headers_are_sent_and_a_token_that_changes_is_read_again() {
    let server = StandIn::start(|asked| {
        let token = asked.headers.get("authorization").map(|value| value.to_str().unwrap().to_owned());
        let tenant = asked.headers.get_all("x-scope-orgid").iter().count();
        if token.as_deref() == Some("Bearer new") && tenant == 2 {
            of_pods(1)(asked)
        } else {
            StatusCode::UNAUTHORIZED.into_response()
        }
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "old").unwrap();
    let tenant = http::HeaderName::from_static("x-scope-orgid");
    let headers = ["a", "b"].map(|value| (tenant.clone(), http::HeaderValue::from_static(value)));
    let mut all = HeaderMap::new();
    headers.into_iter().for_each(|(name, value)| _ = all.append(name, value));
    let access = Access { token_file: Some(file.clone()), headers: all, ..Access::default() };
    let source = server.source(Settings { access, ..Settings::default() });
    assert!(matches!(source.samples().await, Err(Error::Refused { .. })));
    std::fs::write(&file, "new\n").unwrap();
    assert_eq!(source.samples().await.unwrap().len(), 1);
}

#[tokio::test]
async fn history_comes_in_bounded_pieces_the_oldest_first_and_with_the_numbers_of_readings() {
    let server = StandIn::start(of_pods(5)).await;
    let from = Timestamp::constant(1_800_000_030, 500_000_000);
    let until = from + SignedDuration::from_hours(3);
    let whole = server.source(Settings::default()).history(from, until).await.unwrap().unwrap();
    let asked = server.asked();
    assert_eq!((whole.len(), asked.len()), (5 * 180, 6 * 3));
    assert!(whole.is_sorted_by_key(|sample| (sample.at, sample.pod.clone())));
    let expected = |sample: &Sample| value(sample.at.as_second()).parse().map(NanoCpu::from_cores).ok();
    assert!(whole.iter().all(|sample| sample.cpu == expected(sample) && sample.at.as_second() % 60 == 0));
    assert!(whole[0].at > from && whole[whole.len() - 1].at <= until);

    let middle = from + SignedDuration::from_mins(77);
    let source = server.source(Settings { caps: Caps { values: 100, ..Caps::default() }, ..Settings::default() });
    let mut halves = source.history(from, middle).await.unwrap().unwrap();
    halves.extend(source.history(middle, until).await.unwrap().unwrap());
    assert_eq!(halves, whole, "in smaller pieces, and in two parts");
    assert_eq!(source.shards(), 1);

    let source = server.source(caps(3));
    assert_eq!(source.history(from, middle).await.unwrap().unwrap().len(), 5 * 77);
    assert!(source.shards() > 1, "fewer moments have as many series");
    assert_eq!(source.history(until, from).await.unwrap().unwrap(), []);
}

#[tokio::test]
async fn a_history_without_end_is_refused() {
    let server = StandIn::start(of_pods(10)).await;
    let from = Timestamp::constant(1_800_000_000, 0);
    let source = server.source(Settings { caps: Caps { history: 1_000, ..Caps::default() }, ..Settings::default() });
    assert_eq!(source.history(from, from + SignedDuration::from_mins(100)).await.unwrap().unwrap().len(), 1_000);
    let error = source.history(from, from + SignedDuration::from_hours(24)).await.unwrap_err();
    assert!(matches!(error, Error::TooLarge { .. }) && error.to_string().contains("a shorter time"), "{error}");
}

/// `cargo nextest run --release --run-ignored only --no-capture reads_ten_thousand` prints what it measures.
#[test]
#[ignore = "a measurement"]
#[expect(clippy::print_stdout, reason = "a measurement")]
fn reads_ten_thousand_containers() {
    let metric = |pod: &String| json!({ "namespace": "shop", "pod": pod, "container": "app" });
    let vector = |values: &dyn Fn(&String) -> serde_json::Value| {
        let series: Vec<_> = pods(10_000).iter().map(values).collect();
        json!({ "status": "success", "data": { "resultType": "vector", "result": series } }).to_string()
    };
    let hour: Vec<_> = (0..60).map(|minute| json!([1_800_000_000 + minute * 60, value(minute)])).collect();
    let instant = vector(&|pod| json!({ "metric": metric(pod), "value": [1_800_000_000, "0.123456789"] }));
    let range = vector(&|pod| json!({ "metric": metric(pod), "values": hour }));
    let peak = || {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap().to_owned();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap()
    };
    for (name, text, count) in [("instant", instant, 1), ("an hour", range, 60)] {
        std::fs::write("/proc/self/clear_refs", "5").unwrap();
        let (before, began) = (peak(), std::time::Instant::now());
        let answer = answer::read(text.as_bytes(), Kind::Vector, &Labels::default(), Caps::default()).unwrap();
        let (parsed, read) = (began.elapsed(), peak());
        let mut join = Join::new(Moments { first: 1_800_000_000, step: 60, count, slack: 29 });
        join.add(Signal::Cpu, answer.series);
        let samples = join.into_samples().len();
        let (all, joined) = (began.elapsed(), peak());
        println!(
            "{name}: {} bytes, read in {parsed:?} with {} KiB more, {samples} samples after {all:?} with {} KiB more",
            text.len(),
            read - before,
            joined - before
        );
    }
}
