//! Where an answer could not be stored, no refresh token is spent; or it is, if the program says
//! so.
// Not on Windows: the disks and limits are those of Linux
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, missing_docs, reason = "it is a test")]

mod support;

use std::{
    collections::BTreeSet,
    env,
    ffi::OsStr,
    fs,
    path::Path,
    process::{Command, Stdio},
};

use support::{OpenCache, Place};
use tokenkeep::{
    AccessToken, Error, KeySource, PersistedTokenCache, TokenRequest,
    persistence::SealedPersistence,
    silent::{ExchangeError, SilentOptions, Spend, TokenEndpoint, TokenReply},
};
use tokenkeep_test_support::{again, give_away, say, task};

fn request() -> TokenRequest {
    TokenRequest::new("client", "https://id.example/tenant", ["read"])
}

/// The cache in a folder, sealed or in plain text.
fn cache(place: &Path, is_sealed: bool) -> Result<PersistedTokenCache, Error> {
    match is_sealed {
        true => SealedPersistence::builder(support::STORE)
            .folder(place.join("cache"))
            .key_source(KeySource::KeyFile(place.join("key/tests.key")))
            .cache(),
        false => support::plaintext(place.join("tokens.json")),
    }
}

fn sign_in(place: &Path) {
    for is_sealed in [true, false] {
        let expired = r#"{"access_token": "a0", "refresh_token": "r0", "expires_in": 1}"#;
        // Long ago.
        let cache = cache(place, is_sealed).unwrap().clock(|| 1_000_000_000);
        cache.add_response(&request(), expired).unwrap();
    }
}

/// Counts what it is asked, and answers.
#[derive(Default)]
struct Counts(usize);

impl TokenEndpoint for &mut Counts {
    fn exchange(&mut self, _: &Spend) -> Result<TokenReply, ExchangeError> {
        self.0 += 1;
        let answer = r#"{"access_token": "a1", "refresh_token": "r1", "expires_in": 3600}"#;
        Ok(TokenReply::new(200, answer))
    }
}

fn ask(
    place: &Path,
    options: &SilentOptions,
    is_sealed: bool,
) -> (usize, Result<AccessToken, Error>) {
    let mut counts = Counts::default();
    let token = cache(place, is_sealed)
        .and_then(|cache| cache.acquire_token_silent_with(&request(), options, &mut counts));
    (counts.0, token.map(|token| token.expect("somebody is signed in")))
}

/// Nothing is asked of the provider here, unless the program takes a token that is not stored.
fn spends_nothing(place: &Path) {
    for is_sealed in [true, false] {
        let (asked, error) = ask(place, &SilentOptions::new(), is_sealed);
        let error = error.unwrap_err();
        assert_eq!(asked, 0, "sealed {is_sealed}: {error:?}");
        assert!(!error.is_sign_in_needed(), "{error:?}");
        let (asked, token) = ask(place, &SilentOptions::new().allow_unsaved(), is_sealed);
        let token = token.unwrap();
        assert_eq!((asked, token.secret()), (1, "a1"), "sealed {is_sealed}");
        assert!(token.unstored_because().is_some(), "sealed {is_sealed}");
    }
}

/// Runs the test again in a namespace with a small disk of its own at the task's path.
fn on_its_own_disk(test: impl Fn()) {
    let outer = tempfile::tempdir().unwrap();
    let this = again(test, outer.path());
    let script = r#"mount -t tmpfs -o size=512k,mode=700 none "$PLACE" || exit 77; exec "$0" "$@""#;
    let mut shell = Command::new("unshare");
    shell.args(["-rm", "sh", "-c", script]).env("PLACE", outer.path());
    // The leases of what lies in a shared folder are in the user's data folder.
    shell.env("XDG_DATA_HOME", outer.path()).env("HOME", outer.path());
    match run(handing_over(shell, &this)) {
        Some(0) => {}
        Some(77) | None => say("skipped: no disk of its own here: allow user namespaces"),
        Some(code) => panic!("the test on its own disk failed: {code}"),
    }
}

fn run(mut command: Command) -> Option<i32> {
    command.stdout(Stdio::null()).status().ok()?.code()
}

/// A shell that ends by becoming `command`.
fn handing_over(mut shell: Command, command: &Command) -> Command {
    shell.arg(command.get_program()).args(command.get_args());
    shell.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    shell
}

#[test]
fn nothing_is_spent_on_a_full_disk() {
    let Some(place) = task() else { return on_its_own_disk(nothing_is_spent_on_a_full_disk) };
    let place = Path::new(&place);
    sign_in(place);
    // Everything that a lease needs is there already.
    for is_sealed in [true, false] {
        let other = TokenRequest::new("client", "https://id.example/tenant", ["write"]);
        let busy = |_: &Spend| Ok(TokenReply::new(503, "").retry_after(Some("0")));
        // Long before the calls that follow, which do not share this failure.
        let cache = cache(place, is_sealed).unwrap().clock(|| 1_000_000_100);
        cache.acquire_token_silent(&other, busy).unwrap_err();
    }
    fill(&place.join("filler"));
    spends_nothing(place);
}

#[expect(clippy::disallowed_methods, reason = "it need be neither atomic nor durable")]
fn fill(path: &Path) {
    let mut size = 1 << 20;
    let mut content = Vec::new();
    while size > 256 {
        content.extend(vec![0_u8; size]);
        if fs::write(path, &content).is_err() {
            content.truncate(content.len() - size);
            size /= 2;
        }
    }
    // Whatever is left: the last bytes of it.
    fs::write(path, &content).ok();
}

#[test]
fn nothing_is_spent_in_a_read_only_folder() {
    let Some(place) = task() else {
        return on_its_own_disk(nothing_is_spent_in_a_read_only_folder);
    };
    let place = Path::new(&place);
    sign_in(place);
    let remount = [OsStr::new("-o"), OsStr::new("remount,ro"), place.as_os_str()];
    assert!(Command::new("mount").args(remount).status().unwrap().success());
    spends_nothing(place);
}

#[test]
fn nothing_is_spent_where_no_file_may_be_written() {
    if let Some(place) = task() {
        return spends_nothing(Path::new(&place));
    }
    let place = Place::new();
    sign_in(place.path());
    let this = again(nothing_is_spent_where_no_file_may_be_written, place.path());
    let mut shell = Command::new("sh");
    // Without the signal the write fails instead of the process.
    shell.args(["-c", r#"trap '' XFSZ; ulimit -f 0; exec "$0" "$@""#]);
    shell.env("XDG_DATA_HOME", place.path()).env("HOME", env::var_os("HOME").unwrap_or_default());
    assert_eq!(run(handing_over(shell, &this)), Some(0));
}

/// As `sudo` finds the folders of the user who called it.
#[test]
fn nothing_is_made_or_spent_in_the_folder_of_another_user() {
    if let Some(place) = task() {
        return makes_and_spends_nothing(Path::new(&place));
    }
    let place = Place::new();
    sign_in(place.path());
    let home = place.path().join("home");
    fs::create_dir(&home).unwrap();
    if !give_away(&place.folder()) || !give_away(&home) {
        return say("skipped: a folder of another user; run as root");
    }
    let mut this = again(nothing_is_made_or_spent_in_the_folder_of_another_user, place.path());
    // The leases of what lies in a shared folder are in the user's data folder.
    this.env("XDG_DATA_HOME", &home).env("HOME", &home);
    assert_eq!(run(this), Some(0));
    assert_eq!(fs::read_dir(home).unwrap().count(), 0);
}

fn makes_and_spends_nothing(place: &Path) {
    let names = || {
        let names =
            fs::read_dir(place.join("cache")).unwrap().map(|name| name.unwrap().file_name());
        names.collect::<BTreeSet<_>>()
    };
    let before = names();
    for is_sealed in [true, false] {
        let (asked, refused) = ask(place, &SilentOptions::new(), is_sealed);
        let is_unsafe = matches!(&refused, Err(Error::UnsafePath { found, .. })
            if found.contains("belongs to user 65534"));
        assert!(is_unsafe && asked == 0, "sealed {is_sealed}: {asked} requests, {refused:?}");
    }
    assert_eq!(names(), before);
}
