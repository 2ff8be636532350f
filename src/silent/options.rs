//! The limits of a silent sign-in.

use std::{fmt, sync::Arc, time::Duration};

/// How a silent sign-in proceeds, and how long it may take.
#[derive(Clone)]
#[must_use]
pub struct SilentOptions {
    pub(crate) wait: Duration,
    pub(crate) exchange: Duration,
    unsaved: bool,
    stop: Option<Arc<dyn Fn() -> bool + Send + Sync>>,
}

impl SilentOptions {
    /// The defaults: 60 s for the renewals of others, 30 s for one of this program's own.
    pub fn new() -> Self {
        let (wait, exchange) = (Duration::from_secs(60), Duration::from_secs(30));
        Self { wait, exchange, unsaved: false, stop: None }
    }

    /// How long to wait while another program renews. The default is 60 s.
    pub fn wait(mut self, limit: Duration) -> Self {
        self.wait = limit;
        self
    }

    /// How long the requests of one call to the provider may take together. The default is 30 s.
    pub fn exchange(mut self, limit: Duration) -> Self {
        self.exchange = limit;
        self
    }

    /// Also asks the provider if the answer cannot be stored: the folder is read-only, the disk is
    /// full. By default that is an error, and no token is spent.
    ///
    /// Only for a provider that does not replace refresh tokens. With another one the sign-in ends
    /// with the process.
    pub fn allow_unsaved(mut self) -> Self {
        self.unsaved = true;
        self
    }

    /// Ends a wait for another program with
    /// [`Error::WaitCanceled`](crate::Error::WaitCanceled) when `stop` returns `true`. It is called
    /// about every 50 ms. A request to the provider that has begun is not ended.
    pub fn stop_when(mut self, stop: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        self.stop = Some(Arc::new(stop));
        self
    }

    pub(crate) fn may_stay_unsaved(&self) -> bool {
        self.unsaved
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stop.as_ref().is_some_and(|stop| stop())
    }
}

impl Default for SilentOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for SilentOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SilentOptions")
            .field("wait", &self.wait)
            .field("exchange", &self.exchange)
            .field("unsaved", &self.unsaved)
            .finish_non_exhaustive()
    }
}
