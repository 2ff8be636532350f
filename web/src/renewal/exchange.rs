//! One request to the provider, and what its response means.

use std::{sync::Arc, time::Duration};

use tokenkeep::{
    Entry, Secret,
    silent::{Answer, ExchangeError, Refusal, Spend, TokenReply},
};
use tokio::time::{Instant, timeout_at};
use tracing::{Instrument, debug_span, field::Empty};

use super::{
    Job,
    note::{Failure, FailureKind},
};
use crate::{Error, TARGET, digest, inner::Inner, partition::Kind};

/// What became of a request to the provider.
pub(super) enum Exchanged {
    /// The body of the response, and the time right before it was asked for, in Unix seconds.
    Tokens(Secret, u64),
    /// The refresh token was refused, so another one may do.
    RefusedToken(Failed),
    Failed(Failed),
}

/// A failure, for this call and for other nodes.
pub(super) struct Failed {
    pub(super) error: Error,
    pub(super) failure: Failure,
    /// For how long nobody asks again.
    pub(super) pause: Duration,
}

impl Inner {
    /// Asks the provider, with a refresh token for the kinds that have one. Ends at `deadline`.
    pub(super) async fn exchange(
        &self,
        job: &Job,
        spent: Option<&Entry>,
        deadline: Instant,
    ) -> Result<Exchanged, Error> {
        let provider = Arc::clone(self.provider()?);
        let mut is_repeated = false;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let until = std::time::Instant::now() + left;
            let spend = job.spend(spent, until)?;
            let at = self.now();
            let grant = spend.grant().as_str();
            let span = debug_span!(target: TARGET, "exchange", grant, status = Empty);
            let exchange = provider.exchange(&spend).instrument(span.clone());
            let reply = match timeout_at(deadline, exchange).await {
                Ok(reply) => reply,
                Err(_) => Err(ExchangeError::unknown("no response came in time")),
            };
            let outcome = match &reply {
                Ok(reply) => {
                    span.record("status", reply.status());
                    if (200..300).contains(&reply.status()) { "ok" } else { "refused" }
                }
                Err(ExchangeError::NotSent(_)) => "not_sent",
                Err(_) => "unknown",
            };
            self.counts.exchange(grant, outcome);
            let left = deadline.saturating_duration_since(Instant::now());
            return Ok(match reply {
                // A provider that rotates accepts the same token again for a few seconds.
                Err(ExchangeError::Unknown(_)) if !is_repeated && left >= LEAST_FOR_ANOTHER => {
                    is_repeated = true;
                    continue;
                }
                Err(error) => Exchanged::Failed(job.no_response(spent, error)),
                Ok(reply) => job.read(spent, &spend, &reply, at, self.now()),
            });
        }
    }
}

impl Job {
    fn spend(&self, spent: Option<&Entry>, until: std::time::Instant) -> Result<Spend, Error> {
        let request = &self.request;
        Ok(match (spent, &self.assertion) {
            (Some(spent), _) => Spend::of_refresh_token(request, spent, until)?,
            (None, Some(assertion)) => Spend::on_behalf_of(request, assertion.secret(), until)?,
            (None, None) => Spend::of_client(request, until)?,
        })
    }

    /// The digest of the refresh token, by which a note names it.
    pub(super) fn digest_of(spent: Option<&Entry>) -> [u8; 16] {
        let secret = spent.and_then(Entry::secret);
        secret.map_or([0; 16], |secret| digest::of_secret(secret.as_bytes()))
    }

    fn failure(&self, spent: Option<&Entry>, kind: FailureKind, status: u16) -> Failure {
        Failure {
            kind,
            status,
            spent: Self::digest_of(spent),
            asked: [0; 16],
            code: String::new(),
            claims: String::new(),
        }
    }

    fn no_response(&self, spent: Option<&Entry>, error: ExchangeError) -> Failed {
        let what = match &error {
            ExchangeError::NotSent(_) => "it could not be reached",
            _ => "it did not answer",
        };
        let error = Error::Provider {
            what,
            status: None,
            code: None,
            retry_after: Some(SOON),
            source: Some(Arc::new(error)),
        };
        let failure = self.failure(spent, FailureKind::Unavailable, 0);
        Failed { error, failure, pause: SOON }
    }

    fn read(
        &self,
        spent: Option<&Entry>,
        spend: &Spend,
        reply: &TokenReply,
        at: u64,
        now: u64,
    ) -> Exchanged {
        let status = reply.status();
        let provider = |what, code, retry_after| Error::Provider {
            what,
            status: Some(status),
            code,
            retry_after,
            source: None,
        };
        match reply.read(now) {
            Answer::Tokens => Exchanged::Tokens(reply.body().clone(), at),
            Answer::Refused(refusal) => self.refused(spent, spend, &refusal, status),
            Answer::Unavailable { retry_after, refusal, .. } => {
                let code = refusal.and_then(|refusal| text_of(refusal.code(), spend));
                let pause = retry_after.unwrap_or(SOON);
                let mut failure = self.failure(spent, FailureKind::Unavailable, status);
                failure.code = code.clone().unwrap_or_default();
                let error = provider("it is not available", code, Some(pause));
                Exchanged::Failed(Failed { error, failure, pause })
            }
            // A page of a proxy, for instance.
            _ => Exchanged::Failed(Failed {
                error: provider("its response is none of a token endpoint", None, Some(SOON)),
                failure: self.failure(spent, FailureKind::Unavailable, status),
                pause: SOON,
            }),
        }
    }

    fn refused(
        &self,
        spent: Option<&Entry>,
        spend: &Spend,
        refusal: &Refusal,
        status: u16,
    ) -> Exchanged {
        let code = text_of(refusal.code(), spend);
        let claims = refusal.claims().and_then(|claims| text_of(claims, spend));
        // An application has nobody who could sign in.
        let is_sign_in = refusal.is_sign_in_needed() && self.partition.kind() != Kind::Application;
        let (kind, pause) = match is_sign_in {
            true => (FailureKind::SignIn, LATER),
            // What is wrong with a program may be corrected soon.
            false => (FailureKind::Refused, AFTER_A_MISTAKE),
        };
        let mut failure = self.failure(spent, kind, status);
        failure.code = code.unwrap_or_default();
        failure.claims = claims.unwrap_or_default();
        let is_of_the_token = spent.is_some() && refusal.is_of_the_token();
        if !is_of_the_token {
            failure.asked = digest::of_request(&self.request);
        }
        let error = failure.error(pause);
        let failed = Failed { error, failure, pause };
        match is_of_the_token {
            true => Exchanged::RefusedToken(failed),
            false => Exchanged::Failed(failed),
        }
    }
}

/// A text of the provider, unless it repeats a secret of the request.
fn text_of(text: &str, spend: &Spend) -> Option<String> {
    let mut secrets = [spend.refresh_token(), spend.assertion()].into_iter().flatten();
    let is_clean = !text.is_empty() && !secrets.any(|secret| text.contains(secret));
    let shown = || text.chars().filter(|c| !c.is_control()).collect();
    is_clean.then(shown)
}

/// The least time for a second request.
const LEAST_FOR_ANOTHER: Duration = Duration::from_millis(500);
/// For how long nobody asks again a provider that is broken, ...
const SOON: Duration = Duration::from_secs(1);
/// ... that refuses the application's request, ...
const AFTER_A_MISTAKE: Duration = Duration::from_secs(5);
/// ... or that wants a sign-in.
const LATER: Duration = Duration::from_secs(60);
