//! A provider that replaces refresh tokens, and ends a session when one is used twice.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::json;
use tokenkeep::{
    Secret,
    silent::{ExchangeError, Grant, Spend, TokenReply},
};
use tokenkeep_web::{Provider, store::BoxFuture};

/// A provider in the test's process. Clones are the same one.
#[derive(Clone, Default)]
pub(crate) struct TestProvider(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    count: u64,
    /// The user of each refresh token that is valid.
    valid: HashMap<String, String>,
    /// The user of each refresh token that was used.
    used: HashMap<String, String>,
    /// Users whose session ended because a refresh token was used twice.
    pub(crate) ended: HashSet<String>,
    calls: Vec<Call>,
    revoked: Vec<String>,
    /// What the next calls do, in place of an answer.
    script: VecDeque<Act>,
    delay: Duration,
    expires_in: u64,
    more: serde_json::Map<String, serde_json::Value>,
}

/// A request that came.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) grant: Grant,
}

/// What a call does in place of an answer.
#[derive(Clone)]
pub(crate) enum Act {
    Answer,
    /// Rotates, and the response is lost.
    Lose,
    NotSent,
    /// Never answers.
    Hang,
    Reply(u16, &'static str, Option<&'static str>),
    Panic,
}

impl TestProvider {
    pub(crate) fn new() -> Self {
        let provider = Self::default();
        provider.lock().expires_in = 3600;
        provider.lock().delay = Duration::from_millis(50);
        provider
    }

    /// The response to a sign-in of this user.
    pub(crate) fn sign_in(&self, user: &str) -> String {
        let mut state = self.lock();
        state.ended.remove(user);
        let refresh_token = state.issue(user);
        state.response(user, Some(&refresh_token), "read")
    }

    /// The refresh token and the response of a sign-in, if one is wanted.
    pub(crate) fn sign_in_token(&self, user: &str, is_wanted: bool) -> Option<(String, String)> {
        let mut state = self.lock();
        is_wanted.then(|| {
            let refresh_token = state.issue(user);
            let response = state.response(user, Some(&refresh_token), "read");
            (refresh_token, response)
        })
    }

    pub(crate) fn then(&self, acts: impl IntoIterator<Item = Act>) {
        self.lock().script.extend(acts);
    }

    pub(crate) fn set_delay(&self, delay: Duration) {
        self.lock().delay = delay;
    }

    /// A further member of each response.
    pub(crate) fn add(&self, name: &str, value: serde_json::Value) {
        self.lock().more.insert(name.into(), value);
    }

    pub(crate) fn forget_more(&self) {
        self.lock().more.clear();
    }

    pub(crate) fn calls(&self) -> Vec<Call> {
        self.lock().calls.clone()
    }

    pub(crate) fn count(&self) -> usize {
        self.lock().calls.len()
    }

    pub(crate) fn revoked(&self) -> Vec<String> {
        self.lock().revoked.clone()
    }

    /// Whether the user's session ended because a refresh token was used twice.
    pub(crate) fn has_ended(&self, user: &str) -> bool {
        self.lock().ended.contains(user)
    }

    /// The refresh tokens of a user that are valid.
    pub(crate) fn valid(&self, user: &str) -> Vec<String> {
        let state = self.lock();
        let of_user = state.valid.iter().filter(|(_, of)| *of == user);
        of_user.map(|(token, _)| token.clone()).collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl State {
    fn issue(&mut self, user: &str) -> String {
        self.count += 1;
        let token = format!("rt-{}-canary", self.count);
        self.valid.insert(token.clone(), user.to_owned());
        token
    }

    fn response(&mut self, user: &str, refresh_token: Option<&str>, scope: &str) -> String {
        self.count += 1;
        let claims = json!({"iss": "https://id.example/realm", "sub": user, "aud": "client"});
        let claims = BASE64_URL_SAFE_NO_PAD.encode(claims.to_string());
        let mut response = json!({
            "access_token": format!("at-{}-canary", self.count),
            "token_type": "Bearer",
            "expires_in": self.expires_in,
            "scope": scope,
        });
        if !user.is_empty() {
            response["id_token"] = format!("e30.{claims}.c2ln").into();
        }
        if let Some(token) = refresh_token {
            response["refresh_token"] = token.into();
        }
        for (name, value) in &self.more {
            response[name] = value.clone();
        }
        response.to_string()
    }

    fn answer(&mut self, spend: &Spend) -> TokenReply {
        let scope = spend.scope().unwrap_or("read").to_owned();
        let Some(spent) = spend.refresh_token() else {
            let user = if spend.grant() == Grant::JwtBearer { "ada" } else { "" };
            return TokenReply::new(200, self.response(user, None, &scope));
        };
        if let Some(user) = self.used.get(spent).cloned() {
            // As providers do that detect reuse: everything of the user ends.
            self.valid.retain(|_, of| *of != user);
            self.ended.insert(user);
        }
        let Some(user) = self.valid.remove(spent) else {
            return TokenReply::new(400, r#"{"error": "invalid_grant"}"#);
        };
        self.used.insert(spent.to_owned(), user.clone());
        let renewed = self.issue(&user);
        TokenReply::new(200, self.response(&user, Some(&renewed), &scope))
    }
}

impl Provider for TestProvider {
    fn exchange<'a>(
        &'a self,
        spend: &'a Spend,
    ) -> BoxFuture<'a, Result<TokenReply, ExchangeError>> {
        Box::pin(async move {
            let (act, delay) = {
                let mut state = self.lock();
                state.calls.push(Call { grant: spend.grant() });
                (state.script.pop_front().unwrap_or(Act::Answer), state.delay)
            };
            if let Act::NotSent = act {
                return Err(ExchangeError::not_sent("no route"));
            }
            tokio::time::sleep(delay / 2).await;
            let reply = match act {
                Act::Reply(status, body, header) => {
                    TokenReply::new(status, body).retry_after(header)
                }
                Act::Panic => panic!("a provider's fault"),
                Act::Hang => std::future::pending().await,
                _ => self.lock().answer(spend),
            };
            tokio::time::sleep(delay / 2).await;
            match act {
                Act::Lose => Err(ExchangeError::unknown("reset")),
                _ => Ok(reply),
            }
        })
    }

    fn revoke<'a>(&'a self, token: &'a Secret) -> BoxFuture<'a, Result<(), ExchangeError>> {
        Box::pin(async move {
            let mut state = self.lock();
            let token = token.expose_str().expect("text").to_owned();
            state.valid.remove(&token);
            state.revoked.push(token);
            Ok(())
        })
    }
}
