//! The kind of folder a file is in, which sets how strictly it is checked.

/// Whether missing parents of a new folder are created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Parents {
    /// Create missing parents. For a place that the program chose.
    Create,
    /// The parents must exist. For a place that a user named.
    Require,
}

/// Who uses a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Trust {
    /// The store's own folder. No other user may enter it or read a file in it. Links are refused.
    Private,
    /// A folder that other programs use too. Other users may list it and read its files, but may
    /// change neither. A file must be a regular file. The folder may be reached through a link.
    Shared,
}
