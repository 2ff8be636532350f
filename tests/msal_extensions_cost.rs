//! What an update of an msal-extensions cache costs beside the bare calls it is made of, and beside
//! Python's.
// Not on Windows: the Secret Service
#![cfg(target_os = "linux")]
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a test may")]

mod support;

#[path = "msal_extensions/python.rs"]
mod python;

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::Stdio,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use secret_service::{EncryptionType, blocking::SecretService};
use tokenkeep::{
    Error, PersistedTokenCache, build_encrypted_persistence,
    persistence::{MsalExtensionsPersistence, Persistence as _},
};
use tokenkeep_test_support::keyring::{Keyring, State, inside};

use python::{Conversation, peer, python, with_python};
use support::{AUTHORITY, event, settle, token};

#[test]
fn an_update_costs_little_more_than_one_get_and_one_set() {
    let _alone = alone();
    with_python("an_update_costs_little_more_than_one_get_and_one_set", |_, folder| {
        for size in [8 << 10, 256 << 10] {
            // A machine that is busy with something else can only make it look slower.
            let mut ratios = (0..ATTEMPTS)
                .map(|attempt| measure_updates(&folder.join(format!("{size}-{attempt}")), size));
            assert!(ratios.any(|ratio| ratio <= BOUND), "{size} bytes: more than {BOUND}");
        }
    });
}

/// The median of our updates in a cache of `size` bytes, over that of bare calls in the same run.
fn measure_updates(folder: &Path, size: usize) -> f64 {
    let location = folder.join("ours");
    let ours = open(&location);
    ours.add(&event("counter", "0")).unwrap();
    fill(&ours, size);
    let json = ours.snapshot().unwrap().to_json().expose().to_vec();

    let service = SecretService::connect(EncryptionType::Dh).unwrap();
    let collection = service.get_default_collection().unwrap();
    let name = folder.display().to_string();
    let attributes = [("name", &*name)].into();
    let bare = collection.create_item("", attributes, &json, false, "text/plain").unwrap();

    let theirs = folder.join("theirs");
    python("default", "save", &theirs, str::from_utf8(&json).unwrap());
    let mut theirs = Conversation::begin(&mut peer("default", "update", &theirs));

    let other = open(&location);
    let mut times = [const { Vec::new() }; 5];
    for round in 0..ROUNDS {
        let get_and_set = || {
            let secret = bare.get_secret().unwrap();
            assert_eq!(secret.len(), json.len());
            bare.set_secret(&secret, "text/plain").unwrap();
        };
        let next = event("counter", &format!("{round:08}"));
        let update = || ours.add(&next).unwrap();
        // Who comes first finds the caches of the processor cold.
        if round % 2 == 0 {
            times[0].push(time(get_and_set));
            times[1].push(time(update));
        } else {
            times[1].push(time(update));
            times[0].push(time(get_and_set));
        }
        let next = event("counter", &format!("{round:08} of another"));
        other.add(&next).unwrap();
        let next = event("counter", &format!("{round:08} again"));
        times[2].push(time(|| ours.add(&next).unwrap()));
        let answer = theirs.ask(&sign_in(&format!("{round:08}")));
        let mut seconds = answer.split(' ').map(|word| word.parse().unwrap());
        times[3].push(Duration::from_secs_f64(seconds.next().unwrap()));
        times[4].push(Duration::from_secs_f64(seconds.next().unwrap()));
    }
    let [floor, ours, after, sign_in, modify] = times.map(median);
    let ratio = |time: Duration| time.as_secs_f64() / floor.as_secs_f64();
    println!(
        "\nmeasured: update in a cache of {} bytes: {ours:.2?}; bare GetSecret + SetSecret {floor:.2?}, ratio {:.2}; \
         after another's update {after:.2?}, {:.2}; msal-extensions: one entry {modify:.2?}, {:.2}, \
         a sign-in {sign_in:.2?}, {:.2}",
        json.len(),
        ratio(ours),
        ratio(after),
        ratio(modify),
        ratio(sign_in),
    );
    ratio(ours)
}

/// One to read, one to write, and one to know that the write took effect: a locked KWallet answers
/// as if it had.
#[test]
fn an_update_asks_the_service_three_times_and_an_unchanged_read_not_at_all() {
    let _alone = alone();
    let test = "an_update_asks_the_service_three_times_and_an_unchanged_read_not_at_all";
    inside(test, State::Unlocked, |keyring| {
        let folder = tempfile::tempdir().unwrap();
        let cache = open(&folder.path().join("cache"));
        cache.add(&event("client", "first")).unwrap();
        let calls = calls_of(keyring, || cache.add(&event("client", "second")).unwrap());
        assert_eq!(calls, ["GetSecret", "SetSecret", "Get"]);
        let calls = calls_of(keyring, || assert!(token(&cache, "client").is_some()));
        assert_eq!(calls, ["GetSecret"], "a peer may have written since the lock was released");
        // Until then another touch might leave the same time.
        settle(&folder.path().join("cache"));
        assert!(token(&cache, "client").is_some());
        let calls = calls_of(keyring, || assert!(token(&cache, "client").is_some()));
        assert_eq!(calls, [""; 0]);
        let other = open(&folder.path().join("cache"));
        assert!(token(&other, "client").is_some());
        cache.add(&event("client", "third")).unwrap();
        let calls = calls_of(keyring, || assert!(token(&other, "client").is_some()));
        assert_eq!(calls, ["GetSecret"]);
    });
}

/// The methods of the Secret Service that are called during `work`.
fn calls_of(keyring: &Keyring, work: impl FnOnce()) -> Vec<String> {
    let mut monitor = keyring
        .command("dbus-monitor")
        .args(["--session", "type='method_call',destination='org.freedesktop.secrets'"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(monitor.stdout.take().unwrap()).lines();
    // What the bus tells one that becomes a monitor.
    while !lines.next().unwrap().unwrap().contains("member=NameLost") {}
    work();
    // A call that nobody else makes is where the list ends.
    let mut send = keyring.command("dbus-send");
    send.args(["--session", "--dest=org.freedesktop.secrets", "--print-reply"]);
    send.args(["/org/freedesktop/secrets", "org.freedesktop.DBus.Peer.Ping"]);
    assert!(send.output().unwrap().status.success());
    let called = lines.map(Result::unwrap).filter(|line| line.starts_with("method call"));
    let called = called.filter_map(|line| Some(line.rsplit_once("member=")?.1.to_owned()));
    let calls = called.take_while(|member| member != "Ping").collect();
    monitor.kill().unwrap();
    monitor.wait().unwrap();
    calls
}

#[test]
fn twenty_megabytes_are_loaded_and_saved_within_the_default_deadline() {
    let _alone = alone();
    let test = "twenty_megabytes_are_loaded_and_saved_within_the_default_deadline";
    inside(test, State::Unlocked, |_| {
        let folder = tempfile::tempdir().unwrap();
        let location = folder.path().join("cache");
        let ours = open(&location);
        ours.add(&event("counter", "0")).unwrap();
        let filling = time(|| fill(&ours, 20_000_000));
        let fresh = open(&location);
        let loading = time(|| assert!(fresh.accounts().unwrap().len() == 1));
        let size = fresh.snapshot().unwrap().to_json().expose().len();
        let updating = time(|| fresh.add(&event("counter", "1")).unwrap());
        assert_eq!(token(&ours, "counter").as_deref(), Some("1"));
        println!(
            "\nmeasured: a cache of {size} bytes: made in {filling:.2?}, loaded in {loading:.2?}, \
             updated in {updating:.2?}"
        );
        assert!(size >= 20_000_000, "and no call to the vault took longer than the deadline");
    });
}

#[test]
fn what_is_over_the_vaults_own_limit_is_too_large_and_changes_nothing() {
    let _alone = alone();
    let test = "what_is_over_the_vaults_own_limit_is_too_large_and_changes_nothing";
    inside(test, State::Unlocked, |_| {
        let folder = tempfile::tempdir().unwrap();
        let location = folder.path().join("cache");
        let open = || build_encrypted_persistence(&location).unwrap().size_limit(u64::MAX);
        let cache = PersistedTokenCache::new(open());
        cache.add(&event("client", "kept")).unwrap();
        let (before, touched) = (cache.snapshot().unwrap().to_json(), open().stamp().unwrap());
        // It stands in an access token and in a refresh token.
        let long = "x".repeat(VAULT_LIMIT / 2);
        let refused = cache.add(&event("client", &long));
        assert!(matches!(refused, Err(Error::TooLarge { .. })), "{refused:?}");
        let cache = PersistedTokenCache::new(open());
        assert!(cache.snapshot().unwrap().to_json().expose() == before.expose());
        assert_eq!(open().stamp().unwrap(), touched, "nobody was told of a change");

        let service = SecretService::connect(EncryptionType::Dh).unwrap();
        let collection = service.get_default_collection().unwrap();
        let items = collection.get_all_items().unwrap();
        let large = vec![b' '; VAULT_LIMIT + 4096];
        items[0].set_secret(&large, "text/plain").unwrap();
        let cache = PersistedTokenCache::new(open());
        for refused in [cache.accounts().map(drop), cache.add(&event("client", "lost"))] {
            assert!(matches!(refused, Err(Error::VaultFailed { .. })), "{refused:?}");
        }
        assert!(items[0].get_secret().unwrap() == large);
    });
}

/// The tests of this program run one after another, so that none slows another down.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn open(location: &Path) -> PersistedTokenCache {
    let persistence: MsalExtensionsPersistence = build_encrypted_persistence(location).unwrap();
    PersistedTokenCache::new(persistence)
}

/// Sign-ins of about 8 kB each, until the cache has `size` bytes.
fn fill(cache: &PersistedTokenCache, size: usize) {
    let clients = (size / 8000).max(1);
    let fill = |padding: usize| {
        let secret = "x".repeat(padding);
        let fill = |cache: &mut tokenkeep::TokenCache| {
            let mut clients = (0..clients).map(|number| format!("client-{number}"));
            clients.try_for_each(|client| cache.add(&event(&client, &secret), 1_000_000_000))?;
            Ok(cache.to_json().expose().len())
        };
        cache.transaction(fill).unwrap()
    };
    // The padding stands in an access token and in a refresh token.
    let empty = fill(0);
    fill(size.saturating_sub(empty).div_ceil(2 * clients));
}

/// A sign-in of the client `counter` as Python takes it, in one line.
fn sign_in(secret: &str) -> String {
    let json = format!(
        r#"{{"client_id": "counter", "scope": ["s1"],
            "token_endpoint": "{AUTHORITY}/oauth2/v2.0/token",
            "response": {{"access_token": "{secret}", "expires_in": 3600, "token_type": "Bearer",
                "refresh_token": "rt-{secret}",
                "id_token_claims": {{"sub": "subject", "preferred_username": "ada@example.com"}}}}}}"#
    );
    json.replace('\n', "")
}

fn time(work: impl FnOnce()) -> Duration {
    let begun = Instant::now();
    work();
    begun.elapsed()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

const BOUND: f64 = 1.5;
const ATTEMPTS: usize = 5;
const ROUNDS: usize = 40;
const VAULT_LIMIT: usize = 32 << 20;
