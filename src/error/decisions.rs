//! What a program learns of an error, for its own decisions.

use tokenkeep_platform::os_code;

use super::Error;

impl Error {
    /// Returns `true` if the user has to sign in again.
    ///
    /// For [`SignInNeeded`](Self::SignInNeeded) a sign-in is enough. For the others the opened
    /// cache is unusable unless a copy of the file or the key is restored. Without a copy, ask the
    /// user, then call [`reset`](crate::PersistedTokenCache::reset).
    pub fn is_sign_in_needed(&self) -> bool {
        matches!(
            self,
            Self::Corrupt { .. }
                | Self::KeyGone { .. }
                | Self::RolledBack { .. }
                | Self::SignInNeeded { .. }
        )
    }

    /// Returns `true` if the same call may succeed a little later without any other action.
    pub fn is_retryable(&self) -> bool {
        matches!(
            self,
            Self::DurabilityUnknown { .. }
                | Self::KeptChanging { .. }
                | Self::LockTimeout { .. }
                | Self::NoThread { .. }
                | Self::OutcomeUnknown { .. }
                | Self::ProviderUnavailable { .. }
                | Self::ProviderUnreachable { .. }
                | Self::RefreshInProgress { .. }
                | Self::VaultTimeout { .. }
                | Self::WaitCanceled { .. }
        )
    }

    /// The operating system's number of what caused the error: errno on Unix, the code of the last
    /// error or the HRESULT on Windows, the `OSStatus` of the Keychain on macOS. HRESULTs are
    /// negative. Returns `None` if the operating system caused nothing, or gave no number. The
    /// services of a session bus give none.
    ///
    /// ```no_run
    /// use tokenkeep::{PersistedTokenCache, persistence::PlaintextPersistence};
    ///
    /// let cache = PersistedTokenCache::new(PlaintextPersistence::new("/srv/mytool/cache.json")?);
    /// if let Err(error) = cache.accounts() {
    ///     eprintln!("{error} (number {:?})", error.os_code());
    /// }
    /// # Ok::<(), tokenkeep::Error>(())
    /// ```
    pub fn os_code(&self) -> Option<i64> {
        os_code(self)
    }

    #[cfg(feature = "desktop")]
    pub(crate) fn is_not_found(&self) -> bool {
        match self {
            Self::MissingParent { .. } => true,
            Self::Io { source, .. } => source
                .downcast_ref::<std::io::Error>()
                .is_some_and(|error| error.kind() == std::io::ErrorKind::NotFound),
            _ => false,
        }
    }
}
