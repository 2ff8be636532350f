//! A sign-in at a provider whose answers are written here: what it prints and what it keeps.

use std::{net::TcpListener, process::Stdio};

use serde_json::{Value, json};
use tokenkeep_test_support::{
    providers::Scripted,
    redirect::{get, parameter},
};

use crate::{
    redirect::{follow, redirect},
    session::Session,
    support::{Place, refusal, text},
};

/// The token that the program prints, without asking a provider.
fn token(place: &Place) -> String {
    let output = place.run(&["token", "--no-refresh"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout).trim().to_owned()
}

/// A provider that issues tokens for the sign-in at this address.
fn issue(provider: &Scripted, url: &str) {
    let claims = json!({ "nonce": parameter(url, "nonce") });
    provider.then("200 OK", provider.tokens("one", claims));
}

#[test]
fn a_wrong_state_is_turned_away_and_the_right_one_signs_in() {
    let (place, provider) = (Place::new(), Scripted::start());
    let issuer = provider.issuer();
    let arguments =
        [&*issuer, "--client-id", "app", "--scope", "api.read", "--browser", "--no-open"];
    let mut session = Session::start(&place, &arguments);
    let url = session.address();
    issue(&provider, &url);
    let to = parameter(&url, "redirect_uri");
    for wrong in ["code=x&state=y", "code=x", "error=access_denied"] {
        assert!(get(&format!("{to}?{wrong}")).starts_with("HTTP/1.1 400"), "{wrong}");
    }
    let page = follow(&redirect(&url, "code=x"));
    assert!(page.contains("You are signed in"), "{page}");
    let end = session.end();
    assert_eq!((end.code, end.events.len()), (Some(0), 0), "{}", end.said);
    for part in [
        "Sign in to 127.0.0.1",
        "as the program \"app\" (openid, profile, offline_access, api.read).",
        "Waiting for the browser, until ",
        "Signed in as ada. Kept in the store \"tokenkeep\": a token until ",
        " and a renewal token.",
    ] {
        assert!(end.said.contains(part), "{part}: {}", end.said);
    }
    let (_, next) = end.said.split_once("Next: tokenkeep ").unwrap();
    assert!(next.ends_with("token --client-id app --scope api.read\n"), "{next}");
    assert!(!end.said.contains("access-one") && !end.said.contains("refresh-one"));
    assert_eq!(token(&place), "access-one");
}

#[test]
fn a_desktop_that_opens_no_browser_still_shows_the_address() {
    let (place, provider) = (Place::new(), Scripted::start());
    let mut command = place.command();
    // No program that opens an address.
    command.env("PATH", place.0.path()).args(["login", &provider.issuer(), "--client-id", "app"]);
    command.arg("--browser");
    let mut session = Session::run(command);
    let url = session.address();
    issue(&provider, &url);
    follow(&redirect(&url, "code=x"));
    assert_eq!(session.end().code, Some(0));
    assert_eq!(token(&place), "access-one");
}

#[test]
fn a_setting_chooses_the_way_and_a_flag_wins() {
    let (place, provider) = (Place::new(), Scripted::start());
    for (setting, flag, first) in [
        ("device", None, "On any device with a browser open"),
        ("browser", None, "Your browser opens now."),
        ("browser", Some("--device"), "On any device with a browser open"),
    ] {
        let mut command = place.command();
        command.env("TOKENKEEP_LOGIN", setting).env("PATH", place.0.path());
        command.args(["login", &provider.issuer(), "--client-id", "app"]).args(flag);
        let mut session = Session::run(command);
        session.line(|line| line.starts_with(first));
    }
    let mut command = place.command();
    command.env("TOKENKEEP_LOGIN", "telephone");
    command.args(["login", &provider.issuer(), "--client-id", "app"]);
    let end = Session::run(command).end();
    assert_eq!(end.code, Some(2));
    assert!(end.said.contains("expected is browser, device or paste"), "{}", end.said);
    let end = Session::start(&place, &[&provider.issuer(), "--client-id", "app", "--paste"]).end();
    assert_eq!(end.code, Some(2), "{}", end.said);
}

#[test]
fn json_has_one_event_a_line_and_standard_error_is_silent() {
    let (place, provider) = (Place::new(), Scripted::start());
    let issuer = provider.issuer();
    provider.then_issues("one");
    let arguments = [&*issuer, "--client-id", "app", "--scope", "api.read", "--json"];
    let session = Session::start(&place, &[&arguments[..], &["--device"]].concat());
    assert_eq!(
        session.event(),
        json!({ "event": "device_code", "verification_uri": format!("{issuer}/activate"),
            "verification_uri_complete": null, "user_code": "WDJB-MJHT", "expires_in": 600,
            "interval": 0 })
    );
    let mut signed_in = session.event();
    assert!(signed_in["expires_on"].take().as_u64().unwrap() > 1_700_000_000);
    let expected = json!({ "event": "signed_in", "issuer": issuer, "client_id": "app",
        "account": { "home_account_id": "1", "username": "ada" }, "expires_on": null,
        "scopes": ["api.read", "offline_access", "openid", "profile"],
        "has_refresh_token": true, "stored": true });
    assert_eq!(signed_in, expected);
    let end = session.end();
    assert_eq!((end.code, &*end.said, end.events.len()), (Some(0), "", 0));

    let provider = Scripted::start();
    let arguments = [&provider.issuer(), "--client-id", "app", "--json", "--browser", "--no-open"];
    let session = Session::start(&place, &arguments);
    let opened = session.event();
    let url = opened["url"].as_str().unwrap();
    assert_eq!((&opened["event"], &opened["expires_in"]), (&json!("open_url"), &json!(600)));
    assert_eq!(opened["redirect_uri"], parameter(url, "redirect_uri"));
    issue(&provider, url);
    follow(&redirect(url, "code=x"));
    assert_eq!(session.event()["event"], "signed_in");
    assert_eq!(session.end().code, Some(0));
}

#[test]
fn accounts_and_entries_of_two_issuers_are_told_apart() {
    let (place, providers) = (Place::new(), [Scripted::start(), Scripted::start()]);
    for provider in &providers {
        provider.then_issues("one");
        let arguments = [&*provider.issuer(), "--client-id", "app", "--device"];
        assert_eq!(Session::start(&place, &arguments).end().code, Some(0));
    }
    let mut issuers = providers.map(|provider| provider.issuer()).to_vec();
    issuers.sort();
    for (command, count) in [("accounts", 1), ("list", 5)] {
        let output = place.run(&[command, "--json"]);
        let rows: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
        let found = rows.iter().map(|row| row["issuer"].as_str().unwrap().to_owned());
        let mut found: Vec<_> = found.collect();
        found.sort();
        let expected = issuers.iter().flat_map(|issuer| vec![issuer.clone(); count]);
        assert_eq!(found, expected.collect::<Vec<_>>(), "{command}");
        let table = text(&place.run(&[command]).stdout);
        assert!(issuers.iter().all(|issuer| table.contains(issuer)), "{table}");
    }
}

#[test]
fn without_a_renewal_token_the_user_is_told_and_signed_in() {
    let (place, provider) = (Place::new(), Scripted::start());
    for (name, has_refresh_token) in [("one", false), ("two", true), ("three", false)] {
        let mut tokens = provider.tokens(name, json!({}));
        if !has_refresh_token {
            tokens.as_object_mut().unwrap().remove("refresh_token");
        }
        provider.then("200 OK", tokens);
    }
    let arguments = [&*provider.issuer(), "--client-id", "app", "--device"];
    let end = Session::start(&place, &arguments).end();
    assert_eq!(end.code, Some(0), "{}", end.said);
    assert!(end.said.contains("The provider gave no renewal token"), "{}", end.said);
    // The request for a code has no prompt.
    assert!(end.said.contains("Allow refresh tokens for this client."), "{}", end.said);

    let end = Session::start(&place, &arguments).end();
    assert!(end.said.contains(" and a renewal token."), "{}", end.said);
    // The former sign-in of the account left one.
    let end = Session::start(&place, &[&arguments[..], &["--json"]].concat()).end();
    let last: Value = serde_json::from_str(end.events.last().unwrap()).unwrap();
    assert_eq!(last["has_refresh_token"], true, "{last}");
}

#[test]
fn the_next_command_finds_the_token_also_beside_another_account() {
    let (place, provider) = (Place::new(), Scripted::start());
    provider.then_issues("one");
    let eve = json!({ "sub": "2", "preferred_username": "eve" });
    provider.then("200 OK", provider.tokens("two", eve));
    let arguments = [&*provider.issuer(), "--client-id", "app", "--scope", "api.read", "--device"];
    for token in ["access-one", "access-two"] {
        let end = Session::start(&place, &arguments).end();
        let (_, next) = end.said.split_once("Next: tokenkeep ").unwrap();
        // Without the options of the place, which the test adds itself.
        let command = next.trim().split(' ').skip_while(|word| *word != "token");
        let output = place.run(&[&command.collect::<Vec<_>>()[..], &["--no-refresh"]].concat());
        assert_eq!(text(&output.stdout).trim(), token, "{next}: {}", text(&output.stderr));
    }
}

#[test]
fn a_wait_is_as_long_as_it_is_said_to_be() {
    let (place, provider) = (Place::new(), Scripted::start());
    provider.then_refuses("authorization_pending");
    for (lifetime, timeout, expected) in [(900, None, 900), (900, Some("7"), 7), (5, Some("7"), 5)]
    {
        provider.device_says(json!({ "expires_in": lifetime }));
        let mut arguments = vec!["", "--client-id", "app", "--device", "--json"];
        let issuer = provider.issuer();
        arguments[0] = &issuer;
        arguments.extend(timeout.map(|timeout| ["--timeout", timeout]).iter().flatten());
        assert_eq!(Session::start(&place, &arguments).event()["expires_in"], expected);
    }
}

#[test]
fn a_sign_in_that_nobody_reads_of_is_no_success() {
    let provider = Scripted::start();
    provider.then_refuses("authorization_pending");
    for way in [&["--device"][..], &["--browser", "--no-open"]] {
        let place = Place::signed_in();
        let before = place.sealed();
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = place.command();
        command.args(["login", &provider.issuer(), "--client-id", "app", "--json"]).args(way);
        let output = command.stdin(Stdio::null()).stdout(writer).output().unwrap();
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.starts_with("tokenkeep: nobody reads what the user has to do"), "{said}");
        assert_eq!(place.sealed(), before);
    }
}

#[test]
fn a_second_sign_in_asks_which_account_and_revokes_the_first() {
    let (place, provider) = (Place::new(), Scripted::start());
    provider.then_issues("one");
    provider.then_issues("two");
    for _ in 0..2 {
        let arguments = [&*provider.issuer(), "--client-id", "app", "--device"];
        assert_eq!(Session::start(&place, &arguments).end().code, Some(0));
    }
    assert_eq!(provider.forms("revoke").len(), 1);
    let arguments = [&*provider.issuer(), "--client-id", "app", "--browser", "--no-open"];
    let url = Session::start(&place, &arguments).address();
    assert!(!url.contains("prompt="), "not every provider knows that: {url}");
    provider.announces(json!({ "prompt_values_supported": ["none", "select_account"] }));
    let url = Session::start(&place, &arguments).address();
    assert_eq!(parameter(&url, "prompt"), "select_account");
    let url = Session::start(&place, &[&arguments[..], &["--account", "eve"]].concat()).address();
    assert_eq!(parameter(&url, "login_hint"), "eve");
    assert!(!url.contains("prompt="), "{url}");
}

#[test]
fn the_port_that_is_asked_for_is_the_one_of_the_redirect() {
    let (place, provider) = (Place::new(), Scripted::start());
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port().to_string();
    let issuer = provider.issuer();
    let arguments =
        [&*issuer, "--client-id", "app", "--browser", "--no-open", "--port", port.as_str()];
    let (code, said) = refusal(&place.run(&[&["login"], &arguments[..]].concat()));
    assert_eq!(code, 2, "{said}");
    assert!(said.contains(&format!("port {port} is taken by another program")), "{said}");
    drop(free);
    let url = Session::start(&place, &arguments).address();
    assert_eq!(parameter(&url, "redirect_uri"), format!("http://127.0.0.1:{port}/callback"));
}
