//! What holds after each order of steps.

use std::time::Duration;

use tokenkeep::CredentialType;
use tokenkeep_web::{MemoryStore, UserId, WebTokenCache, store::Store};
use tokio::time::sleep;

use super::{NODES, Scenario, gates::Gates};
use crate::{provider::TestProvider, world::request};

/// What the run knows.
pub(super) struct Checked {
    /// The first node's call returned without an error.
    pub(super) first: bool,
    pub(super) again: Option<(String, String)>,
    pub(super) changed: usize,
}

/// The promises, when all is quiet.
pub(super) async fn check(
    scenario: Scenario,
    gates: &Gates,
    fresh: &WebTokenCache,
    user: &UserId,
    provider: &TestProvider,
    store: &MemoryStore,
    checked: Checked,
) -> Result<(), String> {
    let in_doubt = {
        let state = gates.lock();
        (0..NODES).any(|node| state.ended[node] && state.in_doubt[node])
    };
    let tokens = fresh.user(user);
    if scenario == Scenario::SignOut && checked.first {
        let is_empty = store.page("shop", None).await.expect("a page").keys.is_empty();
        return if is_empty { Ok(()) } else { Err("a user came back after a sign-out".into()) };
    }
    if in_doubt || scenario == Scenario::SignOut {
        // A node that ends between the answer and the put loses that rotation.
        return Ok(());
    }
    // The lease of a node that ended ends.
    sleep(Duration::from_secs(8)).await;
    let spent = tokens.get(&request(["check"])).await;
    if provider.has_ended("ada") {
        return Err("a refresh token was spent twice".into());
    }
    if let Err(error) = spent {
        return Err(format!("the user is not signed in any more: {error}"));
    }
    if let (true, Some((again, _))) = (checked.first, checked.again)
        && provider.valid("ada").contains(&again)
    {
        return Err("an acknowledged sign-in is lost".into());
    }
    if scenario == Scenario::Transaction && checked.changed == 1 {
        let mut changes = 0;
        tokens
            .transaction(|cache| {
                let account = cache.entries(CredentialType::Account).next();
                changes = account.and_then(|entry| entry.text("changes")).map_or(0, |t| t.len());
                Ok(())
            })
            .await
            .map_err(|error| error.to_string())?;
        if changes != 1 {
            return Err(format!("a transaction happened {changes} times"));
        }
    }
    Ok(())
}
