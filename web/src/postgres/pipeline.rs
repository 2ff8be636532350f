//! Statements that are sent without waiting for the answer to the one before.

use std::{
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll},
};

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

/// Sends a statement as a transaction of its own, which the server ends after the time that a call
/// may take. Otherwise it could wait for a lock, or for a standby server, long after the caller has
/// given up.
pub(super) async fn limited<T>(
    client: &Client,
    statement: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    transaction(client, BEGIN, statement).await
}

/// As [`limited`], and its commit waits for no disk and no standby server. A crash of the server
/// may undo it.
pub(super) async fn limited_and_lazy<T>(
    client: &Client,
    statement: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    transaction(client, BEGIN_LAZY, statement).await
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

/// The first is the limit of a call in milliseconds. It does not end a commit's wait for a standby
/// server, so the second does away with that wait.
const BEGIN: &str = "\
BEGIN; SET LOCAL statement_timeout = 500; SET LOCAL synchronous_commit = local";
const BEGIN_LAZY: &str = "\
BEGIN; SET LOCAL statement_timeout = 500; SET LOCAL synchronous_commit = off";

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
