use proptest::prelude::*;
use rstest::rstest;
use serde_json::json;

use super::*;

const ROOMY: Caps = Caps { bytes: 1 << 20, series: 10, values: 10, history: 10 };

fn parsed(text: &str, caps: Caps) -> Result<Answer, Problem> {
    read(text.as_bytes(), Kind::Vector, &Labels::default(), caps)
}

fn vector(result: &serde_json::Value) -> String {
    json!({ "status": "success", "data": { "resultType": "vector", "result": result } }).to_string()
}

fn app(pod: &str) -> Container {
    Container { namespace: "shop".to_owned(), pod: pod.to_owned(), name: "app".to_owned() }
}

fn metric(pod: &str) -> serde_json::Value {
    json!({ "namespace": "shop", "pod": pod, "container": "app", "instance": "n1" })
}

#[test]
fn instants_and_ranges_are_read_and_the_rest_is_skipped() {
    let result = json!([
        { "metric": metric("a"), "value": [1_800_000_000.5, "0.25"], "histogram": [1, { "buckets": [[1, "2"]] }] },
        { "values": [[1, "NaN"], [2, "+Inf"], [3.0, "-1e3"]], "metric": metric("b") },
    ]);
    let answer = parsed(&vector(&result), ROOMY).unwrap();
    assert_eq!(answer.series[0], Series { container: app("a"), points: vec![(1_800_000_000.5, 0.25)] });
    assert_eq!(answer.series[1].container, app("b"));
    let values: Vec<_> = answer.series[1].points.iter().map(|(time, value)| (*time, value.to_string())).collect();
    assert_eq!(values, [(1.0, "NaN".to_owned()), (2.0, "inf".to_owned()), (3.0, "-1000".to_owned())]);
    assert_eq!((answer.unlabelled, answer.warnings.len()), (0, 0));
}

#[test]
fn keys_may_come_in_any_order_and_labels_may_be_called_otherwise() {
    let text = r#"{"data":{"result":[{"value":[1,"2"],"metric":{"ns":"shop","p":"a","c":"app"}}],"resultType":"vector"},
        "isPartial":false,"status":"success"}"#;
    let labels = Labels { namespace: "ns".to_owned(), pod: "p".to_owned(), container: "c".to_owned() };
    let answer = read(text.as_bytes(), Kind::Vector, &labels, ROOMY).unwrap();
    assert_eq!(answer.series, [Series { container: app("a"), points: vec![(1.0, 2.0)] }]);
}

#[test]
fn series_that_name_no_container_are_counted_and_not_kept() {
    let long = "x".repeat(254);
    let metrics = [json!({}), json!({ "namespace": "shop", "pod": "a", "container": "" }), metric(&long)];
    let result: Vec<_> = metrics.iter().map(|metric| json!({ "metric": metric, "value": [1, "1"] })).collect();
    let answer = parsed(&vector(&result.into()), ROOMY).unwrap();
    assert_eq!((answer.series.len(), answer.unlabelled), (0, 3));
}

#[rstest]
#[case::of_prometheus_and_thanos(
    r#"{"status":"success","data":{"resultType":"vector","result":[]},"warnings":["a\nb","c"]}"#,
    "a b"
)]
#[case::of_victoria_metrics(
    r#"{"status":"success","isPartial":true,"data":{"resultType":"vector","result":[]}}"#,
    "some storage nodes"
)]
fn an_answer_that_may_lack_something_says_so(#[case] text: &str, #[case] says: &str) {
    let answer = parsed(text, ROOMY).unwrap();
    assert!(answer.warnings[0].starts_with(says), "{answer:?}");
}

#[rstest]
#[case::series(Caps { series: 2, ..ROOMY }, Bound::Series(2))]
#[case::values(Caps { values: 5, ..ROOMY }, Bound::Values(5))]
#[case::bytes(Caps { bytes: 100, ..ROOMY }, Bound::Bytes(100))]
fn an_answer_over_a_bound_is_no_answer(#[case] caps: Caps, #[case] expected: Bound) {
    let series = |pod: &str| json!({ "metric": metric(pod), "values": [[1, "1"], [2, "1"]] });
    let text = vector(&json!([series("a"), series("b"), series("c")]));
    let exact = Caps { bytes: text.len() as u64, series: 3, values: 6, ..ROOMY };
    assert_eq!(parsed(&text, exact).unwrap().fullness, 1.0);
    let Err(Problem::TooLarge(bound)) = parsed(&text, caps) else { panic!("it was read") };
    assert_eq!(bound, expected);
}

#[test]
fn what_the_server_says_instead_of_an_answer_is_kept_short() {
    let text =
        json!({ "status": "error", "errorType": "execution", "error": format!("no\u{1b}[31m {}", "x".repeat(9_000)) });
    let Err(Problem::Refused(text)) = parsed(&text.to_string(), ROOMY) else { panic!("it was read") };
    assert!(text.starts_with("no [31m xxx") && text.len() == 300, "{text}");
}

#[rstest]
#[case::nothing("")]
#[case::a_page("<html>Bad Gateway</html>")]
#[case::half(r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{"#)]
#[case::more_than_one("{\"status\":\"success\"}{}")]
#[case::no_status(r#"{"data":{}}"#)]
#[case::a_list("[]")]
#[case::a_range_vector(r#"{"status":"success","data":{"resultType":"matrix","result":[]}}"#)]
#[case::a_scalar(r#"{"status":"success","data":{"resultType":"scalar","result":[1,"1"]}}"#)]
#[case::a_scalar_unannounced(r#"{"status":"success","data":{"result":[1,"1"]}}"#)]
#[case::no_number(r#"{"status":"success","data":{"result":[{"metric":{},"value":[1,"many"]}]}}"#)]
#[case::no_value(r#"{"status":"success","data":{"result":[{"metric":{},"value":[1]}]}}"#)]
#[case::a_label_that_is_no_text(r#"{"status":"success","data":{"result":[{"metric":{"pod":1}}]}}"#)]
fn what_is_no_answer_is_an_error_and_not_idleness(#[case] text: &str) {
    assert!(matches!(parsed(text, ROOMY), Err(Problem::Malformed(_))), "{text}");
}

#[test]
fn what_is_nested_without_end_ends() {
    let deep = "[".repeat(1_000_000);
    for text in
        [deep.clone(), format!(r#"{{"status":"success","more":{deep}"#), format!(r#"{{"data":{{"result":{deep}"#)]
    {
        assert!(parsed(&text, Caps { bytes: 2 << 20, ..ROOMY }).is_err());
    }
}

proptest! {
    #[test]
    fn nothing_that_is_sent_makes_it_fail_otherwise(bytes: Vec<u8>, cut in 0_usize..200, at in 0_usize..200, with: u8) {
        _ = read(bytes.as_slice(), Kind::Vector, &Labels::default(), ROOMY);
        let mut text = vector(&json!([{ "metric": metric("a"), "value": [1, "1"] }])).into_bytes();
        if let Some(byte) = text.get_mut(at) {
            *byte = with;
        }
        text.truncate(cut);
        _ = read(text.as_slice(), Kind::Vector, &Labels::default(), ROOMY);
    }
}
