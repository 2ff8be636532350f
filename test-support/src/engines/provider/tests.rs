use std::thread;

use serde_json::Value;

use super::*;

const LIMIT: Duration = Duration::from_secs(20);

fn refresh(provider: &Provider, token: &str) -> Result<Reply, Unanswered> {
    let form = [("grant_type", "refresh_token"), ("client_id", "client"), ("refresh_token", token)];
    post(&provider.token_endpoint(), &form, LIMIT)
}

fn json(reply: &Reply) -> Value {
    serde_json::from_str(&reply.body).unwrap()
}

fn refresh_token(text: &str) -> String {
    let response: Value = serde_json::from_str(text).unwrap();
    response["refresh_token"].as_str().unwrap().to_owned()
}

#[test]
fn a_spent_refresh_token_ends_its_own_family() {
    let provider = Provider::start();
    let [ada, bob] = ["ada", "bob"].map(|user| refresh_token(&provider.sign_in(user, 60)));
    let reply = refresh(&provider, &ada).unwrap();
    assert_eq!((reply.status, json(&reply)["expires_in"].as_u64()), (200, Some(3600)));
    let second = refresh_token(&reply.body);
    assert!(provider.is_valid(&second) && !provider.is_valid(&ada));
    assert_eq!(json(&refresh(&provider, &ada).unwrap())["error"], "invalid_grant");
    assert_eq!(refresh(&provider, &second).unwrap().status, 400);
    let live = provider.live_families();
    assert_eq!((live.len(), live[0].user.as_str(), &live[0].refresh_token), (1, "bob", &bob));
    let counts = provider.counts();
    assert_eq!((counts.reuses, counts.refused, counts.calls("refresh_token")), (1, 1, 3));
    assert_eq!((counts.refreshes(), counts.refreshes["ada"]), (1, 1));
}

#[test]
fn within_its_leeway_a_spent_token_brings_its_successor_again() {
    let provider = Provider::start();
    provider.leeway(LIMIT);
    let first = refresh_token(&provider.sign_in("ada", 60));
    let second = refresh_token(&refresh(&provider, &first).unwrap().body);
    assert_eq!(refresh_token(&refresh(&provider, &first).unwrap().body), second);
    refresh(&provider, &second).unwrap();
    assert_eq!(refresh(&provider, &first).unwrap().status, 400);
    assert_eq!((provider.counts().repeats, provider.counts().reuses), (1, 1));
}

#[test]
fn other_grants_bring_no_refresh_token() {
    let provider = Provider::start();
    let ask = |form: &[(&str, &str)]| post(&provider.token_endpoint(), form, LIMIT).unwrap();
    let app = json(&ask(&[("grant_type", "client_credentials"), ("scope", "a b")]));
    assert!(app["refresh_token"].is_null() && app["id_token"].is_null() && app["scope"] == "a b");
    let signed_in: Value = serde_json::from_str(&provider.sign_in("ada", 60)).unwrap();
    let grant = "urn:ietf:params:oauth:grant-type:jwt-bearer";
    let assertion = signed_in["id_token"].as_str().unwrap();
    let api = json(&ask(&[("grant_type", grant), ("assertion", assertion)]));
    assert_eq!(tokens::subject(api["id_token"].as_str().unwrap()).as_deref(), Some("ada"));
    assert_ne!(api["access_token"], signed_in["access_token"]);
    assert_eq!(json(&ask(&[("grant_type", "password")]))["error"], "unsupported_grant_type");
}

#[test]
fn a_revoked_token_is_refused() {
    let provider = Provider::start();
    let token = refresh_token(&provider.sign_in("ada", 60));
    let reply = post(&provider.revocation_endpoint(), &[("token", token.as_str())], LIMIT);
    assert_eq!(reply.unwrap().status, 200);
    assert!(!provider.is_valid(&token) && provider.live_families().is_empty());
    assert_eq!(refresh(&provider, &token).unwrap().status, 400);
    assert_eq!(provider.counts().revocations, 1);
}

#[test]
fn a_provider_is_busy_refuses_and_loses_answers() {
    let provider = Provider::start();
    let token = refresh_token(&provider.sign_in("ada", 60));
    for answers in [Answers::Busy(7), Answers::Refuses("interaction_required"), Answers::Lost] {
        provider.once(answers);
    }
    let busy = refresh(&provider, &token).unwrap();
    assert_eq!((busy.status, busy.retry_after.as_deref()), (429, Some("7")));
    assert_eq!(json(&refresh(&provider, &token).unwrap())["error"], "interaction_required");
    assert!(provider.is_valid(&token));
    assert!(refresh(&provider, &token).unwrap_err().was_sent);
    assert!(!provider.is_valid(&token) && provider.live_families()[0].rotations == 1);
    provider.set(Answers::Unavailable);
    assert_eq!(refresh(&provider, &token).unwrap().status, 503);
}

#[test]
fn an_answer_waits_for_its_release_and_for_the_delay() {
    let provider = Provider::start();
    let token = refresh_token(&provider.sign_in("ada", 60));
    provider.once(Answers::Silent);
    provider.once(Answers::Held);
    thread::scope(|scope| {
        let silent = scope.spawn(|| refresh(&provider, &token));
        assert!(provider.wait_for(LIMIT, |counts| counts.calls("refresh_token") == 1));
        assert!(provider.is_valid(&token));
        provider.release();
        assert!(silent.join().unwrap().is_err());
        let held = scope.spawn(|| refresh(&provider, &token));
        assert!(provider.wait_for(LIMIT, |counts| counts.refreshes() == 1));
        // Others do not wait for it, and come after it.
        (0..20).for_each(|_| assert_eq!(refresh(&provider, "unknown").unwrap().status, 400));
        assert!(!held.is_finished() && !provider.is_valid(&token));
        provider.release();
        assert_eq!(held.join().unwrap().unwrap().status, 200);
    });
    provider.delay(Duration::from_millis(50));
    let asked = Instant::now();
    refresh(&provider, "unknown").unwrap();
    assert!(asked.elapsed() >= Duration::from_millis(50));
}

#[test]
fn an_unanswered_request_says_whether_it_was_sent() {
    let provider = Provider::start();
    let free = crate::engines::port::Port::reserve();
    let url = format!("http://127.0.0.1:{}/token", free.number());
    assert!(!post(&url, &[], LIMIT).unwrap_err().was_sent);
    provider.set(Answers::Silent);
    let error = post(&provider.token_endpoint(), &[], Duration::from_millis(50)).unwrap_err();
    assert!(error.was_sent, "{error}");
}
