//! Reads and updates of a sealed cache, each beside what the bare system calls cost.
#![allow(clippy::print_stdout, reason = "it prints its rows")]

#[path = "support/mod.rs"]
mod measure;

use std::{
    fs::{self, File, OpenOptions},
    hint::black_box,
    io::Write,
    path::Path,
};

use chacha20poly1305::{AeadInOut, KeyInit, XChaCha20Poly1305};
use tokenkeep::{KeySource, PersistedTokenCache, SignInEvent, TokenRequest};

const AUTHORITY: &str = "https://login.example.com/contoso";

fn main() {
    let place = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder on disk");
    unchanged_read(place.path());
    update(place.path(), "durable sealed update, 8 KiB", 8 * 1024, 1500, 1.3, 1.5);
    update(place.path(), "update in a 10 MB cache", 10_000_000, 25, 2.0, 2.0);
}

fn open(folder: &Path) -> PersistedTokenCache {
    PersistedTokenCache::builder("com.example.bench")
        .folder(folder)
        .key_source(KeySource::KeyFile(folder.with_extension("key").join("bench.key")))
        .open()
        .expect("the cache opens")
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
    let request = TokenRequest::new("client", AUTHORITY, ["s1"]);
    let request = request.for_account(&cache.accounts().expect("readable")[0]);
    let file = folder.join("cache.sealed");
    const BATCH: usize = 1000;
    let (ours, floor) = measure::alternate(
        300,
        |_| (0..BATCH).for_each(|_| drop(black_box(cache.find_access_token(&request)))),
        |_| (0..BATCH).for_each(|_| drop(black_box(fs::symlink_metadata(&file)))),
    );
    let each = |batch: std::time::Duration| batch / BATCH as u32;
    measure::row("unchanged read, sealed", each(ours), "one stat call", each(floor), 2.0, 2.0);
}

/// An update of one sign-in in a cache of about `size` bytes; the floor encrypts and durably
/// replaces as many bytes with bare calls.
fn update(place: &Path, what: &str, size: usize, rounds: usize, aim: f64, bound: f64) {
    let folder = place.join(format!("update-{size}"));
    let cache = open(&folder);
    let entries = (size / 8000).max(1);
    cache
        .transaction(|cache| {
            (0..entries).try_for_each(|n| {
                let secret = "x".repeat(size / entries - 1500.min(size / entries / 2));
                cache.add(&event(&format!("client-{n}"), &secret), 1_000_000_000)
            })
        })
        .expect("filled");
    let bytes = fs::read(folder.join("cache.sealed")).expect("sealed").len();
    let bare = place.join(format!("bare-{size}"));
    fs::create_dir(&bare).expect("a folder");
    let content = vec![b'x'; bytes];
    let cipher = XChaCha20Poly1305::new(&[7; 32].into());
    let (ours, floor) = measure::alternate(
        rounds,
        |round| cache.add(&event("counter", &round.to_string())).expect("updated"),
        |_| {
            let mut sealed = content.clone();
            if size > 1_000_000 {
                cipher
                    .encrypt_inout_detached(&[1; 24].into(), b"", sealed.as_mut_slice().into())
                    .expect("sealed");
            }
            replace(&bare, &sealed);
        },
    );
    let floor_name = if size > 1_000_000 {
        "encrypt + write + fsync + rename + fsync of the folder"
    } else {
        "write + fsync + rename + fsync of the folder"
    };
    measure::row(&format!("{what} ({bytes} bytes)"), ours, floor_name, floor, aim, bound);
}

fn replace(folder: &Path, bytes: &[u8]) {
    let (new, name) = (folder.join("file.tmp"), folder.join("file"));
    let mut file = OpenOptions::new().write(true).create_new(true).open(&new).expect("a file");
    file.write_all(bytes).expect("written");
    file.sync_all().expect("synchronised");
    fs::rename(&new, &name).expect("renamed");
    File::open(folder).and_then(|folder| folder.sync_all()).expect("synchronised");
}
