//! A sign-in that fails changes nothing, and says why by its words, its event and its exit code.

use std::net::TcpListener;

use serde_json::{Value, json};
use tokenkeep_test_support::{HttpServer, Script, providers::Scripted};

use crate::{
    redirect::{follow, redirect},
    session::{End, Session},
    support::Place,
};

/// How a sign-in must have failed.
struct Failed {
    exit_code: i32,
    kind: &'static str,
    says: &'static str,
}

impl Failed {
    fn check(&self, end: &End) {
        let Self { exit_code, kind, says } = self;
        assert_eq!(end.code, Some(*exit_code), "{says}: {}", end.said);
        assert!(end.said.contains(says), "{says}: {}", end.said);
        let last: Value = serde_json::from_str(end.events.last().unwrap()).unwrap();
        assert_eq!((&last["event"], &last["kind"]), (&json!("failed"), &json!(kind)), "{last}");
        let message = last["message"].as_str().unwrap();
        assert!(
            end.said.starts_with(&format!("tokenkeep: {message}\n")),
            "{message}: {}",
            end.said
        );
    }
}

/// Signs in with `arguments`, and expects a failure and the cache as it was.
fn fails(provider: &Scripted, arguments: &[&str], expected: &Failed) {
    let place = Place::signed_in();
    let before = place.sealed();
    let issuer = provider.issuer();
    let arguments = [&[&*issuer, "--client-id", "app", "--json"], arguments].concat();
    expected.check(&Session::start(&place, &arguments).end());
    assert_eq!(place.sealed(), before, "the cache was changed");
}

#[test]
fn a_code_that_ends_without_tokens_says_why() {
    for (code, exit_code, kind, says) in [
        ("access_denied", 3, "denied", "the sign-in was refused (`access_denied`)"),
        ("expired_token", 3, "expired", "the code expired before anybody signed in"),
        ("invalid_grant", 3, "denied", "the provider does not accept the sign-in"),
        ("invalid_client", 2, "configuration", "invalid_client"),
        ("unauthorized_client", 2, "configuration", "unauthorized_client"),
    ] {
        let provider = Scripted::start();
        provider.then_refuses(code);
        fails(&provider, &["--device"], &Failed { exit_code, kind, says });
    }
}

#[test]
fn a_provider_that_does_not_fit_is_found_out_before_anybody_signs_in() {
    for (metadata, arguments, kind, says) in [
        (
            json!({ "issuer": "http://127.0.0.1/other" }),
            &["--device"][..],
            "issuer",
            "its metadata names the issuer",
        ),
        (
            json!({ "device_authorization_endpoint": null }),
            &["--device"],
            "configuration",
            "the provider has no device sign-in",
        ),
        (
            json!({ "authorization_endpoint": null, "device_authorization_endpoint": null }),
            &[],
            "configuration",
            "no way to sign in is left here",
        ),
        (
            json!({ "code_challenge_methods_supported": ["plain"] }),
            &["--browser"],
            "configuration",
            "the provider has no PKCE with the method S256",
        ),
        (
            json!({}),
            &["--browser", "--redirect-uri", "http://id.example.org/"],
            "configuration",
            "the redirect URI is not one of",
        ),
    ] {
        let provider = Scripted::start();
        provider.announces(metadata);
        fails(&provider, arguments, &Failed { exit_code: 2, kind, says });
        assert!(provider.forms("token").is_empty() && provider.forms("device").is_empty());
    }
}

#[test]
fn a_taken_port_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let expected = Failed { exit_code: 2, kind: "port", says: "is taken by another program" };
    fails(&Scripted::start(), &["--browser", "--port", &port], &expected);
}

#[test]
fn nobody_who_signs_in_within_the_time_ends_the_wait() {
    let says = "nobody signed in within 1 second";
    let expected = Failed { exit_code: 3, kind: "timeout", says };
    let provider = Scripted::start();
    provider.then_refuses("authorization_pending");
    for way in [&["--browser", "--no-open"][..], &["--device"]] {
        fails(&provider, &[way, &["--timeout", "1"]].concat(), &expected);
    }
}

#[test]
fn a_provider_out_of_reach_is_exit_code_7() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (place, issuer) = (Place::signed_in(), format!("http://{nobody}"));
    let before = place.sealed();
    let end = Session::start(&place, &[&issuer, "--client-id", "app", "--json"]).end();
    Failed { exit_code: 7, kind: "unreachable", says: "could not be reached" }.check(&end);
    assert_eq!(place.sealed(), before);
}

#[test]
fn a_refusal_in_the_browser_ends_the_sign_in_and_the_page_says_so() {
    let provider = Scripted::start();
    for (response, exit_code, kind, says) in [
        ("error=access_denied&error_description=No", 3, "denied", "was refused (`access_denied`)"),
        ("error=invalid_scope", 2, "configuration", "invalid_scope"),
        ("code=x&iss=https%3A%2F%2Fevil.example", 2, "issuer", "the redirect names the issuer"),
    ] {
        let place = Place::signed_in();
        let before = place.sealed();
        let arguments =
            [&*provider.issuer(), "--client-id", "app", "--browser", "--no-open", "--json"];
        let session = Session::start(&place, &arguments);
        let url = session.event()["url"].as_str().unwrap().to_owned();
        let page = follow(&redirect(&url, response));
        assert!(page.contains("You are not signed in"), "{page}");
        let end = session.end();
        Failed { exit_code, kind, says }.check(&end);
        assert_eq!(end.said.contains("  the provider says: No\n"), response.contains("=No"));
        assert_eq!(place.sealed(), before);
    }
    assert!(provider.forms("token").is_empty());
}

#[test]
fn a_cache_that_cannot_be_written_is_told_before_the_provider_is_asked() {
    let provider = Scripted::start();
    let place = Place::signed_in();
    std::fs::remove_file(place.key()).unwrap();
    let arguments = [&*provider.issuer(), "--client-id", "app", "--device", "--json"];
    let end = Session::start(&place, &arguments).end();
    assert_eq!(end.code, Some(6), "{}", end.said);
    let last: Value = serde_json::from_str(end.events.last().unwrap()).unwrap();
    assert_eq!(last["kind"], "store", "{last}");
    assert!(provider.asked().is_empty());
}

#[test]
fn a_client_secret_is_not_put_into_plain_text() {
    let provider = Scripted::start();
    let home = tempfile::tempdir().unwrap();
    let mut command = crate::support::program();
    command.args(["--store", "plaintext", "--cache"]).arg(home.path().join("cache.json"));
    command.args(["login", &provider.issuer(), "--client-id", "app", "--device", "--json"]);
    command.args(["--client-secret", "env:A_SECRET"]).env("A_SECRET", "hush");
    let end = Session::run(command);
    let end = end.end();
    Failed { exit_code: 2, kind: "configuration", says: "plain text" }.check(&end);
    assert!(provider.forms("device").is_empty() && provider.forms("token").is_empty());
}

#[test]
fn a_code_whose_exchange_is_cut_off_is_not_called_refused() {
    let (provider, cut) = (Scripted::start(), HttpServer::start(Script::Close(Vec::new())));
    provider.announces(json!({ "token_endpoint": format!("http://{}/token", cut.host()) }));
    let place = Place::signed_in();
    let before = place.sealed();
    let arguments = [&*provider.issuer(), "--client-id", "app", "--browser", "--no-open", "--json"];
    let session = Session::start(&place, &arguments);
    let url = session.event()["url"].as_str().unwrap().to_owned();
    follow(&redirect(&url, "code=x"));
    Failed { exit_code: 7, kind: "unreachable", says: "" }.check(&session.end());
    assert_eq!(cut.requests().len(), 1, "a code is good for one request");
    assert_eq!(place.sealed(), before);
}
