//! Reads the members of a canonical value that is stored on one line.

use super::layout::string_end;

/// The names and the values of the members of an object, as canonical tokens, in order. Empty if
/// `value` is no object. `value` must be canonical.
pub(crate) fn members(value: &str) -> impl Iterator<Item = (&str, &str)> {
    inside(value, '{', '}').map(|member| {
        let (name, value) = member.split_at(string_end(member, 0));
        (name, value.strip_prefix(':').unwrap_or(value))
    })
}

/// The items of an array, as canonical values, in order. Empty if `value` is no array. `value` must
/// be canonical.
pub(crate) fn items(value: &str) -> impl Iterator<Item = &str> {
    inside(value, '[', ']')
}

/// The parts between two brackets, split at the commas that are in no nested value.
fn inside(value: &str, open: char, close: char) -> impl Iterator<Item = &str> {
    let inside = value.strip_prefix(open).and_then(|rest| rest.strip_suffix(close));
    let mut rest = inside.filter(|inside| !inside.is_empty());
    std::iter::from_fn(move || {
        let text = rest?;
        let end = part_end(text);
        rest = text.get(end + 1..);
        Some(&text[..end])
    })
}

fn part_end(text: &str) -> usize {
    let (mut at, mut depth) = (0_usize, 0_usize);
    while let Some(&byte) = text.as_bytes().get(at) {
        match byte {
            b'"' => at = string_end(text, at) - 1,
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            b',' if depth == 0 => break,
            _ => {}
        }
        at += 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::{items, members};

    #[test]
    fn members_and_items_are_split_at_their_own_commas() {
        let object = r#"{"a":1,"b,\"":{"x":[1,2],"y":"},"},"c":"","d":[]}"#;
        let expected = [
            (r#""a""#, "1"),
            (r#""b,\"""#, r#"{"x":[1,2],"y":"},"}"#),
            (r#""c""#, r#""""#),
            (r#""d""#, "[]"),
        ];
        assert!(members(object).eq(expected));
        assert!(items(r#"["a,]",[1,2],{}]"#).eq([r#""a,]""#, "[1,2]", "{}"]));
        for empty in ["{}", "[]", "1", r#""{}""#, "null"] {
            assert_eq!(members(empty).count() + items(empty).count(), 0, "{empty}");
        }
    }
}
