//! Who holds a lock.

/// Who says that it holds a lock.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Holder {
    /// Process id and program, as far as they are said.
    pub name: Option<String>,
    /// Nobody is named, or whoever is named is certainly not there: the file was left behind, or is being made.
    pub is_gone: bool,
}
