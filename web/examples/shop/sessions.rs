//! Who sits at which browser, in the memory of this node. A session has a user and never a token.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use axum::http::{HeaderMap, HeaderValue, header};

use tokenkeep_web::UserId;

use crate::parts::random::random;

/// What is known of a browser.
#[derive(Clone)]
pub(crate) enum Session {
    /// It was sent to the provider, and is not back yet.
    SigningIn(Begun),
    /// It is signed in as this user.
    SignedIn(User),
}

/// Who is signed in.
#[derive(Clone)]
pub(crate) struct User {
    pub(crate) id: UserId,
    pub(crate) name: String,
}

/// What the response of the provider is checked against.
#[derive(Clone)]
pub(crate) struct Begun {
    pub(crate) state: String,
    pub(crate) nonce: String,
    pub(crate) code_verifier: String,
}

/// The sessions of this node.
pub(crate) struct Sessions {
    cookie: String,
    all: Mutex<HashMap<String, (Instant, Session)>>,
}

impl Sessions {
    /// No session yet. Browsers share cookies between ports, so each node has a cookie of its own.
    pub(crate) fn new(port: u16) -> Self {
        Self { cookie: format!("shop-{port}"), all: Mutex::default() }
    }

    /// The session of the browser that sent these header fields.
    pub(crate) fn find(&self, headers: &HeaderMap) -> Option<Session> {
        let mut all = self.lock();
        all.retain(|_, (until, _)| *until > Instant::now());
        all.get(self.id(headers)?).map(|(_, session)| session.clone())
    }

    /// Begins a session in place of the one before. Returns its cookie.
    ///
    /// The id is new with each step, so an id that somebody planted before is of no use after.
    pub(crate) fn begin(&self, headers: &HeaderMap, session: Session) -> HeaderValue {
        let life = match session {
            Session::SigningIn(_) => SIGN_IN,
            Session::SignedIn(_) => DAY,
        };
        let id = random();
        let mut all = self.lock();
        if let Some(before) = self.id(headers) {
            all.remove(before);
        }
        // Without a bound a stranger could fill the memory. The one that ends first gives way.
        if all.len() >= MOST {
            let first = all.iter().min_by_key(|(_, (until, _))| *until).map(|(id, _)| id.clone());
            first.and_then(|id| all.remove(&id));
        }
        all.insert(id.clone(), (Instant::now() + life, session));
        self.header(&id, life)
    }

    /// Ends the session. Returns the cookie that removes it from the browser.
    pub(crate) fn end(&self, headers: &HeaderMap) -> HeaderValue {
        if let Some(id) = self.id(headers) {
            self.lock().remove(id);
        }
        self.header("", Duration::ZERO)
    }

    fn id<'h>(&self, headers: &'h HeaderMap) -> Option<&'h str> {
        let cookies = headers.get_all(header::COOKIE).into_iter();
        let pairs = cookies.filter_map(|line| line.to_str().ok()).flat_map(|line| line.split(';'));
        let mut pairs = pairs.filter_map(|pair| pair.trim().split_once('='));
        pairs.find(|(name, _)| *name == self.cookie).map(|(_, id)| id)
    }

    /// With https it would also be `Secure`, and its name would begin with `__Host-`.
    fn header(&self, id: &str, life: Duration) -> HeaderValue {
        let (name, seconds) = (&self.cookie, life.as_secs());
        let line = format!("{name}={id}; HttpOnly; SameSite=Lax; Path=/; Max-Age={seconds}");
        HeaderValue::try_from(line).expect("it is visible ASCII")
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, (Instant, Session)>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const SIGN_IN: Duration = Duration::from_secs(600);
const DAY: Duration = Duration::from_secs(86_400);
const MOST: usize = 10_000;
