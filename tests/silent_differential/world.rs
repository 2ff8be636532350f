//! What both sides start with, what they are asked, and what a provider answers.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value, json};

/// The time of a first call, in Unix seconds.
pub(crate) const NOW: u64 = 1_700_000_000;
pub(crate) const HOST: &str = "login.microsoftonline.com";
pub(crate) const ALIAS: &str = "login.windows.net";
/// The names of one cloud.
pub(crate) const HOSTS: [&str; 4] = [HOST, ALIAS, "login.microsoft.com", "sts.windows.net"];

/// An application and its cache.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    pub(crate) client: &'static str,
    pub(crate) authority: &'static str,
    pub(crate) app_only: bool,
    pub(crate) capabilities: Vec<&'static str>,
    /// Events of sign-ins and their times.
    pub(crate) sign_ins: Vec<(Value, u64)>,
    /// For each section, entries that are put in place of what has their key. `null` removes it.
    pub(crate) entries: Map<String, Value>,
}

/// The application `app` of the tenant `t`, with these sign-ins in its cache.
pub(crate) fn app(sign_ins: impl IntoIterator<Item = SignIn>) -> Setup {
    Setup {
        client: "app",
        authority: "https://login.microsoftonline.com/t",
        app_only: false,
        capabilities: Vec::new(),
        sign_ins: sign_ins.into_iter().map(|sign_in| (sign_in.event(), sign_in.at)).collect(),
        entries: Map::new(),
    }
}

impl Setup {
    pub(crate) fn entry(mut self, section: &str, key: &str, entry: Value) -> Self {
        let section = self.entries.entry(section).or_insert_with(|| json!({}));
        section[key] = entry;
        self
    }
}

/// A sign-in of a user, or of an application.
#[derive(Clone, Copy)]
pub(crate) struct SignIn {
    pub(crate) client: &'static str,
    pub(crate) host: &'static str,
    pub(crate) tenant: &'static str,
    /// None for an application.
    pub(crate) user: Option<&'static str>,
    pub(crate) scopes: &'static str,
    pub(crate) access: &'static str,
    pub(crate) lifetime: u64,
    pub(crate) refresh_in: Option<u64>,
    pub(crate) refresh: Option<&'static str>,
    pub(crate) is_family: bool,
    pub(crate) at: u64,
}

/// The user `u` signed in to `app` two hours ago for an hour, and has the refresh token `r0`.
pub(crate) const EXPIRED: SignIn = SignIn {
    client: "app",
    host: HOST,
    tenant: "t",
    user: Some("u"),
    scopes: "s",
    access: "a0",
    lifetime: 3600,
    refresh_in: None,
    refresh: Some("r0"),
    is_family: false,
    at: NOW - 7200,
};
/// The same a minute ago.
pub(crate) const FRESH: SignIn = SignIn { at: NOW - 60, ..EXPIRED };
/// The same half an hour ago, and to be renewed since some ten minutes.
pub(crate) const AGING: SignIn = SignIn { at: NOW - 1800, refresh_in: Some(1200), ..EXPIRED };
/// Another program of the family signed in.
pub(crate) const FAMILY: SignIn = SignIn {
    client: "other",
    access: "other",
    refresh: Some("family"),
    is_family: true,
    ..EXPIRED
};

impl SignIn {
    fn event(self) -> Value {
        let mut response = json!({"token_type": "Bearer", "access_token": self.access,
            "expires_in": self.lifetime});
        if let Some(user) = self.user {
            if HOSTS.contains(&self.host) {
                response["client_info"] = json!(client_info(user));
            }
            response["id_token"] = json!(id_token(user));
        }
        for (name, value) in [
            ("refresh_token", self.refresh.map(Value::from)),
            ("refresh_in", self.refresh_in.map(Value::from)),
            ("foci", self.is_family.then(|| "1".into())),
        ] {
            if let Some(value) = value {
                response[name] = value;
            }
        }
        json!({"client_id": self.client, "response": response,
            "scope": self.scopes.split(' ').collect::<Vec<_>>(),
            "token_endpoint": format!("https://{}/{}/oauth2/v2.0/token", self.host, self.tenant)})
    }
}

/// One request for a token.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) now: u64,
    pub(crate) account: Option<&'static str>,
    pub(crate) scopes: &'static [&'static str],
    pub(crate) claims: Option<&'static str>,
    /// The cached token is not to be taken.
    pub(crate) force: bool,
    pub(crate) data: &'static [(&'static str, &'static str)],
    pub(crate) answers: Vec<Reply>,
}

/// The user `u` is asked for the scope `s`, and the provider answers so.
pub(crate) fn call(answers: impl IntoIterator<Item = Reply>) -> Call {
    let answers = answers.into_iter().collect();
    let (claims, force, data) = (None, false, &[] as &[_]);
    Call { now: NOW, account: Some("u.t"), scopes: &["s"], claims, force, data, answers }
}

/// What comes back from a token endpoint.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    Http {
        status: u16,
        body: String,
        retry_after: Option<&'static str>,
    },
    /// The connection was refused.
    Refused,
    /// The request was sent, and the connection broke.
    Lost,
}

impl Reply {
    /// The status, the body and the headers. The status 0 means a failed connection.
    pub(crate) fn parts(&self) -> (u16, &str, BTreeMap<&str, &str>) {
        match self {
            Self::Http { status, body, retry_after } => {
                (*status, body, retry_after.map(|time| ("Retry-After", time)).into_iter().collect())
            }
            Self::Refused | Self::Lost => (0, "no answer", BTreeMap::new()),
        }
    }
}

pub(crate) fn http(status: u16, body: impl Into<String>) -> Reply {
    Reply::Http { status, body: body.into(), retry_after: None }
}

/// An access token of the user `u` for the scope `s`, with these members besides. `null` takes one
/// away.
pub(crate) fn tokens(access: &str, more: Value) -> Reply {
    let mut body = json!({"token_type": "Bearer", "access_token": access, "expires_in": 3600,
        "scope": "s", "client_info": client_info("u"), "id_token": id_token("u")});
    let members = body.as_object_mut().unwrap();
    members.extend(more.as_object().unwrap().clone());
    members.retain(|_, value| !value.is_null());
    http(200, body.to_string())
}

pub(crate) fn refused(code: &str) -> Reply {
    refused_with(json!({"error": code}))
}

pub(crate) fn refused_with(body: Value) -> Reply {
    http(400, body.to_string())
}

pub(crate) fn client_info(user: &str) -> String {
    URL_SAFE_NO_PAD.encode(json!({"uid": user, "utid": "t"}).to_string())
}

pub(crate) fn id_token(user: &str) -> String {
    let claims = json!({"sub": user, "oid": user, "tid": "t", "exp": NOW + 3600,
        "preferred_username": format!("{user}@example.com")});
    format!("e30.{}.", URL_SAFE_NO_PAD.encode(claims.to_string()))
}

/// What one side did with a call.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) result: String,
    pub(crate) forms: Vec<BTreeMap<String, String>>,
    pub(crate) cache: Value,
}
