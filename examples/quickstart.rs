//! Keeps a sign-in; a second process finds it without asking anybody.
//!
//! Run it twice: the second run needs no sign-in at all. `-- clear` removes what it kept.
#![allow(clippy::print_stdout, reason = "it is a program for people to read")]

use std::{env, error::Error, path::PathBuf, process::Command};

use tokenkeep::persistence::SealedPersistence;
use tokenkeep::{KeySource, PersistedTokenCache, TokenRequest};

const STORE: &str = "io.github.tokenkeep.quickstart";

fn main() -> Result<(), Box<dyn Error>> {
    let request = TokenRequest::new(
        "quickstart-client",
        "https://login.microsoftonline.com/organizations",
        ["User.Read"],
    );
    let second_process = env::args().nth(1).as_deref() == Some("find");
    let cache = open(!second_process)?;

    if second_process {
        let token = cache.find_access_token(&request)?.ok_or("nothing was kept")?;
        println!("  second process: found a token silently, valid until {}", token.expires_on());
        return Ok(());
    }
    if env::args().nth(1).as_deref() == Some("clear") {
        cache.clear()?;
        println!("Removed the cache and its key.");
        return Ok(());
    }

    println!("Protection: {}", cache.protection());
    match cache.find_access_token(&request)? {
        Some(_) => println!("  first process: already signed in, by an earlier run"),
        None => {
            cache.prepare()?;
            let token = cache.add_response(&request, sign_in())?;
            match token.unstored_because() {
                None => println!("  first process: signed in, and kept it"),
                Some(reason) => {
                    let next = reason.next_step();
                    return Err(format!("the sign-in was not kept: {reason}; {next}").into());
                }
            }
        }
    }
    let found = Command::new(env::current_exe()?).arg("find").status()?;
    if found.success() { Ok(()) } else { Err("the second process found nothing".into()) }
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

/// Stands for your OAuth flow: the provider's JSON as it came.
fn sign_in() -> Vec<u8> {
    br#"{"token_type": "Bearer", "scope": "User.Read", "expires_in": 3600,
        "access_token": "an-access-token", "refresh_token": "a-refresh-token"}"#
        .to_vec()
}
