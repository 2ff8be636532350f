//! A complete asynchronous program that gets an access token without asking the user: a cached one,
//! or a new one for a refresh token. The HTTP client is reqwest.
//!
//! `endpoint.rs` and `until_interrupted.rs` are for your program, too, as they are.
//!
//! In the folder `adapters`:
//! `cargo run --example silent_reqwest -- CLIENT_ID ISSUER TOKEN_URL [SCOPE…]`
#![allow(clippy::print_stderr, clippy::print_stdout, reason = "it is a program for people to read")]

#[allow(dead_code, reason = "it is for any program, and this one needs a part of it")]
mod endpoint;
mod until_interrupted;

use std::{
    env,
    error::Error,
    io::stdin,
    process::{ExitCode, exit},
};

use endpoint::Endpoint;
use tokenkeep::{AccessToken, PersistedTokenCache, TokenRequest};
use tokio::task::spawn_blocking;
use until_interrupted::{INTERRUPTED, until_interrupted};

#[tokio::main]
async fn main() -> ExitCode {
    // reqwest comes without a cryptography provider here. Any one of rustls will do. This one is
    // written in Rust and assembly. An error means that there is one already.
    rustls_graviola::default_provider().install_default().ok();

    let (cache, reason) = PersistedTokenCache::open_or_memory("io.github.tokenkeep.silent-reqwest");
    if let Some(reason) = reason {
        println!("Nothing is kept after this run: {reason}; {}", reason.next_step());
    }
    match until_interrupted(&cache, run(&cache)).await {
        Some(Ok(token)) => {
            println!("An access token, valid until {} (Unix time).", token.expires_on());
            if let Some(reason) = token.unstored_because() {
                println!("It is not kept: {reason}; {}", reason.next_step());
            }
            ExitCode::SUCCESS
        }
        Some(Err(error)) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
        // Not a return: that would wait for threads of the runtime, such as a look-up of a host.
        None => exit(INTERRUPTED),
    }
}

async fn run(cache: &PersistedTokenCache) -> Result<AccessToken, Box<dyn Error + Send + Sync>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [client_id, issuer, token_url, scopes @ ..] = &arguments[..] else {
        return Err("usage: silent_reqwest CLIENT_ID ISSUER TOKEN_URL [SCOPE...]".into());
    };
    let request = TokenRequest::new(client_id, issuer, scopes);
    let endpoint = Endpoint::new(token_url)?;

    let exchange = move |spend| endpoint.clone().exchange(spend);
    match cache.acquire_token_silent_async(&request, exchange).await {
        Ok(Some(token)) => Ok(token),
        // A program of yours would sign the user in now.
        Ok(None) => {
            println!("Nobody is signed in. Paste the provider's answer to a sign-in, as one line:");
            let answer = spawn_blocking(|| stdin().lines().next()).await?.transpose()?;
            let answer = answer.unwrap_or_default();
            Ok(cache.call_async(move |cache| cache.add_response(&request, answer)).await?)
        }
        Err(error) => Err(format!("{error}; {}", error.next_step()).into()),
    }
}
