//! What a person can do about an error, in one line.

use crate::Error;

impl Error {
    /// What to do next, for a program to show beside the error.
    pub fn next_step(&self) -> &'static str {
        match self {
            Self::AccountAmbiguous { .. } => "name the account",
            Self::Callback { .. } => "correct what its source says, then try again",
            Self::Corrupt { .. } => {
                "set a file aside with `quarantine`, or start over with `reset`"
            }
            Self::DurabilityUnknown { .. } => "save again",
            Self::Invalid { .. } => "correct the input",
            Self::InvalidKeyFile { .. } => "restore the key file, or name the right one",
            Self::Io { .. } => "correct what its source says, then try again",
            Self::KeyGone { .. } => {
                "bring the key file or the vault back, or `reset` and sign in again"
            }
            Self::LockTimeout { .. } => {
                "let the program that holds the lock go on or end by itself, then try again"
            }
            Self::MissingParent { .. } => "create the folder, or name another place",
            Self::Mounted { .. } => "mount the file's folder as a whole, or name another place",
            Self::Nested => {
                "use the cache that the closure was given, and none of it in a callback"
            }
            Self::NoSpace { .. } => "make room, then save again",
            Self::NoThread { .. } => "let other calls end, then try again",
            Self::OtherBackend { .. } => "open it as what it is, or name another place",
            Self::OtherStore { .. } => "open it under its own store name",
            Self::OutcomeUnknown { .. } => "look again before repeating the write",
            Self::PartlyRemoved { .. } => "remove what the error names, then try again",
            Self::PermissionDenied { .. } => "allow this user or this program, then try again",
            Self::PromptDismissed { .. } => "try again and answer the prompt",
            Self::ReadOnly { .. } => "mount the file system for writing, or name another place",
            Self::RolledBack { .. } => {
                "find out who restored an old copy, or start over with `reset`"
            }
            Self::TooLarge { .. } => "remove sign-ins, or raise the limit",
            Self::UnsafePath { .. } => "do what the error says, or name another place",
            Self::UnsupportedVersion { .. } => "update the program",
            Self::VaultAmbiguous { .. } => "remove all but one of the items",
            Self::VaultDenied { .. } => "allow this program in the vault's own program",
            Self::VaultFailed { .. } => "run `tokenkeep doctor`",
            Self::VaultLocked { .. } => "unlock the vault, or allow prompts",
            Self::VaultMissing { .. } => {
                "start the vault, or choose a passphrase, a key file, a callback or memory"
            }
            Self::VaultServiceMissing { .. } => {
                "start the vault's service, or choose a passphrase, a key file, a callback or memory"
            }
            Self::VaultTimeout { .. } => "look for an open prompt, or restart the vault's service",
            Self::WrongKey { .. } => "check the passphrase, the key file or the callback",
        }
    }
}
