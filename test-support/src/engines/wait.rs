//! Waiting for what a server does in its own time.

use std::thread;
use std::time::{Duration, Instant};

/// Asks until there is an answer. `None` if there is none within `limit`.
pub(super) fn within<T>(limit: Duration, mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + limit;
    loop {
        if let Some(answer) = ask() {
            return Some(answer);
        }
        if Instant::now() > end {
            return None;
        }
        thread::sleep(Duration::from_millis(5));
    }
}

/// How long a server may take to do what it was told, on a machine with much else to do.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);
