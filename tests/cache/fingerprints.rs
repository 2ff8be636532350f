//! Which requests want the same answer.

use std::time::Duration;

use serde_json::json;
use tokenkeep::{TokenCache, TokenRequest};

use crate::whose_token::answers::{ELSEWHERE, MICROSOFT, answer, request};

const NOW: u64 = 1_700_000_000;

/// The request with one thing changed.
fn variants(base: &TokenRequest) -> Vec<(&'static str, TokenRequest)> {
    let token = |secret: &str, at| {
        TokenCache::new().add_response(base, answer(secret, &json!({})), at).unwrap()
    };
    let base = || base.clone();
    vec![
        ("nothing", base()),
        ("scopes", base().with_scopes(["s", "t"])),
        ("other case", base().with_scopes(["S"])),
        ("one scope", base().with_scopes(["s;scope=1:t"])),
        ("no scope", base().with_scopes([""; 0])),
        ("account", base().account("me")),
        ("account of an empty name", base().account("")),
        ("app", base().app_only()),
        ("key", base().key_id("k")),
        ("extension", base().ext_cache_key("k")),
        ("data", base().data([("p", "k")])),
        ("data that do not count", base().data([("req_cnf", "k")])),
        ("claims", base().claims("{}")),
        ("resource", base().resource("k")),
        ("capability", base().client_capabilities(["k"])),
        ("capabilities", base().client_capabilities(["k", "l"])),
        ("margin", base().margin(Duration::from_secs(1))),
        ("longer margin", base().margin(Duration::from_millis(1_001))),
        ("refused", base().instead_of(&token("AT", NOW))),
        ("another refused", base().instead_of(&token("AU", NOW))),
        ("refused later", base().instead_of(&token("AT", NOW + 1))),
    ]
}

#[test]
fn requests_that_want_something_else_have_another_fingerprint() {
    let bases = [
        ELSEWHERE,
        "https://idp.example/t/realm",
        "https://idp.example:8443/t",
        "https://idp2.example/t",
        MICROSOFT,
        "https://login.microsoftonline.com/organizations",
        "https://login.microsoftonline.us/contoso",
        "nonsense",
    ];
    let requests: Vec<_> = bases
        .iter()
        .flat_map(|authority| {
            ["client", "client2"].map(|client| TokenRequest::new(client, *authority, ["s"]))
        })
        .filter(|base| base.cloud().is_some() || base.client_id() == "client")
        .flat_map(|base| {
            // A token needs a usable authority.
            let all = if base.cloud().is_some() { variants(&base) } else { vec![("", base)] };
            all.into_iter()
        })
        .collect();
    let mut same = Vec::new();
    for (nth, (name, one)) in requests.iter().enumerate() {
        for (other_name, other) in &requests[..nth] {
            if one.fingerprint() == other.fingerprint() {
                same.push((one.authority(), *name, *other_name));
            }
        }
    }
    // Microsoft's services ignore the letter case of scopes.
    let expected: Vec<_> = same.iter().filter(|(_, name, _)| *name == "other case").collect();
    assert_eq!(same.len(), expected.len(), "{same:?}");
    assert_eq!(same.len(), 3 * 2, "two clients at three authorities: {same:?}");
}

#[test]
fn requests_that_want_the_same_have_one_fingerprint() {
    let base = TokenRequest::new("client", MICROSOFT, ["Mail.Read", "openid"]);
    for same in [
        TokenRequest::new("client", MICROSOFT, ["openid Mail.Read"]),
        TokenRequest::new("client", "https://login.windows.net/contoso/", ["mail.read", "openid"]),
        TokenRequest::without_scopes("client", MICROSOFT).with_scopes(["openid", "Mail.Read"]),
        base.clone().ext_cache_key(""),
        base.clone().claims(""),
    ] {
        assert_eq!(same.fingerprint(), base.fingerprint());
    }
    let data = [("a", "1"), ("b", "2")];
    let (one, other) = (base.clone().data(data), base.clone().data([data[1], data[0]]));
    assert_eq!(one.fingerprint(), other.fingerprint());
    let capable = |names: [&str; 2]| base.clone().client_capabilities(names).fingerprint();
    assert_eq!(capable(["a", "b"]), capable(["b", "a"]));
    let slash = TokenRequest::new("client", "https://IDP.example/t/", ["s"]).fingerprint();
    assert_eq!(slash, request(ELSEWHERE).fingerprint());
}

#[test]
fn a_fingerprint_shows_no_token_and_no_parameter() {
    let mut cache = TokenCache::new();
    let request = request(ELSEWHERE);
    let token = cache.add_response(&request, answer("SECRET", &json!({})), NOW).unwrap();
    let text = request.instead_of(&token).data([("password", "HIDDEN")]).fingerprint();
    assert!(!text.contains("SECRET") && !text.contains("HIDDEN"), "{text}");
}
