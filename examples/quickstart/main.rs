//! The whole story on this machine alone: a sign-in, its renewal in a second process, a sign-out.
//!
//! The identity provider is a tiny one that this program starts on loopback, so nothing here needs
//! a network, a browser or a vault. `provider.rs` says what it does.
#![allow(clippy::print_stdout, reason = "it is a program for people to read")]

mod provider;

use std::{
    env,
    error::Error,
    path::PathBuf,
    process::Command,
    time::{SystemTime, UNIX_EPOCH},
};

use tokenkeep::{
    KeySource, PersistedTokenCache, TokenRequest,
    persistence::SealedPersistence,
    sign_in::ClientApplication,
    silent::{HttpEndpoint, Revoked, SilentOptions},
};

use self::provider::Provider;

const STORE: &str = "io.github.tokenkeep.quickstart";
const CLIENT_ID: &str = "quickstart";

fn main() -> Result<(), Box<dyn Error>> {
    match env::args().nth(1) {
        Some(issuer) => second_process(&issuer),
        None => first_process(),
    }
}

fn first_process() -> Result<(), Box<dyn Error>> {
    let provider = Provider::start()?;
    println!("An identity provider of this program's own: {}", provider.issuer);
    let cache = open(true)?;
    println!("Protection: {}", cache.protection());

    let app =
        ClientApplication::builder(&provider.issuer, CLIENT_ID).scopes(["api.read"]).discover()?;
    // What would keep the sign-in from being kept is found out before the user signs in.
    cache.prepare_sign_in(&app)?;
    let flow = app.initiate_device_flow()?;
    println!("1. Sign in: open {} and enter {}", flow.verification_uri(), flow.user_code());
    println!("   (here the provider says yes by itself)");
    let signed_in = app.acquire_token_by_device_flow(&flow, || false)?;
    let token = cache.keep_sign_in(&signed_in)?.access_token;
    if let Some(reason) = token.unstored_because() {
        return Err(format!("the sign-in was not kept: {reason}; {}", reason.next_step()).into());
    }
    let account = token.account().ok_or("the provider did not say who signed in")?;
    println!("   Signed in as {}, and kept it.", account.username());
    cache.find_access_token(&app.request())?.ok_or("nothing was kept")?;
    println!("2. The token is found again, and the provider is not asked.");

    let done = Command::new(env::current_exe()?).arg(&provider.issuer).status()?;
    if !done.success() {
        return Err("the second process failed".into());
    }
    let signed_out = cache.sign_out_with(&account, Some(CLIENT_ID), app.endpoint())?;
    let is_revoked = signed_out.revoked.iter().all(|one| matches!(one, Revoked::Done));
    println!("4. Signed out here, and revoked at the provider: {}", yes(is_revoked));
    let rest =
        cache.acquire_token_silent_with(&app.request(), &SilentOptions::new(), app.endpoint())?;
    println!("   A token without a sign-in: {}", yes(rest.is_some()));
    println!("The provider issued tokens {} times.", provider.issued());
    cache.clear()?;
    Ok(())
}

/// Another process, an hour and a minute later by the clock that its cache reads.
fn second_process(issuer: &str) -> Result<(), Box<dyn Error>> {
    let cache = open(false)?.clock(|| unix_seconds() + 3_660);
    let request = TokenRequest::new(CLIENT_ID, issuer, ["api.read"]);
    if cache.find_access_token(&request)?.is_some() {
        return Err("the token should have expired".into());
    }
    // The record of the sign-in says where tokens are renewed.
    let record = cache.record(&request)?.ok_or("there is no record of the sign-in")?;
    let endpoint = HttpEndpoint::of_record(&record)?;
    cache
        .acquire_token_silent_with(&request, &SilentOptions::new(), endpoint)?
        .ok_or("nobody is signed in")?;
    println!("3. A second process, an hour later: the token has expired and is renewed silently.");
    Ok(())
}

/// The vault, or, said aloud, a key file where there is none. A program of yours would let its
/// user choose.
fn open(announce: bool) -> Result<PersistedTokenCache, Box<dyn Error>> {
    let reason = match PersistedTokenCache::open(STORE) {
        Ok(cache) => return Ok(cache),
        Err(reason) => reason,
    };
    let place = fallback_place()?;
    if announce {
        println!("{reason}; {}", reason.next_step());
        println!("Chosen instead: a key file in {}", place.join("key").display());
    }
    let key = KeySource::KeyFile(place.join("key/quickstart.key"));
    let builder = SealedPersistence::builder(STORE).folder(place.join("cache")).key_source(key);
    Ok(PersistedTokenCache::new(builder.open()?))
}

fn fallback_place() -> Result<PathBuf, Box<dyn Error>> {
    let home =
        env::var_os("HOME").or_else(|| env::var_os("USERPROFILE")).ok_or("no home folder")?;
    let place = PathBuf::from(home).join(".tokenkeep-quickstart");
    std::fs::create_dir_all(&place)?;
    Ok(place)
}

fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs())
}

fn yes(is_so: bool) -> &'static str {
    if is_so { "yes" } else { "no" }
}
