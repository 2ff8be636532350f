//! A token endpoint on loopback, for nodes that are processes of their own.
//!
//! It rotates refresh tokens. Who presents one that was spent ends the sign-in, with all its
//! tokens, as RFC 9700 wants it.

mod families;
mod form;
mod post;
mod tokens;

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use families::{Families, Refresh};
use form::Form;
use serde_json::json;
use tokens::Tokens;

use crate::http::{HttpRequest, HttpServer, Script, http_response};

pub use families::Family;
pub use post::{Reply, Unanswered, post};

/// A provider that knows every client and user. It lives as long as the process.
#[derive(Debug)]
pub struct Provider {
    server: HttpServer,
    desk: Arc<Desk>,
}

/// What the token endpoint does with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Answers {
    /// What the provider has to say.
    Good,
    /// Status 429 with `Retry-After` in seconds. Nothing is spent.
    Busy(u64),
    /// Status 503 without `Retry-After`. Nothing is spent.
    Unavailable,
    /// Status 400 with this error code. Nothing is spent.
    Refuses(&'static str),
    /// Nothing, until [`release`](Provider::release); then the connection is closed. Nothing is
    /// spent.
    Silent,
    /// The tokens are issued, and the connection is closed without an answer.
    Lost,
    /// The tokens are issued, and the answer is sent after [`release`](Provider::release).
    Held,
}

/// What a provider has counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Requests to the token endpoint by `grant_type`, whatever came of them.
    pub calls: BTreeMap<String, usize>,
    /// Refreshes that issued tokens, by user.
    pub refreshes: BTreeMap<String, usize>,
    /// Refreshes with the token spent last that brought the same tokens again, within the leeway.
    pub repeats: usize,
    /// Refreshes with a token that had been spent. Each ended a sign-in.
    pub reuses: usize,
    /// Refreshes with a token that is unknown or belongs to a sign-in that ended.
    pub refused: usize,
    /// Requests to the revocation endpoint.
    pub revocations: usize,
}

impl Counts {
    /// The requests with this `grant_type`.
    pub fn calls(&self, grant: &str) -> usize {
        self.calls.get(grant).copied().unwrap_or_default()
    }

    /// The refreshes that issued tokens.
    pub fn refreshes(&self) -> usize {
        self.refreshes.values().sum()
    }
}

/// Where requests arrive.
#[derive(Debug)]
struct Desk {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    issuer: String,
    families: Families,
    counts: Counts,
    answers: Answers,
    first: VecDeque<Answers>,
    delay: Duration,
    lifetime: u64,
    /// Grows with each release.
    releases: u64,
}

impl Provider {
    /// Starts it on a free port.
    ///
    /// # Panics
    /// When there is none.
    pub fn start() -> Self {
        let state = State {
            issuer: String::new(),
            families: Families::default(),
            counts: Counts::default(),
            answers: Answers::Good,
            first: VecDeque::new(),
            delay: Duration::ZERO,
            lifetime: 3600,
            releases: 0,
        };
        let desk = Arc::new(Desk { state: Mutex::new(state), changed: Condvar::new() });
        let theirs = Arc::clone(&desk);
        let server = HttpServer::start(Script::each(move |request| theirs.serve(request)));
        desk.state().issuer = format!("http://{}", server.host());
        Self { server, desk }
    }

    /// The issuer, and the address that nodes are told.
    pub fn url(&self) -> String {
        format!("http://{}", self.server.host())
    }

    /// The token endpoint.
    pub fn token_endpoint(&self) -> String {
        format!("{}/token", self.url())
    }

    /// The revocation endpoint (RFC 7009).
    pub fn revocation_endpoint(&self) -> String {
        format!("{}/revoke", self.url())
    }

    /// Signs `user` in: the JSON of the token endpoint's response, with a refresh token, an ID
    /// token without signature, and an access token that lives `expires_in` seconds.
    pub fn sign_in(&self, user: &str, expires_in: u64) -> String {
        let mut state = self.desk.state();
        let refresh_token = state.families.begin(user);
        let tokens = Tokens { user: Some(user), refresh_token: Some(&refresh_token), scope: None };
        tokens.response(&state.issuer, expires_in)
    }

    /// Whether a refresh with this token would bring new tokens.
    pub fn is_valid(&self, refresh_token: &str) -> bool {
        self.desk.state().families.is_valid(refresh_token)
    }

    /// The sign-ins that have not ended, in the order of their beginning.
    pub fn live_families(&self) -> Vec<Family> {
        self.desk.state().families.live()
    }

    /// What it has counted since its start or since [`forget`](Self::forget).
    pub fn counts(&self) -> Counts {
        self.desk.state().counts.clone()
    }

    /// Counts from nothing again.
    pub fn forget(&self) {
        self.desk.state().counts = Counts::default();
    }

    /// What it does with requests from now on.
    pub fn set(&self, answers: Answers) {
        self.desk.state().answers = answers;
    }

    /// What it does with the next request that no earlier call of this is about.
    pub fn once(&self, answers: Answers) {
        self.desk.state().first.push_back(answers);
    }

    /// Lets each answer wait this long after its tokens are issued.
    pub fn delay(&self, delay: Duration) {
        self.desk.state().delay = delay;
    }

    /// How many seconds an access token lives that brings a request from now on.
    pub fn lifetime(&self, expires_in: u64) {
        self.desk.state().lifetime = expires_in;
    }

    /// For how long the refresh token spent last brings the same tokens again. Without this call it
    /// does not.
    pub fn leeway(&self, leeway: Duration) {
        self.desk.state().families.leeway = leeway;
    }

    /// Ends the wait of all requests that are answered with silence or held.
    pub fn release(&self) {
        self.desk.state().releases += 1;
        self.desk.changed.notify_all();
    }

    /// Waits until what it has counted is as `enough` says. `false` if it is not within `limit`.
    ///
    /// A request is counted before it is answered, held or lost, and after its tokens are issued.
    pub fn wait_for(&self, limit: Duration, enough: impl Fn(&Counts) -> bool) -> bool {
        let lacks = |state: &mut State| !enough(&state.counts);
        let waited = self.desk.changed.wait_timeout_while(self.desk.state(), limit, lacks);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }
}

impl Desk {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The answer to a request; nothing closes the connection.
    fn serve(&self, request: &HttpRequest) -> Vec<u8> {
        let form = Form::parse(&request.body);
        match request.path() {
            "/token" => self.token(&form),
            "/revoke" => {
                let mut state = self.state();
                state.families.revoke(form.field("token"));
                state.counts.revocations += 1;
                self.changed.notify_all();
                http_response("200 OK", &[], "")
            }
            _ => http_response("404 Not Found", &[], ""),
        }
    }

    fn token(&self, form: &Form) -> Vec<u8> {
        let mut state = self.state();
        let (releases, delay) = (state.releases, state.delay);
        let answers = state.first.pop_front().unwrap_or(state.answers);
        let response = match answers {
            Answers::Good | Answers::Lost | Answers::Held => state.issue(form),
            Answers::Busy(seconds) => {
                let body = json!({ "error": "temporarily_unavailable" }).to_string();
                let after = seconds.to_string();
                http_response("429 Too Many Requests", &[("Retry-After", after.as_str())], &body)
            }
            Answers::Unavailable => http_response("503 Service Unavailable", &[], ""),
            Answers::Refuses(code) => refusal(code),
            Answers::Silent => Vec::new(),
        };
        *state.counts.calls.entry(form.field("grant_type").to_owned()).or_default() += 1;
        self.changed.notify_all();
        if matches!(answers, Answers::Silent | Answers::Held) {
            let is_held = |state: &mut State| state.releases == releases;
            state = self.changed.wait_while(state, is_held).unwrap_or_else(PoisonError::into_inner);
        }
        self.wait(state, delay);
        if answers == Answers::Lost { Vec::new() } else { response }
    }

    fn wait(&self, mut state: MutexGuard<'_, State>, delay: Duration) {
        let end = Instant::now() + delay;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            let waited = self.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl State {
    fn issue(&mut self, form: &Form) -> Vec<u8> {
        let scope = Some(form.field("scope")).filter(|scope| !scope.is_empty());
        let mut tokens = Tokens { user: None, refresh_token: None, scope };
        match form.field("grant_type") {
            "client_credentials" => tokens.answer(&self.issuer, self.lifetime),
            "urn:ietf:params:oauth:grant-type:jwt-bearer" => {
                let user = tokens::subject(form.field("assertion"));
                tokens.user = Some(user.as_deref().unwrap_or("someone"));
                tokens.answer(&self.issuer, self.lifetime)
            }
            "refresh_token" => match self.families.refresh(form.field("refresh_token")) {
                Refresh::Rotated { user, refresh_token } => {
                    *self.counts.refreshes.entry(user.clone()).or_default() += 1;
                    tokens.user = Some(&user);
                    tokens.refresh_token = Some(&refresh_token);
                    tokens.answer(&self.issuer, self.lifetime)
                }
                Refresh::Repeated { user, refresh_token } => {
                    self.counts.repeats += 1;
                    tokens.user = Some(&user);
                    tokens.refresh_token = Some(&refresh_token);
                    tokens.answer(&self.issuer, self.lifetime)
                }
                Refresh::Reused => {
                    self.counts.reuses += 1;
                    refusal("invalid_grant")
                }
                Refresh::Refused => {
                    self.counts.refused += 1;
                    refusal("invalid_grant")
                }
            },
            _ => refusal("unsupported_grant_type"),
        }
    }
}

fn refusal(code: &str) -> Vec<u8> {
    http_response("400 Bad Request", &[], &json!({ "error": code }).to_string())
}

#[cfg(test)]
mod tests;
