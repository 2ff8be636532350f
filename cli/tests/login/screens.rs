//! What a sign-in shows on a terminal, and what is typed there.

use serde_json::json;
use tokenkeep_test_support::{providers::Scripted, redirect::parameter};

use crate::{pseudo_terminal::OnTerminal, redirect::redirect, support::Place};

fn on_terminal(
    place: &Place,
    provider: &Scripted,
    way: &str,
    columns: u16,
    term: &str,
) -> OnTerminal {
    let mut command = place.command();
    command.args(["login", &provider.issuer(), "--client-id", "app", "--scope", "api.read"]);
    command.args([way, "--no-open"]).env("TERM", term);
    OnTerminal::start(command, columns)
}

/// The address in its line, which has nothing else a user sees.
fn address(shown: &str, term: &str) -> String {
    let line = shown.split("\r\n").find(|line| line.contains("http")).unwrap();
    match term {
        "dumb" => line.to_owned(),
        _ => {
            let linked = line.strip_prefix("\x1b]8;;").unwrap();
            let (target, rest) = linked.split_once("\x1b\\").unwrap();
            assert_eq!(rest, format!("{target}\x1b]8;;\x1b\\"));
            target.to_owned()
        }
    }
}

#[test]
fn the_address_stands_alone_and_unwrapped_on_any_terminal() {
    let provider = Scripted::start();
    provider.then_refuses("authorization_pending");
    for (columns, term) in [(60, "xterm"), (120, "xterm"), (60, "dumb"), (120, "dumb")] {
        let place = Place::new();
        let session = on_terminal(&place, &provider, "--browser", columns, term);
        let shown = session.until("Ctrl-C stops.");
        let url = address(&shown, term);
        assert!(url.len() > 120 && url.starts_with(&format!("{}/authorize?", provider.issuer())));
        assert!(parameter(&url, "state").len() == 43 && url.contains("code_challenge="));
        assert_eq!(shown.contains('\x1b'), term != "dumb");

        let session = on_terminal(&place, &provider, "--device", columns, term);
        let shown = session.until("Ctrl-C stops.");
        assert_eq!(address(&shown, term), format!("{}/activate", provider.issuer()));
        assert!(shown.contains("and enter the code   WDJB-MJHT   (until "), "{shown}");
        assert!(shown.contains("Do this only if you started it yourself"), "{shown}");
    }
}

#[test]
fn a_code_is_copied_through_the_terminal_and_its_address_drawn() {
    let (place, provider) = (Place::new(), Scripted::start());
    provider.then_refuses("authorization_pending");
    for (arguments, term, has_copy, has_picture) in [
        (&["--copy", "--qr"][..], "xterm", true, true),
        (&["--copy", "--qr"], "dumb", false, true),
        (&[], "xterm", false, false),
    ] {
        let mut command = place.command();
        command.args(["login", &provider.issuer(), "--client-id", "app", "--device", "--no-open"]);
        command.args(arguments).env("TERM", term);
        let session = OnTerminal::start(command, 80);
        let shown = session.until("Ctrl-C stops.");
        // OSC 52 with WDJB-MJHT in base64.
        assert_eq!(shown.contains("\x1b]52;c;V0RKQi1NSkhU\x07"), has_copy, "{shown:?}");
        assert_eq!(shown.contains('█'), has_picture, "{shown}");
    }
}

#[test]
fn a_long_address_is_pasted_and_a_wrong_one_asked_for_again() {
    let (place, provider) = (Place::new(), Scripted::start());
    let session = on_terminal(&place, &provider, "--paste", 80, "dumb");
    let shown = session.until("and paste it here:");
    let url = address(&shown, "dumb");
    let claims = json!({ "nonce": parameter(&url, "nonce") });
    provider.then("200 OK", provider.tokens("one", claims));
    session.type_in("the-code\n");
    let shown = session.until("Paste the whole address:");
    assert!(shown.contains("paste it here:\r\nthe-code\r\n"), "{shown}");
    // What is erased with one character, one word or the line.
    session.type_in("é\x7fcode=x y\x17\x15");
    // A terminal in its line mode would cut the line.
    let code = "c".repeat(6000);
    session.type_in(&format!("{}\n", redirect(&url, &format!("code={code}"))));
    let shown = session.until("Signed in as ada.");
    assert!(!shown.contains('^') && shown.contains("\r\nSigned in as ada."), "{shown}");
    assert_eq!(session.end(), Some(0));
    assert!(provider.forms("token")[0].contains(&code));
}

#[test]
fn an_address_is_pasted_while_the_browser_is_waited_for() {
    let (place, provider) = (Place::new(), Scripted::start());
    let session = on_terminal(&place, &provider, "--browser", 80, "dumb");
    let url = address(&session.until("Ctrl-C stops."), "dumb");
    let claims = json!({ "nonce": parameter(&url, "nonce") });
    provider.then("200 OK", provider.tokens("one", claims));
    session.type_in("http://127.0.0.1/?code=x&state=y\r");
    session.until("Paste the whole address:");
    session.type_in(&format!("{}\r", redirect(&url, "code=x")));
    session.until("Signed in as ada.");
    assert_eq!(session.end(), Some(0));
}

#[test]
fn the_end_of_the_input_stops_each_way() {
    let provider = Scripted::start();
    provider.then_refuses("authorization_pending");
    for (way, waits) in [
        ("--browser", "Ctrl-C stops."),
        ("--device", "Ctrl-C stops."),
        ("--paste", "and paste it here:"),
    ] {
        let place = Place::signed_in();
        let before = place.sealed();
        let session = on_terminal(&place, &provider, way, 80, "dumb");
        session.until(waits);
        session.type_in("\x04");
        session.until("stopped; nothing was changed");
        assert_eq!(session.end(), Some(130), "{way}");
        assert_eq!(place.sealed(), before);
    }
}
