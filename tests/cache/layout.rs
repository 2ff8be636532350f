//! How nested values are printed: as peers print them, and never many times as large as they are.

use serde::Serialize as _;
use serde_json::{Serializer, Value, ser::PrettyFormatter};
use tokenkeep::{CredentialType, Entry, TokenCache};

fn printed(json: &str) -> String {
    let cache = TokenCache::from_json(json.as_bytes()).unwrap();
    let text = cache.to_json().expose_str().unwrap().to_owned();
    let again = TokenCache::from_json(text.as_bytes()).unwrap();
    assert!(again.has_same_content(&cache), "what is printed is read as the same");
    assert_eq!(again.to_json().expose_str().unwrap(), text, "and printed as the same");
    let (before, after): (Value, Value) =
        (serde_json::from_str(json).unwrap(), serde_json::from_str(&text).unwrap());
    assert_eq!(before, after);
    text
}

/// As Python's `json.dumps(…, indent=4)` lays it out.
fn indented(json: &str) -> String {
    let mut out = Vec::new();
    let mut serializer =
        Serializer::with_formatter(&mut out, PrettyFormatter::with_indent(b"    "));
    serde_json::from_str::<Value>(json).unwrap().serialize(&mut serializer).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn nested_values_are_laid_out_as_peers_lay_them_out() {
    for value in [
        "{}",
        "[]",
        r#"[[], {}, [{}], {"a": []}]"#,
        r#"{"a": {"b": {"c": {"d": [1, [2, [3, [4]]]]}}}}"#,
        r#"["a, b", ": {", "} ]", "\\", "\"", "\\\"[", "\\\\"]"#,
        r#"{"key, with: {marks}": {"[": "]"}, "z": [null, true, false, -1.5]}"#,
        &format!("[{}1]", "1, ".repeat(100)),
        &format!("{}1{}", "[".repeat(40), "]".repeat(40)),
    ] {
        for json in [
            format!(r#"{{"Mine": {value}, "Yours": {value}}}"#),
            format!(r#"{{"Account": {value}, "Mine": {value}}}"#),
            format!(r#"{{"AccessToken": {{"key": {{"a": {value}, "b": 1, "c": {value}}}}}}}"#),
            format!(r#"{{"AccessToken": {{"key": {{"a": {value}}}, "odd": {value}}}}}"#),
        ] {
            assert_eq!(printed(&json), indented(&json));
        }
        let entry = format!(r#"{{"a": 1, "b": {value}}}"#);
        let read = Entry::from_json(CredentialType::Account, entry.as_bytes()).unwrap();
        let text = read.as_json().replace("\n        ", "\n");
        assert_eq!(text, indented(&entry));
    }
}

#[test]
fn no_depth_makes_what_is_printed_many_times_as_large() {
    let zeros = |count: usize| vec!["0"; count].join(",");
    let deep = |count: usize| format!("{}{}{}", "[".repeat(100), zeros(count), "]".repeat(100));
    let keys = format!("{}0{}", r#"{"k":"#.repeat(100), "}".repeat(100));
    for value in [deep(100_000), vec![deep(1); 1_000].join(","), vec![&*keys; 500].join(",")] {
        for json in [
            format!(r#"{{"Mine": [{value}]}}"#),
            format!(r#"{{"Account": [{value}]}}"#),
            format!(r#"{{"AccessToken": {{"key": {{"a": [{value}], "b": 1}}}}}}"#),
            format!(r#"{{"AccessToken": {{"key": [{value}], "other": {{"b": {{"c": 1}}}}}}}}"#),
        ] {
            let text = printed(&json);
            assert!(text.len() <= json.len() + 200, "{} became {}", json.len(), text.len());
        }
        let entry = format!(r#"{{"a": [{value}]}}"#);
        let read = Entry::from_json(CredentialType::Account, entry.as_bytes()).unwrap();
        assert!(read.as_json().len() <= entry.len() + 200);
    }
}
