//! A web API that calls another API on behalf of its caller. The program is provider, API and
//! caller in one, so it needs no account and no network.
//!
//! `cargo run -p tokenkeep-web --features axum --example on_behalf_of`
//!
//! With the feature `redis` or `postgres`, and with a key ring in `TOKENKEEP_WEB_KEYS`, the tokens
//! are kept there: `on_behalf_of --redis URL`.
#![allow(clippy::print_stdout, reason = "it is a program for people to read")]

mod parts;

use std::time::Duration;

use axum::{
    Router,
    extract::{FromRef, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use parts::{Failure, options::Options, provider::Provider, token_endpoint::TokenEndpoint};
use reqwest::Client;
use tokenkeep_web::WebTokenCache;
use tokio::net::TcpListener;

#[derive(Clone)]
struct Api {
    cache: WebTokenCache,
    issuer: String,
    client: Client,
}

impl FromRef<Api> for WebTokenCache {
    fn from_ref(api: &Api) -> Self {
        api.cache.clone()
    }
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let options = Options::from_arguments()?;
    let provider = Provider::start().await?;
    let endpoint = TokenEndpoint::new(provider.issuer())?;
    let (store, store_name) = options.store().await?;
    let cache = WebTokenCache::builder("orders")
        .store(store)
        .keys(options.keys()?)
        .provider("orders-api", provider.issuer(), endpoint.clone())
        .build()?;
    println!("The tokens are kept in {store_name}.");

    let api = Api {
        cache: cache.clone(),
        issuer: provider.issuer().to_owned(),
        client: Client::builder().no_proxy().build()?,
    };
    let client = api.client.clone();
    let listener = TcpListener::bind(("127.0.0.1", options.port)).await?;
    let address = format!("http://{}/orders", listener.local_addr()?);
    let app = Router::new().route("/orders", get(orders)).with_state(api);
    tokio::spawn(async move { axum::serve(listener, app).await });

    let (ada, bob) = (provider.sign_in("ada"), provider.sign_in("bob"));
    for (caller, bearer) in [("ada", &*ada), ("ada", &*ada), ("bob", &*bob), ("nobody", "x")] {
        let response = client.get(&address).bearer_auth(bearer).send().await?;
        let (status, text) = (response.status().as_u16(), response.text().await?);
        println!("{caller} calls the API: {status}, {}", text.trim_end());
    }
    println!("The API asked the provider {} times.", endpoint.exchanges());
    cache.close(Duration::from_secs(5)).await?;
    Ok(())
}

/// Answers with what the warehouse says to a token of the caller.
async fn orders(
    State(api): State<Api>,
    headers: HeaderMap,
) -> Result<Response, tokenkeep_web::Error> {
    let bearer = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let bearer = bearer.and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
    // The API checks the token first. The cache does not.
    let Some(caller) = api.user(bearer).await else {
        return Ok((StatusCode::UNAUTHORIZED, "the token is not valid").into_response());
    };
    let token = api.cache.on_behalf_of(bearer).token(["warehouse.read"]).await?;
    // The warehouse would read the user from the token, too.
    let seen = api.user(token.secret()).await.unwrap_or_default();
    Ok(format!("{caller} sees the orders of {seen}").into_response())
}

impl Api {
    /// Whose a token is, if it is valid (RFC 7662).
    async fn user(&self, token: &str) -> Option<String> {
        #[derive(serde::Deserialize)]
        struct Introspection {
            active: bool,
            sub: Option<String>,
        }
        let request = self.client.post(format!("{}/introspect", self.issuer));
        let response = request.form(&[("token", token)]).send().await.ok()?;
        let read: Introspection = serde_json::from_slice(&response.bytes().await.ok()?).ok()?;
        read.sub.filter(|_| read.active)
    }
}
