//! What every vault call is given: the item, and how long and how loudly to try.

use std::fmt;
use std::time::Duration;

/// An item of a vault: a label for people and the attributes that find it.
///
/// The label plays no part in a search. Attributes are stored in clear by most vaults and may be any,
/// `xdg:schema` included.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Item {
    /// What a person sees in the vault's own program.
    pub label: String,
    /// Names and values, each name once.
    pub attributes: Vec<(String, String)>,
}

impl Item {
    /// An item with this label and these attributes.
    pub fn new<N: Into<String>, V: Into<String>>(
        label: impl Into<String>,
        attributes: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        let attributes = attributes.into_iter().map(|(n, v)| (n.into(), v.into())).collect();
        Self { label: label.into(), attributes }
    }
}

impl fmt::Debug for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.attributes.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("Item").field("attributes", &names).finish_non_exhaustive()
    }
}

/// Whether a vault may ask the person.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Interaction {
    /// No prompt: what is locked is [`Locked`](super::VaultError::Locked) at once.
    #[default]
    Never,
    /// [`Vault::unlock`](super::Vault::unlock) may prompt. Reads and writes never do.
    Allow,
}

/// How long a vault call may take and whether it may prompt.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Call {
    /// Counted from the call, time in the queue included.
    pub deadline: Duration,
    /// Whether a prompt may open.
    pub interaction: Interaction,
}

impl Call {
    /// Without prompts, 3 s.
    pub const fn quiet() -> Self {
        Self { deadline: Duration::from_secs(3), interaction: Interaction::Never }
    }

    /// With prompts, 120 s.
    pub const fn prompting() -> Self {
        Self { deadline: Duration::from_secs(120), interaction: Interaction::Allow }
    }

    /// The same with another deadline.
    #[must_use]
    pub const fn within(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }
}

impl Default for Call {
    fn default() -> Self {
        Self::quiet()
    }
}

/// Which part of a vault: one collection, and on the Secret Service how secrets cross the bus.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Place {
    /// Where items are created and looked for.
    pub collection: Collection,
    /// How secrets cross the bus.
    pub session: Session,
}

/// A collection of a vault. Reads look nowhere else, so an item elsewhere is absent here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Collection {
    /// The person's default collection.
    #[default]
    Default,
    /// Gone when the login session ends.
    Session,
    /// The one with this label.
    Named(String),
}

/// How secrets cross the bus of the Secret Service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Session {
    /// Agreed by Diffie-Hellman, so that who records the bus learns no secret.
    #[default]
    Encrypted,
    /// In clear on the bus of the person's own session.
    Plain,
}
