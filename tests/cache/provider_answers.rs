//! Which answers of a provider's token endpoint are kept, and as what.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::Value;
use tokenkeep::{CredentialType, Error, TokenCache, TokenRequest};

const NOW: u64 = 1_700_000_000;

fn request() -> TokenRequest {
    TokenRequest::new("client", "https://idp.example/t", ["s"])
}

/// The cache after the answer was kept.
#[track_caller]
fn keep(answer: &[u8]) -> TokenCache {
    let mut cache = TokenCache::new();
    let token = cache.add_response(&request(), answer, NOW);
    let token = token.unwrap_or_else(|e| panic!("{}: {e}", String::from_utf8_lossy(answer)));
    assert_eq!(token.secret(), "AT");
    cache
}

/// A field of the one entry of its kind, as JSON.
#[track_caller]
fn field(cache: &TokenCache, kind: CredentialType, name: &str) -> Value {
    let entry = cache.entries(kind).next().expect("an entry");
    serde_json::from_str::<Value>(entry.as_json()).unwrap()[name].take()
}

/// An answer with these members beside the access token.
fn answer(more: &str) -> String {
    format!(r#"{{"access_token": "AT", {more}}}"#)
}

/// An answer whose ID token has these claims.
fn with_claims(claims: &str) -> String {
    let claims = URL_SAFE_NO_PAD.encode(claims);
    answer(&format!(r#""expires_in": 3600, "id_token": "e30.{claims}.x""#))
}

/// The error of an answer that is refused, which changes nothing.
#[track_caller]
fn refuse(answer: &[u8]) -> String {
    let mut cache = keep(answer_of_before().as_bytes());
    let before = cache.to_json().expose_str().unwrap().to_owned();
    match cache.add_response(&request(), answer, NOW + 1) {
        Err(
            error @ (Error::ProviderAnswer { .. }
            | Error::Refused { .. }
            | Error::SignInNeeded { .. }),
        ) => {
            assert_eq!(cache.to_json().expose_str().unwrap(), before);
            error.to_string()
        }
        other => panic!("{}: {other:?}", String::from_utf8_lossy(answer)),
    }
}

fn answer_of_before() -> String {
    answer(r#""expires_in": 3600, "refresh_token": "RT""#)
}

#[test]
fn a_lifetime_is_read_as_whatever_a_provider_writes() {
    let (last, now) = ("253402214400", NOW as i64);
    let after = |seconds: i64| (now + seconds).to_string();
    for (more, expires_on) in [
        (r#""x": 1"#, after(600)),
        (r#""expires_in": null"#, after(600)),
        (r#""expires_in": 3600"#, after(3600)),
        (r#""expires_in": "3600""#, after(3600)),
        (r#""expires_in": " +3_600 ""#, after(3600)),
        (r#""expires_in": 3600.9"#, after(3600)),
        (r#""expires_in": true"#, after(1)),
        (r#""expires_in": 0"#, after(0)),
        (r#""expires_in": "0""#, after(0)),
        (r#""expires_in": -1"#, after(-1)),
        (r#""expires_in": 9223372036854775"#, last.to_owned()),
        (r#""expires_in": 9223372036854775807"#, last.to_owned()),
        (r#""expires_in": "9223372036854775807""#, last.to_owned()),
        (r#""expires_in": 18446744073709551615"#, last.to_owned()),
        (r#""expires_in": "99999999999999999999999999""#, last.to_owned()),
        (r#""expires_in": 1e300"#, last.to_owned()),
        (r#""expires_in": 1e999"#, last.to_owned()),
        (r#""expires_in": Infinity"#, last.to_owned()),
        (r#""expires_in": -1e999"#, "0".to_owned()),
        (r#""expires_in": -9223372036854775808"#, "0".to_owned()),
        (r#""expires_on": 1800000000"#, "1800000000".to_owned()),
        (r#""expires_on": "1800000000""#, "1800000000".to_owned()),
        (r#""expires_on": 18446744073709551615"#, last.to_owned()),
        (r#""expires_on": "", "expires_in": null"#, after(600)),
        (r#""expires_on": "12/31/2026 10:00:00 AM +00:00", "expires_in": 60"#, after(60)),
        (r#""expires_on": {"a": 1}, "expires_in": "60""#, after(60)),
        (r#""expires_on": 1800000000, "expires_in": "1h""#, "1800000000".to_owned()),
        (r#""expires_on": 1800000000, "expires_in": null"#, "1800000000".to_owned()),
    ] {
        let cache = keep(answer(more).as_bytes());
        let found = field(&cache, CredentialType::AccessToken, "expires_on");
        assert_eq!(found, Value::String(expires_on.clone()), "{more}");
        let extended = field(&cache, CredentialType::AccessToken, "extended_expires_on");
        assert_eq!(extended, Value::String(expires_on), "{more}");
    }
}

#[test]
fn a_lifetime_that_nobody_understands_is_refused_by_its_name() {
    for value in [
        r#""3600abc""#,
        r#""3600.5""#,
        r#""3600.0""#,
        r#""1e3""#,
        r#""""#,
        r#"" ""#,
        "[]",
        "{}",
        "[3600]",
        "NaN",
        r#""\ud83d""#,
        r#""never""#,
        r#""PT1H""#,
    ] {
        let error = refuse(answer(&format!(r#""expires_in": {value}"#)).as_bytes());
        assert!(error.contains("`expires_in` must be"), "{value}: {error}");
    }
    for value in [r#""soon""#, r#""2026-12-31T10:00:00Z""#, "[0]", "{\"a\": 1}", "NaN"] {
        let error = refuse(answer(&format!(r#""expires_on": {value}"#)).as_bytes());
        assert!(error.contains("`expires_on` must be"), "{value}: {error}");
    }
}

#[test]
fn the_other_times_count_where_they_are_understood() {
    let after = |seconds: i64| Value::String((NOW as i64 + seconds).to_string());
    for (value, seconds) in [
        ("43200", Some(43_200)),
        ("\"43200\"", Some(43_200)),
        ("43200.5", Some(43_200)),
        ("-1", Some(-1)),
        ("null", None),
        ("\"\"", None),
        ("\"soon\"", None),
        ("[]", None),
        ("{\"a\": 1}", None),
        ("NaN", None),
    ] {
        let more = format!(r#""expires_in": 60, "refresh_in": {value}, "ext_expires_in": {value}"#);
        let cache = keep(answer(&more).as_bytes());
        let found = |name| field(&cache, CredentialType::AccessToken, name);
        assert_eq!(found("refresh_on"), seconds.map_or(Value::Null, after), "{value}");
        assert_eq!(found("extended_expires_on"), after(seconds.unwrap_or(60)), "{value}");
    }
    let huge = r#""expires_in": 60, "refresh_in": 1e300, "ext_expires_in": 18446744073709551615"#;
    let cache = keep(answer(huge).as_bytes());
    for name in ["refresh_on", "extended_expires_on"] {
        assert_eq!(field(&cache, CredentialType::AccessToken, name), "253402214400");
    }
}

#[test]
fn a_member_that_is_null_is_as_if_it_were_not_there() {
    let plain = keep(br#"{"access_token": "AT"}"#);
    let mut nulls = String::from(r#"{"access_token": "AT", "error": null"#);
    for name in [
        "expires_in",
        "expires_on",
        "ext_expires_in",
        "refresh_in",
        "client_info",
        "id_token",
        "id_token_claims",
        "refresh_token",
        "scope",
        "error_description",
        "x",
    ] {
        nulls.push_str(&format!(r#", "{name}": null"#));
        let one = keep(answer(&format!(r#""{name}": null"#)).as_bytes());
        assert!(one.has_same_content(&plain), "{name}");
    }
    nulls.push('}');
    assert!(keep(nulls.as_bytes()).has_same_content(&plain));
    for empty in [r#""client_info": """#, r#""refresh_token": """#, r#""id_token": """#] {
        assert!(keep(answer(empty).as_bytes()).has_same_content(&plain), "{empty}");
    }
}

#[test]
fn scopes_are_a_text_or_a_list() {
    for (scope, target) in [
        (r#""t s""#, "s t"),
        (r#"["t", "s"]"#, "s t"),
        (r#"["t s", "u"]"#, "s t u"),
        (r#"["t\ts", "", " ", null]"#, "s t"),
        (r#""a,b""#, "a,b"),
        (r#"["a,b", "c"]"#, "a,b c"),
        ("null", "s"),
    ] {
        let cache = keep(answer(&format!(r#""scope": {scope}"#)).as_bytes());
        assert_eq!(field(&cache, CredentialType::AccessToken, "target"), target, "{scope}");
    }
    for scope in ["7", "[7]", r#"{"a": "b"}"#, r#"["s", ["t"]]"#, r#""\ud83d""#, "true"] {
        let error = refuse(answer(&format!(r#""scope": {scope}"#)).as_bytes());
        assert!(error.contains("`scope` must be"), "{scope}: {error}");
    }
}

#[test]
fn what_nobody_reads_may_be_anything() {
    let deep = format!("{}1{}", "[{\"a\":".repeat(20_000), "}]".repeat(20_000));
    let digits = "9".repeat(5_000);
    for odd in [
        r#""\ud83d""#,
        r#""\ude00\ud83d""#,
        "1e999",
        "-1e999",
        "1e-999",
        "-0",
        &digits,
        "NaN",
        "[Infinity, -Infinity]",
        "\"NaN \\\" Infinity\"",
        r#"{"\ud800": "\udfff"}"#,
        &deep,
    ] {
        let more = format!(r#""expires_in": 3600, "x": {odd}, "refresh_token": "RT""#);
        let cache = keep(answer(&more).as_bytes());
        assert_eq!(field(&cache, CredentialType::RefreshToken, "secret"), "RT", "{odd:.40}");
        let claims = format!(r#"{{"sub": "me", "x": {odd}, "preferred_username": "ada"}}"#);
        let cache = keep(with_claims(&claims).as_bytes());
        assert_eq!(cache.accounts()[0].username(), "ada", "{odd:.40}");
        assert!(cache.find_access_token(&request(), NOW).unwrap().is_some());
    }
    let odd_name = answer(r#""expires_in": 3600, "\ud83d": 1, "expires_i\u006e": 60"#);
    let cache = keep(odd_name.as_bytes());
    assert_eq!(field(&cache, CredentialType::AccessToken, "expires_on"), (NOW + 60).to_string());
}

#[test]
fn names_in_an_id_token_may_be_odd_and_who_it_is_may_not() {
    for (claims, home, local, username) in [
        (
            r#"{"sub": "me", "preferred_username": "José 漢 \ud83d\ude00"}"#,
            "me",
            "me",
            "José 漢 😀",
        ),
        (r#"{"sub": "me", "preferred_username": "Ada \ud83d"}"#, "me", "me", ""),
        (r#"{"sub": "me", "preferred_username": ["ada"], "upn": "ada@x"}"#, "me", "me", "ada@x"),
        (r#"{"sub": "me", "preferred_username": null, "upn": "ada@x"}"#, "me", "me", ""),
        (r#"{"sub": "me", "oid": {"a": 1}, "exp": null, "aud": ["a"]}"#, "me", "me", ""),
        (r#"{"sub": 12345678901234567890, "oid": 7}"#, "12345678901234567890", "7", ""),
    ] {
        let account = keep(with_claims(claims).as_bytes()).accounts().remove(0);
        let found = (account.home_account_id(), account.local_account_id(), account.username());
        assert_eq!(found, (home, Some(local), username), "{claims}");
    }
    for claims in [
        r#"{"sub": "\ud83d"}"#,
        r#"{"sub": ["me"]}"#,
        r#"{"sub": null}"#,
        r#"{"sub": 1.5}"#,
        r#"{"sub": NaN}"#,
        r#"{"name": "ada"}"#,
    ] {
        let error = refuse(with_claims(claims).as_bytes());
        assert!(error.contains("`id_token.sub` must be text"), "{claims}: {error}");
    }
    for bad in ["no-dots", "e30.%%%.x", "e30.e.x", "e30.Im1lIg.x", "é.é.é"] {
        let error = refuse(answer(&format!(r#""id_token": "{bad}""#)).as_bytes());
        assert!(error.contains("`id_token` must be"), "{bad}: {error}");
    }
    let latin1 = URL_SAFE_NO_PAD.encode(b"{\"sub\": \"me\", \"name\": \"Jos\xe9\"}");
    let error = refuse(answer(&format!(r#""id_token": "e30.{latin1}.x""#)).as_bytes());
    assert!(error.contains("`id_token` must be"), "{error}");
}

#[test]
fn a_byte_order_mark_is_skipped_and_another_encoding_refused() {
    let plain = answer(r#""expires_in": 3600"#);
    let mut marked = vec![0xef, 0xbb, 0xbf];
    marked.extend_from_slice(plain.as_bytes());
    assert!(keep(&marked).has_same_content(&keep(plain.as_bytes())));

    let latin1 = b"{\"access_token\": \"AT\", \"name\": \"Jos\xe9\"}";
    let error = refuse(latin1);
    assert!(error.contains("not JSON in UTF-8, from byte 35 on"), "{error}");
    let utf16: Vec<u8> = plain.encode_utf16().flat_map(u16::to_le_bytes).collect();
    for bad in [&utf16[..], b"", b"\xef\xbb\xbf", b"<html>", b"{} {}", b"access_token=AT"] {
        assert!(refuse(bad).contains("not JSON"), "{}", String::from_utf8_lossy(bad));
    }
    for bad in [&b"[]"[..], b"null", b"\"AT\"", b"NaN"] {
        assert!(refuse(bad).contains("not a JSON object"), "{}", String::from_utf8_lossy(bad));
    }
}

#[test]
fn an_error_that_says_nothing_is_none_and_a_real_one_is_refused() {
    for nothing in ["null", "\"\"", "false", "0", "0.0", "[]", "{}"] {
        keep(answer(&format!(r#""expires_in": 60, "error": {nothing}"#)).as_bytes());
    }
    for (error, shown) in [
        (r#""bad_verification_code""#, "the sign-in (`bad_verification_code`)"),
        (r#""a b\u001b[2Jc\u202ed""#, r"the request (`a b\u{1b}[2Jc\u{202e}d`)"),
        (r#"{"message": "Bad code", "type": "OAuth", "code": 190}"#, "the request (`Bad code`)"),
        (r#"{"code": 190}"#, "the provider refuses the request"),
        ("true", "the provider refuses the request"),
        ("7", "the provider refuses the request"),
        ("[\"x\"]", "the provider refuses the request"),
        (r#""\ud83d""#, "the provider refuses the request"),
        (r#""the token AT is bad""#, "the provider refuses the request"),
        (&format!("\"{}\"", "x".repeat(5_000)), &format!("(`{}`)", "x".repeat(200))),
    ] {
        let told = refuse(answer(&format!(r#""expires_in": 60, "error": {error}"#)).as_bytes());
        assert!(told.ends_with(shown), "{error:.40}: {told}");
    }
    assert!(refuse(br#"{"ok": false, "error": "x"}"#).contains("`x`"));
    assert!(refuse(br#"{"ok": false}"#).contains("no access token"));
}

#[test]
fn a_member_that_is_read_and_odd_is_named() {
    for (more, name) in [
        (r#""refresh_token": ["RT"]"#, "refresh_token"),
        (r#""refresh_token": "\ud83d""#, "refresh_token"),
        (r#""token_type": ["Bearer"]"#, "token_type"),
        (r#""foci": 1.5"#, "foci"),
        (r#""client_info": "foo""#, "client_info"),
        (r#""client_info": 7"#, "client_info"),
        (r#""id_token_claims": [1]"#, "id_token_claims"),
    ] {
        let error = refuse(answer(more).as_bytes());
        assert!(error.contains(&format!("`{name}` must be")), "{more}: {error}");
    }
    for token in ["[\"AT\"]", "{\"a\": 1}", "7", "\"\\ud83d\"", "true"] {
        let error = refuse(format!(r#"{{"access_token": {token}}}"#).as_bytes());
        assert!(error.contains("`access_token` must be"), "{token}: {error}");
    }
    for token in ["null", "\"\"", "false", "[]"] {
        let error = refuse(format!(r#"{{"access_token": {token}}}"#).as_bytes());
        assert!(error.contains("no access token"), "{token}: {error}");
    }
}

#[test]
fn every_field_that_is_written_for_an_answer_is_text_or_null() {
    let request = request().key_id("7").data([("fmi_path", "p"), ("n", "1")]).account("me");
    let claims = URL_SAFE_NO_PAD.encode(r#"{"sub": 7, "oid": 8, "upn": 9}"#);
    let full = answer(&format!(
        r#""expires_in": 3600.5, "ext_expires_in": true, "refresh_in": 60, "scope": ["s"],
            "refresh_token": "RT", "id_token": "e30.{claims}.x", "token_type": "Bearer""#
    ));
    let mut cache = TokenCache::new();
    cache.add_response(&request, full.as_bytes(), NOW).unwrap();
    assert_eq!(cache.len(), 5);
    for entry in CredentialType::ALL.into_iter().flat_map(|kind| cache.entries(kind)) {
        let fields: Value = serde_json::from_str(entry.as_json()).unwrap();
        for (name, value) in fields.as_object().unwrap() {
            assert!(value.is_string() || value.is_null(), "{name}: {value}");
        }
    }
}
