//! A complete program whose OAuth is that of the crate oauth2: it signs in on another device (RFC
//! 8628) and sends the request of a renewal. tokenkeep reads the answers, because the types of
//! oauth2 drop members that it needs: `foci`, `client_info`, `refresh_in` and `ext_expires_in`.
//!
//! In the folder `adapters`:
//! `cargo run --example silent_oauth2 -- CLIENT_ID ISSUER TOKEN_URL DEVICE_URL [SCOPE…]`
#![allow(clippy::print_stderr, clippy::print_stdout, reason = "it is a program for people to read")]

mod carrier;
#[path = "../silent_reqwest/endpoint.rs"]
#[allow(dead_code, reason = "it is for any program, and this one needs a part of it")]
mod endpoint;
#[path = "../silent_reqwest/until_interrupted.rs"]
mod until_interrupted;

use std::{
    env,
    error::Error,
    process::{ExitCode, exit},
    time::Duration,
};

use carrier::Carrier;
use endpoint::Endpoint;
use oauth2::{
    ClientId, DeviceAuthorizationUrl, EndpointNotSet, EndpointSet, RefreshToken, RequestTokenError,
    Scope, StandardDeviceAuthorizationResponse, TokenResponse, TokenUrl, basic::BasicClient,
};
use tokenkeep::{
    AccessToken, PersistedTokenCache, TokenRequest,
    silent::{ExchangeError, Spend, TokenReply},
};
use until_interrupted::{INTERRUPTED, until_interrupted};

/// A client of oauth2 that knows the addresses for the device and for tokens.
type Provider =
    BasicClient<EndpointNotSet, EndpointSet, EndpointNotSet, EndpointNotSet, EndpointSet>;

#[tokio::main]
async fn main() -> ExitCode {
    // reqwest comes without a cryptography provider here. Any one of rustls will do. This one is
    // written in Rust and assembly. An error means that there is one already.
    rustls_graviola::default_provider().install_default().ok();

    let (cache, reason) = PersistedTokenCache::open_or_memory("io.github.tokenkeep.silent-oauth2");
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
    let [client_id, issuer, token_url, device_url, scopes @ ..] = &arguments[..] else {
        return Err("usage: silent_oauth2 CLIENT_ID ISSUER TOKEN_URL DEVICE_URL [SCOPE...]".into());
    };
    let request = TokenRequest::new(client_id, issuer, scopes);
    let endpoint = Endpoint::new(token_url)?;
    let provider = BasicClient::new(ClientId::new(client_id.clone()))
        .set_device_authorization_url(DeviceAuthorizationUrl::new(device_url.clone())?)
        .set_token_uri(TokenUrl::new(token_url.clone())?);

    let (theirs, http) = (provider.clone(), endpoint.clone());
    let exchange = move |spend| renew(theirs.clone(), http.clone(), spend);
    match cache.acquire_token_silent_async(&request, exchange).await {
        Ok(Some(token)) => Ok(token),
        Ok(None) => {
            // What would keep the sign-in from being kept is found out before the user signs in.
            if let Err(reason) = cache.call_async(|cache| cache.prepare()).await {
                println!("It will not be kept: {reason}; {}", reason.next_step());
            }
            let answer = sign_in(&provider, endpoint, request.scopes()).await?;
            let add = move |cache: &PersistedTokenCache| {
                cache.add_response(&request, answer.body().expose())
            };
            Ok(cache.call_async(add).await?)
        }
        Err(error) => Err(format!("{error}; {}", error.next_step()).into()),
    }
}

/// Signs the user in with oauth2 and its types. Returns the provider's answer as it came.
async fn sign_in(
    provider: &Provider,
    endpoint: Endpoint,
    scopes: &[String],
) -> Result<TokenReply, Box<dyn Error + Send + Sync>> {
    let http = Carrier::new(endpoint, ONE_REQUEST);
    let device: StandardDeviceAuthorizationResponse = provider
        .exchange_device_code()
        .add_scopes(scopes.iter().cloned().map(Scope::new))
        .request_async(&http)
        .await?;
    let (address, code) = (device.verification_uri().as_str(), device.user_code().secret());
    println!("Open {address} on any device, and enter the code {code}.");
    let token = provider
        .exchange_device_access_token(&device)
        .request_async(&http, tokio::time::sleep, None)
        .await?;
    if token.refresh_token().is_none() {
        println!("The provider gave no refresh token, so this sign-in cannot be renewed.");
    }
    http.last().ok_or_else(|| "there was no answer".into())
}

/// Sends the request of oauth2 for a renewal, with the authentication of its client.
async fn renew(
    provider: Provider,
    endpoint: Endpoint,
    spend: Spend,
) -> Result<TokenReply, ExchangeError> {
    let http = Carrier::new(endpoint, spend.left());
    let token = RefreshToken::new(spend.refresh_token().unwrap_or_default().to_owned());
    let mut request = provider.exchange_refresh_token(&token);
    for (name, value) in spend.form() {
        if !["grant_type", "client_id", "refresh_token"].contains(&name) {
            request = request.add_extra_param(name, value);
        }
    }
    let answer = request.request_async(&http).await;
    match (http.last(), answer) {
        // oauth2's own reading of it does not matter.
        (Some(reply), _) => Ok(reply),
        (None, Err(RequestTokenError::Request(error))) => Err(error),
        (None, _) => Err(ExchangeError::not_sent("oauth2 made no request of it")),
    }
}

const ONE_REQUEST: Duration = Duration::from_secs(30);
