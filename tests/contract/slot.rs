//! What the suite knows of a backend: a place for bytes, and what it answers when it refuses.

use std::{error::Error as StdError, fmt};

use tokenkeep_platform::vault::VaultError;

/// One handle to the place of one name. Two handles of one name are the same place.
pub(crate) trait Slot: fmt::Debug + Send + Sync {
    /// What is kept; none where nothing is.
    fn load(&self) -> Result<Option<Vec<u8>>, Refusal>;

    /// Keeps `payload` instead of whatever is kept.
    fn save(&self, payload: &[u8]) -> Result<(), Refusal>;

    /// Keeps `payload` where nothing is kept yet.
    fn create(&self, payload: &[u8]) -> Result<(), Refusal>;

    /// Removes what is kept; `false` if nothing was.
    fn delete(&self) -> Result<bool, Refusal>;
}

/// The two parts by which a place is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Name {
    pub(crate) service: String,
    pub(crate) account: String,
}

/// Why a backend did not do what it was asked.
pub(crate) struct Refusal {
    pub(crate) kind: Kind,
    said: Box<dyn StdError + Send + Sync>,
}

/// The refusals that a promise is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Exists,
    Locked,
    TooLarge,
    Other,
}

impl Refusal {
    pub(crate) fn new(kind: Kind, said: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self { kind, said: said.into() }
    }

    /// The text for people alone.
    pub(crate) fn text(&self) -> String {
        self.said.to_string()
    }

    /// Everything that the error and its causes show.
    pub(crate) fn shown(&self) -> String {
        let mut shown = String::new();
        let mut next: Option<&(dyn StdError + 'static)> = Some(&*self.said);
        while let Some(error) = next {
            shown.push_str(&format!("{error}\n{error:?}\n{error:#?}\n"));
            next = error.source();
        }
        shown
    }
}

impl fmt::Debug for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {:?}", self.kind, self.said)
    }
}

impl From<VaultError> for Refusal {
    fn from(error: VaultError) -> Self {
        let kind = match error {
            VaultError::Exists => Kind::Exists,
            VaultError::Locked { .. } => Kind::Locked,
            VaultError::TooLarge { .. } => Kind::TooLarge,
            _ => Kind::Other,
        };
        Self::new(kind, error)
    }
}

impl From<tokenkeep::Error> for Refusal {
    fn from(error: tokenkeep::Error) -> Self {
        let kind = match error {
            tokenkeep::Error::VaultLocked { .. } => Kind::Locked,
            tokenkeep::Error::TooLarge { .. } => Kind::TooLarge,
            _ => Kind::Other,
        };
        Self::new(kind, error)
    }
}
