//! A complete program that gets an access token without asking the user: a cached one, or a new one
//! for a refresh token. The feature `ureq` brings the HTTP client.
//!
//! `cargo run --features ureq --example silent_ureq -- CLIENT_ID ISSUER TOKEN_URL [SCOPE…]`
#![allow(clippy::print_stdout, reason = "it is a program for people to read")]

use std::{
    env,
    error::Error,
    io::stdin,
    process::exit,
    sync::atomic::{AtomicBool, Ordering},
    thread::park,
    time::Duration,
};

use tokenkeep::{
    PersistedTokenCache, TokenRequest,
    silent::{HttpEndpoint, SilentOptions},
};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [client_id, issuer, token_url, scopes @ ..] = &arguments[..] else {
        return Err("usage: silent_ureq CLIENT_ID ISSUER TOKEN_URL [SCOPE...]".into());
    };
    let request = TokenRequest::new(client_id, issuer, scopes);
    let endpoint = HttpEndpoint::new(token_url)?;

    let (cache, reason) = PersistedTokenCache::open_or_memory("io.github.tokenkeep.silent-ureq");
    if let Some(reason) = reason {
        println!("Nothing is kept after this run: {reason}; {}", reason.next_step());
    }
    let theirs = cache.clone();
    ctrlc::set_handler(move || finish(&theirs))?;
    let options = SilentOptions::new().stop_when(|| STOPS.load(Ordering::SeqCst));
    let found = cache.acquire_token_silent_with(&request, &options, endpoint);
    while STOPS.load(Ordering::SeqCst) {
        // `finish` ends the program.
        park();
    }
    let token = match found {
        Ok(Some(token)) => token,
        // A program of yours would sign the user in now.
        Ok(None) => {
            println!("Nobody is signed in. Paste the provider's answer to a sign-in, as one line:");
            let mut answer = String::new();
            stdin().read_line(&mut answer)?;
            cache.add_response(&request, answer)?
        }
        Err(error) => return Err(format!("{error}; {}", error.next_step()).into()),
    };
    println!("An access token, valid until {} (Unix time).", token.expires_on());
    if let Some(reason) = token.unstored_because() {
        println!("It is not kept: {reason}; {}", reason.next_step());
    }
    Ok(())
}

/// Ends the program after Ctrl-C, SIGTERM or SIGHUP. A renewal that is under way has 5 s to end:
/// the provider may have replaced the refresh token already, and without the answer the sign-in is
/// lost.
fn finish(cache: &PersistedTokenCache) {
    // Who waits for another program does not wait any longer.
    STOPS.store(true, Ordering::SeqCst);
    println!("Finishing, a moment.");
    if let Err(reason) = cache.settle(Duration::from_secs(5)) {
        println!("A renewal is not kept: {reason}; {}", reason.next_step());
    }
    // 128 and the number of SIGINT.
    exit(130);
}

static STOPS: AtomicBool = AtomicBool::new(false);
