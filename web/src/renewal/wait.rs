//! The wait for another node that renews.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::time::{Instant, sleep_until};

use super::{ASK, Renewal};
use crate::{Error, lifetime::spread, turns::Wait, value::Kept};

/// The renewals of one node that wait for other nodes.
#[derive(Default)]
pub(crate) struct Waits(AtomicU32);

struct Waiting<'w>(&'w Waits);

impl Waits {
    fn begin(&self) -> Waiting<'_> {
        self.0.fetch_add(1, Relaxed);
        Waiting(self)
    }
}

impl Waiting<'_> {
    /// The pause before a look. The more renewals wait, the longer it is, so that all together look
    /// as often as one node may.
    fn pause(&self, least: Duration) -> Duration {
        let all = (LOOK_OF_ALL * self.0.0.load(Relaxed)).max(least);
        all.mul_f64(0.75 + 0.5 * spread())
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Relaxed);
    }
}

impl Renewal<'_> {
    /// Waits until the value is another one than `known`, or the lease is worth asking for again:
    /// its holder may have failed or gone. A look reads alone, which is the cheapest call.
    pub(super) async fn wait_for_another(
        &self,
        known: Option<Arc<Kept>>,
        ends_in: Duration,
    ) -> Result<Option<Arc<Kept>>, Error> {
        let (inner, job) = (self.inner, self.job);
        let waiting = inner.waits.begin();
        let now = Instant::now();
        let ends = now + ends_in + Duration::from_millis(1);
        let ask = (now + ASK.max(waiting.pause(LOOK) * LOOKS)).min(ends).min(job.until);
        let mut least = FIRST_LOOK;
        loop {
            let look = Instant::now() + waiting.pause(least);
            least = LOOK;
            sleep_until(look.min(ask)).await;
            if Instant::now() >= ask {
                return Ok(known);
            }
            let wait = Wait::call(job.until);
            let seen = inner.load(&job.partition, known.as_ref(), wait).await?;
            let mark = |kept: &Option<Arc<Kept>>| kept.as_ref().and_then(|kept| kept.mark);
            if mark(&seen) != mark(&known) {
                return Ok(seen);
            }
        }
    }
}

const FIRST_LOOK: Duration = Duration::from_millis(20);
const LOOK: Duration = Duration::from_millis(40);
/// All waits of a node look 500 times in a second at most.
const LOOK_OF_ALL: Duration = Duration::from_millis(2);
/// How often a wait looks before it asks for the lease.
const LOOKS: u32 = 4;
