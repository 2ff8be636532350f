//! Leases.

use std::time::Duration;

use tokio::time::Instant;
use tokio_postgres::{Client, Error, Row, types::Type};

use super::{
    load::{Parameter, loaded},
    pipeline::{limited_and_lazy, unless_first_fails},
    replicated::{Patience, replicated},
    step::{Step, Trouble},
    write::seconds,
};
use crate::store::{Durability, Lease, LeaseRequest, Loaded, Note, Owner, StoreKey};

/// Takes a lease, and then reads the value and whose the lease is.
///
/// The two are transactions of their own, because a statement reads what was there when it started:
/// the former owner's value could be stored, and its lease released, after that.
pub(super) struct Take<'a> {
    pub(super) key: &'a StoreKey,
    pub(super) lease: &'a LeaseRequest<'a>,
}

impl Step for Take<'_> {
    /// `None` if the lease ended, or changed hands, between the two. Then it is to be taken again.
    type Answer = Option<(Lease, Loaded)>;

    const WRITES: bool = true;

    fn extra(&self) -> Duration {
        self.lease.durability.patience()
    }

    async fn run(&self, client: &Client, end: Instant) -> Result<Self::Answer, Trouble> {
        let id = &self.key.as_bytes()[..];
        let owner = &self.lease.owner.as_bytes()[..];
        let ttl = seconds(self.lease.ttl);
        let instead_of = self.lease.instead_of.map(Note::as_bytes);
        let known = self.lease.known.map(|mark| &mark.as_bytes()[..]);
        let take: [Parameter<'_>; 4] = [
            (&id, Type::BYTEA),
            (&owner, Type::BYTEA),
            (&ttl, Type::FLOAT8),
            (&instead_of, Type::BYTEA),
        ];
        let look: [Parameter<'_>; 2] = [(&id, Type::BYTEA), (&known, Type::BYTEA)];
        let take = client.execute_typed(TAKE, &take);
        let take = take_as_wanted(client, take, self.lease.durability, end);
        let seen = async { Ok(client.query_typed(LOOK, &look).await?) };
        // While a commit waits for a standby server, what was sent after it is not answered.
        let (is_taken, rows) = unless_first_fails(take, seen).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        let value = if row.try_get(0)? { loaded(row, 1)? } else { Loaded::Absent };
        let lease = if is_taken { Some(Lease::Mine) } else { lease_of_another(row)? };
        Ok(lease.map(|lease| (lease, value)))
    }
}

/// Runs the statement that takes a lease, and says whether it was taken.
async fn take_as_wanted(
    client: &Client,
    take: impl Future<Output = Result<u64, Error>>,
    durability: Durability,
    end: Instant,
) -> Result<bool, Trouble> {
    let Durability::Replicated { replicas: replicas @ 1.., timeout } = durability else {
        return Ok(limited_and_lazy(client, end, take).await? > 0);
    };
    let patience = Patience { end, replicas, timeout };
    let taken = replicated(client, take, |rows| *rows > 0, patience).await?;
    if !taken.has_leases {
        return Err(Trouble::Refused(UNLOGGED));
    }
    if taken.answer > 0 && taken.by < replicas {
        return Err(Trouble::Unconfirmed { reached: taken.by, wanted: replicas, waiting: None });
    }
    Ok(taken.answer > 0)
}

const UNLOGGED: &str = "\
no standby server has leases, because the table tokenkeep_web_lease is unlogged; run ALTER TABLE \
tokenkeep_web_lease SET LOGGED";

/// Whose the lease is. `None` if it has ended.
fn lease_of_another(row: &Row) -> Result<Option<Lease>, Trouble> {
    let (holder, seconds) =
        (row.try_get::<_, Option<Vec<u8>>>(2)?, row.try_get::<_, Option<f64>>(3)?);
    let ends_in = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let (Some(holder), Some(ends_in)) = (holder, ends_in.filter(|ends_in| !ends_in.is_zero()))
    else {
        return Ok(None);
    };
    Ok(Some(match Note::from_bytes(holder) {
        Some(note) => Lease::Failed { note, ends_in },
        None => Lease::Other { ends_in },
    }))
}

/// Gives a lease back, or leaves a note in its place.
pub(super) struct Release<'a> {
    pub(super) key: &'a StoreKey,
    pub(super) owner: Owner,
    pub(super) failed: Option<(&'a Note, Duration)>,
}

impl Step for Release<'_> {
    type Answer = ();

    const WRITES: bool = true;

    async fn run(&self, client: &Client, end: Instant) -> Result<(), Trouble> {
        let id = &self.key.as_bytes()[..];
        let owner = &self.owner.as_bytes()[..];
        let both: [Parameter<'_>; 2] = [(&id, Type::BYTEA), (&owner, Type::BYTEA)];
        match self.failed {
            None => limited_and_lazy(client, end, client.execute_typed(RELEASE, &both)).await?,
            Some((note, pause)) => {
                let (note, pause) = (note.as_bytes(), seconds(pause));
                let [id, owner] = both;
                let all = [id, owner, (&note, Type::BYTEA), (&pause, Type::FLOAT8)];
                limited_and_lazy(client, end, client.execute_typed(LEAVE_NOTE, &all)).await?
            }
        };
        Ok(())
    }
}

/// The time is read when the row is locked, so that a wait for the lock does not shorten the lease.
///
/// A lease that others have is left alone: the clause `ON CONFLICT` alone would lock its row, which
/// the log of the server has.
const TAKE: &str = "\
INSERT INTO tokenkeep_web_lease AS l (id, owner, until)
SELECT $1, $2, clock_timestamp() + make_interval(secs => $3)
WHERE NOT EXISTS (
    SELECT FROM tokenkeep_web_lease AS o
    WHERE o.id = $1 AND (o.owner IN ($2, $4)) IS NOT TRUE AND o.until > clock_timestamp())
ON CONFLICT (id) DO UPDATE SET owner = $2, until = clock_timestamp() + make_interval(secs => $3)
WHERE l.owner IN ($2, $4) OR l.until <= clock_timestamp()";

const LOOK: &str = "\
SELECT v.id IS NOT NULL, CASE WHEN v.mark = $2 THEN NULL ELSE v.value END,
    l.owner, extract(epoch FROM l.until - clock_timestamp())::float8
FROM (SELECT) AS one
LEFT JOIN tokenkeep_web AS v ON v.id = $1 AND v.keep_until >= timezone('UTC', now())::date
LEFT JOIN tokenkeep_web_lease AS l ON l.id = $1";

const RELEASE: &str = "DELETE FROM tokenkeep_web_lease WHERE id = $1 AND owner = $2";

const LEAVE_NOTE: &str = "\
UPDATE tokenkeep_web_lease SET owner = $3, until = clock_timestamp() + make_interval(secs => $4)
WHERE id = $1 AND owner = $2 AND until > clock_timestamp()";
