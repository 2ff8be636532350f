//! A token is renewed by the record of its sign-in, and revoked by it.
#![allow(clippy::unwrap_used, reason = "a test may")]

mod support;

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

use support::{Place, TOKEN, program, refusal, run, text};
use tokenkeep::{
    ClientAuthMethod, KeySource, PersistedTokenCache, SignInRecord, TokenRequest,
    persistence::{PlaintextPersistence, SealedPersistence},
};
use tokenkeep_test_support::http_response;

/// A provider on this machine: metadata, a token endpoint that rotates, and revocation.
struct Provider {
    issuer: String,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Provider {
    /// `token_endpoint` is what its metadata announce, after the issuer's own address.
    fn start(token_endpoint: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let issuer = format!("http://{}/realms/one", listener.local_addr().unwrap());
        let seen: Arc<Mutex<Vec<String>>> = Arc::default();
        let (theirs, own) = (Arc::clone(&seen), issuer.clone());
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                answer(stream, &own, token_endpoint, &theirs);
            }
        });
        Self { issuer, seen }
    }

    fn request(&self) -> TokenRequest {
        TokenRequest::new("client", &self.issuer, ["s1"])
    }

    /// Signed in long ago, with a record.
    fn sign_in(&self, cache: PersistedTokenCache) {
        let answer = r#"{"access_token": "a0", "refresh_token": "r0", "expires_in": 3600}"#;
        let cache = cache.clock(|| 1_000_000_000);
        cache.add_response(&self.request(), answer).unwrap();
        let record = SignInRecord::new("client", &*self.issuer)
            .with_token_endpoint(format!("{}/token", self.issuer))
            .with_revocation_endpoint(format!("{}/revoke", self.issuer));
        cache.set_record(&record).unwrap();
    }

    /// What was asked of it since, each as its path and what was sent.
    fn seen(&self) -> Vec<String> {
        std::mem::take(&mut *self.seen.lock().unwrap())
    }
}

fn answer(mut stream: TcpStream, issuer: &str, token_endpoint: &str, seen: &Mutex<Vec<String>>) {
    let mut reader = BufReader::new(&stream);
    let (mut first, mut length) = (String::new(), 0);
    reader.read_line(&mut first).unwrap();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let line = line.trim().to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if line.is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let path = first.split(' ').nth(1).unwrap();
    let last = path.rsplit('/').next().unwrap();
    seen.lock().unwrap().push(format!("{last} {}", String::from_utf8(body).unwrap()));
    let body = match last {
        "openid-configuration" => format!(
            r#"{{"issuer": "{issuer}", "token_endpoint": "{issuer}{token_endpoint}",
                "revocation_endpoint": "{issuer}/revoke"}}"#
        ),
        "token" => r#"{"access_token": "a1", "refresh_token": "r1", "expires_in": 3600}"#.into(),
        _ => String::new(),
    };
    stream.write_all(&http_response("200 OK", &[], &body)).unwrap();
}

fn sealed(place: &Place) -> PersistedTokenCache {
    let builder = SealedPersistence::builder("tokenkeep")
        .folder(place.folder())
        .key_source(KeySource::KeyFile(place.key()));
    PersistedTokenCache::new(builder.open().unwrap())
}

#[test]
fn an_expired_token_is_renewed_by_its_record_and_a_sign_out_revokes_it() {
    let (place, provider) = (Place::new(), Provider::start("/token"));
    provider.sign_in(sealed(&place));
    let (code, said) = refusal(&place.run(&[&TOKEN[..], &["--no-refresh"]].concat()));
    assert_eq!(code, 3, "{said}");
    assert_eq!(provider.seen(), [""; 0]);
    // The record names the client.
    for command in [&TOKEN[..], &["token"]] {
        let token = place.run(command);
        assert_eq!(text(&token.stdout), "a1\n", "{}", text(&token.stderr));
    }
    let seen = provider.seen();
    let [exchange] = &seen[..] else { panic!("{seen:?}") };
    assert!(exchange.starts_with("token grant_type=refresh_token&"), "{exchange}");
    assert!(exchange.contains("refresh_token=r0"), "{exchange}");
    // One that an API refused, and one that nobody holds any more.
    for (refused, requests) in [("a1\n", 1), ("a0\n", 0)] {
        let token = place.run_with(&[&TOKEN[..], &["--instead-of", "-"]].concat(), refused);
        assert_eq!(text(&token.stdout), "a1\n", "{}", text(&token.stderr));
        assert_eq!(provider.seen().len(), requests);
    }
    let out = place.run(&["--json", "sign-out", "--everywhere"]);
    let said: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap();
    assert_eq!(said["revoked"], serde_json::json!(["revoked"]), "{said}");
    let seen = provider.seen();
    assert!(seen.iter().any(|one| one.starts_with("revoke token=r1&")), "{seen:?}");
}

#[test]
fn in_a_cache_of_others_the_issuer_confirms_where_a_token_is_sent() {
    for (announced, is_sent) in [("/token", true), ("/elsewhere", false)] {
        let (place, provider) = (tempfile::tempdir().unwrap(), Provider::start(announced));
        let file = place.path().join("tokens.json");
        let plain = PersistedTokenCache::new(PlaintextPersistence::open(&file).unwrap());
        provider.sign_in(plain);
        let mut command = program();
        command.args(["--store", "plaintext", "--cache"]).arg(&file);
        let token = run(command.args(TOKEN), "");
        let asked: Vec<String> =
            provider.seen().iter().map(|one| one.split(' ').next().unwrap().to_owned()).collect();
        match is_sent {
            true => {
                assert_eq!(text(&token.stdout), "a1\n", "{}", text(&token.stderr));
                assert_eq!(asked, ["openid-configuration", "token"]);
            }
            false => {
                let (code, said) = refusal(&token);
                assert!(code == 1 && said.contains("another token endpoint"), "{code} {said}");
                assert_eq!(asked, ["openid-configuration"], "no token was sent");
            }
        }
    }
}

#[test]
fn a_provider_that_is_out_of_reach_is_exit_code_7_and_nobody_is_signed_out() {
    let (place, provider) = (Place::new(), Provider::start("/token"));
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    provider.sign_in(sealed(&place));
    let record = SignInRecord::new("client", &*provider.issuer)
        .with_token_endpoint(format!("http://{nobody}/token"));
    sealed(&place).set_record(&record).unwrap();
    let (code, said) = refusal(&place.run(&TOKEN));
    assert!(code == 7 && said.contains("try again"), "{code} {said}");
    assert_eq!(sealed(&place).refresh_tokens(&provider.request()).unwrap().len(), 1);
}

/// A cache in plain text, which other programs can write, and the options that name it.
fn plain(folder: &tempfile::TempDir) -> (PersistedTokenCache, Vec<String>) {
    let file = folder.path().join("tokens.json");
    let cache = PersistedTokenCache::new(PlaintextPersistence::open(&file).unwrap());
    (
        cache,
        vec!["--store".into(), "plaintext".into(), "--cache".into(), file.to_str().unwrap().into()],
    )
}

fn run_on(options: &[String], words: &[&str], input: &str) -> std::process::Output {
    run(program().args(options).args(words), input)
}

#[test]
fn a_record_does_not_vouch_for_itself() {
    let folder = tempfile::tempdir().unwrap();
    let (real, evil) = (Provider::start("/token"), Provider::start("/token"));
    let (cache, options) = plain(&folder);
    real.sign_in(cache.clone());
    let record = SignInRecord::new("client", &*evil.issuer)
        .with_authority(&real.issuer)
        .with_token_endpoint(format!("{}/token", evil.issuer))
        .with_revocation_endpoint(format!("{}/revoke", evil.issuer));
    cache.set_record(&record).unwrap();
    cache.remove_record(&SignInRecord::new("client", &*real.issuer)).unwrap();
    for words in [&TOKEN[..], &["sign-out", "--everywhere"]] {
        run_on(&options, words, "");
        assert_eq!(evil.seen(), [""; 0], "{words:?}");
        assert!(real.seen().iter().all(|asked| asked.starts_with("openid-configuration")));
    }
}

#[test]
fn a_valid_token_is_printed_whatever_its_record_is_worth() {
    let folder = tempfile::tempdir().unwrap();
    let provider = Provider::start("/elsewhere");
    let (cache, options) = plain(&folder);
    let answer = r#"{"access_token": "a0", "refresh_token": "r0", "expires_in": 3600}"#;
    cache.add_response(&provider.request(), answer).unwrap();
    let record = SignInRecord::new("client", &*provider.issuer)
        .with_token_endpoint("https://id.example/token")
        .with_auth_method(ClientAuthMethod::ClientSecretBasic);
    cache.set_record(&record).unwrap();
    let token = run_on(&options, &TOKEN, "");
    assert_eq!(text(&token.stdout), "a0\n", "{}", text(&token.stderr));
    assert_eq!(provider.seen(), [""; 0]);
}

#[test]
fn what_is_no_token_is_not_taken_for_another_one() {
    let (place, provider) = (Place::new(), Provider::start("/token"));
    provider.sign_in(sealed(&place));
    let command = [&TOKEN[..], &["--instead-of", "-"]].concat();
    assert_eq!(text(&place.run(&TOKEN).stdout), "a1\n");
    provider.seen();
    for input in ["", "\n", "Bearer a1", "a1\na1", "\u{feff}", "a1\u{7f}"] {
        let (code, said) = refusal(&place.run_with(&command, input));
        assert!(code == 2 && said.contains("token alone"), "{input:?}: {code} {said}");
    }
    assert_eq!(provider.seen(), [""; 0]);
    // As some programs of Windows begin a text.
    place.run_with(&command, "\u{feff}a1\r\n");
    assert_eq!(provider.seen().len(), 1);
}

#[test]
fn a_sign_in_of_which_only_the_refresh_token_is_left_is_renewed_and_revoked() {
    for without_issuer in [false, true] {
        let (place, provider) = (Place::new(), Provider::start("/token"));
        let cache = sealed(&place);
        provider.sign_in(cache.clone());
        cache.remove_expired().unwrap();
        if without_issuer {
            // As after a renewal by a program that does not know the field.
            let token = cache.refresh_tokens(&provider.request()).unwrap().remove(0);
            cache.modify(&token, &[("issuer", None)]).unwrap();
        } else {
            let token = place.run(&["token", "--client-id", "client", "--scope", "s1"]);
            assert_eq!(text(&token.stdout), "a1\n", "{}", text(&token.stderr));
        }
        let out = place.run(&["--json", "sign-out", "--everywhere"]);
        let said: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap();
        assert_eq!(said["revoked"], serde_json::json!(["revoked"]), "{without_issuer}: {said}");
        let expected = if without_issuer { "revoke token=r0&" } else { "revoke token=r1&" };
        assert!(provider.seen().iter().any(|asked| asked.starts_with(expected)));
    }
}

#[test]
fn certificates_that_cannot_be_read_are_found_out_before_a_sign_out() {
    let (place, provider) = (Place::new(), Provider::start("/token"));
    provider.sign_in(sealed(&place));
    let out = place.run(&["sign-out", "--everywhere", "--ca-file", "/does/not/exist.pem"]);
    let (code, said) = refusal(&out);
    assert!(code == 2 && said.contains("exist.pem"), "{code} {said}");
    assert_eq!(sealed(&place).refresh_tokens(&provider.request()).unwrap().len(), 1);
}
