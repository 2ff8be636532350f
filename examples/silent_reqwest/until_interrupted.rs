//! Ctrl-C in an asynchronous program that keeps sign-ins. Take this file as it is.

use std::{future::Future, time::Duration};

use tokenkeep::PersistedTokenCache;
use tokio::signal::ctrl_c;

/// Runs the program until it ends, or until Ctrl-C. In both cases lets renewals end that are under
/// way, for at most 5 s: a provider may have replaced the refresh token already, and without the
/// answer the sign-in is lost. A second Ctrl-C ends the wait.
///
/// Returns `None` after Ctrl-C. The program should exit with [`INTERRUPTED`] then.
pub async fn until_interrupted<T>(
    cache: &PersistedTokenCache,
    program: impl Future<Output = T>,
) -> Option<T> {
    let ended = tokio::select! {
        // The handler stands before the program begins.
        biased;
        // An error means that there is no handler: Ctrl-C ends the process by itself.
        Ok(()) = ctrl_c() => {
            eprintln!("Finishing, a moment (Ctrl-C again to stop).");
            None
        }
        ended = program => Some(ended),
    };
    tokio::select! {
        // Not `settle` itself, which would stop the thread that the renewal needs.
        settled = cache.call_async(|cache| cache.settle(SETTLE)) => {
            if let Err(reason) = settled {
                eprintln!("A renewal is not kept: {reason}; {}", reason.next_step());
            }
        }
        Ok(()) = ctrl_c() => {}
    }
    ended
}

/// The exit code of a program that Ctrl-C ended: 128 and the number of SIGINT.
pub const INTERRUPTED: i32 = 130;
const SETTLE: Duration = Duration::from_secs(5);
