//! The lease for programs that renew in their own way.

use std::time::Instant;

use super::lease::{LONGEST_WAIT, Lease, Without, in_memory};
use crate::{Error, PersistedTokenCache, TokenRequest, cache::spender, silent::SilentOptions};

/// The right to spend the refresh token of a request, until this is dropped.
///
/// Among all threads and processes that use the store, one has it at a time. It is released when
/// its process ends. It may be sent to another thread. Who asks for it again waits for it, even on
/// the thread that has it.
#[derive(Debug)]
#[must_use = "the lease is released when this is dropped"]
pub struct RefreshLease(Lease);

impl RefreshLease {
    /// Whether it still excludes others: its lock file was not removed, and this is not a forked
    /// child of the process that acquired it. Call this right before a refresh token is spent.
    ///
    /// # Errors
    /// If the lock file cannot be examined.
    pub fn is_intact(&self) -> Result<bool, Error> {
        self.0.is_intact()
    }
}

impl PersistedTokenCache {
    /// Waits for the right to spend the refresh token of `request`, for a program that renews in
    /// its own way. [`acquire_token_silent`](Self::acquire_token_silent) does all of this itself.
    ///
    /// With the lease, look for an access token again, since another program may have renewed. Else
    /// read [`refresh_tokens`](Self::refresh_tokens), spend the first one, and store the response
    /// with [`add_renewal`](Self::add_renewal) before the lease is dropped.
    ///
    /// # Errors
    /// [`Error::RefreshInProgress`] after the time that the options allow,
    /// [`Error::WaitCanceled`] if they end the wait. [`Error::Nested`] inside a transaction or an
    /// exchange of the same store. Any error of reading the store or of its lock files.
    pub fn refresh_lease(
        &self,
        request: &TokenRequest,
        options: &SilentOptions,
    ) -> Result<RefreshLease, Error> {
        self.shared.store.check_renewal()?;
        self.save_unsaved();
        let spender = match self.current_with_unsaved()?.refresh_tokens(request)?.first() {
            Some(token) => spender(token),
            // Nothing is there to spend, so it only keeps apart who is about to look.
            None => format!("client {}\0{}", request.client_id(), request.authority()),
        };
        let folder = self.persistence().lease_folder()?;
        let until = Instant::now() + options.wait.min(LONGEST_WAIT);
        let stop = || match options.is_stopped() {
            true => Err(Error::wait_canceled(&folder.clone().unwrap_or_else(in_memory))),
            false => Ok(None::<()>),
        };
        let leases = &self.shared.renewals.leases;
        let _stop = self.wait.interruptible();
        match leases.acquire(folder.as_deref(), &spender, until, stop)? {
            Ok(mut lease) => {
                lease.hand_over();
                Ok(RefreshLease(lease))
            }
            Err(Without::Busy { waited, holder }) => {
                Err(Error::RefreshInProgress { waited, holder })
            }
            Err(Without::Found(())) => unreachable!("the wait looks for nothing"),
        }
    }
}
