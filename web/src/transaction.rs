//! Changes of a partition by the application.

use tokenkeep::TokenCache;
use tokio::time::Instant;

use crate::{
    Error, Tokens,
    inner::Inner,
    partition::Partition,
    renewal::WAIT,
    tokens::within,
    turns::Wait,
    write::{Write, Written},
};

impl Tokens {
    /// Changes what is stored of this user, session or assertion, as one step.
    ///
    /// `change` may be called several times, each time with what is stored then, so it must not do
    /// anything else. If it fails or changes nothing, nothing is written. If nothing is left, the
    /// value is removed. Other nodes see the change within their
    /// [staleness](crate::WebTokenCacheBuilder::staleness).
    ///
    /// # Errors
    ///
    /// That of `change`. [`Error::Contended`] if others were faster eight times.
    /// [`Error::TooLarge`]. Those of the store; where it did not answer in time, the change may have
    /// been made. Those of a value that cannot be opened.
    /// [`Error::Invalid`] for tokens of the application, which have one value for each request.
    pub async fn transaction<T>(
        &self,
        mut change: impl FnMut(&mut TokenCache) -> Result<T, tokenkeep::Error>,
    ) -> Result<T, Error> {
        self.inner.listen();
        within(async {
            let Some(partition) = self.fixed_partition().await? else {
                return Err(Error::invalid(
                    "the application has one value for each request, and none for a transaction",
                ));
            };
            self.inner.change(&partition, |cache| change(cache).map_err(Error::from)).await
        })
        .await
    }
}

impl Inner {
    async fn change<T>(
        &self,
        partition: &Partition,
        change: impl FnMut(&mut TokenCache) -> Result<T, Error>,
    ) -> Result<T, Error> {
        // One after the other, so that changes of one node are in conflict with other nodes alone.
        let turn = self.changes.turn(partition.id()).await?;
        let changed = async {
            let until = Instant::now() + WAIT;
            let base = self.load(partition, None, Wait::call(until)).await?;
            let wait = Wait::save(until);
            let write = Write { partition, base, owner: None, response: None, wait };
            match self.write(write, change).await? {
                Written::Stored(outcome) => Ok(outcome),
                Written::Failed { error, .. } => Err(error),
            }
        };
        changed.await.inspect_err(|error| {
            if error.is_of_the_store() {
                turn.failed(error);
            }
        })
    }
}
