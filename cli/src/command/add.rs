//! Keeps one sign-in event.

use std::io::{self, Read};

use serde_json::json;
use tokenkeep::{CredentialType, Error, SignInEvent, TokenCache};
use zeroize::Zeroizing;

use crate::{
    args::Store,
    failure::Failure,
    open::{open, protection},
    output,
};

/// The event is read and checked before the cache is opened, so that nothing is asked in vain.
pub(super) fn run(store: &Store, json: bool) -> Result<(), Failure> {
    let mut text = Zeroizing::new(Vec::with_capacity(64 * 1024));
    io::stdin().lock().take(MAX_EVENT + 1).read_to_end(&mut text)?;
    if text.len() as u64 > MAX_EVENT {
        return Err(Failure::Usage("standard input is larger than any sign-in event".into()));
    }
    let event = SignInEvent::from_json(&text)?;
    check_use(&event)?;
    let cache = open(store)?;
    cache.add(&event)?;
    let protection = protection(store, cache.protection());
    if json {
        output::json(&json!({ "added": true, "protection": protection.to_string() }))
    } else {
        output::note(&format!("kept, {protection}"));
        Ok(())
    }
}

/// An event without a token or an account is what a bare token response looks like.
fn check_use(event: &SignInEvent) -> Result<(), Failure> {
    let mut alone = TokenCache::new();
    alone.add(event, 0)?;
    if alone.len() > alone.entries(CredentialType::AppMetadata).count() {
        return Ok(());
    }
    Err(Failure::Cache(Error::Invalid {
        detail: "the event has no token and no account; the provider's answer goes under \
                 `response`, `tokenkeep add --help` shows an example"
            .into(),
    }))
}

/// Token responses are a few kilobytes.
const MAX_EVENT: u64 = 4 * 1024 * 1024;
