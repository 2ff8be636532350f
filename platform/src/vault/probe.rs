//! Tests whether a vault works: a round trip on a random item that is removed again.

use std::time::{Duration, Instant};

use super::{Call, Item, Vault, VaultError};
use crate::text::hexadecimal;

/// The duration of each step of a round trip.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Probe {
    /// Connecting, finding the collection, and unlocking it if that was allowed.
    pub unlock: Duration,
    /// Storing 32 bytes and reading them back.
    pub create: Duration,
    /// Reading them again.
    pub read: Duration,
    /// Deleting the item.
    pub delete: Duration,
}

impl Vault {
    /// Makes a round trip on a new random item and measures each step. The item is removed again in
    /// any case.
    ///
    /// All steps share the call's deadline. Removing the item may take one more second. If the
    /// vault stops answering after the item was created, the removal is tried once more over a new
    /// connection. The item is left behind only if this process is killed, or if the vault is then
    /// unresponsive or locked. Its service is `tokenkeep-probe`, and it is safe to delete.
    ///
    /// # Errors
    /// The error of the first step that failed; `OutcomeUnknown` if, and only if, the item may
    /// still exist.
    pub fn probe(&self, call: &Call) -> Result<Probe, VaultError> {
        round_trip(self, call)
    }
}

fn round_trip(vault: &Vault, call: &Call) -> Result<Probe, VaultError> {
    let mut random = [0_u8; 48];
    getrandom::fill(&mut random).map_err(|error| VaultError::failed(error.to_string()))?;
    let (name, secret) = random.split_at(16);
    let name = hexadecimal(name);
    let item = Item::new("tokenkeep-probe", name).labelled("tokenkeep: a test, safe to delete");

    let started = Instant::now();
    let left = || call.within(call.deadline.saturating_sub(started.elapsed()));
    let ((), unlock) = timed(|| vault.unlock(&left()))?;
    let created = timed(|| vault.create(&item, secret, &left()));
    let is_silent = |error: &VaultError| {
        matches!(error, VaultError::TimedOut { .. } | VaultError::OutcomeUnknown { .. })
    };
    let may_be_there = created.as_ref().err().is_none_or(is_silent);
    let stored = created.and_then(|((), create)| {
        let (found, read) = timed(|| vault.read(&item, &left()))?;
        match found {
            Some(found) if *found == secret => Ok((create, read)),
            _ => Err(VaultError::failed("the vault gave back something else than was stored")),
        }
    });
    let is_stuck = stored.as_ref().err().is_some_and(is_silent);
    let deleted = timed(|| remove(vault, &item, is_stuck));
    let waited = started.elapsed();
    match (stored, deleted) {
        (Ok((create, read)), Ok((_, delete))) => Ok(Probe { unlock, create, read, delete }),
        (_, Err(error)) if may_be_there => {
            Err(VaultError::OutcomeUnknown { waited, source: Some(error.into()) })
        }
        (Err(VaultError::OutcomeUnknown { waited, .. }), Ok(_)) => {
            Err(VaultError::TimedOut { waited })
        }
        (Err(error), _) | (_, Err(error)) => Err(error),
    }
}

/// Removes the item. A stuck thread fails every call immediately, so the removal then uses another
/// thread with its own connection.
fn remove(vault: &Vault, item: &Item, is_stuck: bool) -> Result<bool, VaultError> {
    let call = Call::quiet().within(CLEAN_UP);
    match is_stuck {
        true => vault.again().delete(item, &call, None),
        false => vault.delete(item, &call, None),
    }
}

fn timed<T>(step: impl FnOnce() -> Result<T, VaultError>) -> Result<(T, Duration), VaultError> {
    let started = Instant::now();
    Ok((step()?, started.elapsed()))
}

/// How long removing the item may take, independent of the call's deadline.
const CLEAN_UP: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_leaves_nothing_behind() {
        let items = crate::vault::memory::Items::default();
        Vault::remembering(items.clone()).probe(&Call::quiet()).unwrap();
        assert!(items.is_empty());
    }
}
