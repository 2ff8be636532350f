//! What an asynchronous call costs beside the call itself, and beside that call on tokio's blocking
//! pool.
#![allow(clippy::print_stdout, reason = "it prints its rows")]

#[path = "support/mod.rs"]
mod measure;

use std::{path::Path, time::Duration};

use tokenkeep::persistence::SealedPersistence;
use tokenkeep::{KeySource, PersistedTokenCache, SignInEvent, TokenRequest};
use tokio::runtime::Runtime;

const AUTHORITY: &str = "https://login.example.com/contoso";

fn main() {
    let place = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder on disk");
    let cache = open(place.path());
    cache.add(&event("secret")).expect("kept");
    let runtime = Runtime::new().expect("a runtime");
    unchanged_read(&runtime, &cache);
    update(&runtime, &cache);
    burst(&runtime, &cache);
}

fn open(place: &Path) -> PersistedTokenCache {
    let builder = SealedPersistence::builder("com.example.bench")
        .folder(place.join("cache"))
        .key_source(KeySource::KeyFile(place.join("key").join("bench.key")));
    PersistedTokenCache::new(builder.open().expect("the cache opens"))
}

async fn add(cache: &PersistedTokenCache, event: SignInEvent) -> Result<(), tokenkeep::Error> {
    cache.call_async(move |cache| cache.add(&event)).await
}

fn event(secret: &str) -> SignInEvent {
    let json = format!(
        r#"{{"client_id": "client", "scope": ["s1"],
            "token_endpoint": "{AUTHORITY}/oauth2/v2.0/token",
            "response": {{"access_token": "{secret}", "expires_in": 360000,
                "refresh_token": "r", "id_token_claims": {{"sub": "subject"}}}}}}"#
    );
    SignInEvent::from_json(json.as_bytes()).expect("an event")
}

fn request() -> TokenRequest {
    TokenRequest::new("client", AUTHORITY, ["s1"])
}

fn unchanged_read(runtime: &Runtime, cache: &PersistedTokenCache) {
    let request = request();
    let call = || {
        let found = runtime.block_on(cache.find_access_token_async(&request));
        assert!(found.expect("readable").is_some(), "it is there");
    };
    let pooled = || {
        let (cache, request) = (cache.clone(), request.clone());
        let found =
            runtime.block_on(runtime.spawn_blocking(move || cache.find_access_token(&request)));
        assert!(found.expect("no panic").expect("readable").is_some(), "it is there");
    };
    let in_place = || drop(cache.find_access_token(&request).expect("readable"));
    rows("unchanged read", 3000, |_| call(), |_| pooled(), |_| in_place());
}

fn update(runtime: &Runtime, cache: &PersistedTokenCache) {
    let call = |round| {
        runtime.block_on(add(cache, event(&format!("a{round}")))).expect("kept");
    };
    let pooled = |round| {
        let cache = cache.clone();
        let added = runtime.spawn_blocking(move || cache.add(&event(&format!("b{round}"))));
        runtime.block_on(added).expect("no panic").expect("kept");
    };
    let in_place = |round| cache.add(&event(&format!("c{round}"))).expect("kept");
    rows("durable update", 500, call, pooled, in_place);
}

/// Many reads at once, as a server would make them.
fn burst(runtime: &Runtime, cache: &PersistedTokenCache) {
    let request = request();
    let calls = || {
        let tasks = (0..BURST).map(|_| {
            let (cache, request) = (cache.clone(), request.clone());
            runtime.spawn(async move { cache.find_access_token_async(&request).await })
        });
        let tasks: Vec<_> = tasks.collect();
        for task in tasks {
            runtime.block_on(task).expect("no panic").expect("readable");
        }
    };
    let pooled = || {
        let tasks = (0..BURST).map(|_| {
            let (cache, request) = (cache.clone(), request.clone());
            runtime.spawn_blocking(move || cache.find_access_token(&request))
        });
        let tasks: Vec<_> = tasks.collect();
        for task in tasks {
            runtime.block_on(task).expect("no panic").expect("readable");
        }
    };
    let (ours, floor) = measure::alternate(20, |_| calls(), |_| pooled());
    let what = format!("{BURST} unchanged reads at once, asynchronous");
    measure::figure(&what, ours, "spawn_blocking", floor);
}

const BURST: usize = 1000;

fn rows(
    what: &str,
    rounds: usize,
    mut call: impl FnMut(usize),
    mut pooled: impl FnMut(usize),
    mut in_place: impl FnMut(usize),
) {
    let mut times: [Vec<Duration>; 3] = Default::default();
    for round in 0..rounds {
        times[0].push(measure::time(|| call(round)));
        times[1].push(measure::time(|| pooled(round)));
        times[2].push(measure::time(|| in_place(round)));
    }
    let [call, pooled, in_place] = times.map(measure::median);
    measure::figure(&format!("{what}, asynchronous"), call, "spawn_blocking", pooled);
    measure::figure(&format!("{what}, asynchronous"), call, "in place", in_place);
}
