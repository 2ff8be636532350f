//! A provider on loopback whose answers a test writes.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::http::{HttpRequest, HttpServer, Script, http_response};

/// An authorization server under the path `/tenant`. Its client is `app`, and its user Ada.
#[derive(Debug)]
pub struct Scripted {
    server: HttpServer,
    said: Arc<Mutex<Said>>,
    door: Arc<Door>,
}

/// Where requests arrive, and may have to wait.
#[derive(Debug, Default)]
struct Door {
    state: Mutex<DoorState>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct DoorState {
    /// The last part of the path of each request that has arrived.
    arrived: Vec<String>,
    holds_tokens: bool,
}

impl Door {
    fn change(&self, change: impl FnOnce(&mut DoorState)) {
        change(&mut lock(&self.state));
        self.changed.notify_all();
    }

    fn enter(&self, path: &str) {
        self.change(|state| state.arrived.push(path.to_owned()));
        let is_held = |state: &mut DoorState| path == "token" && state.holds_tokens;
        drop(self.changed.wait_while(lock(&self.state), is_held));
    }
}

#[derive(Debug, Default)]
struct Said {
    metadata: Value,
    device: Value,
    userinfo: Value,
    /// The answers of the token endpoint, in order: status line and body. The last one stays.
    tokens: VecDeque<(String, String)>,
}

impl Scripted {
    /// The id of its client.
    pub const CLIENT: &str = "app";

    /// Starts it on a free port. It announces a device sign-in, revocation and a sign-in with a
    /// browser.
    ///
    /// # Panics
    /// When there is no free port.
    pub fn start() -> Self {
        let said: Arc<Mutex<Said>> = Arc::default();
        let door: Arc<Door> = Arc::default();
        let (theirs, entry) = (Arc::clone(&said), Arc::clone(&door));
        let server = HttpServer::start(Script::each(move |request| {
            entry.enter(&last(request));
            answer(&theirs, request)
        }));
        let provider = Self { server, said, door };
        let issuer = provider.issuer();
        provider.said().device = json!({
            "device_code": "the-device-code", "user_code": "WDJB-MJHT", "expires_in": 600,
            "verification_uri": format!("{issuer}/activate"), "interval": 0,
        });
        provider.announces(json!({}));
        provider
    }

    /// The issuer.
    pub fn issuer(&self) -> String {
        format!("http://{}/tenant", self.server.host())
    }

    /// Changes what it announces; null removes a member.
    pub fn announces(&self, changes: Value) {
        let issuer = self.issuer();
        let mut metadata = json!({
            "issuer": issuer,
            "authorization_endpoint": format!("{issuer}/authorize"),
            "token_endpoint": format!("{issuer}/token"),
            "device_authorization_endpoint": format!("{issuer}/device"),
            "revocation_endpoint": format!("{issuer}/revoke"),
        });
        change(&mut metadata, changes);
        self.said().metadata = metadata;
    }

    /// Changes what it says of a device sign-in.
    pub fn device_says(&self, changes: Value) {
        change(&mut self.said().device, changes);
    }

    /// What it says of the user, at an endpoint that it announces from now on.
    pub fn userinfo_says(&self, userinfo: Value) {
        self.said().userinfo = userinfo;
        let address = format!("{}/userinfo", self.issuer());
        self.announces(json!({ "userinfo_endpoint": address }));
    }

    /// The next answer of the token endpoint. The last one stays.
    pub fn then(&self, status: &str, body: impl ToString) {
        let answer = (status.to_owned(), body.to_string());
        self.said().tokens.push_back(answer);
    }

    /// [`then`](Self::then) an error.
    pub fn then_refuses(&self, code: &str) {
        self.then("400 Bad Request", json!({ "error": code }));
    }

    /// [`then`](Self::then) [`tokens`](Self::tokens).
    pub fn then_issues(&self, name: &str) {
        self.then("200 OK", self.tokens(name, json!({})));
    }

    /// Tokens by this name, with an ID token for Ada. Null removes a claim.
    pub fn tokens(&self, name: &str, claims: Value) -> Value {
        let mut all = json!({
            "iss": self.issuer(), "aud": Self::CLIENT, "sub": "1", "preferred_username": "ada",
        });
        change(&mut all, claims);
        json!({
            "token_type": "Bearer", "expires_in": 3600,
            "access_token": format!("access-{name}"), "refresh_token": format!("refresh-{name}"),
            "id_token": format!("e30.{}.e30", URL_SAFE_NO_PAD.encode(all.to_string())),
        })
    }

    /// From now on the token endpoint does not answer, until [`release`](Self::release).
    pub fn hold(&self) {
        self.door.change(|state| state.holds_tokens = true);
    }

    /// The token endpoint answers again, also what it has not answered yet.
    pub fn release(&self) {
        self.door.change(|state| state.holds_tokens = false);
    }

    /// Whether a request has arrived at this endpoint.
    pub fn was_asked(&self, endpoint: &str) -> bool {
        lock(&self.door.state).arrived.iter().any(|path| path == endpoint)
    }

    /// Waits until a request has arrived at this endpoint.
    ///
    /// # Panics
    /// When none has within 20 s.
    pub fn wait_for(&self, endpoint: &str) {
        let none = |state: &mut DoorState| !state.arrived.iter().any(|path| path == endpoint);
        let waited = self.door.changed.wait_timeout_while(lock(&self.door.state), PATIENCE, none);
        let is_late = waited.unwrap_or_else(PoisonError::into_inner).1.timed_out();
        assert!(!is_late, "nobody asks the endpoint {endpoint}");
    }

    /// The last part of the path of each request so far, and what was sent with it.
    pub fn asked(&self) -> Vec<(String, String)> {
        let requests = self.server.requests();
        let asked = requests.into_iter().map(|request| (last(&request), request.body));
        asked.collect()
    }

    fn said(&self) -> MutexGuard<'_, Said> {
        lock(&self.said)
    }

    /// The forms that were sent to one endpoint.
    pub fn forms(&self, endpoint: &str) -> Vec<String> {
        let asked = self.asked().into_iter().filter(|(path, _)| path == endpoint);
        asked.map(|(_, form)| form).collect()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

const PATIENCE: Duration = Duration::from_secs(20);

fn answer(said: &Mutex<Said>, request: &HttpRequest) -> Vec<u8> {
    let mut said = lock(said);
    let body = match last(request).as_str() {
        "openid-configuration" | "tenant" => said.metadata.to_string(),
        "device" => said.device.to_string(),
        "userinfo" => said.userinfo.to_string(),
        "token" => {
            let answer = match said.tokens.len() {
                1 => said.tokens.front().cloned(),
                _ => said.tokens.pop_front(),
            };
            let (status, body) = answer.expect("a test says what the token endpoint answers");
            return http_response(&status, &[], &body);
        }
        "revoke" => String::new(),
        _ => return http_response("404 Not Found", &[], ""),
    };
    match body == "null" {
        true => http_response("404 Not Found", &[], ""),
        false => http_response("200 OK", &[], &body),
    }
}

fn last(request: &HttpRequest) -> String {
    let path = request.path();
    match path.contains("/oauth-authorization-server/") {
        true => "tenant".into(),
        false => path.rsplit('/').next().unwrap_or_default().into(),
    }
}

fn change(value: &mut Value, changes: Value) {
    let Value::Object(changes) = changes else { return *value = changes };
    for (name, new) in changes {
        match new.is_null() {
            true => drop(value.as_object_mut().map(|object| object.remove(&name))),
            false => value[name] = new,
        }
    }
}
