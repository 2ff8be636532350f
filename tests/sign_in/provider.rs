//! The program as the scripted provider knows it.

use std::ops::Deref;

use tokenkeep::sign_in::{ClientApplication, ClientApplicationBuilder};
use tokenkeep_test_support::providers::Scripted;

/// A provider whose answers a test writes, and its client.
pub(crate) struct Provider(Scripted);

impl Provider {
    pub(crate) fn start() -> Self {
        Self(Scripted::start())
    }

    pub(crate) fn builder(&self) -> ClientApplicationBuilder {
        ClientApplication::builder(self.issuer(), Scripted::CLIENT).scopes(["api.read"])
    }

    pub(crate) fn app(&self) -> ClientApplication {
        self.builder().discover().unwrap()
    }
}

impl Deref for Provider {
    type Target = Scripted;

    fn deref(&self) -> &Scripted {
        &self.0
    }
}
