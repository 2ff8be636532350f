//! Finds the sign-ins that a Python program with msal-extensions keeps at a location, and prints a
//! token of each account.
//!
//! In Python: `PersistedTokenCache(build_encrypted_persistence(location))`.
#![allow(clippy::print_stdout, reason = "it is a program for people to read")]

use std::env;

use tokenkeep::{PersistedTokenCache, TokenRequest, build_encrypted_persistence};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let [location, client_id, authority, scope] = &env::args().skip(1).collect::<Vec<_>>()[..]
    else {
        return Err("usage: share_with_python LOCATION CLIENT_ID AUTHORITY SCOPE".into());
    };
    let persistence = build_encrypted_persistence(location)?;
    let cache = PersistedTokenCache::new(persistence);
    for account in cache.accounts()? {
        let request =
            TokenRequest::new(client_id, authority, [scope.as_str()]).for_account(&account);
        match cache.find_access_token(&request)? {
            Some(token) => println!("{}: {}", account.username(), token.secret()),
            None => println!("{}: no valid token; sign in, here or in Python", account.username()),
        }
    }
    Ok(())
}
