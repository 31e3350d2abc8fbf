//! Lengths of time as kubectl prints them: two units at most, the coarser the longer.

use jiff::{SignedDuration, Timestamp};

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
const YEAR: i64 = 365 * DAY;

/// How long ago a time was; `<unknown>` for none.
pub(super) fn since(time: &str, now: Timestamp) -> String {
    time.parse::<Timestamp>().map_or_else(|_| "<unknown>".to_owned(), |time| short(now.duration_since(time)))
}

/// A length of time.
pub(super) fn short(length: SignedDuration) -> String {
    let seconds = length.as_secs();
    let two = |unit: i64, name: char, rest: i64, rest_name: char| match seconds % unit / rest {
        0 => format!("{}{name}", seconds / unit),
        rest => format!("{}{name}{rest}{rest_name}", seconds / unit),
    };
    match seconds {
        // Clocks may differ a little.
        ..=-2 => "<invalid>".to_owned(),
        -1 => "0s".to_owned(),
        _ if seconds < 2 * MINUTE => format!("{seconds}s"),
        _ if seconds < 10 * MINUTE => two(MINUTE, 'm', 1, 's'),
        _ if seconds < 3 * HOUR => format!("{}m", seconds / MINUTE),
        _ if seconds < 8 * HOUR => two(HOUR, 'h', MINUTE, 'm'),
        _ if seconds < 2 * DAY => format!("{}h", seconds / HOUR),
        _ if seconds < 8 * DAY => two(DAY, 'd', HOUR, 'h'),
        _ if seconds < 2 * YEAR => format!("{}d", seconds / DAY),
        _ if seconds < 8 * YEAR => two(YEAR, 'y', DAY, 'd'),
        _ => format!("{}y", seconds / YEAR),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(-5, "<invalid>")]
    #[case(-1, "0s")]
    #[case(0, "0s")]
    #[case(119, "119s")]
    #[case(120, "2m")]
    #[case(125, "2m5s")]
    #[case(10 * MINUTE - 1, "9m59s")]
    #[case(10 * MINUTE, "10m")]
    #[case(179 * MINUTE, "179m")]
    #[case(3 * HOUR, "3h")]
    #[case(3 * HOUR + 5 * MINUTE, "3h5m")]
    #[case(8 * HOUR, "8h")]
    #[case(47 * HOUR, "47h")]
    #[case(2 * DAY, "2d")]
    #[case(7 * DAY + 23 * HOUR, "7d23h")]
    #[case(8 * DAY, "8d")]
    #[case(729 * DAY, "729d")]
    #[case(2 * YEAR + 3 * DAY, "2y3d")]
    #[case(9 * YEAR, "9y")]
    fn lengths_are_told_as_kubectl_does(#[case] seconds: i64, #[case] expected: &str) {
        assert_eq!(short(SignedDuration::from_secs(seconds)), expected);
    }

    #[test]
    fn a_time_that_is_not_set_is_unknown() {
        assert_eq!(since("", Timestamp::UNIX_EPOCH), "<unknown>");
    }
}
