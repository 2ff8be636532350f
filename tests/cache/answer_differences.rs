//! What becomes of a provider's answer here and in the reference: both results side by side.
//!
//! Where they differ on purpose there is a line in docs/COMPATIBILITY.md.

use crate::oracle::Oracle;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::json;
use tokenkeep::{CredentialType, SignInEvent, TokenCache, TokenRequest};

const NOW: u64 = 1_000;

/// What an event leaves here: the cache as text.
fn ours(event: &str) -> Result<String, String> {
    let event = SignInEvent::from_json(event.as_bytes()).map_err(|error| error.to_string())?;
    let mut cache = TokenCache::new();
    cache.add(&event, NOW).map_err(|error| error.to_string())?;
    Ok(cache.to_json().expose_str().unwrap().to_owned())
}

/// What it leaves in the reference, or the name of the exception.
fn theirs(oracle: &mut Oracle, event: &str) -> Result<String, String> {
    oracle.ask(&json!({"op": "reset"})).unwrap();
    oracle.ask(&json!({"op": "add", "event": event, "now": NOW}))?;
    Ok(oracle.text())
}

/// An event whose answer has these members beside both tokens.
fn event(more: &str) -> String {
    format!(
        r#"{{"client_id": "client", "scope": ["s"], "token_endpoint": "https://idp.example/t/x",
            "response": {{"access_token": "AT", "refresh_token": "RT", {more}}}}}"#
    )
}

fn with_claims(claims: &str) -> String {
    let claims = URL_SAFE_NO_PAD.encode(claims);
    event(&format!(r#""expires_in": 3600, "id_token": "e30.{claims}.x""#))
}

fn with_client_info(info: &str) -> String {
    let info = URL_SAFE_NO_PAD.encode(info);
    event(&format!(r#""expires_in": 3600, "client_info": "{info}""#))
}

/// Neither cuts anything off at this depth.
fn deep() -> String {
    format!("{}{}", "[".repeat(200), "]".repeat(200))
}

#[test]
fn odd_answers_leave_the_same_bytes_as_in_the_reference() {
    let Some(mut oracle) = Oracle::start() else { return };
    let mut events = vec![
        with_client_info(r#"{"uid": 7, "utid": "u\u00fc"}"#),
        with_client_info(r#"{"uid": "", "utid": "", "x": NaN}"#),
        with_client_info(r#"{"uid": "uid"}"#),
        with_client_info("[]"),
        event(r#""expires_in": 3600, "x": 1, "expires_in": "60", "\u0078": "\ud83d""#),
        event(r#""expires_in": 3600, "error": "x""#),
    ];
    for odd in [r#""\ud83d""#, "1e999", "NaN", "-Infinity", "-0", r#"{"\ud83d": 1e999}"#, &deep()] {
        events.push(event(&format!(r#""expires_in": 3600, "x": {odd}"#)));
        events.push(with_claims(&format!(r#"{{"sub": "me", "oid": "o", "x": {odd}}}"#)));
        events.push(with_client_info(&format!(r#"{{"uid": "u", "utid": "t", "x": {odd}}}"#)));
        events.push(event("\"expires_in\": 1").replacen('{', &format!(r#"{{"x": {odd}, "#), 1));
    }
    for claims in [
        r#"{"sub": "me", "preferred_username": "Ada \ud83d"}"#,
        r#"{"sub": "me", "preferred_username": "\ud83d\ude00é", "oid": "\ude00"}"#,
        r#"{"sub": "me", "preferred_username": "", "upn": "ada"}"#,
        r#"{"sub": "me", "upn": "ada", "oid": null}"#,
        r#"{"sub": "", "exp": null, "aud": ["a"]}"#,
    ] {
        events.push(with_claims(claims));
    }
    for value in
        ["3600", "\"3600\"", "3600.9", "true", "0", "-5", "1e10", "\" 3_600 \"", "253402213400"]
    {
        events.push(event(&format!(r#""expires_in": {value}"#)));
        events.push(event(&format!(r#""expires_in": 1, "ext_expires_in": {value}"#)));
    }
    for more in [
        r#""expires_on": "9000""#,
        r#""expires_on": 9000, "expires_in": 60"#,
        r#""expires_on": """#,
        r#""refresh_in": 1800"#,
        r#""refresh_in": -1"#,
        r#""refresh_in": true"#,
        r#""token_type": null"#,
        r#""token_type": 5"#,
        r#""token_type": "\ud83d""#,
        r#""foci": 1"#,
        r#""foci": null"#,
        r#""foci": false"#,
        r#""foci": "\ud83d""#,
        r#""id_token": false"#,
        r#""id_token": null, "id_token_claims": []"#,
        r#""id_token_claims": {"sub": "me", "upn": "ada"}"#,
    ] {
        events.push(event(more));
    }
    let sign_in = event(r#""expires_in": 1, "id_token_claims": {"sub": "me"}"#);
    for more in [
        r#""username": "Ada \ud83d""#,
        r#""username": """#,
        r#""grant_type": 5"#,
        r#""grant_type": null"#,
        r#""grant_type": "password", "data": {"username": "ada"}"#,
        r#""data": {"n": 18446744073709551616, "t": true, "f": false}"#,
        r#""data": {"key_id": 7, "claims": [NaN]}"#,
        r#""skip_account_creation": "yes""#,
    ] {
        events.push(sign_in.replacen('{', &format!("{{{more}, "), 1));
    }
    for event in &events {
        assert_eq!(ours(event), theirs(&mut oracle, event), "{event}");
    }
}

#[test]
fn sign_ins_that_the_reference_loses_are_kept() {
    let Some(mut oracle) = Oracle::start() else { return };
    let endpoint = |address: &str| event("\"x\": 1").replace("https://idp.example/t/x", address);
    let user = |claims: &str| {
        let info = URL_SAFE_NO_PAD.encode(r#"{"uid": "u", "utid": "t"}"#);
        with_claims(claims)
            .replace("\"id_token\"", &format!(r#""client_info": "{info}", "id_token""#))
    };
    for (event, error) in [
        (event(r#""expires_in": null"#), "TypeError"),
        (event(r#""expires_in": 1e999"#), "OverflowError"),
        (event(r#""expires_in": Infinity"#), "OverflowError"),
        (event(r#""expires_in": "1h", "expires_on": 9000"#), "ValueError"),
        (event(r#""expires_in": 60, "expires_on": "12/31/2026 10:00:00 AM +00:00""#), "ValueError"),
        (event(r#""expires_in": 60, "ext_expires_in": null"#), "TypeError"),
        (event(r#""expires_in": 60, "ext_expires_in": "soon""#), "ValueError"),
        (event(r#""expires_in": 60, "refresh_in": null"#), "TypeError"),
        (event(r#""expires_in": 60, "refresh_in": "1800""#), "TypeError"),
        (event(r#""expires_in": 60, "client_info": null"#), "TypeError"),
        (event(r#""expires_in": 60, "client_info": """#), "JSONDecodeError"),
        (with_client_info("null"), "TypeError"),
        (with_claims(r#"{"sub": 7}"#), "TypeError"),
        (user("null"), "AttributeError"),
        (endpoint("https://idp.example"), "ValueError"),
        (endpoint("http://127.0.0.1:43121/t"), "ValueError"),
        (event("\"x\": 1").replace("[\"s\"]", "[\"s\", null]"), "TypeError"),
        (event("\"x\": 1").replacen('{', "{\"data\": null, ", 1), "AttributeError"),
        (event(&format!(r#""x": {}1{}"#, "[".repeat(5_000), "]".repeat(5_000))), "RecursionError"),
        (format!("\u{feff}{}", event("\"x\": 1")), "JSONDecodeError"),
    ] {
        let text = ours(&event).unwrap_or_else(|error| panic!("{event:.300}: {error}"));
        assert!(text.contains("\"AT\"") && text.contains("\"RT\""), "{text}");
        assert_eq!(theirs(&mut oracle, &event), Err(error.to_owned()), "{event:.300}");
    }
}

#[test]
fn times_and_names_that_peers_could_not_read_are_written_otherwise() {
    let Some(mut oracle) = Oracle::start() else { return };
    let last = "\"expires_on\": \"253402214400\"";
    for (event, here, there) in [
        (event(r#""expires_in": 18446744073709551615"#), last, "\"18446744073709552615\""),
        (event(r#""expires_in": "9223372036854775807""#), last, "\"9223372036854776807\""),
        (event(r#""expires_on": 253402300800"#), last, "\"253402300800\""),
        (event(r#""expires_in": -1001"#), "\"expires_on\": \"0\"", "\"expires_on\": \"-1\""),
        (event(r#""refresh_in": 1.5"#), "\"refresh_on\": \"1001\"", "\"refresh_on\": \"1001.5\""),
        (
            with_claims(r#"{"sub": "me", "preferred_username": ["ada"], "upn": "eve"}"#),
            "\"username\": \"eve\"",
            "\"username\": [",
        ),
        (
            with_claims(r#"{"sub": "me", "oid": 7}"#),
            "\"local_account_id\": \"7\"",
            "\"local_account_id\": 7",
        ),
        (
            with_client_info(r#"{"uid": null, "utid": "t"}"#),
            "\"home_account_id\": null",
            "\"home_account_id\": \"None.t\"",
        ),
        (
            event("\"x\": 1").replace("[\"s\"]", "\"t ab\""),
            "\"target\": \"ab t\"",
            "\"target\": \"  a b t\"",
        ),
        (
            event("\"x\": 1").replace("https://idp.example/t/x", "https://idp.example/t "),
            "\"realm\": \"t\"",
            "\"realm\": \"t \"",
        ),
    ] {
        let (ours, theirs) = (ours(&event).unwrap(), theirs(&mut oracle, &event).unwrap());
        assert!(ours.contains(here) && !ours.contains(there), "{ours}");
        assert!(theirs.contains(there), "{theirs}");
    }
}

#[test]
fn what_is_refused_and_the_reference_keeps() {
    let Some(mut oracle) = Oracle::start() else { return };
    let mut events = vec![
        event("\"x\": 1").replace("\"AT\"", "[\"a\"]"),
        event(r#""token_type": ["Bearer"]"#),
        event(r#""foci": 1.5"#),
        event("\"x\": 1").replacen('{', "{\"data\": {\"x\": 1.5}, ", 1),
        with_client_info(r#"{"uid": true, "utid": "t"}"#),
        with_claims(r#"{"sub": "\ud83d"}"#),
    ];
    for address in [
        "https://user:word@idp.example/t",
        r"https://evil.example\\@idp.example/t",
        r"https://idp.ex\tample/t",
        r"https://idp.example/a\u0001b",
        "https://idp%2eexample/t",
        "https://idp。example/t",
        "https://idp.example:0x1/t",
        "https://2130706433/t",
        "https://idp.example/a/../t",
    ] {
        events.push(event("\"x\": 1").replace("https://idp.example/t/x", address));
    }
    for event in &events {
        let error = ours(event).expect_err(event);
        assert!(error.contains("must be") || error.contains("address"), "{error}");
        let theirs = theirs(&mut oracle, event).unwrap_or_else(|e| panic!("{event}: {e}"));
        assert!(theirs.contains("AccessToken"), "{theirs}");
    }
}

#[test]
fn answers_that_the_client_of_the_reference_loses_are_kept() {
    let Some(mut oracle) = Oracle::start() else { return };
    let kept = |text: &str| text.contains("\"AT\"");
    for (more, theirs) in [
        ("\"x\": 1", Ok(true)),
        (r#""error": null"#, Ok(false)),
        (r#""error": """#, Ok(false)),
        (r#""error": false"#, Ok(false)),
        (r#""error": 0"#, Ok(false)),
        (r#""scope": ["s", "t u"]"#, Err("AttributeError")),
        (r#""scope": null"#, Err("AttributeError")),
    ] {
        let answer = format!(r#"{{"access_token": "AT", "expires_in": 3600, {more}}}"#);
        let request = TokenRequest::new("client", "https://idp.example/t", ["s"]);
        let mut cache = TokenCache::new();
        cache.add_response(&request, answer.as_bytes(), NOW).unwrap();
        assert!(kept(cache.to_json().expose_str().unwrap()), "{more}");

        oracle.ask(&json!({"op": "reset"})).unwrap();
        let question = json!({"op": "answer", "client_id": "client", "scopes": ["s"],
            "authority": "https://idp.example/t", "answer": answer});
        let found = oracle.ask(&question).map(|_| kept(&oracle.text()));
        assert_eq!(found, theirs.map_err(str::to_owned), "{more}");
    }
}

#[test]
fn the_reference_reads_an_account_that_the_program_named() {
    let Some(mut oracle) = Oracle::start() else { return };
    let request = TokenRequest::new("client", "https://idp.example/t", ["s"]);
    let answer = br#"{"access_token": "AT", "expires_in": 99999, "refresh_token": "RT"}"#;
    let event = SignInEvent::from_response(&request, answer).unwrap().account("42", "ada");
    let mut cache = TokenCache::new();
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
    cache.add(&event.grant_type("authorization_code"), now).unwrap();
    let text = cache.to_json().expose_str().unwrap().to_owned();
    oracle.ask(&json!({"op": "load", "text": text})).unwrap();

    let app = json!({"client_id": "client", "authority": "https://idp.example/t"});
    let mut ask = |op: &str, more: serde_json::Value| {
        let mut question = app.as_object().unwrap().clone();
        question.insert("op".to_owned(), op.into());
        question.extend(more.as_object().unwrap().clone());
        oracle.ask(&question.into()).unwrap()
    };
    let accounts = ask("accounts", json!({"username": "ADA"}));
    assert_eq!(
        accounts,
        json!([{"home_account_id": "42", "environment": "idp.example", "realm": "t",
            "username": "ada", "authority_type": "MSSTS", "local_account_id": "42",
            "account_source": "authorization_code"}])
    );
    assert_eq!(ask("silent", json!({"home_account_id": "42", "scopes": ["s"]})), json!("AT"));
    ask("sign_out", json!({"home_account_id": "42"}));
    let left = TokenCache::from_json(oracle.text().as_bytes()).unwrap();
    assert_eq!(left.len(), left.entries(CredentialType::AppMetadata).count());
}
