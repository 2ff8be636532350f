//! An application with its users, at one engine and one provider.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use tokenkeep::TokenRequest;
use tokenkeep_test_support::engines::provider::Provider as Endpoint;
use tokenkeep_web::{KeyRing, Staleness, UserId, WebTokenCache, WebTokenCacheBuilder};

use crate::{
    client::Client,
    engine::{Address, Engine},
    table::{Outcome, ask},
};

/// An application. One of its users has a valid token, two have an expired one, and so has the
/// application itself.
pub(crate) struct Scene<'e> {
    pub(crate) engine: &'e dyn Engine,
    pub(crate) app: String,
    pub(crate) ring: KeyRing,
    pub(crate) client: Client,
    /// How far the clock of the nodes is ahead, in seconds.
    ahead: Arc<AtomicU64>,
    /// Asks the store at every call, through the proxy.
    pub(crate) node: WebTokenCache,
    pub(crate) valid: User,
    pub(crate) expired: User,
    pub(crate) also_expired: User,
    /// The name of the value with the application's token.
    pub(crate) own: String,
}

/// A user, and the name of the user's value in the engine.
#[derive(Clone)]
pub(crate) struct User {
    pub(crate) id: UserId,
    pub(crate) name: String,
}

impl<'e> Scene<'e> {
    pub(crate) async fn new(engine: &'e dyn Engine) -> Self {
        Self::at(engine, engine.address()).await
    }

    /// A scene whose node connects to this address.
    pub(crate) async fn at(engine: &'e dyn Engine, address: Address) -> Self {
        static APPLICATIONS: AtomicUsize = AtomicUsize::new(0);
        let app = format!("shop{}", APPLICATIONS.fetch_add(1, Ordering::Relaxed));
        let (client, ahead) = (Client::start(), Arc::default());
        let ring = KeyRing::generate().expect("there are random bytes");
        let builder = builder(&app, &ring, &client, &ahead);
        let node = address.node(builder).await;
        let mut names = engine.values(&app);
        let mut users = Vec::new();
        for (user, expires_in) in [("ada", 7_200), ("bob", LIFETIME), ("eve", LIFETIME)] {
            let id = sign_in(&node, &client, user, expires_in).await.0;
            users.push(User { id, name: new_name(engine, &app, &mut names) });
        }
        client.endpoint.lifetime(LIFETIME);
        let own = ask(node.app()).await;
        own.result.expect("the provider answers");
        client.endpoint.lifetime(3_600);
        client.endpoint.forget();
        let own = new_name(engine, &app, &mut names);
        ahead.store(2 * LIFETIME, Ordering::Relaxed);
        let [valid, expired, also_expired] = users.try_into().ok().expect("three signed in");
        Self { engine, app, ring, client, ahead, node, valid, expired, also_expired, own }
    }

    pub(crate) fn builder(&self) -> WebTokenCacheBuilder {
        builder(&self.app, &self.ring, &self.client, &self.ahead)
    }

    /// Another node, through the proxy.
    pub(crate) async fn another(&self) -> WebTokenCache {
        self.engine.address().node(self.builder()).await
    }

    /// A node that knows nothing yet, past the proxy.
    pub(crate) async fn outsider(&self) -> WebTokenCache {
        self.engine.direct().node(self.builder()).await
    }

    pub(crate) fn endpoint(&self) -> &Endpoint {
        &self.client.endpoint
    }

    pub(crate) fn clock(&self) -> impl Fn() -> u64 + Send + Sync + 'static {
        clock(&self.ahead)
    }

    pub(crate) fn request(&self) -> TokenRequest {
        request(&self.client)
    }

    pub(crate) async fn sign_in(&self, node: &WebTokenCache, user: &str) -> (UserId, Outcome) {
        sign_in(node, &self.client, user, 3_600).await
    }

    pub(crate) async fn ask(&self, user: &User) -> Outcome {
        ask(self.node.user(&user.id)).await
    }

    pub(crate) async fn ask_own(&self) -> Outcome {
        ask(self.node.app()).await
    }

    /// The values: their names, and a digest of each.
    pub(crate) fn values(&self) -> BTreeMap<String, String> {
        self.engine.values(&self.app)
    }

    /// Whether a node that knows nothing finds this very token of a user.
    pub(crate) async fn is_stored(&self, user: &UserId, secret: &str) -> bool {
        let found = self.outsider().await.user(user).find(&self.request()).await;
        matches!(found, Ok(Some(token)) if token.secret() == secret)
    }

    /// Waits until the provider has had this many requests.
    pub(crate) async fn until_asked(&self, requests: usize) {
        let endpoint = Arc::clone(&self.client.endpoint);
        let asked = tokio::task::spawn_blocking(move || {
            let limit = Duration::from_secs(10);
            endpoint.wait_for(limit, |counts| counts.calls.values().sum::<usize>() >= requests)
        });
        assert!(asked.await.expect("it does not panic"), "the provider is not asked");
    }

    /// Waits until the store has taken all that it had not. How long it took.
    pub(crate) async fn until_saved(&self, node: &WebTokenCache) -> Duration {
        let start = Instant::now();
        while node.stats().unsaved > 0 && start.elapsed() < Duration::from_secs(60) {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        start.elapsed()
    }

    /// Asks until there is a token. How long it took, and the token.
    pub(crate) async fn until_token(&self, user: &User) -> (Duration, Outcome) {
        let start = Instant::now();
        loop {
            let outcome = self.ask(user).await;
            if outcome.result.is_ok() || start.elapsed() > Duration::from_secs(20) {
                return (start.elapsed(), outcome);
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// Lets this time pass at once for the timers of this runtime.
pub(crate) async fn pass(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

fn builder(
    app: &str,
    ring: &KeyRing,
    client: &Client,
    ahead: &Arc<AtomicU64>,
) -> WebTokenCacheBuilder {
    WebTokenCache::builder(app)
        .keys(ring.clone())
        .provider(CLIENT, client.endpoint.url(), client.clone())
        .staleness(Staleness::Always)
        .clock(clock(ahead))
}

fn clock(ahead: &Arc<AtomicU64>) -> impl Fn() -> u64 + Send + Sync + 'static {
    let ahead = Arc::clone(ahead);
    move || {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        now.as_secs() + ahead.load(Ordering::Relaxed)
    }
}

fn request(client: &Client) -> TokenRequest {
    TokenRequest::new(CLIENT, client.endpoint.url(), ["read"])
}

async fn sign_in(
    node: &WebTokenCache,
    client: &Client,
    user: &str,
    expires_in: u64,
) -> (UserId, Outcome) {
    let response = client.endpoint.sign_in(user, expires_in);
    let start = Instant::now();
    let kept = node.keep_sign_in(&request(client), response).await;
    let (id, token) = kept.expect("it says who signed in");
    (id, Outcome { result: Ok(token), took: start.elapsed() })
}

/// The name of the value that has come since.
fn new_name(engine: &dyn Engine, app: &str, names: &mut BTreeMap<String, String>) -> String {
    let now = engine.values(app);
    let new = now.keys().find(|name| !names.contains_key(*name)).cloned();
    *names = now;
    new.expect("a value was written")
}

const CLIENT: &str = "client";
/// How long the tokens live that have expired.
const LIFETIME: u64 = 600;
