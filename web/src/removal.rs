//! Sign-out.

use std::sync::Arc;

use tokenkeep::TokenRequest;
use tokio::time::Instant;

use crate::{
    Error, Tokens, inner::Inner, observed::store_step, partition::Partition, renewal::WAIT,
    tokens::within, turns::Wait,
};

impl Tokens {
    /// Removes everything of this user, session or assertion, at all nodes. What is stored is not
    /// read, so a value that is damaged is removed too.
    ///
    /// A renewal that is under way stores nothing. The application revokes the refresh token at the
    /// provider, if the provider should forget the session as well.
    ///
    /// # Errors
    ///
    /// Those of the store. Then nothing is certain, and the call can be repeated. With
    /// [`Durability::Replicated`](crate::store::Durability::Replicated) it is an error too if a
    /// failover could undo the sign-out. [`Error::Invalid`] for tokens of the application, which
    /// have one value for each request: see [`remove`](Self::remove).
    pub async fn sign_out(&self) -> Result<(), Error> {
        self.inner.listen();
        within(async {
            match self.fixed_partition().await? {
                Some(partition) => self.inner.remove(&partition).await,
                None => Err(Error::invalid(
                    "the application has one value for each request; name it with `remove`",
                )),
            }
        })
        .await
    }

    /// Removes the value that has the tokens for `request`, at all nodes. For
    /// [`app`](crate::WebTokenCache::app) it is the token of this request, elsewhere it is
    /// everything, as [`sign_out`](Self::sign_out) removes it.
    ///
    /// # Errors
    ///
    /// Those of the store. Then nothing is certain, and the call can be repeated.
    pub async fn remove(&self, request: &TokenRequest) -> Result<(), Error> {
        self.inner.listen();
        let request = self.adapted(request)?;
        within(async {
            let partition = self.partition(&request).await?;
            self.inner.remove(&partition).await
        })
        .await
    }
}

impl Inner {
    async fn remove(self: &Arc<Self>, partition: &Partition) -> Result<(), Error> {
        let id = partition.id();
        self.revoke(self.unsaved.forget(&id).iter().filter_map(|one| one.refresh_token()));
        self.l1.remove(&id);
        let removed = async {
            let _turn = self.turns.turn(Wait::save(Instant::now() + WAIT)).await?;
            let durability = self.options.durability;
            store_step("remove", self.store.remove(partition.key(), durability)).await
        };
        let removed = removed.await;
        // What a renewal read before the removal.
        self.l1.remove(&id);
        Ok(removed?)
    }
}
