//! Writes that compare first.

use std::time::Duration;

use tokio::time::Instant;
use tokio_postgres::{Client, Error, types::Type};

use super::{
    load::Parameter,
    pipeline::limited,
    replicated::{Patience, replicated},
    step::{Step, Trouble},
};
use crate::store::{Durability, Mark, Put, StoreKey};

/// Writes a value in place of the one with the expected mark, or over itself.
///
/// The second is how a write that is sent twice succeeds. It also makes the commit wait for the
/// standby servers, which a transaction that writes nothing does not do.
pub(super) struct Write<'a> {
    pub(super) key: &'a StoreKey,
    pub(super) put: &'a Put<'a>,
    pub(super) mark: &'a Mark,
}

/// What became of a write.
pub(super) struct Written {
    /// Whether the value is stored.
    pub(super) is_stored: bool,
    /// How many standby servers the commit waited for. `None` if they were not asked for.
    pub(super) confirmed: Option<u8>,
}

impl Step for Write<'_> {
    type Answer = Written;

    const WRITES: bool = true;

    fn extra(&self) -> Duration {
        self.put.durability.patience()
    }

    async fn run(&self, client: &Client, end: Instant) -> Result<Written, Trouble> {
        match self.put.durability {
            Durability::Local => {
                let is_stored = limited(client, end, self.write(client)).await?;
                Ok(Written { is_stored, confirmed: None })
            }
            Durability::Replicated { replicas, timeout } => {
                let write = self.write(client);
                let patience = Patience { end, replicas, timeout };
                let confirmed = replicated(client, write, |is_stored| *is_stored, patience).await?;
                Ok(Written { is_stored: confirmed.answer, confirmed: Some(confirmed.by) })
            }
        }
    }
}

impl Write<'_> {
    async fn write(&self, client: &Client) -> Result<bool, Error> {
        let id = &self.key.as_bytes()[..];
        let mark = &self.mark.as_bytes()[..];
        let value = self.put.value;
        let key_id = value.get(KEY_ID).unwrap_or_default();
        let keep_for = seconds(self.put.keep_for);
        let expected = self.put.expect.map(|mark| &mark.as_bytes()[..]);
        let owner = self.put.release.map(|owner| *owner.as_bytes());
        let owner = owner.as_ref().map(|owner| &owner[..]);
        let mut parameters: Vec<Parameter<'_>> = vec![
            (&id, Type::BYTEA),
            (&mark, Type::BYTEA),
            (&key_id, Type::BYTEA),
            (&keep_for, Type::FLOAT8),
            (&value, Type::BYTEA),
        ];
        let app = self.key.app();
        let text = match (&expected, &owner) {
            (None, None) => INSERT,
            (None, Some(_)) => INSERT_AND_RELEASE,
            (Some(_), None) => UPDATE,
            (Some(_), Some(_)) => UPDATE_AND_RELEASE,
        };
        match &expected {
            Some(expected) => parameters.push((expected, Type::BYTEA)),
            None => parameters.push((&app, Type::TEXT)),
        }
        if let Some(owner) = &owner {
            parameters.push((owner, Type::BYTEA));
        }
        if owner.is_none() {
            return Ok(client.execute_typed(text, &parameters).await? > 0);
        }
        let rows = client.query_typed(text, &parameters).await?;
        rows.first().map_or(Ok(false), |row| row.try_get(0))
    }
}

/// A time for `make_interval`, at most a century.
pub(super) fn seconds(time: Duration) -> f64 {
    time.min(Duration::from_secs(100 * 365 * 86_400)).as_secs_f64()
}

/// Where a sealed value has the id of its key (docs/FORMAT.md).
const KEY_ID: std::ops::Range<usize> = 16..32;

macro_rules! insert {
    () => {
        "\
INSERT INTO tokenkeep_web AS t (id, app, mark, key_id, keep_until, value)
VALUES ($1, $6, $2, $3, (timezone('UTC', now()) + make_interval(secs => $4))::date, $5)
ON CONFLICT (id) DO UPDATE SET mark = excluded.mark, key_id = excluded.key_id,
    keep_until = excluded.keep_until, value = excluded.value
WHERE t.mark = excluded.mark OR t.keep_until < timezone('UTC', now())::date"
    };
}

macro_rules! update {
    () => {
        "\
UPDATE tokenkeep_web SET mark = $2, key_id = $3,
    keep_until = (timezone('UTC', now()) + make_interval(secs => $4))::date, value = $5
WHERE id = $1 AND mark IN ($6, $2) AND keep_until >= timezone('UTC', now())::date"
    };
}

macro_rules! and_release {
    ($write:expr) => {
        concat!(
            "WITH stored AS (",
            $write,
            " RETURNING 1), released AS (",
            "DELETE FROM tokenkeep_web_lease WHERE id = $1 AND owner = $7",
            " AND EXISTS (SELECT FROM stored)) SELECT EXISTS (SELECT FROM stored)"
        )
    };
}

const INSERT: &str = insert!();
const INSERT_AND_RELEASE: &str = and_release!(insert!());
const UPDATE: &str = update!();
const UPDATE_AND_RELEASE: &str = and_release!(update!());
