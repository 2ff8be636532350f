//! The steps of one silent sign-in, up to the lease.

use std::{
    collections::BTreeSet,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use zeroize::Zeroizing;

use super::{
    lease::{LONGEST_WAIT, Lease, Without, in_memory},
    note::{Asked, Failure, Notes, digest},
};
use crate::{
    AccessToken, CredentialType, Entry, Error, Secret, TokenCache, TokenRequest,
    cache::spender,
    persisted::PersistedTokenCache,
    persistence::Intent,
    silent::{Grant, SilentOptions, TokenEndpoint, sent_claims},
};

/// One call, from its first look at the cache.
pub(super) struct Renewal<'a> {
    pub(super) cache: &'a PersistedTokenCache,
    pub(super) request: &'a TokenRequest,
    pub(super) options: &'a SilentOptions,
    pub(super) endpoint: &'a mut dyn TokenEndpoint,
    pub(super) grant: Grant,
    /// What is asked for, for the notes.
    pub(super) asked: Asked,
    /// The time of the first look, in Unix seconds.
    start: u64,
    /// The digests of the client's access tokens that the first look saw, however old. Another one
    /// was stored since, and answers the call.
    seen: BTreeSet<String>,
    /// The cache has a valid token that should be renewed.
    is_aging: bool,
    /// Until when all requests to the provider have to be answered, from the first of them on.
    pub(super) deadline: Option<Instant>,
    /// The refresh tokens that were refused.
    pub(super) tried: Vec<Secret>,
    /// The client is not in the family whose refresh tokens it tried.
    is_in_no_family: bool,
    /// The requests to the provider so far.
    pub(super) requests: u32,
    /// The error of the last token that was refused.
    pub(super) refused: Option<Error>,
}

/// What is spent: a refresh token, or what an application has in place of one.
pub(super) struct Candidate {
    pub(super) token: Option<Entry>,
    /// Which lease it is for.
    spender: String,
    /// Names it in the notes.
    pub(super) secret: Zeroizing<String>,
}

/// What a look at the cache found.
enum Look {
    Fresh(AccessToken),
    Aging,
    Nothing,
}

/// What became of one candidate.
pub(super) enum Step {
    Done(Option<AccessToken>),
    /// Another candidate is to be tried, with a lease of its own.
    Another,
}

impl<'a> Renewal<'a> {
    /// The cached token, or the call that renews it.
    pub(super) fn run(
        cache: &'a PersistedTokenCache,
        request: &'a TokenRequest,
        options: &'a SilentOptions,
        endpoint: &'a mut dyn TokenEndpoint,
        grant: Grant,
    ) -> Result<Option<AccessToken>, Error> {
        // Before anything is waited for or spent.
        sent_claims(request)?;
        cache.save_unsaved();
        let (start, now) = (cache.clock.now(), cache.current_with_unsaved()?);
        let is_aging = match look(&now, request, start)? {
            Look::Fresh(token) => return Ok(Some(token)),
            Look::Aging => true,
            Look::Nothing => false,
        };
        let seen = access_tokens(&now, request);
        drop(now);
        let asked = Asked::of(request);
        let (deadline, tried, is_in_no_family, requests, refused) = Default::default();
        let mut renewal = Self {
            cache,
            request,
            options,
            endpoint,
            grant,
            asked,
            start,
            seen,
            is_aging,
            deadline,
            tried,
            is_in_no_family,
            requests,
            refused,
        };
        match renewal.renew() {
            Ok(Some(token)) => Ok(Some(token)),
            // The cached token is good for a while, whatever kept it from being renewed.
            other if is_aging => match renewal.still_valid() {
                Some(token) => Ok(Some(token)),
                None => other,
            },
            other => other,
        }
    }

    fn renew(&mut self) -> Result<Option<AccessToken>, Error> {
        let _running = self.cache.shared.renewals.running.begin();
        // Nobody is signed in: nothing is created, and nothing asked for.
        if self.candidate()?.is_none() {
            return Ok(None);
        }
        let folder = self.unless_unsaved(self.cache.persistence().lease_folder())?;
        // Who has a token that is good for a while does not wait for others.
        let wait = if self.is_aging { Duration::ZERO } else { self.options.wait };
        let mut until = Instant::now() + wait.min(LONGEST_WAIT);
        for _ in 0..ROUNDS {
            // Everything that may ask the user, and before a candidate is read: it may take long.
            self.unless_unsaved(self.cache.prepare_for(Intent::Write))?;
            let Some(candidate) = self.candidate()? else { return self.end() };
            let lease = match self.lease(folder.as_deref(), &candidate.spender, until)? {
                Ok(lease) => lease,
                Err(Without::Found(token)) => return Ok(Some(token)),
                Err(Without::Busy { waited, holder }) => {
                    return Err(Error::RefreshInProgress { waited, holder });
                }
            };
            let begun = Instant::now();
            match self.with_lease(&lease, &candidate)? {
                Step::Done(token) => return Ok(token),
                // Its own requests are no wait for others.
                Step::Another => until += begun.elapsed(),
            }
        }
        Err(self.refused.take().unwrap_or_else(|| self.cache.kept_changing(ROUNDS)))
    }

    /// The error of a refused token, or nobody who is signed in.
    fn end(&mut self) -> Result<Option<AccessToken>, Error> {
        self.refused.take().map_or(Ok(None), Err)
    }

    fn lease(
        &self,
        folder: Option<&Path>,
        spender: &str,
        until: Instant,
    ) -> Result<Result<Lease, Without<AccessToken>>, Error> {
        let look = || {
            if self.options.is_stopped() {
                let path = folder.map_or_else(in_memory, Path::to_owned);
                return Err(Error::wait_canceled(&path));
            }
            self.answer(None)
        };
        let leases = &self.cache.shared.renewals.leases;
        let _stop = self.cache.wait.interruptible();
        match leases.acquire(folder, spender, until, look) {
            // What cannot be saved in this place cannot be agreed on there either.
            Err(
                Error::ReadOnly { .. } | Error::PermissionDenied { .. } | Error::NoSpace { .. },
            ) if self.options.may_stay_unsaved() => leases.acquire(None, spender, until, look),
            lease => lease,
        }
    }

    /// Looks again, now that nobody else renews, and spends the candidate if it is still the one.
    fn with_lease(&mut self, lease: &Lease, candidate: &Candidate) -> Result<Step, Error> {
        let notes = lease.notes();
        if let Some(token) = self.answer(Some(&notes))? {
            return Ok(Step::Done(Some(token)));
        }
        let candidate = match self.candidate()? {
            Some(now) if now.spender == candidate.spender => now,
            // Another token comes first by now, which another lease is for; or none is left.
            _ => return Ok(Step::Another),
        };
        let times = (self.start, self.cache.clock.now());
        // Who has a token that is good for a while does not try again and again.
        let patience = if self.is_aging { AGING_PATIENCE } else { Duration::ZERO };
        let shared = notes.shared_failure(&candidate.secret, times, patience, &self.asked);
        if let Some(shared) = shared {
            let failure = shared.failure.clone();
            let error = shared.into_error();
            if !failure.is_of_the_token() {
                return Err(error);
            }
            self.refused(&candidate, &failure, error);
            return Ok(Step::Another);
        }
        self.spend(lease, notes, &candidate)
    }

    /// The best refresh token that was not refused yet.
    pub(super) fn candidate(&self) -> Result<Option<Candidate>, Error> {
        if self.grant == Grant::ClientCredentials {
            let spender =
                format!("application {}\0{}", self.request.client_id(), self.request.authority());
            let secret = Zeroizing::new(spender.clone());
            let is_new = !self.tried.iter().any(|tried| tried.expose() == secret.as_bytes());
            return Ok(is_new.then_some(Candidate { token: None, spender, secret }));
        }
        let is_new = |entry: &Entry| {
            let secret = entry.secret().unwrap_or_default();
            (!self.is_in_no_family || self.is_own(entry))
                && self.tried.iter().all(|tried| tried.expose() != secret.as_bytes())
        };
        let tokens = self.cache.current_with_unsaved()?.refresh_tokens(self.request)?;
        Ok(tokens.into_iter().find(is_new).map(|token| Candidate {
            spender: spender(&token),
            secret: Zeroizing::new(token.secret().unwrap_or_default().to_owned()),
            token: Some(token),
        }))
    }

    /// Whether the client got the refresh token itself.
    fn is_own(&self, entry: &Entry) -> bool {
        entry.client_id().as_deref() == Some(self.request.client_id())
    }

    pub(super) fn refused(&mut self, candidate: &Candidate, failure: &Failure, error: Error) {
        self.tried.push(Secret::new(candidate.secret.as_bytes()));
        // As in MSAL, the other refresh tokens of the family are left alone: they would be refused
        // for the same reason.
        let is_own = candidate.token.as_ref().is_none_or(|token| self.is_own(token));
        self.is_in_no_family |= failure.is_of_another_client() && !is_own;
        self.refused = Some(error);
    }

    /// A token that answers the call by now: a good one, or any that another caller got since the
    /// call began. For a request with claims, `notes` have to say that it was issued for them.
    pub(super) fn answer(&self, notes: Option<&Notes>) -> Result<Option<AccessToken>, Error> {
        let (cache, now) = (self.cache.current_with_unsaved()?, self.cache.clock.now());
        match look(&cache, self.request, now) {
            Ok(Look::Fresh(token)) => return Ok(Some(token)),
            // Somebody else signed in meanwhile. The choice of a refresh token will say so.
            Ok(_) | Err(Error::AccountAmbiguous { .. }) => {}
            Err(error) => return Err(error),
        }
        let is_new = |token: &AccessToken| !self.seen.contains(&digest(token.secret()));
        let is_for_the_claims = |token: &AccessToken| {
            self.request.requested_claims().is_none()
                || notes.is_some_and(|notes| notes.has_answered(token.secret(), &self.asked))
        };
        let found = any_token(&cache, self.request, now);
        Ok(found.filter(|token| is_new(token) && is_for_the_claims(token)))
    }

    /// The aging token, if it is still in the cache and valid.
    fn still_valid(&self) -> Option<AccessToken> {
        let cache = self.cache.current_with_unsaved().ok()?;
        any_token(&cache, self.request, self.cache.clock.now())
    }

    /// The result, or nothing if it is an error and the caller takes a token that is not saved.
    pub(super) fn unless_unsaved<T: Default>(&self, result: Result<T, Error>) -> Result<T, Error> {
        match result {
            Err(_) if self.options.may_stay_unsaved() => Ok(T::default()),
            result => result,
        }
    }
}

impl PersistedTokenCache {
    /// The newest state, with the answers that could not be saved yet.
    pub(in crate::persisted) fn current_with_unsaved(&self) -> Result<Arc<TokenCache>, Error> {
        // The answers first: one that is saved in between is in the state that is read then.
        match self.shared.renewals.unsaved.waiting() {
            None => self.current(),
            Some(waiting) => {
                let current = self.current()?;
                Ok(self.shared.renewals.unsaved.over(&current, &waiting))
            }
        }
    }

    /// Saves answers that could not be saved yet, if that works now. Tries every few seconds.
    pub(super) fn save_unsaved(&self) {
        if self.shared.renewals.unsaved.is_due() {
            self.clone().lock_timeout(self.wait.timeout.min(SOON)).save_all().ok();
        }
    }
}

/// The digests of the client's access tokens.
fn access_tokens(cache: &TokenCache, request: &TokenRequest) -> BTreeSet<String> {
    let tokens = cache.entries(CredentialType::AccessToken);
    let own = tokens.filter(|token| token.client_id().as_deref() == Some(request.client_id()));
    own.filter_map(|token| token.secret().map(digest)).collect()
}

fn look(cache: &TokenCache, request: &TokenRequest, now: u64) -> Result<Look, Error> {
    let Some(found) = cache.find_access_token(request, now)? else { return Ok(Look::Nothing) };
    Ok(match found.is_aging() && is_due(found.entry(), now) {
        true => Look::Aging,
        false => Look::Fresh(found.to_owned()),
    })
}

/// A token for the request's scopes that has not expired yet, whatever the margin and the claims.
fn any_token(cache: &TokenCache, request: &TokenRequest, now: u64) -> Option<AccessToken> {
    let request = request.clone().claims("").margin(Duration::ZERO);
    // Several accounts: none of their tokens answers.
    Some(cache.find_access_token(&request, now).ok()??.to_owned())
}

/// Whether an aging token is due. The processes of one machine are spread over a few minutes.
fn is_due(entry: &Entry, now: u64) -> bool {
    let now = i64::try_from(now).unwrap_or(i64::MAX);
    let (Some(refresh_on), Some(end)) = (entry.refresh_on(), entry.expires_on()) else {
        return true;
    };
    // Cached in the future: the clock was set back since, so its times say nothing.
    if !entry.is_fresh(now) {
        return true;
    }
    let spread = (end.saturating_sub(refresh_on) / 2).clamp(1, 300);
    let own = i64::from(std::process::id()) % spread;
    now >= refresh_on.saturating_add(own)
}

/// How many leases one call takes: for each refresh token that is refused, and because another one
/// may come first by the time it has the lease.
const ROUNDS: usize = 8;
/// How long nobody who has an aging token tries again after a failure.
const AGING_PATIENCE: Duration = Duration::from_secs(60);
/// How long an answer that is not saved yet keeps a call that does not need it.
const SOON: Duration = Duration::from_secs(1);
