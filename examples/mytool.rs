//! A command-line tool with a sign-in, whole:
//! `mytool login|token|accounts|logout ISSUER CLIENT_ID`.
//!
//! With a desktop the browser opens, and elsewhere the user enters a code on another device. The
//! later runs ask nobody, and need no network while the token is valid.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "it is a program for people")]

use std::{env, process::ExitCode, time::Duration};

use tokenkeep::{
    Error, PersistedTokenCache, TokenRequest,
    sign_in::{ClientApplication, InteractiveOptions, has_browser},
    silent::{HttpEndpoint, Revoked, SilentOptions},
};

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let done = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["login", issuer, client_id] => login(issuer, client_id),
        ["token", issuer, client_id] => token(issuer, client_id),
        ["accounts", issuer, _] => accounts(issuer),
        ["logout", issuer, client_id] => logout(issuer, client_id),
        _ => {
            eprintln!("usage: mytool login|token|accounts|logout ISSUER CLIENT_ID");
            return ExitCode::from(2);
        }
    };
    done.unwrap_or_else(|error| {
        eprintln!("mytool: {error}; {}", error.next_step());
        ExitCode::FAILURE
    })
}

fn open() -> Result<PersistedTokenCache, Error> {
    PersistedTokenCache::open("com.example.mytool")
}

fn login(issuer: &str, client_id: &str) -> Result<ExitCode, Error> {
    let (cache, app) = (open()?, ClientApplication::builder(issuer, client_id).discover()?);
    // What would keep the sign-in from being kept is found out before the user signs in.
    cache.prepare_sign_in(&app)?;
    let signed_in = if has_browser() {
        let show = |address: &str| eprintln!("Your browser opens. If it does not, open\n{address}");
        app.acquire_token_interactive(&InteractiveOptions::new(), show)?
    } else {
        let flow = app.initiate_device_flow()?;
        eprintln!("On any device open {} and enter {}", flow.verification_uri(), flow.user_code());
        app.acquire_token_by_device_flow(&flow, || false)?
    };
    let token = cache.keep_sign_in(&signed_in)?.access_token;
    let Some(reason) = token.unstored_because() else {
        eprintln!("signed in");
        return Ok(ExitCode::SUCCESS);
    };
    eprintln!("not kept: {reason}; {}", reason.next_step());
    // This program prints no token, so nobody has it.
    Ok(ExitCode::FAILURE)
}

fn token(issuer: &str, client_id: &str) -> Result<ExitCode, Error> {
    let (cache, request) = (open()?, TokenRequest::new(client_id, issuer, NO_SCOPES));
    // The record of the sign-in says where tokens are renewed.
    if let Some(record) = cache.record(&request)? {
        let endpoint = HttpEndpoint::of_record(&record)?;
        let token = cache.acquire_token_silent_with(&request, &SilentOptions::new(), endpoint)?;
        // A renewal whose answer could not be saved is tried once more.
        cache.settle(Duration::from_secs(5))?;
        if let Some(token) = token {
            println!("{}", token.secret());
            return Ok(ExitCode::SUCCESS);
        }
    }
    eprintln!("nobody is signed in: mytool login {issuer} {client_id}");
    Ok(ExitCode::from(3))
}

fn accounts(issuer: &str) -> Result<ExitCode, Error> {
    open()?.accounts_of(issuer)?.iter().for_each(|account| println!("{}", account.username()));
    Ok(ExitCode::SUCCESS)
}

fn logout(issuer: &str, client_id: &str) -> Result<ExitCode, Error> {
    let (cache, request) = (open()?, TokenRequest::new(client_id, issuer, NO_SCOPES));
    let Some(record) = cache.record(&request)? else { return Ok(ExitCode::SUCCESS) };
    for account in cache.accounts_of(issuer)? {
        let endpoint = HttpEndpoint::of_record(&record)?;
        let out = cache.sign_out_with(&account, Some(client_id), endpoint)?;
        let is_revoked = out.revoked.iter().all(|one| matches!(one, Revoked::Done));
        println!("signed out {}; revoked: {is_revoked}", account.username());
    }
    Ok(ExitCode::SUCCESS)
}

/// This program needs no more than to know who signed in.
const NO_SCOPES: [&str; 0] = [];
