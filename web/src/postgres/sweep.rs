//! Values and leases whose time has ended.

use std::{sync::Weak, time::Duration};

use tokio::time::{Instant, sleep};
use tokio_postgres::{Client, types::Type};

use super::{
    engine::Engine,
    load::Parameter,
    pipeline::limited,
    step::{Step, Trouble},
};
use crate::store::StoreError;

/// What a turn of [`PostgresStore::sweep`](super::PostgresStore::sweep) did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Swept {
    /// How many values and leases were removed.
    pub removed: u64,
    /// Whether none is left, apart from those that another node removes just now.
    pub is_done: bool,
}

/// Removes values and leases whose time has ended, for one turn.
pub(super) async fn turn(engine: &Engine) -> Result<Swept, StoreError> {
    let start = Instant::now();
    let mut removed = 0;
    for text in [VALUES, LEASES] {
        loop {
            if start.elapsed() >= TURN {
                return Ok(Swept { removed, is_done: false });
            }
            let rows = engine.run(&Batch { text }).await?;
            removed += rows;
            if rows < ROWS.unsigned_abs() {
                break;
            }
        }
    }
    Ok(Swept { removed, is_done: true })
}

/// Sweeps while the store lives.
pub(super) async fn from_time_to_time(engine: Weak<Engine>) {
    let mut pause = jittered(PAUSE);
    loop {
        sleep(pause).await;
        let Some(engine) = engine.upgrade() else { return };
        let swept = turn(&engine).await;
        if let Err(error) = &swept {
            tracing::debug!(target: "tokenkeep_web", %error, "a sweep failed");
        }
        pause = jittered(match swept {
            Ok(Swept { is_done: false, .. }) => SHORT_PAUSE,
            _ => PAUSE,
        });
    }
}

/// Half to one and a half of the time, so that nodes that started together do not stay together.
pub(super) fn jittered(time: Duration) -> Duration {
    let random = getrandom::u32().unwrap_or(u32::MAX / 2);
    time.mul_f64(0.5 + f64::from(random) / f64::from(u32::MAX))
}

struct Batch {
    text: &'static str,
}

impl Step for Batch {
    type Answer = u64;

    const WRITES: bool = true;

    async fn run(&self, client: &Client, end: Instant) -> Result<u64, Trouble> {
        let parameters: [Parameter<'_>; 1] = [(&ROWS, Type::INT8)];
        Ok(limited(client, end, client.execute_typed(self.text, &parameters)).await?)
    }
}

const PAUSE: Duration = Duration::from_secs(60);
const SHORT_PAUSE: Duration = Duration::from_secs(1);
/// After it a turn starts no further batch.
const TURN: Duration = Duration::from_millis(50);
const ROWS: i64 = 100;

const VALUES: &str = "\
DELETE FROM tokenkeep_web WHERE id IN (
    SELECT id FROM tokenkeep_web WHERE keep_until < timezone('UTC', now())::date
    LIMIT $1 FOR UPDATE SKIP LOCKED)";

const LEASES: &str = "\
DELETE FROM tokenkeep_web_lease WHERE id IN (
    SELECT id FROM tokenkeep_web_lease WHERE until < clock_timestamp()
    LIMIT $1 FOR UPDATE SKIP LOCKED)";
