//! Reads and updates of a sealed cache, each beside what the bare system calls cost.
#![allow(clippy::print_stdout, reason = "it prints its rows")]

#[path = "support/mod.rs"]
mod measure;

use std::{fs, hint::black_box, path::Path};

use chacha20poly1305::{AeadInOut, KeyInit, XChaCha20Poly1305};
use tokenkeep::persistence::SealedPersistence;
use tokenkeep::{KeySource, PersistedTokenCache, SignInEvent, TokenRequest};

const AUTHORITY: &str = "https://login.example.com/contoso";

/// Reads that are timed at once.
const BATCH: u32 = 1000;

/// Above this size encryption is a part of the floor.
const LARGE: usize = 1_000_000;

fn main() {
    let place = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder on disk");
    unchanged_read(place.path());
    update(place.path(), "durable sealed update, 8 KiB", 8 * 1024, 1500, 1.3, 1.5);
    update(place.path(), "update in a 10 MB cache", 10_000_000, 25, 2.0, 2.0);
}

fn open(folder: &Path) -> PersistedTokenCache {
    let builder = SealedPersistence::builder("com.example.bench")
        .folder(folder)
        .key_source(KeySource::KeyFile(folder.with_extension("key").join("bench.key")));
    PersistedTokenCache::new(builder.open().expect("the cache opens"))
}

fn event(client: &str, secret: &str) -> SignInEvent {
    let json = format!(
        r#"{{"client_id": "{client}", "scope": ["s1"],
            "token_endpoint": "{AUTHORITY}/oauth2/v2.0/token",
            "response": {{"access_token": "{secret}", "expires_in": 360000,
                "refresh_token": "r", "id_token_claims": {{"sub": "subject"}}}}}}"#
    );
    SignInEvent::from_json(json.as_bytes()).expect("an event")
}

fn unchanged_read(place: &Path) {
    let folder = place.join("read");
    let cache = open(&folder);
    cache.add(&event("client", "secret")).expect("kept");
    let anybody = TokenRequest::new("client", AUTHORITY, ["s1"]);
    let named = anybody.clone().for_account(&cache.accounts().expect("readable")[0]);
    let file = folder.join("cache.sealed");
    let read = |request: &TokenRequest| {
        assert!(cache.find_access_token(request).expect("readable").is_some(), "it is there");
        let (ours, floor) = measure::alternate(
            300,
            |_| (0..BATCH).for_each(|_| drop(black_box(cache.find_access_token(request)))),
            |_| (0..BATCH).for_each(|_| drop(black_box(fs::symlink_metadata(&file)))),
        );
        (ours / BATCH, floor / BATCH)
    };
    let (ours, floor) = read(&named);
    measure::row("unchanged read, sealed", ours, "one stat call", floor, 2.0, 2.0);
    let (ours, floor) = read(&anybody);
    measure::figure("unchanged read, sealed, no account named", ours, "one stat call", floor);
}

/// An update of one sign-in in a cache of `size` bytes; the floor durably replaces as many bytes
/// with bare calls, and for a large cache encrypts them first.
fn update(place: &Path, what: &str, size: usize, rounds: usize, aim: f64, bound: f64) {
    let folder = place.join(format!("update-{size}"));
    let cache = filled(&folder, size);
    let bytes = fs::read(folder.join("cache.sealed")).expect("sealed").len();
    let bare = place.join(format!("bare-{size}"));
    fs::create_dir(&bare).expect("a folder");
    let mut content = vec![b'x'; bytes];
    let cipher = XChaCha20Poly1305::new(&[7; 32].into());
    let mut floor = |_| {
        if size > LARGE {
            cipher
                .encrypt_inout_detached(&[1; 24].into(), b"", content.as_mut_slice().into())
                .expect("sealed");
        }
        measure::replace(&bare, &content);
    };
    let floor_name = if size > LARGE {
        "encrypt + write + fsync + rename + fsync of the folder"
    } else {
        "write + fsync + rename + fsync of the folder"
    };
    let update = |cache: &PersistedTokenCache, round: usize| {
        cache.add(&event("counter", &format!("{round:08}"))).expect("updated");
    };
    let (ours, bare) = measure::alternate(rounds, |round| update(&cache, round), &mut floor);
    measure::row(&format!("{what} ({bytes} bytes)"), ours, floor_name, bare, aim, bound);

    // The same after another process has changed the cache: it is read again first.
    let other = open(&folder);
    let mut times = (Vec::new(), Vec::new());
    for round in 0..rounds {
        update(&other, 2 * round);
        times.0.push(measure::time(|| update(&cache, 2 * round + 1)));
        times.1.push(measure::time(|| floor(round)));
    }
    let (ours, bare) = (measure::median(times.0), measure::median(times.1));
    measure::figure(&format!("{what}, changed by another before"), ours, floor_name, bare);
}

/// A cache whose file has `size` bytes, up to a few for each of its sign-ins of about 8 kB.
fn filled(folder: &Path, size: usize) -> PersistedTokenCache {
    let cache = open(folder);
    let sign_ins = (size / 8000).max(1);
    let fill = |padding: usize| {
        let secret = "x".repeat(padding);
        cache
            .transaction(|cache| {
                cache.add(&event("counter", "00000000"), 1_000_000_000)?;
                (0..sign_ins).try_for_each(|n| {
                    cache.add(&event(&format!("client-{n}"), &secret), 1_000_000_000)
                })
            })
            .expect("filled");
        fs::metadata(folder.join("cache.sealed")).expect("sealed").len() as usize
    };
    let empty = fill(0);
    fill(size.saturating_sub(empty) / sign_ins);
    cache
}
