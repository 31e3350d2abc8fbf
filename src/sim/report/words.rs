//! Numbers as people read them.

/// `1.5m`, `240m`, `2.25`: CPU to three digits.
pub(super) fn cores(cores: f64) -> String {
    if cores >= 1.0 { short(cores, 2) } else { short(cores * 1_000.0, if cores < 0.1 { 1 } else { 0 }) + "m" }
}

/// `12Ki`, `640Mi`, `1.5Gi`: memory to three digits.
#[expect(clippy::cast_precision_loss, reason = "rounded for people")]
pub(super) fn bytes(bytes: u64) -> String {
    let units = [("Ti", 40), ("Gi", 30), ("Mi", 20), ("Ki", 10)];
    match units.into_iter().find(|(_, shift)| bytes >= 1 << shift) {
        Some((unit, shift)) => {
            let value = bytes as f64 / (1_u64 << shift) as f64;
            short(value, if value < 10.0 { 1 } else { 0 }) + unit
        }
        None => bytes.to_string(),
    }
}

/// With at most so many decimals, and none that say nothing.
fn short(number: f64, decimals: usize) -> String {
    let text = format!("{number:.decimals$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// `24h`, `6h 3m`, `45s`.
pub(super) fn length(seconds: u64) -> String {
    let parts = [(seconds / 3_600, "h"), (seconds / 60 % 60, "m"), (seconds % 60, "s")];
    let parts: Vec<_> = parts.iter().filter(|(n, _)| *n > 0).map(|(n, unit)| format!("{n}{unit}")).collect();
    if parts.is_empty() { "0s".to_owned() } else { parts.join(" ") }
}

/// `1 Pod`, `2 Pods`.
pub(super) fn count(number: u64, one: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {one}s") }
}

/// At most so many characters.
pub(super) fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(0.0, "0m")]
    #[case(0.0015, "1.5m")]
    #[case(0.2404, "240m")]
    #[case(2.0, "2")]
    #[case(2.251, "2.25")]
    fn cpu_is_read_at_a_glance(#[case] amount: f64, #[case] expected: &str) {
        assert_eq!(cores(amount), expected);
    }

    #[rstest]
    #[case(0, "0")]
    #[case(1_023, "1023")]
    #[case(1_024, "1Ki")]
    #[case(640 << 20, "640Mi")]
    #[case(3 << 29, "1.5Gi")]
    #[case(100 << 20, "100Mi")]
    fn memory_is_read_at_a_glance(#[case] amount: u64, #[case] expected: &str) {
        assert_eq!(bytes(amount), expected);
    }

    #[rstest]
    #[case(0, "0s")]
    #[case(86_400, "24h")]
    #[case(21_780, "6h 3m")]
    fn lengths_leave_out_what_is_zero(#[case] seconds: u64, #[case] expected: &str) {
        assert_eq!(length(seconds), expected);
    }

    #[test]
    fn one_is_no_plural() {
        assert_eq!([0, 1, 2].map(|number| count(number, "Pod")), ["0 Pods", "1 Pod", "2 Pods"]);
    }

    #[test]
    fn long_text_is_cut_between_characters() {
        assert_eq!([cut("äöü", 3), cut("äöüß", 3)], ["äöü", "äö…"]);
    }
}
