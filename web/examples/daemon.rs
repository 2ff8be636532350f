//! A service that calls an API as itself, on two nodes. The program is provider and both nodes in
//! one, so it needs no account and no network.
//!
//! `cargo run -p tokenkeep-web --features axum --example daemon`
//!
//! With the feature `redis` or `postgres`, and with a key ring in `TOKENKEEP_WEB_KEYS`, the nodes
//! share that store: `daemon --postgres URL`.
#![allow(clippy::print_stdout, reason = "it is a program for people to read")]

mod parts;

use std::time::Duration;

use parts::{Failure, options::Options, provider::Provider, token_endpoint::TokenEndpoint};
use tokenkeep::{AccessToken, TokenRequest};
use tokenkeep_web::WebTokenCache;

const CLIENT_ID: &str = "daemon";
const SCOPES: [&str; 1] = ["reports/.default"];

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let options = Options::from_arguments()?;
    let provider = Provider::start().await?;
    let issuer = options.issuer.as_deref().unwrap_or(provider.issuer());
    let endpoint = TokenEndpoint::new(issuer)?;
    let ((store, store_name), keys) = (options.store().await?, options.keys()?);
    println!("The tokens are kept in {store_name}.");

    let node = || {
        WebTokenCache::builder("reports")
            .store(store.clone())
            .keys(keys.clone())
            .provider(CLIENT_ID, issuer, endpoint.clone())
            .build()
    };
    let (first, second) = (node()?, node()?);
    // Both need a token at the same moment. One of them asks, for both.
    let (here, there) = tokio::try_join!(async { first.app().token(SCOPES).await }, async {
        second.app().token(SCOPES).await
    })?;
    println!("Two nodes at once: {} and {}", shown(&here), shown(&there));

    // The API refuses it: it was revoked, for instance.
    let request = TokenRequest::new(CLIENT_ID, issuer, SCOPES).app_only().instead_of(&here);
    let renewed = first.app().get(&request).await?;
    println!("Instead of a refused one: {}", shown(&renewed));
    let found = second.app().get(&request).await?;
    println!("The other node, with the same refusal: {}", shown(&found));
    println!("The provider was asked {} times.", endpoint.exchanges());
    for node in [first, second] {
        node.close(Duration::from_secs(5)).await?;
    }
    Ok(())
}

/// The number of a token. The rest of it is secret.
fn shown(token: &AccessToken) -> &str {
    token.secret().split('.').next().unwrap_or_default()
}
