//! The process that is killed: it asks for a token once.

use std::{env, path::Path, process::Command};

use tokenkeep::{KeySource, PersistedTokenCache, TokenRequest, persistence::SealedPersistence};
use tokenkeep_test_support::{again, task};

use crate::{
    provider::{Provider, exchange, tokens},
    support::{self, Place},
};

pub(crate) fn request() -> TokenRequest {
    TokenRequest::new("client", "https://id.example/tenant", ["read"])
}

pub(crate) fn open(place: &Path) -> PersistedTokenCache {
    let cache = SealedPersistence::builder(support::STORE)
        .folder(place.join("cache"))
        .key_source(KeySource::KeyFile(place.join("key").join("tests.key")))
        .open();
    PersistedTokenCache::new(cache.unwrap())
}

/// A place with a sign-in whose access token has expired.
pub(crate) fn sign_in(name: &str) -> Place {
    let place = Place::in_memory();
    let cache = open(place.path()).clock(|| LONG_AGO);
    cache.add_response(&request(), tokens(name, 0)).unwrap();
    place
}

pub(crate) fn command(test: impl Fn(), place: &Place, provider: &Provider) -> Command {
    let mut command = again(test, place.path());
    // With it the start of the program opens as many files as a renewal.
    command.env_remove("LD_LIBRARY_PATH");
    command.env(PORT, provider.port().to_string());
    command
}

pub(crate) fn work() {
    let place = task().unwrap();
    let port = env::var(PORT).unwrap().parse().unwrap();
    let cache = open(place.as_ref());
    cache.acquire_token_silent(&request(), |spend| exchange(port, spend)).unwrap();
}

const PORT: &str = "TOKENKEEP_TEST_PORT";
const LONG_AGO: u64 = 1_000_000_000;
