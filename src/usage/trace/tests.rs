use std::{io::Write, time::Duration};

use flate2::{Compression, write::GzEncoder};
use proptest::prelude::*;
use rstest::rstest;

use super::*;

const HEADER: &str = "series,t_seconds,cpu_cores,memory_bytes\n";

fn parse(rows: &str) -> Result<Trace, String> {
    Trace::parse("usage.csv", format!("{HEADER}{rows}").as_bytes()).map_err(|error| error.to_string())
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[rstest]
#[case::nan("web,0,NaN,1", "line 2, column cpu_cores: `NaN` is not a finite number")]
#[case::infinite("web,0,inf,1", "line 2, column cpu_cores: `inf` is not a finite number")]
#[case::infinite_time("web,-inf,1,1", "line 2, column t_seconds: `-inf` is not a finite number")]
#[case::negative_cpu("web,0,1,1\nweb,60,-0.5,1", "line 3, column cpu_cores: `-0.5` is negative")]
#[case::negative_memory("web,0,1,-7", "line 2, column memory_bytes: `-7` is negative")]
#[case::negative_time("web,-1,1,1", "line 2, column t_seconds: `-1` is negative")]
#[case::words("web,0,much,1", "line 2, column cpu_cores: `much` is not a number")]
#[case::missing_value("web,0,,1", "line 2, column cpu_cores: the value is missing")]
#[case::missing_field("web,0,1", "line 2, column memory_bytes: the field is missing")]
#[case::extra_field("web,0,1,1,1", "line 2, column memory_bytes: more fields follow")]
#[case::no_name(",0,1,1", "line 2, column series: the name is empty")]
#[case::duplicate("web,0,1,1\napi,0,1,1\nweb,0,1,1", "line 4, column t_seconds: series `web` has a row at 0 already")]
#[case::unordered("web,60,1,1\nweb,0,1,1", "line 3, column t_seconds: 0 comes after 60 in series `web`")]
#[case::wrong_unit("web,0,1000001,1", "line 2, column cpu_cores: `1000001` is too large to be true")]
#[case::wrong_memory_unit("web,0,1,1e17", "line 2, column memory_bytes: `1e17` is too large to be true")]
#[case::no_rows("", "usage.csv has no rows")]
fn a_bad_value_is_refused_with_its_place(#[case] rows: &str, #[case] expected: &str) {
    let error = parse(rows).unwrap_err();
    assert!(error.contains(expected) && error.contains("usage.csv"), "{error}");
}

#[rstest]
#[case("", "has no rows")]
#[case("a,b\n", "the header is `a,b`; it must be `series,t_seconds,cpu_cores,memory_bytes`")]
#[case("series,t_seconds,cpu_cores\n", "the header is `series,t_seconds,cpu_cores`")]
fn a_wrong_header_is_refused(#[case] text: &str, #[case] expected: &str) {
    let error = Trace::parse("usage.csv", text.as_bytes()).unwrap_err().to_string();
    assert!(error.contains(expected), "{error}");
}

#[test]
fn text_that_is_not_utf8_is_refused_with_its_line() {
    let bytes = [HEADER.as_bytes(), b"web,0,1,1\nw\xff,0,1,1\n"].concat();
    let error = Trace::parse("usage.csv", &bytes).unwrap_err().to_string();
    assert!(error.contains("usage.csv, line 3"), "{error}");
}

#[test]
fn gzip_reads_as_plain_text_does_and_half_a_file_is_refused() {
    let text = format!("{HEADER}web,0,0.5,1024\nweb,60,0.25,\n");
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    let gzipped = encoder.finish().unwrap();
    assert_eq!(Trace::parse("a", &gzipped).unwrap(), Trace::parse("b", text.as_bytes()).unwrap());
    let half = Trace::parse("a.gz", &gzipped[..gzipped.len() / 2]).unwrap_err();
    assert!(matches!(half, Error::Unreadable { .. }), "{half}");
}

#[test]
fn a_row_holds_over_the_interval_that_ends_at_its_time() {
    let trace = parse("web,60,0.1,\nweb,120,0.2,7\nweb,181,0.3,8\n").unwrap();
    let series = trace.get("web").unwrap();
    let starts: Vec<_> = series.rows().iter().map(|row| row.start).collect();
    assert_eq!(starts, [seconds(0), seconds(61), seconds(121)], "the median step is the longer of the two");
    assert_eq!(series.rows()[1].memory, Some(Bytes(7)));
    assert_eq!(series.rows()[0].memory, None);
}

#[test]
fn through_a_hole_the_row_before_it_holds() {
    let trace = parse("web,0,0.1,\nweb,60,0.2,\nweb,600,0.3,\nweb,660,0.4,\n").unwrap();
    let series = trace.get("web").unwrap();
    let starts: Vec<_> = series.rows().iter().map(|row| row.start.as_secs()).collect();
    assert_eq!(starts, [0, 60, 600, 660]);
    assert_eq!(series.length(), seconds(720));
}

#[test]
fn peaks_count_only_rows_that_start_in_time() {
    let trace = parse("web,60,0.1,5\nweb,120,0.2,9\nweb,180,0.9,\n").unwrap();
    let series = trace.get("web").unwrap();
    assert_eq!(series.peak(seconds(120)), (NanoCpu::from_cores(0.2), Some(Bytes(9))));
    assert_eq!(series.peak(seconds(121)), (NanoCpu::from_cores(0.9), Some(Bytes(9))));
}

proptest! {
    #[test]
    fn starts_rise_and_stay_inside_the_length(steps in proptest::collection::vec(0.001_f64..5_000.0, 1..60)) {
        let mut time = 0.0;
        let measured = steps.iter().map(|step| { time += step; (time, NanoCpu(1), None) }).collect();
        let series = Series::new(measured);
        prop_assert!(series.rows().windows(2).all(|pair| pair[0].start <= pair[1].start));
        prop_assert!(series.rows().iter().all(|row| row.start < series.length()));
        prop_assert_eq!(series.rows()[0].start, Duration::ZERO);
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let with_header = [HEADER.as_bytes(), &bytes].concat();
        let _ = Trace::parse("a", &bytes);
        let _ = Trace::parse("a", &with_header);
    }
}
