//! Tokens without the store: from this node's memory, or from the provider for kinds that spend
//! nothing.

use std::sync::Arc;

use tokenkeep::{AccessToken, TokenCache, silent::Refreshed};
use tokio::time::Instant;

use super::{Base, EXCHANGE, Job, exchange::Exchanged};
use crate::{Error, inner::Inner, partition::Partition, received::Received, value::Kept};

impl Inner {
    /// A token although the store failed with `error`, or its value cannot be opened.
    pub(super) async fn without_store(
        self: &Arc<Self>,
        job: &Job,
        error: Error,
    ) -> Result<AccessToken, Error> {
        let partition = &job.partition;
        let local = self.local(partition);
        let is_corrupt = matches!(error, Error::Corrupt { .. } | Error::OtherPartition);
        if let Some(local) = &local
            && !is_corrupt
        {
            if let Some(token) = job.look(self, &local.cache)? {
                return Ok(token);
            }
            if let Some(token) = job.any(self, &local.cache) {
                return Ok(token);
            }
        }
        if !partition.kind().has_refresh_tokens() {
            return self.ask_alone(job).await;
        }
        if self.options.spend_without_store && error.is_of_the_store() {
            let cache = local.map(|local| TokenCache::clone(&local.cache)).unwrap_or_default();
            return self.spend_alone(job, &cache, error).await;
        }
        Err(error)
    }

    /// A token of the application or on behalf of a user, which no refresh token is spent for.
    async fn ask_alone(&self, job: &Job) -> Result<AccessToken, Error> {
        let deadline = Instant::now() + EXCHANGE;
        match self.exchange(job, None, deadline).await? {
            Exchanged::Tokens(body, at) => {
                let received = job.received(None, body, at);
                let token = received.unkept()?;
                self.keep_alone(&job.partition, &received);
                Ok(token.stored(false))
            }
            Exchanged::RefusedToken(failed) | Exchanged::Failed(failed) => Err(failed.error),
        }
    }

    /// Spends a refresh token that this node knows, for a provider that does not revoke on reuse.
    async fn spend_alone(
        self: &Arc<Self>,
        job: &Job,
        cache: &TokenCache,
        error: Error,
    ) -> Result<AccessToken, Error> {
        // Nobody can say whether the user signed out, so the store's failure is the error.
        let Ok(candidate) = job.candidate(cache, &[]) else { return Err(error) };
        let deadline = Instant::now() + EXCHANGE;
        match self.exchange(job, candidate.as_ref(), deadline).await? {
            Exchanged::Tokens(body, at) => {
                let received = job.received(candidate, body, at);
                let mut cache = cache.clone();
                let refreshed = match received.add_to(&mut cache) {
                    Err(unusable) if received.is_in(&cache) => {
                        let base = Base::Unknown;
                        self.save_when_possible(&job.partition, &received, base, None);
                        return Err(unusable);
                    }
                    refreshed => refreshed?,
                };
                let base = Base::Unknown;
                self.unstored(&job.partition, &received, refreshed, base, None, error)
            }
            Exchanged::RefusedToken(failed) | Exchanged::Failed(failed) => Err(failed.error),
        }
    }

    /// Keeps a token of a kind without refresh tokens in this node's memory alone.
    pub(super) fn keep_alone(&self, partition: &Partition, received: &Received) {
        let epoch = self.l1.epoch(&partition.id());
        let local = self.local(partition);
        let mut cache = local.map(|local| TokenCache::clone(&local.cache)).unwrap_or_default();
        if !matches!(received.add_to(&mut cache), Ok(Refreshed::Stored(_))) {
            return;
        }
        let Ok(identity) = crate::value::random() else { return };
        let len = cache.to_json().expose().len();
        let kept = Kept { cache, mark: None, identity, generation: 0, seen: 0, len };
        self.keep(partition, &Arc::new(kept), epoch);
    }
}
