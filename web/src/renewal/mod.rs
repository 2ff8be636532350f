//! The renewal of a token: one spender for all nodes.

mod alone;
mod exchange;
mod note;
mod save;
mod share;
mod wait;

use std::{sync::Arc, time::Duration};

use tokenkeep::{AccessToken, Entry, TokenCache, TokenRequest};
use tokio::time::{Instant, sleep};
use tracing::Instrument;

use self::{
    exchange::{Exchanged, Failed},
    note::Failure,
};
pub(crate) use self::{save::Base, share::MOST_SPENDING, wait::Waits};
use crate::{
    Error, SignInReason,
    assertion::Assertion,
    background::UNSAVED_LEASE,
    counts::Counted,
    inner::Inner,
    lane::Turn,
    observed::LeaseWait,
    partition::Partition,
    steps::Leased,
    store::{Lease, LeaseRequest, Note, Owner, StoreError},
    turns::{MOMENT, Wait},
    value::{self, Kept},
};

/// What a renewal is for.
pub(crate) struct Job {
    pub(crate) partition: Partition,
    pub(crate) request: TokenRequest,
    pub(crate) assertion: Option<Arc<Assertion>>,
    /// It renews a token that is still valid, behind the calls.
    pub(crate) is_early: bool,
    /// Until when it waits for others.
    pub(crate) until: Instant,
}

/// A renewal at work.
struct Renewal<'r> {
    inner: &'r Arc<Inner>,
    job: &'r Job,
    turn: &'r Turn<'r>,
    owner: Owner,
    /// The digests of the refresh tokens that were refused.
    tried: Vec<[u8; 16]>,
    refused: Option<Failed>,
}

/// How a round with the lease ended.
enum Step {
    Done(Result<AccessToken, Error>),
    /// Look at the store again.
    Again,
}

impl Inner {
    /// The token for a request: from this node's memory, from the store, or from the provider.
    pub(crate) async fn renew(self: Arc<Self>, job: Job) -> Result<AccessToken, Error> {
        let turn = match self.lanes.turn(job.partition.id()).await {
            Ok(turn) => turn,
            Err(error) => return self.without_store(&job, error).await,
        };
        // While this node has something to save, its lease is held for that.
        let held = self.unsaved.pending(&job.partition.id()).and_then(|pending| pending.owner);
        let owner = match held {
            Some(owner) => owner,
            None => Owner::from_bytes(value::random()?),
        };
        let mut renewal = Renewal {
            inner: &self,
            job: &job,
            turn: &turn,
            owner,
            tried: Vec::new(),
            refused: None,
        };
        renewal.run().await
    }
}

impl Renewal<'_> {
    async fn run(&mut self) -> Result<AccessToken, Error> {
        let (inner, partition) = (self.inner, &self.job.partition);
        let slot = inner.l1.get(&partition.id());
        let mut known = slot.as_ref().and_then(|slot| inner.opened(partition, slot));
        let is_fresh = slot.as_ref().is_some_and(|slot| inner.is_fresh(slot));
        if is_fresh && let Some(local) = inner.local(partition) {
            // Another renewal of this partition may have brought it.
            if let Some(token) = self.job.look(inner, &local.cache)? {
                return Ok(token);
            }
        }
        known = known.filter(|known| known.mark.is_some());
        // A value that is known to be of no use is read with the lease, in one round trip.
        if !is_fresh || known.is_none() {
            match inner.load(partition, known.as_ref(), Wait::call(self.job.patience(inner))).await
            {
                Ok(loaded) => known = loaded,
                Err(error) => return self.failed(error).await,
            }
            let cache = inner.with_unsaved(partition, known.as_ref());
            if let Some(token) = self.job.look(inner, &cache)? {
                return Ok(token);
            }
            self.job.candidate(&cache, &[])?;
        }
        let mut lease_wait = LeaseWait::new();
        let span = lease_wait.span.clone();
        self.lease(known, &mut lease_wait).instrument(span).await
    }

    /// Takes the lease, or waits for what its holder stores.
    async fn lease(
        &mut self,
        mut known: Option<Arc<Kept>>,
        lease_wait: &mut LeaseWait,
    ) -> Result<AccessToken, Error> {
        let (inner, job) = (self.inner, self.job);
        let partition = &job.partition;
        let mut replaced: Option<Note> = None;
        let mut rounds = 0;
        loop {
            let spending = match inner.may_spend(job).await {
                Ok(spending) => spending,
                Err(error @ Error::RefreshInProgress { .. }) => {
                    let cache = inner.with_unsaved(partition, known.as_ref());
                    return self.with_what_is_left(&cache, error);
                }
                Err(error) => return self.failed(error).await,
            };
            let ttl = match inner.unsaved.is_held(&partition.id(), self.owner) {
                true => UNSAVED_LEASE,
                false => LEASE,
            };
            let request = LeaseRequest::new(self.owner, ttl).instead_of(replaced.as_ref());
            let request = inner.lasting(partition, request);
            let wait = Wait::renewal(job.patience(inner));
            let leased = inner.lease(partition, request, known.as_ref(), wait).await;
            let Leased { lease, from, read } = match leased {
                Ok(leased) => leased,
                Err(error) => return self.failed(error).await,
            };
            let is_mine = matches!(lease, Lease::Mine);
            let current = match read {
                Ok(current) => current,
                Err(error) => {
                    self.give_back(is_mine, None).await;
                    return self.failed(error).await;
                }
            };
            let cache = inner.with_unsaved(partition, current.as_ref());
            match job.look(inner, &cache) {
                Ok(None) => {}
                found => {
                    self.give_back(is_mine, None).await;
                    return found.map(|token| token.expect("the arm above has none"));
                }
            }
            match lease {
                // It may have ended while its answer was on the way.
                Lease::Mine if from.elapsed() >= LONGEST_GRANT => {
                    self.give_back(true, None).await;
                    let after = from.elapsed();
                    return self.failed(StoreError::Timeout { after, source: None }.into()).await;
                }
                Lease::Mine => match self.spend(current.clone(), &cache, from + EXCHANGE).await {
                    Step::Done(done) => return done,
                    Step::Again if rounds >= ROUNDS => {
                        self.give_back(true, None).await;
                        return Err(Error::Contended { attempts: ROUNDS });
                    }
                    Step::Again => rounds += 1,
                },
                Lease::Failed { note, ends_in } => match self.says(&note, ends_in, &cache)? {
                    Some(error) => return self.with_what_is_left(&cache, error),
                    None if replaced.as_ref() == Some(&note) => {
                        if Instant::now() >= job.until {
                            return Err(Error::RefreshInProgress { waited: WAIT });
                        }
                        drop(spending);
                        sleep(ASK).await;
                    }
                    None => replaced = Some(note),
                },
                Lease::Other { ends_in } => {
                    drop(spending);
                    lease_wait.begin();
                    if Instant::now() >= job.until {
                        let error = Error::RefreshInProgress { waited: WAIT };
                        return self.with_what_is_left(&cache, error);
                    }
                    known = match self.wait_for_another(current, ends_in).await {
                        Ok(seen) => seen,
                        Err(error) => return self.failed(error).await,
                    };
                    let cache = inner.with_unsaved(partition, known.as_ref());
                    if let Some(token) = job.look(inner, &cache)? {
                        return Ok(token);
                    }
                    continue;
                }
            }
            known = current;
        }
    }

    /// Asks the provider, with the lease.
    async fn spend(
        &mut self,
        current: Option<Arc<Kept>>,
        cache: &TokenCache,
        deadline: Instant,
    ) -> Step {
        let (inner, job) = (self.inner, self.job);
        if deadline < Instant::now() + EXCHANGE / 2 {
            // This node stood still. The lease would end too soon after the answer.
            return Step::Again;
        }
        let candidate = match job.candidate(cache, &self.tried) {
            Ok(candidate) => candidate,
            Err(error) => {
                // The refusal says more than that there is no other token.
                let failed = self.refused.take();
                self.give_back(true, failed.as_ref()).await;
                let error = failed.map_or(error, |failed| failed.error);
                return Step::Done(self.with_what_is_left(cache, error));
            }
        };
        match inner.exchange(job, candidate.as_ref(), deadline).await {
            Ok(Exchanged::Tokens(body, at)) => {
                let received = job.received(candidate, body, at);
                // A lease of which the rest does not do is kept for what is not saved.
                self.save(current, received, deadline - EXCHANGE + LEASE / 2).await
            }
            Ok(Exchanged::RefusedToken(failed)) if self.tried.len() < MOST_TRIED => {
                inner.counts.add(Counted::Refused, 1);
                self.tried.push(Job::digest_of(candidate.as_ref()));
                self.refused = Some(failed);
                // What the store has by now: a node without the lease may have stored another one.
                Step::Again
            }
            Ok(Exchanged::RefusedToken(failed) | Exchanged::Failed(failed)) => {
                self.give_back(true, Some(&failed)).await;
                Step::Done(self.with_what_is_left(cache, failed.error))
            }
            Err(error) => {
                self.give_back(true, None).await;
                Step::Done(Err(error))
            }
        }
    }

    /// What a note says of this renewal. `None` if it is about another refresh token or request.
    fn says(
        &self,
        note: &Note,
        ends_in: Duration,
        cache: &TokenCache,
    ) -> Result<Option<Error>, Error> {
        let candidate = self.job.candidate(cache, &self.tried)?;
        let Some(failure) = Failure::read(note) else {
            // Of another version of this crate, which knows why.
            let error = Error::Provider {
                what: "another node failed to renew",
                status: None,
                code: None,
                retry_after: Some(ends_in),
                source: None,
            };
            return Ok(Some(error));
        };
        let spent = Job::digest_of(candidate.as_ref());
        let asked = crate::digest::of_request(&self.job.request);
        Ok(failure.is_about(spent, asked).then(|| failure.error(ends_in)))
    }

    async fn give_back(&self, is_mine: bool, failed: Option<&Failed>) {
        if !is_mine || self.inner.unsaved.is_held(&self.job.partition.id(), self.owner) {
            // The store has a token that was spent. The lease keeps the other nodes from it.
            return;
        }
        let Some(failed) = failed else {
            self.inner.release_later(&self.job.partition, self.owner);
            return;
        };
        let note = failed.failure.to_note();
        let failed = Some((&note, failed.pause));
        self.inner.release(&self.job.partition, self.owner, failed).await;
    }

    /// A token that is still valid, in place of an error.
    fn with_what_is_left(&self, cache: &TokenCache, error: Error) -> Result<AccessToken, Error> {
        if self.job.is_early {
            // The next call must not try again at once.
            let pause = error.retry_after().unwrap_or(EARLY_PAUSE).max(EARLY_PAUSE);
            self.inner.l1.no_early_refresh_for(&self.job.partition.id(), pause);
        }
        // A provider that wants a sign-in has ended the session, so a margin is no excuse.
        if error.is_sign_in_needed() {
            return Err(error);
        }
        self.job.any(self.inner, cache).ok_or(error)
    }

    /// The store failed, or what it has cannot be opened.
    async fn failed(&self, error: Error) -> Result<AccessToken, Error> {
        if error.is_silence() {
            self.turn.failed(&error);
        }
        self.inner.without_store(self.job, error).await
    }
}

impl Job {
    /// The token of a cache, unless it is the one that is to be renewed early.
    fn look(&self, inner: &Inner, cache: &TokenCache) -> Result<Option<AccessToken>, Error> {
        if self.assertion.as_ref().is_some_and(|assertion| assertion.is_over(inner.now())) {
            return Ok(None);
        }
        let found = inner.find(cache, &self.request)?;
        Ok(found.filter(|found| !(self.is_early && found.is_due)).map(|found| found.token))
    }

    /// Until when a call waits for its turn at the store: not long if it can do without.
    fn patience(&self, inner: &Inner) -> Instant {
        let local = inner.local(&self.partition);
        let has_token = local.is_some_and(|local| self.any(inner, &local.cache).is_some());
        let is_needed = self.partition.kind().has_refresh_tokens() && !has_token;
        let moment = Instant::now() + MOMENT;
        if is_needed { self.until } else { moment }
    }

    /// A token that has not expired, whatever the margin.
    fn any(&self, inner: &Inner, cache: &TokenCache) -> Option<AccessToken> {
        let is_over = self.assertion.as_ref().is_some_and(|one| one.is_over(inner.now()));
        if is_over { None } else { inner.find_any(cache, &self.request) }
    }

    /// The refresh token to spend, the newest that was not tried. `None` for kinds without one.
    fn candidate(&self, cache: &TokenCache, tried: &[[u8; 16]]) -> Result<Option<Entry>, Error> {
        if !self.partition.kind().has_refresh_tokens() {
            return Ok(None);
        }
        let tokens = cache.refresh_tokens(&self.request)?;
        let new = |token: &Entry| !tried.contains(&Self::digest_of(Some(token)));
        tokens.into_iter().find(new).map(Some).ok_or_else(|| {
            Error::sign_in(match cache.is_empty() {
                true => SignInReason::Absent,
                false => SignInReason::NoRefreshToken,
            })
        })
    }
}

/// How long a request to the provider may take.
pub(crate) const EXCHANGE: Duration = Duration::from_secs(5);
/// How long a lease may take to be granted, so that the request has a time of use.
const LONGEST_GRANT: Duration = Duration::from_secs(4);
/// The lease outlives the request, so that nobody else spends the same token meanwhile.
const LEASE: Duration = Duration::from_secs(7);
/// How long a call waits for others at most.
pub(crate) const WAIT: Duration = Duration::from_secs(10);
/// When the lease is asked for again that another node has.
const ASK: Duration = Duration::from_millis(250);
/// How often a renewal starts over.
const ROUNDS: u32 = 8;
/// How many refresh tokens one renewal spends besides the first.
const MOST_TRIED: usize = 2;
/// How long an early refresh that failed is not tried again.
const EARLY_PAUSE: Duration = Duration::from_secs(10);
