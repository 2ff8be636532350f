//! What kind of folder a file lies in, and so how strictly it is checked.

/// Whether the folders above a new folder are made too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Parents {
    /// Missing ones are created, for a place that the program chose.
    Create,
    /// They must exist, for a place that a user named.
    Require,
}

/// Whose folder it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Trust {
    /// The store's own. Nobody else may enter the folder or read a file in it; links are refused.
    Private,
    /// One that other programs use too. Others may look into the folder and read files, but may
    /// change neither; a file must be a regular one. The folder may be reached through a link.
    Shared,
}
