//! Statements that are sent without waiting for the answer to the one before.

use std::{
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::time::Instant;
use tokio_postgres::{Client, Error};

/// A statement under way. It is sent at the first poll.
pub(super) enum Sent<F: Future> {
    Waiting(Pin<Box<F>>),
    Answered(F::Output),
}

impl<F: Future> Sent<F> {
    pub(super) fn new(statement: F) -> Self {
        Self::Waiting(Box::pin(statement))
    }

    /// Whether the answer is here.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> bool {
        if let Self::Waiting(statement) = self
            && let Poll::Ready(answer) = statement.as_mut().poll(cx)
        {
            *self = Self::Answered(answer);
        }
        matches!(self, Self::Answered(_))
    }

    /// Waits for the answer.
    pub(super) async fn answer(self) -> F::Output {
        match self {
            Self::Waiting(statement) => statement.await,
            Self::Answered(answer) => answer,
        }
    }
}

/// Sends a statement as a transaction of its own, which the server ends at the end of the call.
/// Otherwise it could wait for a lock, or for a standby server, long after the caller has given up.
pub(super) async fn limited<T>(
    client: &Client,
    end: Instant,
    statement: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    transaction(client, &begin_until(end, "local"), statement).await
}

/// As [`limited`], and its commit waits for no disk and no standby server. A crash of the server
/// may undo it.
pub(super) async fn limited_and_lazy<T>(
    client: &Client,
    end: Instant,
    statement: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    transaction(client, &begin_until(end, "off"), statement).await
}

async fn transaction<T>(
    client: &Client,
    begin: &str,
    statement: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    let begin_and_statement = in_order(client.batch_execute(begin), statement);
    let ((begun, answer), committed) =
        in_order(begin_and_statement, client.batch_execute("COMMIT")).await;
    begun?;
    let answer = answer?;
    committed?;
    Ok(answer)
}

/// Begins a transaction whose statements the server ends at `end`. That does not end a commit's
/// wait for a standby server, so `commit` says for what it waits: the values of
/// `synchronous_commit`.
pub(super) fn begin_until(end: Instant, commit: &str) -> String {
    let left = end.saturating_duration_since(Instant::now());
    // None at all would be no limit.
    let left = left.as_millis().max(1);
    format!("BEGIN; SET LOCAL statement_timeout = {left}; SET LOCAL synchronous_commit = {commit}")
}

/// Sends both in this order, and waits for both answers, or for the error of the first.
pub(super) async fn unless_first_fails<A, B, E>(
    first: impl Future<Output = Result<A, E>>,
    second: impl Future<Output = Result<B, E>>,
) -> Result<(A, B), E> {
    let (mut first, mut second) = (Sent::new(first), Sent::new(second));
    poll_fn(|cx| {
        let (is_first, is_second) = (first.poll(cx), second.poll(cx));
        let has_failed = matches!(first, Sent::Answered(Err(_)));
        if has_failed || is_first && is_second { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    Ok((first.answer().await?, second.answer().await?))
}

/// Sends both in this order, and waits for both answers.
pub(super) async fn in_order<A: Future, B: Future>(first: A, second: B) -> (A::Output, B::Output) {
    let (mut first, mut second) = (Sent::new(first), Sent::new(second));
    poll_fn(|cx| {
        let (first, second) = (first.poll(cx), second.poll(cx));
        if first && second { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    (first.answer().await, second.answer().await)
}
