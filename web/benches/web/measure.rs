//! Measures a piece of work beside its floor, turn by turn in one run.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// The CPU time of this thread.
pub(crate) fn thread_cpu() -> Duration {
    of(ClockId::ThreadCPUTime)
}

fn of(clock: ClockId) -> Duration {
    let time = clock_gettime(clock);
    let seconds = u64::try_from(time.tv_sec).expect("time that was used is not negative");
    let nanoseconds = u32::try_from(time.tv_nsec).expect("less than a second");
    Duration::new(seconds, nanoseconds)
}

/// What one call of each work costs at least by each clock, over rounds of batches that take turns,
/// so that a noisy machine is noisy for all.
pub(crate) fn least<const N: usize, const C: usize>(
    rounds: usize,
    batch: u32,
    clocks: [&dyn Fn() -> Duration; C],
    mut works: [&mut dyn FnMut(u32); N],
) -> [[Duration; C]; N] {
    let mut least = [[Duration::MAX; C]; N];
    for round in 0..=rounds {
        for (work, least) in works.iter_mut().zip(&mut least) {
            let begun = clocks.map(|clock| clock());
            work(batch);
            let ended = clocks.map(|clock| clock());
            // The first round fills caches and pools.
            if round > 0 {
                for (clock, least) in least.iter_mut().enumerate() {
                    *least = ((ended[clock] - begun[clock]) / batch).min(*least);
                }
            }
        }
    }
    least
}

/// The time below which `share` of the sorted `times` lie.
pub(crate) fn quantile(sorted: &[Duration], share: f64) -> Duration {
    let last = sorted.len().checked_sub(1).expect("there are times");
    sorted[((last as f64) * share).round() as usize]
}

pub(crate) fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    quantile(&times, 0.5)
}
