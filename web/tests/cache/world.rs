//! Nodes of one application at one store and one provider.

use std::time::Duration;

use tokenkeep::{AccessToken, TokenRequest};
use tokenkeep_web::{
    Error, KeyRing, MemoryStore, UserId, WebTokenCache, WebTokenCacheBuilder, store::Store,
};
use tokio::{task::JoinHandle, time::Instant};

use crate::provider::TestProvider;

pub(crate) struct World<S = MemoryStore> {
    pub(crate) store: S,
    pub(crate) ring: KeyRing,
    pub(crate) provider: TestProvider,
    start: Instant,
}

pub(crate) const CLIENT: &str = "client";
pub(crate) const AUTHORITY: &str = "https://id.example/realm";

impl World {
    pub(crate) fn new() -> Self {
        Self::at(MemoryStore::new())
    }
}

impl<S: Store + Clone> World<S> {
    pub(crate) fn at(store: S) -> Self {
        let ring = KeyRing::generate().expect("random bytes");
        Self { store, ring, provider: TestProvider::new(), start: Instant::now() }
    }

    pub(crate) fn builder(&self) -> WebTokenCacheBuilder {
        let start = self.start;
        WebTokenCache::builder("shop")
            .store(self.store.clone())
            .keys(self.ring.clone())
            .provider(CLIENT, AUTHORITY, self.provider.clone())
            .clock(move || NOW + start.elapsed().as_secs())
    }

    pub(crate) fn node(&self) -> WebTokenCache {
        self.builder().build().expect("all is there")
    }

    pub(crate) fn nodes(&self, count: usize) -> Vec<WebTokenCache> {
        (0..count).map(|_| self.node()).collect()
    }

    /// A renewal whose request the provider has, and has not answered for some time yet.
    pub(crate) async fn asked(
        &self,
        node: &WebTokenCache,
        user: &UserId,
        scope: &'static str,
    ) -> JoinHandle<Result<AccessToken, Error>> {
        self.provider.set_delay(Duration::from_secs(1));
        let (tokens, before) = (node.user(user), self.provider.count());
        let call = tokio::spawn(async move { tokens.token([scope]).await });
        while self.provider.count() == before {
            pass(1).await;
        }
        call
    }

    /// Signs a user in at a node.
    pub(crate) async fn sign_in(&self, node: &WebTokenCache, user: &str) -> UserId {
        let response = self.provider.sign_in(user);
        let (user, token) = node.keep_sign_in(&request(["read"]), response).await.expect("kept");
        assert!(token.is_stored());
        user
    }
}

pub(crate) fn request<const N: usize>(scopes: [&str; N]) -> TokenRequest {
    TokenRequest::new(CLIENT, AUTHORITY, scopes)
}

/// Lets the time of an access token pass.
pub(crate) async fn expire() {
    tokio::time::advance(Duration::from_secs(3600)).await;
}

pub(crate) async fn pass(millis: u64) {
    tokio::time::sleep(Duration::from_millis(millis)).await;
}

/// The count from the environment, or the default for the usual run.
pub(crate) fn count(name: &str, default: usize) -> usize {
    std::env::var(name).map_or(default, |text| text.parse().expect("a number"))
}

const NOW: u64 = 1_800_000_000;
