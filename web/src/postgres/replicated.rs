//! Transactions whose commit waits for standby servers.

use std::{future::poll_fn, task::Poll, time::Duration};

use tokio::time::{Instant, timeout, timeout_at};
use tokio_postgres::{Client, Error};

use super::{
    pipeline::{Sent, begin_until},
    standby::confirming,
    step::{Trouble, Waiting},
};

/// How long a transaction waits.
pub(super) struct Patience {
    /// Until when the statement is answered.
    pub(super) end: Instant,
    /// How many standby servers have to confirm the commit.
    pub(super) replicas: u8,
    /// How long the commit may wait for them.
    pub(super) timeout: Duration,
}

/// The answer to a statement whose transaction is committed.
pub(super) struct Confirmed<T> {
    pub(super) answer: T,
    /// How many standby servers the commit waited for.
    pub(super) by: u8,
    /// Whether standby servers have the table of leases.
    pub(super) has_leases: bool,
}

/// Runs a statement as a transaction of its own, whose commit waits for standby servers.
///
/// All is sent at once, so that a call that is dropped leaves no transaction open. `has_written`
/// says by the answer whether there is something to wait for.
pub(super) async fn replicated<T>(
    client: &Client,
    statement: impl Future<Output = Result<T, Error>>,
    has_written: impl Fn(&T) -> bool,
    patience: Patience,
) -> Result<Confirmed<T>, Trouble> {
    // The disk of each standby server, if the server waits for any.
    let begin = begin_until(patience.end, "on");
    let mut begin = Sent::new(client.batch_execute(&begin));
    let mut situation = Sent::new(client.query_typed(SITUATION, &[]));
    let mut statement = Sent::new(statement);
    let mut commit = Sent::new(client.batch_execute("COMMIT"));
    let answered = poll_fn(|cx| {
        let answers = [begin.poll(cx), situation.poll(cx), statement.poll(cx)];
        commit.poll(cx);
        if answers == [true; 3] { Poll::Ready(()) } else { Poll::Pending }
    });
    timeout_at(patience.end, answered).await.map_err(|_| Trouble::Silence)?;
    begin.answer().await?;
    let situation = situation.answer().await?;
    let answer = statement.answer().await?;
    let Some(row) = situation.first() else { return Err(Trouble::Silence) };
    let names: String = row.try_get(0)?;
    match timeout(patience.timeout, commit.answer()).await {
        Ok(committed) => committed?,
        Err(_) if has_written(&answer) => {
            let waiting = Waiting { pid: row.try_get(1)?, since: row.try_get(2)? };
            let (wanted, waiting) = (patience.replicas, Some(waiting));
            return Err(Trouble::Unconfirmed { reached: 0, wanted, waiting });
        }
        Err(_) => return Err(Trouble::Silence),
    }
    Ok(Confirmed { answer, by: confirming(&names), has_leases: row.try_get(3)? })
}

const SITUATION: &str = "\
SELECT current_setting('synchronous_standby_names'), pg_backend_pid(), now(), NOT EXISTS (
    SELECT FROM pg_class WHERE oid = to_regclass('tokenkeep_web_lease') AND relpersistence <> 'p')";
