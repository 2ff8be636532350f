//! Removals, and how they are announced.

use std::time::Duration;

use tokio::time::Instant;
use tokio_postgres::{Client, types::Type};

use super::{
    load::Parameter,
    pipeline::limited,
    replicated::{Patience, replicated},
    step::{Step, Trouble},
};
use crate::store::{Durability, StoreKey};

/// Removes a value and its lease, and announces it.
pub(super) struct Remove<'a> {
    pub(super) key: &'a StoreKey,
    pub(super) durability: Durability,
}

impl Step for Remove<'_> {
    type Answer = ();

    const WRITES: bool = true;

    fn extra(&self) -> Duration {
        self.durability.patience()
    }

    async fn run(&self, client: &Client, end: Instant) -> Result<(), Trouble> {
        let id = &self.key.as_bytes()[..];
        let news = announcement(self.key);
        let parameters: [Parameter<'_>; 2] = [(&id, Type::BYTEA), (&news, Type::TEXT)];
        let remove = client.query_typed(REMOVE, &parameters);
        let Durability::Replicated { replicas: wanted @ 1.., timeout } = self.durability else {
            limited(client, end, remove).await?;
            return Ok(());
        };
        let patience = Patience { end, replicas: wanted, timeout };
        let reached = replicated(client, remove, |_| true, patience).await?.by;
        match reached < wanted {
            true => Err(Trouble::Unconfirmed { reached, wanted, waiting: None }),
            false => Ok(()),
        }
    }
}

/// Announces something that is no removal.
pub(super) struct Announce {
    pub(super) text: String,
}

impl Step for Announce {
    type Answer = ();

    const WRITES: bool = true;

    async fn run(&self, client: &Client, end: Instant) -> Result<(), Trouble> {
        let parameters: [Parameter<'_>; 1] = [(&self.text, Type::TEXT)];
        limited(client, end, client.query_typed(ANNOUNCE, &parameters)).await?;
        Ok(())
    }
}

/// What the channel says of a removal: 32 hexadecimal digits, and the application.
fn announcement(key: &StoreKey) -> String {
    let digits = u128::from_be_bytes(*key.as_bytes());
    format!("{digits:032x}{}", key.app())
}

/// What an announcement says to a listener of the application `app`. `None` if it is no
/// announcement.
pub(super) fn announced(text: &str, app: &str) -> Option<Announced> {
    let (digits, other) = text.split_at_checked(32)?;
    if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    let id = u128::from_str_radix(digits, 16).ok()?.to_be_bytes();
    let is_own = other == app;
    Some(if is_own { Announced::Own(StoreKey::new(app, id)) } else { Announced::Foreign })
}

#[derive(Debug, PartialEq)]
pub(super) enum Announced {
    Own(StoreKey),
    /// Another application's.
    Foreign,
}

/// The channel of the announcements.
pub(super) const CHANNEL: &str = "tokenkeep_web_out";

const ANNOUNCE: &str = "SELECT pg_notify('tokenkeep_web_out', $1)";

/// The value's row is locked before the lease's, as by a write, or the two could block each other:
/// that is what the second condition is for. A commit waits for the disk and for standby servers
/// only if something else was logged: the message is, where the removal is done already.
const REMOVE: &str = "\
WITH v AS (DELETE FROM tokenkeep_web WHERE id = $1 RETURNING 1),
    l AS (DELETE FROM tokenkeep_web_lease WHERE id = $1 AND (SELECT count(*) FROM v) >= 0)
SELECT pg_notify('tokenkeep_web_out', $2), pg_logical_emit_message(true, 'tokenkeep_web', '')";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_announcement_is_for_its_application() {
        let key = StoreKey::new("shop é", [0xab; 16]);
        let text = announcement(&key);
        assert_eq!(announced(&text, "shop é"), Some(Announced::Own(key)));
        assert_eq!(announced(&text, "shop"), Some(Announced::Foreign));
        for text in ["", "abc", "+bababababababababababababababababshop", "éééééééééééééééééé"]
        {
            assert_eq!(announced(text, "shop"), None, "{text}");
        }
    }

    #[test]
    fn the_statements_name_the_channel() {
        assert!(REMOVE.contains(CHANNEL) && ANNOUNCE.contains(CHANNEL));
    }
}
