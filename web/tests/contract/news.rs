//! A listener that breaks a promise.

use std::future::pending;

use tokenkeep_web::store::{BoxFuture, Removal, Removals};
use tokio::task::yield_now;

use crate::fault::Fault;

/// A listener that breaks a promise.
pub(crate) struct FaultyNews {
    pub(crate) inner: Box<dyn Removals>,
    pub(crate) fault: Fault,
}

impl Removals for FaultyNews {
    fn next(&mut self) -> BoxFuture<'_, Removal> {
        Box::pin(async {
            let mut news = self.inner.next().await;
            match self.fault {
                Fault::StartsSure if news == Removal::Unsure => news = self.inner.next().await,
                Fault::Silent if news != Removal::Unsure => pending().await,
                Fault::AlwaysUnsure => news = Removal::Unsure,
                Fault::LosesNews if news != Removal::Unsure => yield_now().await,
                _ => {}
            }
            news
        })
    }
}
