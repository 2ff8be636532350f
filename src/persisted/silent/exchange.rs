//! One refresh token is spent, with the lease held.

use std::{
    thread,
    time::{Duration, Instant},
};

use super::{
    lease::{LONGEST_WAIT, Lease},
    note::{Failure, Notes},
    renewal::{Candidate, Renewal, Step},
};
use crate::{
    Error, TokenRequest,
    error::Refusal,
    persistence::Reservation,
    silent::{Answer, ExchangeError, Grant, Spend, TokenReply},
};

/// What is true of the requests for one token so far.
#[derive(Default)]
struct Sent {
    /// A request may have been received, and no answer came.
    is_unknown: bool,
    /// The provider refused the scopes, so the next request names none.
    without_scope: bool,
}

/// A failure, how long others are not to repeat it, and the error for this call.
struct Failed {
    failure: Failure,
    retry_in: Duration,
    error: Error,
}

impl Renewal<'_> {
    pub(super) fn spend(
        &mut self,
        lease: &Lease,
        mut notes: Notes,
        candidate: &Candidate,
    ) -> Result<Step, Error> {
        let store = &self.cache.shared.store;
        let _exchange = store.exchange();
        let reserved = self.cache.persistence().reserve(lease.tag());
        let reserved = reserved.or_else(|error| match self.options.may_stay_unsaved() {
            true => Ok(Reservation::none()),
            false => Err(error),
        })?;
        let limit = self.options.exchange.min(LONGEST_WAIT);
        // For all requests of the call together.
        let deadline = *self.deadline.get_or_insert_with(|| Instant::now() + limit);
        let is_orphan = notes.is_orphan(&candidate.secret);
        let before = notes.clone();
        let mut sent = Sent::default();
        loop {
            // Stopped for long, forked, or the lock file was removed: another may have the lease.
            if !lease.is_intact()? {
                return Ok(Step::Another);
            }
            let asked_at = self.cache.clock.now();
            self.requests += 1;
            let spend = self.form(candidate, deadline)?.for_attempt(self.requests);
            let spend = if sent.without_scope { spend.without_scope() } else { spend };
            notes.spending(&candidate.secret);
            lease.write(&notes);
            // Right before the request: this process may have been stopped since it has the lease.
            let is_late = spend.left().is_zero();
            let reply = match is_late {
                true => Err(ExchangeError::not_sent("the time was up")),
                false => self.endpoint.exchange(&spend),
            };
            let failed = match reply {
                Err(ExchangeError::Unknown(_))
                    if !sent.is_unknown && spend.left() >= LEAST_FOR_ANOTHER.min(limit / 4) =>
                {
                    // Providers that rotate accept the same token again within a few seconds.
                    sent.is_unknown = true;
                    continue;
                }
                Err(error) if is_late && !sent.is_unknown => {
                    // Nobody asked the provider, so there is nothing for others to share.
                    lease.write(&before);
                    return Err(self.no_reply(&sent, error).error);
                }
                Err(error) => self.no_reply(&sent, error),
                Ok(reply) => match reply.read(self.cache.clock.now()) {
                    Answer::Tokens => {
                        // Room for the save that follows.
                        drop(reserved);
                        let request = sent_request(self.request, candidate, &spend)?;
                        let answer = (request, reply.body().clone(), asked_at);
                        return self.keep(lease, notes, candidate, answer).map(Step::Done);
                    }
                    Answer::Refused(refusal)
                        if refusal.code() == "invalid_scope"
                            && !sent.without_scope
                            && self.may_leave_scope_out(&spend)? =>
                    {
                        sent.without_scope = true;
                        continue;
                    }
                    Answer::Refused(refusal) => {
                        let refusal = self.without_secrets(refusal, candidate, &spend);
                        let failure = Failure::refused(&refusal, is_orphan);
                        let error = Error::refused(refusal).after_orphan(is_orphan);
                        if candidate.token.is_some() && failure.is_of_the_token() {
                            let failed = (failure, is_orphan, error);
                            return self.was_refused(lease, notes, candidate, failed);
                        }
                        // A sign-in solves it, so nobody asks again for a while. What is wrong
                        // with a program may be corrected at once.
                        let retry_in = if error.is_sign_in_needed() { LATER } else { NOW };
                        Failed { failure, retry_in, error }
                    }
                    other => {
                        // The provider may have rotated, although it gave no access token.
                        if (200..300).contains(&reply.status()) {
                            drop(reserved);
                            self.keep_renewed_token(candidate, reply.body(), asked_at);
                        }
                        of_reply(&reply, other)
                    }
                },
            };
            let Failed { failure, retry_in, error } = failed;
            let now = self.cache.clock.now();
            notes.failed(&candidate.secret, now, failure, retry_in, (&self.asked, is_orphan));
            lease.write(&notes);
            return Err(error);
        }
    }

    fn form(&self, candidate: &Candidate, deadline: Instant) -> Result<Spend, Error> {
        match &candidate.token {
            Some(token) => Spend::of_refresh_token(self.request, token, deadline),
            None => Spend::of_client(self.request, deadline),
        }
    }

    /// The refresh token was refused. Another one is tried, if there is one and this call has not
    /// asked too often.
    fn was_refused(
        &mut self,
        lease: &Lease,
        mut notes: Notes,
        candidate: &Candidate,
        (failure, is_orphan, error): (Failure, bool, Error),
    ) -> Result<Step, Error> {
        self.refused(candidate, &failure, error);
        let now = self.cache.clock.now();
        notes.failed(&candidate.secret, now, failure, LATER, (&self.asked, is_orphan));
        lease.write(&notes);
        // What keeps the cache from being read says less than the refusal.
        let is_another =
            self.requests < MOST_REQUESTS && self.is_another_there().unwrap_or_default();
        match self.refused.take_if(|_| !is_another) {
            Some(error) => Err(error),
            None => Ok(Step::Another),
        }
    }

    /// Whether there is a refresh token that was not refused. Outside Microsoft's clouds it waits a
    /// little for one: a program that takes no lease may have renewed, and not have saved yet.
    fn is_another_there(&self) -> Result<bool, Error> {
        let pauses: &[u64] =
            if self.request.is_for_known_cloud()? { &[0] } else { &[0, 100, 300, 1000] };
        for pause in pauses {
            thread::sleep(Duration::from_millis(*pause));
            if self.candidate()?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn no_reply(&self, sent: &Sent, error: ExchangeError) -> Failed {
        match error {
            ExchangeError::NotSent(source) if !sent.is_unknown => Failed {
                failure: Failure::unreachable(&*source),
                retry_in: NOW,
                error: Error::ProviderUnreachable { source },
            },
            ExchangeError::NotSent(source) | ExchangeError::Unknown(source) => Failed {
                failure: Failure::Unavailable { status: None },
                retry_in: SOON,
                error: Error::ProviderUnavailable {
                    status: None,
                    retry_in: None,
                    source: Some(source),
                },
            },
        }
    }

    /// Whether a refused request may be repeated without its scopes: the provider then uses those
    /// of the refresh token. Microsoft's clouds do not.
    fn may_leave_scope_out(&self, spend: &Spend) -> Result<bool, Error> {
        let is_renewal = self.grant == Grant::RefreshToken && spend.scope().is_some();
        Ok(is_renewal && !self.request.is_for_known_cloud()?)
    }

    /// Without what the provider repeats of the secrets it was sent.
    fn without_secrets(&self, refusal: Refusal, candidate: &Candidate, spend: &Spend) -> Refusal {
        let tried = self.tried.iter().filter_map(|tried| tried.expose_str());
        let spent = candidate.token.is_some().then(|| candidate.secret.as_str());
        let secrets: Vec<&str> = tried.chain(spent).chain(spend.assertion()).collect();
        refusal.without(&secrets)
    }
}

/// The request with the scopes that were sent. A form without scopes asks for those of the refresh
/// token (RFC 6749, section 6).
fn sent_request(
    request: &TokenRequest,
    candidate: &Candidate,
    spend: &Spend,
) -> Result<TokenRequest, Error> {
    // Their answers always name the scopes.
    let Some(token) = candidate.token.as_ref().filter(|_| spend.grant() == Grant::RefreshToken)
    else {
        return Ok(request.clone());
    };
    if request.is_for_known_cloud()? {
        return Ok(request.clone());
    }
    let scopes = match spend.scope() {
        Some(sent) => sent.split(' ').map(str::to_owned).collect(),
        None => token.scopes(),
    };
    let request = request.clone();
    Ok(if scopes.is_empty() { request } else { request.with_scopes(scopes) })
}

/// What a reply means that brings neither tokens nor a refusal.
fn of_reply(reply: &TokenReply, answer: Answer) -> Failed {
    let status = reply.status();
    match answer {
        Answer::Unavailable { retry_after, .. } => {
            let default = if status == TOO_MANY_REQUESTS { LATER } else { SOON };
            let retry_in = retry_after.unwrap_or(default);
            Failed {
                failure: Failure::Unavailable { status: Some(status) },
                retry_in,
                error: Error::ProviderUnavailable {
                    status: Some(status),
                    retry_in: Some(retry_in),
                    source: None,
                },
            }
        }
        Answer::Unusable { detail } => Failed {
            failure: Failure::Unusable { detail: detail.clone() },
            retry_in: SOON,
            error: Error::ProviderAnswer { detail },
        },
        Answer::Tokens | Answer::Refused(_) => unreachable!("the caller read it"),
    }
}

/// The most requests of one call to the provider.
const MOST_REQUESTS: u32 = 3;
/// The least time for a second request, or a quarter of the whole time if that is less.
const LEAST_FOR_ANOTHER: Duration = Duration::from_secs(5);
/// How long nobody asks again: not at all, ...
const NOW: Duration = Duration::ZERO;
/// ... a provider that is broken, ...
const SOON: Duration = Duration::from_secs(5);
/// ... or what the provider refused.
const LATER: Duration = Duration::from_secs(60);
const TOO_MANY_REQUESTS: u16 = 429;
