//! Asynchronous variants of the calls, each on a thread that no runtime waits for.

use std::{
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    thread,
    time::Duration,
};

use tokio::sync::oneshot;

use super::{
    PersistedTokenCache, SHORTEST_WAIT,
    lock::LockWait,
    turns::{self, Turn},
};
use crate::{
    AccessToken, Error, TokenCache, TokenRequest,
    persistence::{SealedPersistence, SealedPersistenceBuilder},
};

/// # Asynchronous calls
///
/// With the feature `tokio`, four calls have a variant that ends in `_async`.
/// [`call_async`](Self::call_async) runs any other call.
///
/// ```no_run
/// use tokenkeep::{PersistedTokenCache, TokenRequest};
///
/// # async fn sign_in() -> Vec<u8> { Vec::new() }
/// # async fn example() -> Result<(), tokenkeep::Error> {
/// let cache = PersistedTokenCache::open_async("com.example.mytool").await?;
/// let authority = "https://login.microsoftonline.com/organizations";
/// let request = TokenRequest::new("my-client-id", authority, ["User.Read"]);
/// let token = match cache.find_access_token_async(&request).await? {
///     Some(token) => token,
///     None => {
///         let response = sign_in().await;
///         cache.call_async(move |cache| cache.add_response(&request, &response)).await?
///     }
/// };
/// println!("signed in until {}", token.expires_on());
/// # Ok(())
/// # }
/// ```
///
/// - Each runs the synchronous call on a thread of its own and not on one of the runtime's. A
///   runtime can shut down, and a program can end, while a vault hangs. If a program ends before a
///   write has returned, the write may or may not have happened; the stored content is whole either
///   way.
/// - Nothing begins before the future is polled. If the future is dropped later, its work continues
///   and ends by itself: a transaction may still be saved.
/// - Errors are those of the synchronous call, and [`Error::NoThread`]. A panic of a closure
///   becomes the caller's panic, as in the synchronous call.
/// - A thread costs little compared with a write or a vault (`cargo xtask bench asynchronous`
///   compares it with a pool). A read of an unchanged cache costs far less than a thread, so a
///   program may do it in place.
/// - At most 256 calls of a process run at once; others wait for their turn. The wait ends with
///   [`Error::NoThread`] if no call has ended for as long as this cache waits for its lock, and for
///   at least 5 s. Nothing was begun then.
/// - A closure is synchronous: other programs wait for it. Inside it, use the cache that it is
///   given. An asynchronous call that is awaited there, by an executor of that thread, runs on that
///   thread at once and needs no turn. For the same store it is [`Error::Nested`] if a synchronous
///   call would be. A call that another thread drives cannot be recognised. It waits for a turn and
///   for the lock, and ends with [`Error::NoThread`] or [`Error::LockTimeout`].
///
/// These calls need no tokio runtime: any executor can poll them.
impl PersistedTokenCache {
    /// [`open`](Self::open) for asynchronous programs.
    ///
    /// # Errors
    /// The errors of the synchronous call, and [`Error::NoThread`].
    pub async fn open_async(name: impl Into<String>) -> Result<Self, Error> {
        let name = name.into();
        detached(LockWait::default().timeout, move || Self::open(name)).await
    }

    /// [`transaction`](Self::transaction) for asynchronous programs. Dropping the future does not
    /// undo the change.
    ///
    /// # Errors
    /// The errors of the synchronous call, and [`Error::NoThread`].
    ///
    /// # Panics
    /// If `change` panics, with the same panic. Nothing is changed then.
    pub async fn transaction_async<T: Send + 'static>(
        &self,
        change: impl FnMut(&mut TokenCache) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        self.call_async(|cache| cache.transaction(change)).await
    }

    /// [`find_access_token`](Self::find_access_token) for asynchronous programs.
    ///
    /// # Errors
    /// The errors of the synchronous call, and [`Error::NoThread`].
    pub async fn find_access_token_async(
        &self,
        request: &TokenRequest,
    ) -> Result<Option<AccessToken>, Error> {
        let request = request.clone();
        self.call_async(move |cache| cache.find_access_token(&request)).await
    }

    /// Any call for asynchronous programs.
    ///
    /// ```no_run
    /// # async fn example(cache: tokenkeep::PersistedTokenCache) -> Result<(), tokenkeep::Error> {
    /// let guarded_by = cache.call_async(|cache| cache.verify()).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// The error that `call` returns, and [`Error::NoThread`].
    ///
    /// # Panics
    /// If `call` panics, with the same panic.
    pub async fn call_async<T: Send + 'static>(
        &self,
        call: impl FnOnce(&Self) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        // The thread may outlive this borrow: a dropped future does not end it.
        let cache = self.clone();
        detached(self.wait.timeout, move || call(&cache)).await
    }
}

impl SealedPersistenceBuilder {
    /// [`open`](Self::open) for asynchronous programs. It runs on a thread of its own, as the
    /// [variants](PersistedTokenCache#asynchronous-calls) of the cache's calls do. It waits for its
    /// turn for 60 s at most.
    ///
    /// # Errors
    /// The errors of the synchronous call, and [`Error::NoThread`].
    pub async fn open_async(self) -> Result<SealedPersistence, Error> {
        detached(LockWait::default().timeout, || self.open()).await
    }
}

/// Runs `work` on a new thread. With a new thread for each call, none can be stuck, none is left
/// idle, and a forked child lacks none. On a thread that already serves such a call, `work` runs in
/// place, because the closure that has that thread's turn waits for it.
async fn detached<T: Send + 'static>(
    patience: Duration,
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    if turns::serves_call() {
        return work();
    }
    let turn = Turn::next(patience.max(SHORTEST_WAIT)).await?;
    let (reply, answer) = oneshot::channel();
    let work = move || {
        turns::serve_call();
        // Nothing of `work` is used after a panic, and the panic goes on in the caller.
        let result = catch_unwind(AssertUnwindSafe(work));
        // Before the answer, so that the caller's next call finds the turn free.
        drop(turn);
        // The caller may have dropped the future.
        drop(reply.send(result));
    };
    let no_thread = |source| Error::NoThread { source };
    // `thread::spawn` would panic if the system has no thread left.
    let started = thread::Builder::new().name("tokenkeep".into()).spawn(work);
    started.map_err(|error| no_thread(error.into()))?;
    match answer.await {
        Ok(Ok(result)) => result,
        Ok(Err(panic)) => resume_unwind(panic),
        Err(ended) => Err(no_thread(ended.into())),
    }
}
