//! Which program serves a vault.

/// The program that serves a vault.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Provider {
    /// Its process id, if the system reports it.
    pub pid: Option<u32>,
    /// The name of its program, if the system reports it. Linux cuts it to 15 bytes.
    pub program: Option<String>,
}
