//! The name of a value.

use std::{fmt, sync::Arc};

/// The name of one value: the application, and 16 bytes that say nothing about the user.
///
/// The bytes differ between applications too, so a store may use them alone.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct StoreKey {
    app: Arc<str>,
    id: [u8; 16],
}

impl StoreKey {
    /// The key of the application `app` with these bytes.
    pub fn new(app: impl Into<Arc<str>>, id: [u8; 16]) -> Self {
        Self { app: app.into(), id }
    }

    /// The application's name.
    pub fn app(&self) -> &str {
        &self.app
    }

    /// The 16 bytes.
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.id
    }
}

/// The application and the first four bytes: enough to follow a key through a log.
impl fmt::Debug for StoreKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, ..] = self.id;
        write!(f, "StoreKey({:?}, {a:02x}{b:02x}{c:02x}{d:02x}…)", self.app)
    }
}
