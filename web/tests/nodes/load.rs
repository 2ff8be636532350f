//! What nodes do all the time while something happens to them.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD as URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokenkeep_web::WebTokenCache;
use tokio::time::timeout;

use crate::{
    node::{self, answer, failed},
    orders::{Answer, Got},
};

/// The users of a load.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Load {
    pub(crate) provider: String,
    /// The number of the node. No two are the same.
    pub(crate) node: usize,
    /// Their tokens are renewed.
    pub(crate) renewed: Vec<String>,
    /// Each, with the name that the provider has for it, gets so many tokens more, each with a
    /// scope of its own.
    pub(crate) kept: Vec<(String, String)>,
    pub(crate) most: usize,
    /// They are signed out by this node.
    pub(crate) leaving: Vec<String>,
    /// They are renewed until somebody signs them out.
    pub(crate) all_leaving: Vec<String>,
}

/// What a node says when a call has ended.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Ack {
    Renewed { user: String, got: Got },
    Kept { user: String, scope: String, got: Got },
    Left { user: String, got: Got },
}

impl Ack {
    pub(crate) fn got(&self) -> &Got {
        match self {
            Self::Renewed { got, .. } | Self::Kept { got, .. } | Self::Left { got, .. } => got,
        }
    }
}

/// Goes on until `stop`.
pub(crate) async fn run(cache: &WebTokenCache, load: &Load, stop: &AtomicBool) {
    let renewals = async {
        while !stop.load(Ordering::Relaxed) {
            for user in &load.renewed {
                renew(cache, user).await;
            }
        }
    };
    let additions = async {
        for nth in 0..load.most * load.kept.len() {
            if stop.load(Ordering::Relaxed) {
                return;
            }
            let user = &load.kept[nth % load.kept.len()];
            keep(cache, load, user, nth).await;
            renew(cache, &load.renewed[nth % load.renewed.len()]).await;
        }
    };
    let departures = async {
        for user in &load.leaving {
            leave(cache, user).await;
            // The next one a while later.
            for other in &load.renewed {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                renew(cache, other).await;
            }
        }
    };
    let races = async {
        while !stop.load(Ordering::Relaxed) && !load.all_leaving.is_empty() {
            for user in &load.all_leaving {
                drop(token(cache, user).await);
            }
        }
    };
    tokio::join!(renewals, additions, departures, races);
}

async fn renew(cache: &WebTokenCache, user: &str) {
    let got = token(cache, user).await;
    answer(&Answer::Ack(Ack::Renewed { user: user.to_owned(), got }));
}

async fn token(cache: &WebTokenCache, user: &str) -> Got {
    let tokens = cache.user(&user.parse().expect("a user"));
    match timeout(Duration::from_secs(60), tokens.token(["read"])).await {
        Ok(Ok(token)) => {
            Got::Token { secret: token.secret().to_owned(), is_stored: token.is_stored() }
        }
        Ok(Err(error)) => failed(&error),
        Err(_) => Got::Error("it did not end within a minute".into()),
    }
}

async fn keep(cache: &WebTokenCache, load: &Load, (user, subject): &(String, String), nth: usize) {
    let scope = format!("scope-{}-{nth}", load.node);
    let request = node::request(&load.provider, &scope);
    let secret = format!("kept-{}-{nth}", load.node);
    let claims = json!({ "iss": load.provider, "sub": subject, "aud": "client" }).to_string();
    let response = json!({
        "access_token": secret, "token_type": "Bearer", "expires_in": 7200, "scope": scope,
        "id_token": format!("e30.{}.", URL_SAFE_NO_PAD.encode(claims)),
    });
    let tokens = cache.user(&user.parse().expect("a user"));
    let got = match tokens.keep(&request, response.to_string()).await {
        Ok(token) => Got::Token { secret, is_stored: token.is_stored() },
        Err(error) => failed(&error),
    };
    answer(&Answer::Ack(Ack::Kept { user: user.clone(), scope, got }));
}

async fn leave(cache: &WebTokenCache, user: &str) {
    let got = match cache.user(&user.parse().expect("a user")).sign_out().await {
        Ok(()) => Got::SignedOut,
        Err(error) => failed(&error),
    };
    answer(&Answer::Ack(Ack::Left { user: user.to_owned(), got }));
}
