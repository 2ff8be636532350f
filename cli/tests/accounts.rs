//! Which account a command means: never the first that fits, and never somebody else.
#![allow(clippy::unwrap_used, reason = "a test may")]

mod support;

use std::process::Output;

use serde_json::{Value, json};
use support::{Place, refusal, text};

/// A sign-in whose id and home account id are `sub`; `name` may be empty.
fn event(client: &str, host: &str, sub: &str, name: &str) -> Value {
    json!({"client_id": client, "scope": ["s"], "grant_type": "authorization_code",
        "token_endpoint": format!("https://{host}/t/oauth2/v2.0/token"),
        "response": {"access_token": format!("AT-{host}-{sub}"), "expires_in": 3600,
            "refresh_token": format!("RT-{host}-{sub}"),
            "id_token_claims": {"sub": sub, "preferred_username": name}}})
}

/// Of a provider that does not say who signed in.
fn nobodys(client: &str) -> Value {
    let mut event = event(client, "idp.example", "", "");
    event["response"].as_object_mut().unwrap().remove("id_token_claims");
    event
}

fn add(place: &Place, event: &Value) {
    let added = place.run_with(&["add"], &event.to_string());
    assert!(added.status.success(), "{}", text(&added.stderr));
}

fn json_of(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {output:?}"))
}

fn all(place: &Place) -> Value {
    json_of(&place.run(&["list", "--json"]))
}

/// The options of each line under an error that lists accounts.
fn choices(said: &str) -> Vec<Vec<String>> {
    let lines = said.lines().filter_map(|line| line.strip_prefix("  ")?.split_once("  # "));
    let options = lines.map(|(options, _)| options);
    options
        .map(|line| line.split(' ').map(|word| word.replace(['\'', '"'], "")).collect())
        .collect()
}

/// Runs the command with each choice that its refusal lists.
fn follow(place: &Place, command: &[&str]) -> Vec<Output> {
    let (code, said) = refusal(&place.run(command));
    assert_eq!(code, 2, "{said}");
    let choices = choices(&said);
    assert_eq!(choices.len(), 2, "{said}");
    let run = |choice: &Vec<String>| {
        let kept = command.split(|word| *word == "--account").next().unwrap();
        let words: Vec<&str> =
            kept.iter().copied().chain(choice.iter().map(String::as_str)).collect();
        place.run(&words)
    };
    choices.iter().map(run).collect()
}

#[test]
fn one_id_at_two_providers_is_asked_about_and_each_hint_works() {
    let place = Place::new();
    for host in ["a.example", "b.example"] {
        add(&place, &event("c", host, "1", "admin"));
    }
    let tokens = |command: &[&str]| -> Vec<String> {
        follow(&place, command).iter().map(|output| text(&output.stdout)).collect()
    };
    let token = ["token", "--client-id", "c", "--scope", "s"];
    for named in ["admin", "ADMIN", "1"] {
        let found = tokens(&[&token[..], &["--account", named]].concat());
        assert_eq!(found, ["AT-a.example-1\n", "AT-b.example-1\n"], "{named}");
    }
    let (code, said) = refusal(&place.run(&token));
    assert!(code == 2 && said.contains("https://a.example/t, https://b.example/t"), "{said}");
    let at_b = [&token[..], &["--account", "admin", "--authority", "https://b.example/t"]].concat();
    assert_eq!(text(&place.run(&at_b).stdout), "AT-b.example-1\n");

    let before = all(&place);
    for scope in [&["--everywhere"][..], &["--client-id", "c"]] {
        for whom in [&["--account", "1"][..], &["--account", "admin"], &["--account-id", "1"], &[]]
        {
            let command = [&["sign-out"], scope, whom].concat();
            let (code, said) = refusal(&place.run(&command));
            assert_eq!(code, 2, "{command:?}: {said}");
            for part in ["admin", "--account 1", "https://a.example/t", "https://b.example/t"] {
                assert!(said.contains(part), "{command:?}: {said}");
            }
        }
    }
    assert_eq!(all(&place), before);
    let out = place.run(&["sign-out", "--everywhere", "--authority", "https://b.example"]);
    assert!(out.status.success(), "{}", text(&out.stderr));
    let left = json_of(&place.run(&["accounts", "--json"]));
    assert_eq!((left.as_array().unwrap().len(), &left[0]["environment"]), (1, &"a.example".into()));
}

#[test]
fn an_id_that_is_somebody_elses_name_is_asked_about_even_at_one_provider() {
    for host in ["evil.example", "corp.example"] {
        let place = Place::new();
        add(&place, &event("c", "corp.example", "7", "ada@corp.example"));
        add(&place, &event("c", host, "ada@corp.example", "eve"));
        let command = ["sign-out", "--everywhere", "--account", "ada@corp.example"];
        let said: Vec<_> =
            follow(&place, &command).iter().map(|output| text(&output.stderr)).collect();
        let signed_out = |name: &str| format!("signed out {name}\n{NOT_REVOKED}");
        assert_eq!(said, [signed_out("ada@corp.example"), signed_out("eve")]);
        assert_eq!(json_of(&place.run(&["accounts", "--json"])), json!([]));
    }
}

#[test]
fn an_account_names_the_clients_that_it_is_signed_in_to() {
    let place = Place::new();
    for (client, host) in [("two", "a.example"), ("one", "a.example"), ("one", "b.example")] {
        add(&place, &event(client, host, "1", "ada"));
    }
    let accounts = json_of(&place.run(&["accounts", "--json"]));
    let found: Vec<_> = accounts
        .as_array()
        .unwrap()
        .iter()
        .map(|account| (account["authority"].as_str().unwrap(), account["client_ids"].clone()))
        .collect();
    let (a, b) = ("https://a.example/t", "https://b.example/t");
    assert_eq!(found, [(a, json!(["one", "two"])), (b, json!(["one"]))]);
    let table = text(&place.run(&["accounts"]).stdout);
    assert!(table.contains("ISSUER") && table.contains("CLIENTS"), "{table}");
    assert!(table.lines().any(|line| line.contains(a) && line.contains("one two")), "{table}");
}

#[test]
fn a_token_is_not_shown_as_that_of_another_providers_user() {
    let place = Place::new();
    add(&place, &event("c", "a.example", "1", "ada@a.example"));
    add(&place, &event("c", "b.example", "1", "bob@b.example"));
    for entry in all(&place).as_array().unwrap() {
        let expected = match entry["environment"].as_str().unwrap() {
            _ if entry["credential_type"] == "AppMetadata" => Value::Null,
            "a.example" => "ada@a.example".into(),
            _ => "bob@b.example".into(),
        };
        assert_eq!(entry["account"], expected, "{entry:#}");
    }
}

#[test]
fn an_account_without_a_user_name_is_called_by_its_id() {
    let place = Place::new();
    add(&place, &event("c", "a.example", "the-id", ""));
    let accounts = text(&place.run(&["accounts"]).stdout);
    assert_eq!(accounts.matches("the-id").count(), 2, "{accounts}");
    let list = text(&place.run(&["list"]).stdout);
    assert_eq!(list.matches("the-id").count(), 3, "{list}");
    assert_eq!(all(&place)[0]["account"], "the-id");
    let out = place.run(&["sign-out", "--everywhere", "--account", "the-id"]);
    assert_eq!(text(&out.stderr), format!("signed out the-id\n{NOT_REVOKED}"));
}

#[test]
fn a_client_that_has_nothing_changes_nothing() {
    let place = Place::new();
    add(&place, &event("c", "a.example", "1", "ada"));
    add(&place, &event("other", "a.example", "2", "bob"));
    let before = place.sealed();
    for command in [
        &["sign-out", "--client-id", "TYPO", "--account", "ada"][..],
        &["sign-out", "--client-id", "other", "--account", "ada"],
        &["sign-out", "--client-id", "TYPO", "--no-account"],
        &["sign-out", "--everywhere", "--no-account"],
        &["sign-out", "--everywhere", "--account", "ada", "--authority", "https://b.example"],
    ] {
        let (code, said) = refusal(&place.run(command));
        assert_eq!(code, 3, "{command:?}: {said}");
        assert_eq!(place.sealed(), before, "{command:?}");
    }
    let out = place.run(&["sign-out", "--client-id", "other", "--account", "bob", "--json"]);
    let out = json_of(&out);
    assert_eq!((&out["signed_out"]["username"], &out["removed"]), (&json!("bob"), &json!(3)));
}

#[test]
fn a_member_of_the_family_may_sign_the_family_out() {
    let place = Place::new();
    for (client, sub) in [("mail", "1"), ("files", "2")] {
        let mut event = event(client, "login.microsoftonline.com", sub, sub);
        event["response"]["foci"] = "1".into();
        add(&place, &event);
    }
    let out = place.run(&["sign-out", "--client-id", "files", "--account", "1"]);
    assert!(out.status.success(), "{}", text(&out.stderr));
    assert!(!all(&place).to_string().contains("\"1\""));
}

#[test]
fn of_whom_only_tokens_are_left_is_listed_and_can_be_signed_out() {
    let place = Place::new();
    for client in ["mail", "files"] {
        add(&place, &event(client, "a.example", "the-id", "ada"));
    }
    assert!(place.run(&["sign-out", "--client-id", "mail"]).status.success());
    let accounts = json_of(&place.run(&["accounts", "--json"]));
    assert_eq!(accounts[0]["home_account_id"], "the-id");
    let out = place.run(&["sign-out", "--everywhere"]);
    assert_eq!(text(&out.stderr), format!("signed out the-id\n{NOT_REVOKED}"));
    assert!(all(&place).as_array().unwrap().iter().all(|e| e["credential_type"] == "AppMetadata"));
}

#[test]
fn tokens_without_an_account_are_shown_and_can_be_signed_out() {
    let place = Place::new();
    for client in ["app", "c"] {
        add(&place, &nobodys(client));
    }
    let accounts = place.run(&["accounts"]);
    assert!(text(&accounts.stderr).contains("without an account: 4"), "{accounts:?}");
    let (code, said) = refusal(&place.run(&["sign-out", "--client-id", "TYPO"]));
    assert!(code == 3 && said.contains("TYPO"), "{said}");
    let out = json_of(&place.run(&["sign-out", "--client-id", "app", "--json"]));
    assert_eq!(out, json!({ "signed_out": null, "removed": 2, "revoked": [] }));

    add(&place, &event("c", "a.example", "1", "ada"));
    let out = place.run(&["sign-out", "--everywhere", "--no-account"]);
    assert!(text(&out.stderr).contains("removed: 2"), "{out:?}");
    assert_eq!(json_of(&place.run(&["accounts", "--json"])).as_array().unwrap().len(), 1);
    assert!(place.run(&["accounts"]).stderr.is_empty());
}

#[test]
fn authorities_without_a_path_are_found_and_two_are_asked_about() {
    let place = Place::new();
    let entry = |host: &str, realm: Value, client: &str| {
        json!({"credential_type": "AccessToken", "secret": format!("AT-{host}"), "target": "s",
            "home_account_id": null, "environment": host, "client_id": client, "realm": realm,
            "cached_at": "1700000000", "expires_on": "4000000000"})
    };
    let import = |entries: Value| {
        let cache = json!({ "AccessToken": entries }).to_string();
        let imported = place.run_with(&["import", "-"], &cache);
        assert!(imported.status.success(), "{}", text(&imported.stderr));
    };
    import(
        json!({"1": entry("auth0.example", Value::Null, "c"), "2": entry("::1", "".into(), "d")}),
    );
    let token = |client: &str, more: &[&str]| {
        let output = place.run(&[&["token", "--client-id", client, "--scope", "s"], more].concat());
        let said = [text(&output.stdout), text(&output.stderr)].concat();
        (output.status.code().unwrap(), said)
    };
    assert_eq!(token("c", &[]), (0, "AT-auth0.example\n".into()));
    assert_eq!(token("d", &[]), (0, "AT-::1\n".into()));
    import(json!({"3": entry("idp.example", "t".into(), "c")}));
    let (code, said) = token("c", &[]);
    assert!(code == 2 && said.contains("https://auth0.example, https://idp.example/t"), "{said}");
    for (authority, host) in [
        ("https://auth0.example", "auth0.example"),
        ("https://auth0.example/", "auth0.example"),
        ("https://idp.example/t", "idp.example"),
    ] {
        assert_eq!(token("c", &["--authority", authority]), (0, format!("AT-{host}\n")));
    }
    for wrong in ["idp.example", "", "https://"] {
        assert_eq!(token("c", &["--authority", wrong]).0, 2, "{wrong}");
    }
}

#[test]
fn a_request_that_names_nobody_lists_who_has_a_token_and_each_hint_works() {
    let place = Place::new();
    add(&place, &event("c", "a.example", "1", "same"));
    add(&place, &event("c", "a.example", "-rf", "same"));
    add(&place, &event("d", "a.example", "3", "other"));
    let token = ["token", "--client-id", "c", "--scope", "s"];
    let found: Vec<_> = follow(&place, &token).iter().map(|out| text(&out.stdout)).collect();
    assert_eq!(found, ["AT-a.example-1\n", "AT-a.example--rf\n"]);
}

#[test]
fn a_name_cannot_pass_for_the_options_of_another_account() {
    let place = Place::new();
    let name = "bob: --account-id 2 --authority https://a.example/t #";
    add(&place, &event("c", "a.example", "1", name));
    add(&place, &event("c", "a.example", "2", "eve"));
    let token = ["token", "--client-id", "c", "--scope", "s"];
    let found: Vec<_> = follow(&place, &token).iter().map(|out| text(&out.stdout)).collect();
    assert_eq!(found, ["AT-a.example-1\n", "AT-a.example-2\n"]);
}

#[test]
fn a_token_without_an_account_is_printed_for_the_account_that_it_belongs_to() {
    let place = Place::new();
    let mut first = event("c", "idp.example", "1", "ada");
    first["response"]["expires_in"] = json!(1);
    add(&place, &first);
    let mut second = nobodys("c");
    second["response"].as_object_mut().unwrap().remove("refresh_token");
    second["scope"] = json!(["other"]);
    add(&place, &second);
    let token = ["token", "--client-id", "c", "--scope", "other"];
    let own = second["response"]["access_token"].as_str().unwrap();
    for whom in [&[][..], &["--account", "ada"]] {
        let output = place.run(&[&token[..], whom].concat());
        assert_eq!(text(&output.stdout), format!("{own}\n"), "{}", text(&output.stderr));
    }
}

#[test]
fn without_a_scope_any_token_will_do() {
    let place = Place::new();
    add(&place, &event("c", "a.example", "1", "ada"));
    let output = place.run(&["token", "--client-id", "c"]);
    assert_eq!(text(&output.stdout), "AT-a.example-1\n", "{}", text(&output.stderr));
}

#[test]
fn the_clients_own_token_is_printed_only_where_it_is_asked_for() {
    let place = Place::new();
    let mut event = nobodys("c");
    event["scope"] = json!(["https://api.example/.default"]);
    event["grant_type"] = json!("client_credentials");
    event["response"].as_object_mut().unwrap().remove("refresh_token");
    add(&place, &event);
    let token = ["token", "--client-id", "c", "--scope", "https://api.example/.default"];
    let run = |more: &[&str]| place.run(&[&token[..], more].concat());
    assert_eq!(run(&[]).status.code(), Some(3), "it is no user's");
    let own = event["response"]["access_token"].as_str().unwrap();
    assert_eq!(text(&run(&["--app"]).stdout), format!("{own}\n"));
    assert_eq!(run(&["--app", "--account", "ada"]).status.code(), Some(2));
}

#[test]
fn an_event_may_say_whose_it_is_where_the_provider_does_not() {
    for (account, username, id, name) in [
        (json!("4711"), json!("ada"), "4711", "ada"),
        (json!("4711"), Value::Null, "4711", ""),
        (Value::Null, json!("ada"), "ada", "ada"),
    ] {
        let place = Place::new();
        let mut event = nobodys("c");
        event["account"] = account;
        event["username"] = username;
        add(&place, &event);
        let accounts = json_of(&place.run(&["accounts", "--json"]));
        assert_eq!(
            (&accounts[0]["home_account_id"], &accounts[0]["username"]),
            (&id.into(), &name.into())
        );
        let token = ["token", "--client-id", "c", "--scope", "s", "--account", id];
        assert_eq!(text(&place.run(&token).stdout), "AT-idp.example-\n");
        let out = place.run(&["sign-out", "--client-id", "c"]);
        assert!(out.status.success(), "{}", text(&out.stderr));
        assert!(place.run(&["accounts"]).stdout.is_empty());
    }
    // What the provider says goes before it.
    let place = Place::new();
    let mut event = event("c", "idp.example", "1", "bob");
    event["account"] = "4711".into();
    event["username"] = "ada".into();
    add(&place, &event);
    let accounts = json_of(&place.run(&["accounts", "--json"]));
    assert_eq!(accounts.as_array().unwrap().len(), 1);
    assert_eq!(
        (&accounts[0]["home_account_id"], &accounts[0]["username"]),
        (&json!("1"), &json!("bob"))
    );
    event["account"] = json!({"id": 1});
    let (code, said) = refusal(&place.run_with(&["add"], &event.to_string()));
    assert!(code == 1 && said.contains("account"), "{said}");
}

#[test]
fn a_provider_on_this_machine_is_told_apart_by_its_port() {
    let place = Place::new();
    for port in ["43121", "43122"] {
        let mut event = event("c", "x", port, "");
        event["token_endpoint"] = format!("http://127.0.0.1:{port}/t/token").into();
        add(&place, &event);
    }
    let token = ["token", "--client-id", "c", "--scope", "s"];
    let (code, said) = refusal(&place.run(&token));
    assert!(
        code == 2 && said.contains("http://127.0.0.1:43121/t, http://127.0.0.1:43122/t"),
        "{said}"
    );
    let one = [&token[..], &["--account", "43122"]].concat();
    assert_eq!(text(&place.run(&one).stdout), "AT-x-43122\n");
}

/// What a sign-out says of a refresh token whose sign-in has no record.
const NOT_REVOKED: &str = "not revoked: the provider has no revocation, or none is known\n";
