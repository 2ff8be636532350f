//! The provider's response on its way into the store.

use std::sync::Arc;

use tokenkeep::{AccessToken, CredentialType, Entry, Secret, silent::Refreshed};
use tokio::time::Instant;

use super::{Job, Renewal, Step};
use crate::{
    Error, SignInReason,
    counts::Counted,
    inner::Inner,
    partition::Partition,
    received::Received,
    store::Owner,
    turns::Wait,
    value::{self, Kept},
    write::{Write, Written},
};

impl Job {
    pub(super) fn received(&self, spent: Option<Entry>, body: Secret, at: u64) -> Arc<Received> {
        let bound = self.assertion.as_ref().and_then(|assertion| assertion.ends());
        Arc::new(Received { request: self.request.clone(), spent, body, at, bound })
    }
}

impl Renewal<'_> {
    /// Saves a response, with the lease. It waits until `until` for its turn at the store.
    pub(super) async fn save(
        &mut self,
        current: Option<Arc<Kept>>,
        received: Arc<Received>,
        until: Instant,
    ) -> Step {
        let (inner, job) = (self.inner, self.job);
        let write = Write {
            partition: &job.partition,
            base: current,
            owner: Some(self.owner),
            response: Some(&received),
            wait: Wait::save(until),
        };
        let mut is_there = false;
        let written = inner
            .write(write, |cache| {
                let added = received.add_to(cache);
                is_there = received.is_in(cache);
                match added {
                    // The new refresh token is stored without what cannot be used.
                    Err(error) if is_there => Ok(Err(error)),
                    added => Ok(Ok(added?)),
                }
            })
            .await;
        let refreshed = match written {
            // A try whose outcome was not known had stored it, and others wrote since.
            Ok(Written::Stored(Ok(Refreshed::Replaced(token)))) if is_there => {
                self.give_back(true, None).await;
                return Step::Done(Ok(token));
            }
            Ok(Written::Stored(Ok(refreshed))) => refreshed,
            Ok(Written::Stored(Err(unusable))) => return Step::Done(Err(unusable)),
            Ok(Written::Failed { outcome: Err(unusable), base, .. }) => {
                let owner = Some(self.owner);
                inner.save_when_possible(&job.partition, &received, Base::Known(base), owner);
                return Step::Done(Err(unusable));
            }
            Ok(Written::Failed { outcome: Ok(outcome), error, base }) => {
                if error.is_silence() {
                    self.turn.failed(&error);
                }
                let owner = Some(self.owner);
                let base = Base::Known(base);
                let done = inner.unstored(&job.partition, &received, outcome, base, owner, error);
                return Step::Done(done);
            }
            Err(error) => {
                // The new refresh token must not be lost with what cannot be used of the response.
                let is_kept = job.partition.kind().has_refresh_tokens()
                    && (error.is_of_the_value() || matches!(error, Error::Cache(_)));
                if is_kept && let Ok(token) = received.unkept() {
                    let owner = Some(self.owner);
                    let stored = Refreshed::Stored(token);
                    let base = Base::Unknown;
                    let done =
                        inner.unstored(&job.partition, &received, stored, base, owner, error);
                    return Step::Done(done);
                }
                self.give_back(true, None).await;
                return Step::Done(Err(error));
            }
        };
        if let Refreshed::Stored(token) = refreshed {
            return Step::Done(Ok(inner.as_stored(&job.partition, token)));
        }
        self.give_back(true, None).await;
        match refreshed {
            Refreshed::Replaced(token) => {
                // Another refresh token is there: a new sign-in, or another renewal with the same
                // one. Nothing is revoked, because a provider may end both with one.
                match inner.local(&job.partition).map(|local| job.look(inner, &local.cache)) {
                    Some(Ok(Some(token))) => Step::Done(Ok(token)),
                    _ => Step::Done(Ok(token.stored(false))),
                }
            }
            Refreshed::SignedOut(_, renewed) => {
                inner.revoke(renewed);
                Step::Done(Err(Error::sign_in(SignInReason::SignedOut)))
            }
            Refreshed::AnotherUser(renewed) => {
                inner.revoke(renewed);
                Step::Done(Err(another_user()))
            }
            _ => Step::Done(Err(another_user())),
        }
    }
}

impl Inner {
    /// The store did not take a response: this node keeps it until it does.
    pub(crate) fn unstored(
        self: &Arc<Self>,
        partition: &Partition,
        received: &Arc<Received>,
        refreshed: Refreshed,
        base: Base,
        owner: Option<Owner>,
        error: Error,
    ) -> Result<AccessToken, Error> {
        let token = match refreshed {
            Refreshed::Stored(token) | Refreshed::Replaced(token) => token,
            Refreshed::SignedOut(_, renewed) => {
                self.revoke(renewed);
                return Err(Error::sign_in(SignInReason::SignedOut));
            }
            _ => return Err(another_user()),
        };
        tracing::warn!(
            target: crate::TARGET,
            %error,
            kind = partition.kind().as_str(),
            "the store did not take tokens that the provider issued"
        );
        if partition.kind().has_refresh_tokens() {
            self.save_when_possible(partition, received, base, owner);
        } else {
            self.keep_alone(partition, received);
        }
        Ok(token.stored(false))
    }

    /// Keeps a response until the store takes it.
    pub(super) fn save_when_possible(
        self: &Arc<Self>,
        partition: &Partition,
        received: &Arc<Received>,
        base: Base,
        owner: Option<Owner>,
    ) {
        let base = match base {
            Base::Known(base) => Some(base),
            Base::Unknown => None,
        };
        let last_read = || self.last_read(partition);
        let dropped = self.unsaved.push(partition, base, last_read, Arc::clone(received), owner);
        self.drop_unsaved(dropped);
        self.save_later();
    }

    /// What the store had when this node last read it.
    fn last_read(&self, partition: &Partition) -> Option<Arc<Kept>> {
        let slot = self.l1.get(&partition.id())?;
        self.opened(partition, &slot)
    }

    /// Whether a token is stored that may have been dropped for want of room.
    pub(crate) fn as_stored(&self, partition: &Partition, token: AccessToken) -> AccessToken {
        // Most tokens are far from the limit.
        if token.secret().len() < value::LIMIT as usize / 16 {
            return token;
        }
        let local = self.local(partition);
        let is_there = local.is_some_and(|local| {
            let mut tokens = local.cache.entries(CredentialType::AccessToken);
            tokens.any(|entry| entry.secret() == Some(token.secret()))
        });
        token.stored(is_there)
    }

    /// Responses that this node gives up. Their users have to sign in again.
    pub(crate) fn drop_unsaved(&self, dropped: Vec<Arc<Received>>) {
        if dropped.is_empty() {
            return;
        }
        self.counts.add(Counted::UnsavedDropped, dropped.len());
        tracing::error!(
            target: crate::TARGET,
            count = dropped.len(),
            "tokens that the store did not take were given up; their users have to sign in again"
        );
    }
}

/// What the store had before a write that failed.
pub(crate) enum Base {
    /// It was read for this write.
    Known(Option<Arc<Kept>>),
    /// It could not be read.
    Unknown,
}

fn another_user() -> Error {
    Error::Provider {
        what: "its response is for another user",
        status: None,
        code: None,
        retry_after: None,
        source: None,
    }
}
