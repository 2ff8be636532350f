//! How many standby servers a commit waits for, and the end of its wait.

use tokio::time::Instant;
use tokio_postgres::{Client, types::Type};

use super::{
    load::Parameter,
    step::{Step, Trouble, Waiting},
};

/// Ends the wait. The value stays written.
///
/// The protocol's own request to cancel is not used: PgBouncer 1.18 may crash at it.
impl Step for Waiting {
    type Answer = ();

    const WRITES: bool = false;

    async fn run(&self, client: &Client, _end: Instant) -> Result<(), Trouble> {
        let parameters: [Parameter<'_>; 2] =
            [(&self.pid, Type::INT4), (&self.since, Type::TIMESTAMPTZ)];
        client.query_typed(END_WAIT, &parameters).await?;
        Ok(())
    }
}

const END_WAIT: &str = "\
SELECT pg_cancel_backend(pid) FROM pg_stat_activity
WHERE pid = $1 AND xact_start = $2 AND wait_event = 'SyncRep'";

/// Reads the setting `synchronous_standby_names`.
pub(super) fn confirming(names: &str) -> u8 {
    let names = names.trim();
    if names.is_empty() {
        return 0;
    }
    let Some((before, _)) = names.split_once('(') else { return 1 };
    // `2 (a, b)`, `FIRST 2 (a, b)` or `ANY 2 (a, b)`.
    let count = before.split_whitespace().next_back();
    count.and_then(|count| count.parse().ok()).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_the_setting_is_read() {
        for (names, count) in [
            ("", 0),
            ("  ", 0),
            ("*", 1),
            ("a, b", 1),
            ("\"first 2\"", 1),
            ("2 (a, b, c)", 2),
            ("FIRST 2 (a, b)", 2),
            ("any 3(a, b, c)", 3),
            ("ANY 1 (*)", 1),
        ] {
            assert_eq!(confirming(names), count, "{names}");
        }
    }
}
