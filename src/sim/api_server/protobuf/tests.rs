use rstest::rstest;

use super::*;

/// A field that holds bytes.
fn bytes(number: u8, content: &[u8]) -> Vec<u8> {
    let length = u8::try_from(content.len()).unwrap();
    assert!(length < 128);
    [&[number << 3 | 2, length], content].concat()
}

fn whole(number: u8, value: u8) -> Vec<u8> {
    vec![number << 3, value]
}

fn body(api_version: &str, kind: &str, object: &[u8]) -> Vec<u8> {
    let head = [bytes(1, api_version.as_bytes()), bytes(2, kind.as_bytes())].concat();
    [MAGIC, &bytes(1, &head), &bytes(2, object)].concat()
}

#[test]
fn an_eviction_is_read_as_its_json() {
    let metadata = [bytes(1, b"web"), bytes(2, b""), bytes(3, b"shop")].concat();
    let preconditions = bytes(1, b"the-uid");
    let options = [whole(1, 30), bytes(2, &preconditions)].concat();
    let object = object(&body("policy/v1", "Eviction", &[bytes(1, &metadata), bytes(2, &options)].concat())).unwrap();
    let expected = json!({
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": { "name": "web", "namespace": "shop" },
        "deleteOptions": { "gracePeriodSeconds": 30, "preconditions": { "uid": "the-uid" } },
    });
    assert_eq!(object, expected);
}

#[test]
fn quantities_ports_and_maps_are_read_as_their_json() {
    let entry = [bytes(1, b"cpu"), bytes(2, &bytes(1, b"250m"))].concat();
    let port = [whole(3, 80), bytes(4, b"TCP")].concat();
    let probe = bytes(1, &bytes(2, &bytes(2, &[whole(1, 0), whole(2, 81)].concat())));
    let container = [bytes(1, b"app"), bytes(6, &port), bytes(8, &bytes(2, &entry)), bytes(11, &probe)].concat();
    let spec = bytes(2, &container);
    let object = object(&body("v1", "Pod", &bytes(2, &spec))).unwrap();
    let expected = json!([{
        "name": "app",
        "ports": [{ "containerPort": 80, "protocol": "TCP" }],
        "resources": { "requests": { "cpu": "250m" } },
        "readinessProbe": { "httpGet": { "port": 81 } },
    }]);
    assert_eq!(object["spec"]["containers"], expected);
}

#[test]
fn times_and_bytes_are_read_as_their_json() {
    let time = bytes(8, &[8, 0x80, 0xf2, 0xd6, 0xca, 6]);
    let data = bytes(2, &[bytes(1, b"key"), bytes(2, b"value")].concat());
    let object = object(&body("v1", "Secret", &[bytes(1, &time), data].concat())).unwrap();
    assert_eq!(object["metadata"]["creationTimestamp"], "2026-01-01T00:00:00Z");
    assert_eq!(object["data"]["key"], "dmFsdWU=");
}

#[rstest]
#[case::no_magic(b"abc".to_vec(), 400)]
#[case::cut_off(body("v1", "Pod", &[10, 5, 1]), 400)]
#[case::a_field_nobody_knows(body("v1", "Pod", &whole(15, 1)), 400)]
#[case::a_number_for_a_text(body("v1", "Pod", &whole(1, 1)), 400)]
#[case::a_kind_nobody_knows(body("apiextensions.k8s.io/v1", "CustomResourceDefinition", &[]), 415)]
fn what_cannot_be_read_is_refused(#[case] body: Vec<u8>, #[case] code: i32) {
    assert_eq!(object(&body).unwrap_err().code, Some(code));
}
