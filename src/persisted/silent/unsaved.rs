//! Answers of a provider that are to be stored, and those that could not be stored yet.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokenkeep_platform::sync::ForkLock;
use zeroize::Zeroizing;

use crate::{
    AccessToken, Entry, Error, Secret, TokenCache, TokenRequest,
    cache::{Refreshed, SignInEvent},
};

/// A provider's answer, with what is needed to store it.
pub(super) struct Received {
    pub(super) request: TokenRequest,
    /// The request with the scopes that were sent.
    pub(super) sent: TokenRequest,
    /// The refresh token that was spent. `None` for a token of the application itself.
    pub(super) spent: Option<Entry>,
    /// The refresh token that the store has, if the spent one is not saved either.
    pub(super) root: Option<Entry>,
    pub(super) body: Secret,
    /// The time right before it was asked for, in Unix seconds.
    pub(super) at: u64,
}

/// Answers that could not be saved. The next transaction of this process saves them.
#[derive(Default)]
pub(in crate::persisted) struct Unsaved(ForkLock<Waiting>);

#[derive(Clone, Default)]
pub(super) struct Waiting {
    /// The number of answers so far, which names the next one.
    count: u64,
    /// One for each request, the oldest first.
    answers: Vec<(u64, Arc<Received>)>,
    last_try: Option<Instant>,
    /// A state of the store, and the same state with the answers.
    over: Option<[Arc<TokenCache>; 2]>,
}

impl Received {
    /// Stores it, by what became of the refresh token since.
    pub(super) fn add_to(&self, cache: &mut TokenCache) -> Result<Refreshed, Error> {
        let (body, request) = (self.body.expose(), &self.request);
        let Some(spent) = &self.spent else {
            let token = cache.add_response(request, body, self.at)?;
            cache.remove_refused(request, &token)?;
            return Ok(Refreshed::Stored(token));
        };
        let mut add = |spent| cache.add_refreshed_for(request, &self.sent, spent, body, self.at);
        match (add(spent)?, &self.root) {
            (Refreshed::Replaced(_) | Refreshed::SignedOut(..), Some(root)) => add(root),
            (refreshed, _) => Ok(refreshed),
        }
    }

    /// Stores it later than it came: a newer access token stays.
    fn add_late_to(&self, cache: &mut TokenCache) -> Result<(), Error> {
        let request = self.request.clone().claims("").margin(Duration::ZERO);
        let found = cache.find_access_token(&request, self.at).ok().flatten();
        let at = i64::try_from(self.at).unwrap_or(i64::MAX);
        if found.is_some_and(|found| found.entry().cached_at() > Some(at)) {
            for spent in [&self.spent, &self.root].into_iter().flatten() {
                cache.add_renewed_token(spent, self.body.expose(), self.at)?;
            }
            return Ok(());
        }
        self.add_to(cache).map(drop)
    }

    /// The new refresh token of the answer.
    pub(super) fn renewed(&self) -> Option<Zeroizing<String>> {
        SignInEvent::refresh_token_in(self.body.expose())
    }

    /// The access token of an answer that no cache has.
    pub(super) fn unkept(&self) -> Result<AccessToken, Error> {
        let body = self.body.expose();
        match &self.spent {
            Some(spent) => TokenCache::unkept_renewal(&self.request, spent, body, self.at),
            None => TokenCache::new().add_response(&self.request, body, self.at),
        }
    }
}

impl Unsaved {
    pub(super) fn is_empty(&self) -> bool {
        self.0.read().answers.is_empty()
    }

    /// Whether there is one, and nobody has tried to save it for a while.
    pub(super) fn is_due(&self) -> bool {
        if self.is_empty() {
            return false;
        }
        let mut waiting = self.0.write();
        let is_due = waiting.last_try.is_none_or(|last| last.elapsed() >= BETWEEN_TRIES);
        if is_due {
            waiting.last_try = Some(Instant::now());
        }
        is_due
    }

    /// A later answer to the same request takes the place of an earlier one, and its place among
    /// the refresh tokens.
    pub(super) fn push(&self, mut answer: Received) {
        let mut waiting = self.0.write();
        if let Some(spent) = answer.spent.as_ref().and_then(Entry::secret) {
            let is_before =
                |one: &Received| one.renewed().is_some_and(|renewed| *renewed == *spent);
            let before = waiting.answers.iter().find(|(_, one)| is_before(one));
            answer.root =
                before.and_then(|(_, one)| one.root.clone().or_else(|| one.spent.clone()));
        }
        waiting.answers.retain(|(_, one)| one.request != answer.request);
        waiting.count += 1;
        let number = waiting.count;
        waiting.answers.push((number, Arc::new(answer)));
        waiting.over = None;
        waiting.last_try = Some(Instant::now());
    }

    /// What waits now, if anything does.
    pub(super) fn waiting(&self) -> Option<Waiting> {
        let waiting = self.0.read();
        (!waiting.answers.is_empty()).then(|| waiting.clone())
    }

    /// The state of the store with these answers.
    pub(super) fn over(&self, state: &Arc<TokenCache>, waiting: &Waiting) -> Arc<TokenCache> {
        if let Some([known, over]) = &waiting.over
            && Arc::ptr_eq(known, state)
        {
            return Arc::clone(over);
        }
        let mut cache = TokenCache::clone(state);
        waiting.add_to(&mut cache);
        let over = Arc::new(cache);
        let mut now = self.0.write();
        if now.numbers() == waiting.numbers() {
            now.over = Some([Arc::clone(state), Arc::clone(&over)]);
        }
        over
    }

    /// Adds the answers that are still of use: not those whose account signed out since, or has
    /// another refresh token by now. Returns the numbers of all.
    pub(in crate::persisted) fn add_to(&self, cache: &mut TokenCache) -> Vec<u64> {
        let Some(waiting) = self.waiting() else { return Vec::new() };
        waiting.add_to(cache);
        waiting.numbers()
    }

    /// Forgets those answers, which are saved now.
    pub(in crate::persisted) fn saved(&self, numbers: &[u64]) {
        if !numbers.is_empty() {
            let mut waiting = self.0.write();
            waiting.answers.retain(|(number, _)| !numbers.contains(number));
            waiting.over = None;
        }
    }

    /// Forgets all: the cache was removed.
    pub(in crate::persisted) fn forget(&self) {
        let mut waiting = self.0.write();
        waiting.answers.clear();
        waiting.over = None;
    }
}

impl Waiting {
    fn add_to(&self, cache: &mut TokenCache) {
        for (_, answer) in &self.answers {
            // An answer that cannot be stored in this cache is of no use to it later either.
            answer.add_late_to(cache).ok();
        }
    }

    fn numbers(&self) -> Vec<u64> {
        self.answers.iter().map(|(number, _)| *number).collect()
    }
}

/// How often a call tries to save what could not be saved. Every transaction does, too.
const BETWEEN_TRIES: Duration = Duration::from_secs(5);
