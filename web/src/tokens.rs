//! The tokens of one user, session, application or assertion.

use std::{borrow::Cow, fmt, sync::Arc, time::Duration};

use tokenkeep::{AccessToken, TokenCache, TokenRequest, TokenSource};
use tokio::time::{Instant, timeout};
use tracing::{Instrument, Span, debug_span, field::Empty};

use crate::{
    Error, SessionId, TARGET, UserId,
    assertion::Assertion,
    counts::Outcome,
    inner::Inner,
    partition::{Kind, Partition},
    renewal::{Job, WAIT},
    turns::{MOMENT, Wait},
};

/// The tokens of one user, session, application or assertion.
///
/// It holds nothing: every call looks in this node's memory and in the store.
#[derive(Clone)]
pub struct Tokens {
    pub(crate) inner: Arc<Inner>,
    pub(crate) whose: Whose,
}

/// Whose tokens they are.
#[derive(Clone)]
pub(crate) enum Whose {
    User(UserId),
    Session(SessionId),
    Application,
    OnBehalfOf(Arc<Assertion>),
    LongRunning(SessionId),
}

impl Whose {
    fn kind(&self) -> Kind {
        match self {
            Self::User(_) => Kind::User,
            Self::Session(_) => Kind::Session,
            Self::Application => Kind::Application,
            Self::OnBehalfOf(_) => Kind::OnBehalfOf,
            Self::LongRunning(_) => Kind::LongRunning,
        }
    }
}

impl Tokens {
    /// An access token with these scopes, for the client and the authority of the builder.
    ///
    /// # Errors
    ///
    /// Those of [`get`](Self::get).
    pub async fn token<S: AsRef<str>>(
        &self,
        scopes: impl IntoIterator<Item = S>,
    ) -> Result<AccessToken, Error> {
        let client = self.inner.client.as_ref().ok_or_else(|| {
            Error::invalid("no provider is set; name one in the builder with `provider`")
        })?;
        self.get(&client.request(scopes)).await
    }

    /// An access token for a request: from this node's memory, from the store, or from one renewal
    /// for all nodes. It takes at most 10 s.
    ///
    /// A token that should be refreshed soon is returned at once, and a renewal begins behind it. A
    /// token that the store has not taken [is not stored](AccessToken::is_stored), and the user may
    /// have to sign in again.
    ///
    /// After an API refused a token, ask [`instead_of`](TokenRequest::instead_of) it.
    ///
    /// # Errors
    ///
    /// [`Error::SignInNeeded`] if only the user can help. The other errors say nothing of the
    /// user's sign-in.
    pub async fn get(&self, request: &TokenRequest) -> Result<AccessToken, Error> {
        self.get_within(request, WAIT).await
    }

    /// As [`get`](Self::get), within `limit`. A renewal goes on after it.
    ///
    /// # Errors
    ///
    /// Those of [`get`](Self::get), and [`Error::RefreshInProgress`] if the time is up.
    pub async fn get_within(
        &self,
        request: &TokenRequest,
        limit: Duration,
    ) -> Result<AccessToken, Error> {
        let started = Instant::now();
        let request = self.adapted(request)?;
        let kind = self.whose.kind().as_str();
        let span = debug_span!(target: TARGET, "token", kind, outcome = Empty, partition = Empty);
        let get = self.get_at_last(&request, started + limit, &span);
        let got = match timeout(limit, get.instrument(span.clone())).await {
            Ok(got) => got,
            Err(_) => match self.left(&request).await {
                Some(token) => {
                    self.count(Outcome::Aging, &span);
                    return Ok(token);
                }
                None => Err(Error::RefreshInProgress { waited: started.elapsed() }),
            },
        };
        if got.is_err() {
            self.count(Outcome::Error, &span);
        }
        got
    }

    /// A token that this node has and that has not expired, whatever the margin.
    async fn left(&self, request: &TokenRequest) -> Option<AccessToken> {
        // Nothing is awaited that was not there before.
        let partition = timeout(Duration::ZERO, self.partition(request)).await.ok()?.ok()?;
        let local = self.inner.local(&partition)?;
        if self.assertion().is_some_and(|assertion| assertion.is_over(self.inner.now())) {
            return None;
        }
        self.inner.find_any(&local.cache, request)
    }

    async fn get_at_last(
        &self,
        request: &TokenRequest,
        until: Instant,
        span: &Span,
    ) -> Result<AccessToken, Error> {
        let inner = &self.inner;
        let partition = self.partition(request).await?;
        if !span.is_disabled() {
            span.record("partition", partition.short().as_str());
        }
        let assertion = self.assertion();
        if let Some(local) = inner.local(&partition)
            && local.slot.as_ref().is_none_or(|slot| inner.is_fresh(slot))
            && !assertion.is_some_and(|assertion| assertion.is_over(inner.now()))
            && let Some(found) = inner.find(&local.cache, request)?
        {
            let outcome = if found.is_due { Outcome::Aging } else { Outcome::Memory };
            self.count(outcome, span);
            if found.is_due && local.slot.is_some_and(|slot| inner.l1.may_refresh_early(&slot)) {
                self.renew_early(&partition, request);
            }
            return Ok(found.token);
        }
        // Before anything is kept in memory that a removal ends.
        inner.listen();
        loop {
            let job = self.job(&partition, request, until, false);
            let key = (partition.id(), request.clone());
            let joined = inner.flights.join(key, || Arc::clone(inner).renew(job));
            let is_first = joined.is_first;
            match joined.outcome().await.unwrap_or_else(|| Err(ended())) {
                // Who started it may have waited for less time than this call may.
                Err(Error::RefreshInProgress { .. }) if !is_first && Instant::now() < until => {}
                Ok(token) => {
                    let outcome = match token.source() {
                        _ if !is_first => Outcome::Joined,
                        TokenSource::Provider => Outcome::Refreshed,
                        _ => Outcome::Store,
                    };
                    self.count(outcome, span);
                    return Ok(token);
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn count(&self, outcome: Outcome, span: &Span) {
        self.inner.counts.token(self.whose.kind(), outcome);
        span.record("outcome", outcome.as_str());
    }

    /// Starts a renewal behind the call, unless enough are under way.
    fn renew_early(&self, partition: &Partition, request: &TokenRequest) {
        let inner = &self.inner;
        let Ok(permit) = Arc::clone(&inner.early).try_acquire_owned() else { return };
        let job = self.job(partition, request, Instant::now() + WAIT, true);
        let key = (partition.id(), request.clone());
        drop(inner.flights.join(key, || {
            let inner = Arc::clone(inner);
            async move {
                let renewed = inner.renew(job).await;
                drop(permit);
                renewed
            }
        }));
    }

    fn job(
        &self,
        partition: &Partition,
        request: &TokenRequest,
        until: Instant,
        is_early: bool,
    ) -> Job {
        Job {
            partition: partition.clone(),
            request: request.clone(),
            assertion: self.assertion().cloned(),
            is_early,
            until,
        }
    }

    /// The token that this node or the store has for a request. The provider is not asked.
    ///
    /// # Errors
    ///
    /// Those of the store, if this node has no token, and those of a value that cannot be opened.
    pub async fn find(&self, request: &TokenRequest) -> Result<Option<AccessToken>, Error> {
        self.inner.listen();
        let request = self.adapted(request)?;
        within(self.find_at_last(&request)).await
    }

    async fn find_at_last(&self, request: &TokenRequest) -> Result<Option<AccessToken>, Error> {
        let inner = &self.inner;
        let partition = self.partition(request).await?;
        if self.assertion().is_some_and(|assertion| assertion.is_over(inner.now())) {
            return Ok(None);
        }
        let found = |cache: &TokenCache| {
            Ok::<_, Error>(inner.find(cache, request)?.map(|found| found.token))
        };
        let local = inner.local(&partition);
        let here = local.as_ref().map(|local| found(&local.cache)).transpose()?.flatten();
        let slot = local.as_ref().and_then(|local| local.slot.as_ref());
        if here.is_some() && slot.is_none_or(|slot| inner.is_fresh(slot)) {
            return Ok(here);
        }
        let known = slot.and_then(|slot| inner.opened(&partition, slot));
        let known = known.filter(|known| known.mark.is_some());
        let patience = if here.is_some() { MOMENT } else { WAIT };
        let wait = Wait::call(Instant::now() + patience);
        match inner.load(&partition, known.as_ref(), wait).await {
            Ok(base) => found(&inner.with_unsaved(&partition, base.as_ref())),
            Err(error) if error.is_of_the_store() && here.is_some() => Ok(here),
            Err(error) => Err(error),
        }
    }

    /// The request as this kind of tokens makes it.
    pub(crate) fn adapted<'r>(
        &self,
        request: &'r TokenRequest,
    ) -> Result<Cow<'r, TokenRequest>, Error> {
        match (&self.whose, request.is_app_only()) {
            (Whose::Application, false) => Ok(Cow::Owned(request.clone().app_only())),
            (Whose::Application, true) | (_, false) => Ok(Cow::Borrowed(request)),
            (_, true) => Err(Error::invalid(
                "the request is for the application itself; ask `WebTokenCache::app` for it",
            )),
        }
    }

    pub(crate) fn assertion(&self) -> Option<&Arc<Assertion>> {
        match &self.whose {
            Whose::OnBehalfOf(assertion) => Some(assertion),
            _ => None,
        }
    }

    /// The partition that has the tokens for a request.
    pub(crate) async fn partition(&self, request: &TokenRequest) -> Result<Partition, Error> {
        if let Some(partition) = self.fixed_partition().await? {
            return Ok(partition);
        }
        // One token each, so that a partition does not grow with what the application asks for.
        let cloud = request.cloud().ok_or_else(|| {
            Error::invalid("the authority of the request is not an address of one")
        })?;
        let issuer = request.issuer().or(request.realm()).unwrap_or_default();
        let mut scopes = request.scopes().to_vec();
        scopes.sort_unstable();
        let scopes = scopes.join(" ");
        let parts = [request.client_id(), cloud, issuer, &scopes].map(str::as_bytes);
        self.named(Kind::Application, &parts).await
    }

    /// The partition, for kinds where it does not depend on the request.
    pub(crate) async fn fixed_partition(&self) -> Result<Option<Partition>, Error> {
        let named = match &self.whose {
            Whose::Application => return Ok(None),
            Whose::User(user) => {
                let parts = [user.issuer().as_bytes(), user.subject().as_bytes()];
                self.named(Kind::User, &parts).await
            }
            Whose::Session(session) => self.named(Kind::Session, &[session.as_bytes()]).await,
            Whose::OnBehalfOf(assertion) => {
                self.named(Kind::OnBehalfOf, &[assertion.digest()]).await
            }
            Whose::LongRunning(key) => self.named(Kind::LongRunning, &[key.as_bytes()]).await,
        };
        named.map(Some)
    }

    async fn named(&self, kind: Kind, parts: &[&[u8]]) -> Result<Partition, Error> {
        let ring = self.inner.keys.ring().await?;
        Ok(Partition::new(&ring, &self.inner.app, kind, parts))
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens").field("kind", &self.whose.kind()).finish_non_exhaustive()
    }
}

/// A call that takes at most 10 s.
pub(crate) async fn within<T>(call: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    match timeout(WAIT, call).await {
        Ok(done) => done,
        Err(_) => {
            Err(Error::StoreUnavailable { retry_after: Duration::from_secs(1), source: None })
        }
    }
}

/// A task ended without an outcome.
pub(crate) fn ended() -> Error {
    Error::Provider {
        what: "the task of the renewal panicked, or its runtime ended",
        status: None,
        code: None,
        retry_after: Some(Duration::from_secs(1)),
        source: None,
    }
}
