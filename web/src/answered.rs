//! The end of a wait for an answer.

use std::pin::pin;

use tokio::{
    task::yield_now,
    time::{Instant, timeout, timeout_at},
};

/// Waits for an answer until `deadline`. `None` if none has come.
///
/// A process that stood still finds its time over and the answer unread. So what has come is read
/// before the wait ends: a connection that is given up for nothing has to be made again.
pub(crate) async fn answered_by<T>(
    deadline: Instant,
    answer: impl Future<Output = T>,
) -> Option<T> {
    let mut answer = pin!(answer);
    if let Ok(answer) = timeout_at(deadline, &mut answer).await {
        return Some(answer);
    }
    for _ in 0..READS {
        yield_now().await;
        if let Ok(answer) = timeout(std::time::Duration::ZERO, &mut answer).await {
            return Some(answer);
        }
    }
    None
}

/// One for the socket, one for the task that reads it, and as many in reserve.
const READS: u32 = 4;
