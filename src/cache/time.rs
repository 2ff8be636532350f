//! Times in the form of the schema: whole Unix seconds in decimal, as text.

use crate::cache::json::decode;

/// Reads a time from a canonical token as Python's `int` does. Returns `None` if Python fails.
///
/// A number beyond 64 bits counts as the largest or smallest 64-bit number.
pub(crate) fn read(token: &str) -> Option<i64> {
    match decode(token) {
        Some(text) => whole(&text),
        None if token.starts_with('"') => None,
        None => number(token),
    }
}

/// Reads a whole number from text. A sign, and `_` between digits, are allowed.
pub(crate) fn whole(text: &str) -> Option<i64> {
    // Python takes these four separators for white space, too.
    let text = text.trim_matches(|c: char| c.is_whitespace() || matches!(c, '\x1c'..='\x1f'));
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let separated = digits
        .split('_')
        .all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()));
    if !separated {
        return None;
    }
    let beyond = if text.starts_with('-') { i64::MIN } else { i64::MAX };
    Some(text.replace('_', "").parse().unwrap_or(beyond))
}

/// Reads a JSON number. The fraction is cut off.
pub(crate) fn number(token: &str) -> Option<i64> {
    if let Ok(whole) = token.parse() {
        return Some(whole);
    }
    let value: f64 = token.parse().ok()?;
    // The cast saturates, so a number beyond 64 bits counts as the largest or smallest one.
    Some(value as i64)
}

/// The time `seconds` after `now`, as text.
///
/// The time is limited to the range from 1970 to the last day of the year 9999. Some programs that
/// share the cache convert it to a date in the user's time zone, and fail outside this range.
pub(crate) fn after(now: i64, seconds: i64) -> String {
    now.saturating_add(seconds).clamp(0, LAST).to_string()
}

/// 9999-12-31, 00:00:00 UTC.
pub(crate) const LAST: i64 = 253_402_214_400;

#[cfg(test)]
mod tests {
    use super::{after, read};

    #[test]
    fn numbers_beyond_64_bits_count_as_the_last_one() {
        for (token, time) in [
            ("18446744073709551615", i64::MAX),
            ("\"18446744073709551615\"", i64::MAX),
            ("\"-99999999999999999999\"", i64::MIN),
            ("1e300", i64::MAX),
            ("-1e999", i64::MIN),
            ("9007199254740993.0", 9_007_199_254_740_992),
            ("1800.9", 1_800),
            ("-0.5", 0),
            ("\" +1_800 \"", 1_800),
        ] {
            assert_eq!(read(token), Some(time), "{token}");
        }
        for token in ["\"1e3\"", "\"\"", "\"_1\"", "\"1__0\"", "null", "true", "[\n]"] {
            assert_eq!(read(token), None, "{token}");
        }
    }

    #[test]
    fn a_time_stays_where_every_language_has_dates() {
        assert_eq!(after(1_000, i64::MAX), "253402214400");
        assert_eq!(after(i64::MAX, i64::MAX), "253402214400");
        assert_eq!(after(1_000, i64::MIN), "0");
        assert_eq!(after(1_000, -1), "999");
    }
}
