//! A provider that runs: its endpoints, its users, and what it has seen.

use std::io;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use super::server::{Moment, Server};

/// A provider that runs until this is dropped, or until the process that has this ends.
#[derive(Debug)]
pub struct Provider {
    // Ended before its folder is removed.
    server: Server,
    control: String,
    issuer: String,
    token_endpoint: String,
    revocation_endpoint: String,
    agent: ureq::Agent,
    _folder: TempDir,
}

/// What the token endpoint answers to a refresh.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Answers {
    /// What the provider has to say.
    Good,
    /// Status 200 and a page, as of a network that wants a sign-in of its own.
    Html,
    /// Status 503, a page, and `Retry-After: 7`.
    Unavailable,
    /// Status 429, `temporarily_unavailable`, and `Retry-After: 11`.
    Busy,
    /// Nothing, once: the tokens are issued, and the connection is cut. Then as
    /// [`Good`](Self::Good).
    Cut,
}

/// What a provider has counted, but for what [`Provider::sign_in`] and [`Provider::accepts`] ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Refreshes that brought tokens.
    pub exchanges: u64,
    /// Refreshes that the provider refused.
    pub refused: u64,
    /// Refreshes with a token that had been spent.
    pub reuse: u64,
    /// Sign-ins that the provider ended (oidc-provider), or answered requests for revocation
    /// (django-oauth-toolkit).
    pub revoked: u64,
    /// From the arrival of the last good refresh to its answer, with the delay.
    pub took: Duration,
}

/// A refresh token that a provider issued.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Issued {
    /// The refresh token that was spent for it.
    pub spent: String,
    /// The refresh token.
    pub token: String,
}

impl Provider {
    /// The id of the public client that it knows.
    pub const CLIENT: &str = "client";
    /// The id of the public client that signs in on another device at django-oauth-toolkit.
    pub const DEVICE_CLIENT: &str = "device";
    /// The password of the user `ada` at django-oauth-toolkit. oidc-provider accepts any user.
    pub const PASSWORD: &str = "a password of the tests";
    /// The scope, besides those of OpenID, that each sign-in has.
    pub const SCOPE: &str = "api.read";

    pub(super) fn start(command: &mut Command, folder: TempDir) -> io::Result<Self> {
        let (server, endpoints) = Server::start(command, folder.path())?;
        let endpoints: Value = serde_json::from_str(&endpoints)?;
        let endpoint = |name: &str| endpoints[name].as_str().unwrap_or_default().to_owned();
        Ok(Self {
            server,
            control: endpoint("control"),
            issuer: endpoint("issuer"),
            token_endpoint: endpoint("token_endpoint"),
            revocation_endpoint: endpoint("revocation_endpoint"),
            agent: agent(),
            _folder: folder,
        })
    }

    /// The issuer.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The token endpoint.
    pub fn token_endpoint(&self) -> &str {
        &self.token_endpoint
    }

    /// The revocation endpoint (RFC 7009).
    pub fn revocation_endpoint(&self) -> &str {
        &self.revocation_endpoint
    }

    /// Signs `user` in, as if in a browser: the JSON of the token endpoint's response.
    ///
    /// # Panics
    /// When the provider has ended, or refuses.
    pub fn sign_in(&self, user: &str) -> String {
        let token = self.ask(&format!("sign-in?user={user}"));
        let (status, body) = self.post(&token);
        assert_eq!(status, 200, "{body}");
        body
    }

    /// Whether it accepts `token` as a refresh token. If it does, `token` is spent.
    ///
    /// # Panics
    /// When the provider has ended.
    pub fn accepts(&self, token: &str) -> bool {
        self.post(token).0 == 200
    }

    /// What it has counted until now.
    ///
    /// # Panics
    /// When the provider has ended.
    pub fn counts(&self) -> Counts {
        let record = self.record(usize::MAX);
        let count = |name: &str| record[name].as_u64().expect("it counts that");
        let took = record["took"].as_f64().unwrap_or_default();
        Counts {
            exchanges: count("exchanges"),
            refused: count("refused"),
            reuse: count("reuse"),
            revoked: count("revoked"),
            took: Duration::from_secs_f64(took / 1000.0),
        }
    }

    /// The refresh tokens that it has issued, but the first `from`.
    ///
    /// # Panics
    /// When the provider has ended.
    pub fn issued(&self, from: usize) -> Vec<Issued> {
        let record = self.record(from);
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let issued = record["issued"].as_array().expect("it is a list");
        issued
            .iter()
            .map(|one| Issued { spent: text(&one["spent"]), token: text(&one["token"]) })
            .collect()
    }

    /// Sets what the token endpoint answers, and how long a good answer takes to arrive. The tokens
    /// are issued before that time.
    ///
    /// # Panics
    /// When the provider has ended.
    pub fn set(&self, answers: Answers, delay: Duration) {
        let word = match answers {
            Answers::Good => "good",
            Answers::Html => "html",
            Answers::Unavailable => "unavailable",
            Answers::Busy => "busy",
            Answers::Cut => "cut",
        };
        self.ask(&format!("answers?answers={word}&milliseconds={}", delay.as_millis()));
    }

    /// Waits until the next refresh comes to `moment`. `false` if it does not within `limit`.
    pub fn wait_for(&self, moment: Moment, limit: Duration) -> bool {
        self.server.wait_for(moment, limit)
    }

    /// Forgets the refreshes until now, for [`wait_for`](Self::wait_for).
    pub fn forget(&self) {
        self.server.forget();
    }

    fn record(&self, from: usize) -> Value {
        serde_json::from_str(&self.ask(&format!("record?from={from}"))).expect("it is JSON")
    }

    fn ask(&self, what: &str) -> String {
        let url = format!("{}/{what}", self.control);
        let mut response = self.agent.get(&url).call().expect("the provider answers");
        assert!(response.status().is_success(), "{url}: {}", response.status());
        response.body_mut().read_to_string().expect("it is text")
    }

    fn post(&self, token: &str) -> (u16, String) {
        // Neither counted nor delayed.
        let request = self.agent.post(&self.token_endpoint).header("tokenkeep-test-aside", "1");
        let form = [
            ("grant_type", "refresh_token"),
            ("client_id", Self::CLIENT),
            ("refresh_token", token),
        ];
        let mut response = request.send_form(form).expect("the provider answers");
        let body = response.body_mut().read_to_string().expect("it is text");
        (response.status().as_u16(), body)
    }
}

/// A client without anything that would send a request twice.
fn agent() -> ureq::Agent {
    ureq::Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_idle_connections(0)
        .proxy(None)
        .timeout_global(Some(PATIENCE))
        .build()
        .new_agent()
}

const PATIENCE: Duration = Duration::from_secs(30);
