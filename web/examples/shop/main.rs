//! A web app for browsers: it signs users in, and shows where each token comes from. It starts a
//! small identity provider of its own, so it needs no account and no network.
//!
//! `cargo run -p tokenkeep-web --features axum --example shop`
//!
//! With the feature `redis` or `postgres`, and with the same key ring in `TOKENKEEP_WEB_KEYS`, a
//! second node shares the store: `shop --redis URL --issuer ISSUER`.
#![allow(clippy::print_stdout, reason = "it is a program for people to read")]

// It serves any program.
#[path = "../../../examples/silent_oauth2/carrier.rs"]
#[allow(dead_code, unreachable_pub)]
mod carrier;
mod guard;
mod pages;
#[path = "../parts/mod.rs"]
mod parts;
mod routes;
mod sessions;
mod sign_in;

use std::{sync::Arc, time::Duration};

use parts::{
    Failure, endpoint, options::Options, provider::Provider, token_endpoint::TokenEndpoint,
};
use tokenkeep_web::WebTokenCache;
use tokio::net::TcpListener;

use crate::{routes::Shop, sessions::Sessions, sign_in::SignIn};

const CLIENT_ID: &str = "shop";
const SCOPES: [&str; 1] = ["orders.read"];

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let options = Options::from_arguments()?;
    let issuer = match &options.issuer {
        Some(issuer) => issuer.clone(),
        None => Provider::start().await?.issuer().to_owned(),
    };
    let endpoint = TokenEndpoint::new(&issuer)?;
    let (store, store_name) = options.store().await?;
    let cache = WebTokenCache::builder("shop")
        .store(store)
        .keys(options.keys()?)
        .provider(CLIENT_ID, &issuer, endpoint.clone())
        .build()?;

    let listener = TcpListener::bind(("127.0.0.1", options.port)).await?;
    let address = listener.local_addr()?;
    let own = format!("http://{address}");
    let shop = Shop {
        cache: cache.clone(),
        node: format!("This is the node {address}. The store is {store_name}."),
        sessions: Arc::new(Sessions::new(address.port())),
        sign_in: Arc::new(SignIn::new(&issuer, &own, endpoint.token().clone())?),
        endpoint,
    };
    println!("Provider: {issuer}");
    println!("Shop: {own}");
    let app = routes::app(shop, own, issuer);
    axum::serve(listener, app).with_graceful_shutdown(interrupted()).await?;
    // Renewals under way are stored before the node ends.
    cache.close(Duration::from_secs(10)).await?;
    Ok(())
}

async fn interrupted() {
    // Without a signal handler the node serves on until it is killed.
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}
