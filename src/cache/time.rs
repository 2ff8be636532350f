//! Times as the schema writes them: whole Unix seconds in decimal, as text.

use crate::cache::json::decode;

/// Reads a time from a canonical token as Python's `int` does; none where Python fails.
pub(crate) fn read(token: &str) -> Option<i64> {
    match decode(token) {
        Some(text) => whole(&text),
        None if token.starts_with('"') => None,
        None => number(token),
    }
}

/// A whole number as text: a sign, and `_` between digits, are allowed.
pub(crate) fn whole(text: &str) -> Option<i64> {
    let text = text.trim_matches(|c: char| c.is_whitespace() || matches!(c, '\x1c'..='\x1f'));
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let separated = digits
        .split('_')
        .all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()));
    if !separated {
        return None;
    }
    text.replace('_', "").parse().ok()
}

/// A JSON number; the fraction is cut off.
pub(crate) fn number(token: &str) -> Option<i64> {
    if let Ok(whole) = token.parse() {
        return Some(whole);
    }
    let value: f64 = token.parse().ok()?;
    // 2^53: beyond it a float does not hold every whole second.
    (value.abs() < 9_007_199_254_740_992.0).then_some(value as i64)
}
