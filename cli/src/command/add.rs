//! Stores one sign-in event.

use serde::{Deserialize, de::IgnoredAny};
use serde_json::json;
use tokenkeep::{CredentialType, Error, SignInEvent, TokenCache};

use crate::{
    args::Store,
    failure::Failure,
    input,
    open::{open, protection},
    output,
};

/// Reads and checks the event before the cache is opened, so that the user is not asked in vain.
pub(super) fn run(store: &Store, json: bool) -> Result<(), Failure> {
    let text = input::standard(MAX_EVENT, "is larger than any sign-in event")?;
    let event = read(&text)?;
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

fn read(text: &[u8]) -> Result<SignInEvent, Failure> {
    if input::is_utf16(text) {
        return Err(invalid(format!("the sign-in event {}", input::UTF16)));
    }
    if is_bare_answer(text) {
        return Err(invalid(
            "this is a provider's answer, not a sign-in event, which also says who asked; the \
             answer goes under `response`, `tokenkeep add --help` shows an example"
                .into(),
        ));
    }
    let mut event = SignInEvent::from_json(text)?;
    if let Some(name) = only_name(text) {
        event = event.username(name);
    }
    // Tried on an empty cache, before the real one may ask for a key.
    let mut alone = TokenCache::new();
    alone.add(&event, 0)?;
    // An event that yields only application metadata is not a sign-in.
    if alone.len() == alone.entries(CredentialType::AppMetadata).count() {
        return Err(invalid(
            "the event has no token and no account; the provider's answer goes under `response`, \
             `tokenkeep add --help` shows an example"
                .into(),
        ));
    }
    Ok(event)
}

/// Whether the text is a token endpoint's response with nothing around it. No part of it is copied.
fn is_bare_answer(text: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Answer {
        response: Option<IgnoredAny>,
        access_token: Option<IgnoredAny>,
        refresh_token: Option<IgnoredAny>,
        id_token: Option<IgnoredAny>,
        error: Option<IgnoredAny>,
    }
    let text = text.strip_prefix(input::BOM).unwrap_or(text);
    serde_json::from_slice::<Answer>(text).is_ok_and(|answer| {
        let parts = [answer.access_token, answer.refresh_token, answer.id_token, answer.error];
        answer.response.is_none() && parts.iter().any(Option::is_some)
    })
}

/// The user name of an event that has no other data of its account. The account is then named by
/// it.
fn only_name(text: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Named {
        account: Option<IgnoredAny>,
        username: Option<String>,
    }
    let named: Named =
        serde_json::from_slice(text.strip_prefix(input::BOM).unwrap_or(text)).ok()?;
    named.username.filter(|_| named.account.is_none())
}

fn invalid(detail: String) -> Failure {
    Failure::Cache(Error::Invalid { detail })
}

/// Token responses are a few kilobytes.
const MAX_EVENT: u64 = 4 * 1024 * 1024;
