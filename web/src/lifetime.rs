//! How long a value is of use, and what of it is not any more.

use std::time::Duration;

use tokenkeep::{CredentialType, Entry, SignInEvent, TokenCache};

use crate::{Error, partition::Kind, store::StoreKey};

/// Notes how long a response says that its refresh token lives, in the entries of that token or of
/// the spent one. Later writes know it then.
pub(crate) fn note(
    cache: &mut TokenCache,
    stated: &SignInEvent,
    spent: Option<&str>,
) -> Result<(), Error> {
    let Some(lifetime) = stated.refresh_token_lifetime() else { return Ok(()) };
    let lifetime = lifetime.as_secs().to_string();
    let secret = stated.refresh_token().or(spent);
    let tokens = cache.entries(CredentialType::RefreshToken);
    let of_it: Vec<Entry> = tokens.filter(|entry| entry.secret() == secret).cloned().collect();
    for entry in &of_it {
        cache.modify(entry, &[(LIFETIME, Some(&lifetime))])?;
    }
    Ok(())
}

/// Notes until when tokens that were issued on behalf of a user may be kept.
pub(crate) fn bound(cache: &mut TokenCache, until: u64) -> Result<(), Error> {
    let tokens: Vec<Entry> = cache.entries(CredentialType::AccessToken).cloned().collect();
    for entry in tokens.iter().filter(|entry| entry.text(KEEP_UNTIL).is_none()) {
        cache.modify(entry, &[(KEEP_UNTIL, Some(&until.to_string()))])?;
    }
    Ok(())
}

/// Removes what a partition of this kind does not keep.
pub(crate) fn prune(kind: Kind, cache: &mut TokenCache, now: u64) -> Result<(), Error> {
    cache.remove_expired(now)?;
    if !kind.has_refresh_tokens() {
        cache.remove_refresh_tokens()?;
    }
    Ok(())
}

/// How long the value is of use from `now`. `default` is for a refresh token whose provider does
/// not say.
pub(crate) fn keep_for(
    key: &StoreKey,
    cache: &TokenCache,
    now: u64,
    default: Duration,
) -> Duration {
    let left = |end: u64| Duration::from_secs(end.saturating_sub(now));
    let refresh =
        cache.entries(CredentialType::RefreshToken).filter(|entry| entry.secret().is_some());
    let refresh = refresh.map(|entry| match number(entry, LIFETIME) {
        None => default,
        Some(lifetime) => {
            let from = entry.last_modification_time().and_then(|time| time.try_into().ok());
            left(from.unwrap_or(now).saturating_add(lifetime))
        }
    });
    let refresh = refresh.max().unwrap_or_default();
    let access = cache.entries(CredentialType::AccessToken).map(|entry| {
        let end = match entry.text(NO_EXPIRY) {
            Some(_) => now.saturating_add(default.as_secs()),
            None => entry.expires_on().and_then(|end| end.try_into().ok()).unwrap_or(now),
        };
        let end = end.saturating_add(AFTER.as_secs());
        left(number(entry, KEEP_UNTIL).map_or(end, |until| until.min(end)))
    });
    let access = access.max().unwrap_or_default();
    match refresh > access {
        // Spread, so that not all users of one morning expire in one moment. By the key, because an
        // engine may have an index of the day, and the day must not change with each write.
        true => refresh.min(MOST).mul_f64(1.0 + 0.1 * share(key)),
        false => access,
    }
    .clamp(LEAST, MOST)
}

/// A number from 0 to 1, always the same for a key.
fn share(key: &StoreKey) -> f64 {
    f64::from(key.as_bytes()[0]) / f64::from(u8::MAX)
}

/// A number from 0 to 1, at random.
pub(crate) fn spread() -> f64 {
    let random = crate::value::random::<4>().map_or(0, u32::from_le_bytes);
    f64::from(random) / f64::from(u32::MAX)
}

fn number(entry: &Entry, name: &str) -> Option<u64> {
    entry.text(name)?.parse().ok()
}

/// The field of a refresh token that has its stated lifetime in seconds.
const LIFETIME: &str = "refresh_token_expires_in";
/// The field of an access token that has the end of the assertion, in Unix seconds.
const KEEP_UNTIL: &str = "keep_until";
/// The field that tokenkeep writes for a token that is valid until an API refuses it.
const NO_EXPIRY: &str = "x_no_expiry";
/// How long a value without a refresh token outlives its tokens.
const AFTER: Duration = Duration::from_secs(300);
const LEAST: Duration = Duration::from_secs(1);
/// Engines count milliseconds in 64 bits, and nobody stays away for longer.
const MOST: Duration = Duration::from_secs(10 * 365 * 86_400);
