use jiff::SignedDuration;
use proptest::prelude::*;
use rstest::rstest;

use super::*;
use crate::{
    resources::{Bytes, NanoCpu},
    usage::Sample,
};

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).unwrap()
}

fn sample(pod: usize, seconds: i64, cores: f64, mib: u64) -> Sample {
    Sample {
        namespace: "shop".into(),
        pod: format!("web-{pod}"),
        container: "app".into(),
        at: at(seconds),
        cpu: Some(NanoCpu::from_cores(cores)),
        memory: Some(Bytes::mib(mib)),
        throttled: None,
        cpu_pressure: None,
        memory_pressure: None,
        oom_events: None,
    }
}

/// A model of all that there can be: every bucket, replica and peak, idleness that has begun, and a kill.
fn widest() -> (ContainerModel, Timestamp) {
    let mut model = ContainerModel::new();
    for minute in 0..3_000_i64 {
        let cores = 0.001 * 1.05_f64.powi(140 + i32::try_from(minute % 96).unwrap());
        model.observe(&sample(usize::try_from(minute % 64).unwrap(), minute * 60, cores, 3_000_000));
    }
    model.observe_oom(at(3_000 * 60), Bytes::mib(3_000_000));
    model.observe(&sample(0, 3_001 * 60, 0.0, 3_000_000));
    (model, at(3_001 * 60))
}

fn text_of(bytes: &[u8]) -> String {
    let mut bytes = bytes.to_vec();
    bytes.extend(checksum(&bytes).to_le_bytes());
    STANDARD_NO_PAD.encode(bytes)
}

#[test]
fn the_widest_model_comes_back_as_it_was_and_takes_about_a_kibibyte() {
    let (model, now) = widest();
    let text = encode(&model);
    assert!(text.len() <= 1_100, "{} bytes", text.len());
    assert_eq!(decode(&text, now), Ok(model));
    assert_eq!(encode(&decode(&text, now).unwrap()), text);
    let mut ordinary = ContainerModel::new();
    (0..2_000).for_each(|minute| {
        let cores = 0.2 + 0.02 * f64::from(i32::try_from(minute % 7).unwrap());
        ordinary.observe(&sample(usize::try_from(minute % 2).unwrap(), minute * 60, cores, 100));
    });
    assert!(encode(&ordinary).len() <= 512, "{} bytes", encode(&ordinary).len());
}

#[test]
fn the_window_that_has_just_begun_comes_back_too() {
    let mut model = ContainerModel::new();
    (0..59).for_each(|minute| model.observe(&sample(0, minute * 60, 0.1, 100)));
    model.observe(&sample(0, 59 * 60, 2.0, 900));
    let back = decode(&encode(&model), at(3_600)).unwrap();
    assert_eq!(back.memory_peak(), Some(Bytes::mib(900)));
    assert!(back.cpu().burst(1) >= Some(2.0));
}

#[rstest]
#[case::empty("", Error::Cut)]
#[case::no_base64("%%%%", Error::Cut)]
#[case::zeros("AAAAAAAAAAA", Error::Damaged)]
#[case::another_text("aGVsbG8gd29ybGQ", Error::Damaged)]
#[case::endless(&"A".repeat(3_000), Error::Cut)]
fn what_is_no_model_is_refused(#[case] text: &str, #[case] error: Error) {
    assert_eq!(decode(text, at(0)), Err(error));
}

#[test]
fn an_empty_model_is_none() {
    assert_eq!(decode(&encode(&ContainerModel::new()), at(0)), Err(Error::Unsound));
}

#[test]
fn a_model_from_the_future_is_refused_unless_a_clock_is_a_little_ahead() {
    let (model, newest) = widest();
    let text = encode(&model);
    assert!(decode(&text, newest - SignedDuration::from_mins(9)).is_ok());
    assert_eq!(decode(&text, newest - SignedDuration::from_mins(11)), Err(Error::Unsound));
}

#[test]
fn a_text_that_was_cut_or_changed_anywhere_is_refused() {
    let (model, now) = widest();
    let text = encode(&model);
    for end in 0..text.len() {
        assert!(decode(&text[..end], now).is_err(), "cut at {end}");
        let other = if text.as_bytes()[end] == b'A' { "B" } else { "A" };
        let changed = format!("{}{other}{}", &text[..end], &text[end + 1..]);
        assert!(decode(&changed, now).is_err(), "changed at {end}");
    }
}

proptest! {
    /// Whoever knows the checksum can write anything.
    #[test]
    fn bytes_with_their_checksum_never_panic_nor_give_an_endless_or_negative_amount(
        place in 0_usize..900, bytes in prop::collection::vec(any::<u8>(), 1..16),
    ) {
        let (model, now) = widest();
        let mut forged = postcard::to_stdvec(&model).unwrap();
        let place = place.min(forged.len() - 1);
        let end = (place + bytes.len()).min(forged.len());
        forged[place..end].copy_from_slice(&bytes[..end - place]);
        if let Ok(mut model) = decode(&text_of(&forged), now) {
            prop_assert!(model.cpu().quantile(0.9).is_none_or(|cores| cores.is_finite() && cores >= 0.0));
            prop_assert!(model.cpu().burst(12).is_none_or(|cores| cores.is_finite() && cores > 0.0));
            prop_assert!(model.size_bytes() <= 2_048);
            model.observe(&sample(0, 3_003 * 60, 0.5, 100));
            prop_assert_eq!(model.newest_sample(), Some(at(3_003 * 60)));
        }
    }

    #[test]
    fn every_model_comes_back_as_it_was(
        uses in prop::collection::vec((0_i64..600, 0.0_f64..50.0, 0_u64..5_000, 0_usize..20), 1..200),
    ) {
        let mut model = ContainerModel::new();
        let mut seconds = 0;
        for (step, cores, mib, pod) in uses {
            seconds += step;
            model.observe(&sample(pod, seconds, cores, mib));
            if mib > 4_500 {
                model.observe_oom(at(seconds), Bytes::mib(mib));
            }
        }
        prop_assume!(!model.is_empty());
        prop_assert_eq!(decode(&encode(&model), at(seconds)), Ok(model));
    }
}
