//! What to do about an error.

use std::borrow::Cow;

use tokenkeep_platform::text::shown;

use super::Error;

impl Error {
    /// The next step, for a program to show its user beside the error.
    pub fn next_step(&self) -> Cow<'_, str> {
        Cow::Borrowed(match self {
            Self::AccountAmbiguous { .. } => "name one of these accounts",
            Self::AlreadyLocked { .. } => "release the lock first, or use the guard of it",
            Self::Callback { .. } | Self::Io { .. } | Self::System { .. } => {
                "correct the cause, then try again"
            }
            Self::Corrupt { .. } => "set the damaged cache aside or remove it, then sign in again",
            Self::DurabilityUnknown { .. } => "save again",
            Self::Invalid { .. } => "correct the input",
            Self::InvalidKeyFile { .. } => {
                "restore the key file from a copy, or name the right one"
            }
            Self::KeptChanging { .. } => "try again",
            Self::KeyGone { .. } => {
                "bring the key file or the keyring back, or remove the cache and sign in again"
            }
            Self::LockTimeout { .. } => {
                "let the program that holds the lock go on or end by itself, then try again"
            }
            Self::MissingParent { .. } => "create the folder, or name another one",
            Self::Mounted { .. } => "mount the file's folder as a whole, or name another file",
            Self::Nested => {
                "in a transaction, use the cache that its closure was given; in a callback, use \
                 none"
            }
            Self::NoSpace { .. } => "make room, then save again",
            Self::NoThread { .. } => "let other calls end, then try again",
            Self::OtherBackend { .. } => "open it as what it is, or name another file",
            Self::OtherStore { .. } => "open it under its own store name",
            Self::OutcomeUnknown { .. } => "look again before you repeat the write",
            Self::PartlyRemoved { source, .. } => {
                let first = source.next_step();
                return format!("{first}, then remove what is left as the error names it").into();
            }
            Self::PermissionDenied { .. } => "allow this user or this program, then try again",
            Self::PromptDismissed { .. } => "try again and answer the prompt",
            Self::ProviderAnswer { .. } => {
                "try again; if that does not help, check the address of the token endpoint"
            }
            Self::SignInFailed(failure) => failure.next_step(),
            Self::SignInNeeded { .. } => "sign in again",
            Self::ProviderUnavailable { .. } => "try again later",
            Self::ProviderUnreachable { .. } => "check the network, then try again",
            Self::RefreshInProgress { .. } => {
                "let the program that renews go on or end by itself, then try again"
            }
            Self::ReadOnly { .. } => "make the file system writable, or name another folder",
            Self::RefreshTokenGone => "look for a token in the cache again",
            Self::Refused { refusal } if refusal.is_temporary() => "try again later",
            Self::Refused { .. } => {
                "correct the client id, the scopes, or the registration at the provider"
            }
            Self::RolledBack { .. } => {
                "find out who restored an old copy, or remove the cache and sign in again"
            }
            Self::TooLarge { .. } => "remove sign-ins, or raise the limit",
            Self::UnsafePath { fix, .. } => return shown(fix),
            Self::Unsupported { .. } => "choose another way or another place",
            Self::UnsupportedVersion { .. } => "update the program",
            Self::VaultAmbiguous { .. } => "remove all but one of them in the vault's own program",
            Self::VaultDenied { .. } => "allow this program in the vault's own program",
            Self::VaultFailed { .. } => "find out with `tokenkeep doctor` what works here",
            Self::VaultLocked { .. } => "unlock it, or allow prompts",
            Self::VaultMissing { vault, .. } => return or_another_key(making(vault)),
            Self::VaultServiceMissing { vault, .. } => return or_another_key(starting(vault)),
            Self::VaultTimeout { .. } => "look for an open prompt, or restart the vault's service",
            Self::WaitCanceled { .. } => "try again",
            Self::WrongKey { .. } => "check the passphrase, the key file or the callback",
        })
    }
}

/// How a vault that is missing is made. One step must suit each cause that this vault can have.
fn making(vault: &str) -> &'static str {
    match vault {
        "DPAPI" if cfg!(not(windows)) => "choose another key source; DPAPI is part of Windows",
        "Credential Manager" | "DPAPI" => "sign in at the Windows machine itself",
        "Keychain" => "make or repair the default keychain in Keychain Access",
        "kernel keyring" => "in a container, allow the system calls add_key and keyctl",
        "Secret Service" => {
            "create or rename the collection in the vault's own program, log in once with a \
             password, or ask `tokenkeep doctor`"
        }
        _ => "make the vault",
    }
}

/// How the service of a vault is started.
fn starting(vault: &str) -> &'static str {
    match vault {
        "Credential Manager" => "start it with `sc.exe start VaultSvc`",
        "Keychain" => "run the program in a user's login session",
        "Secret Service" => {
            "log in to a desktop session that has gnome-keyring, KWallet or KeePassXC, or run the \
             command that `tokenkeep doctor` prints"
        }
        _ => "start the vault's service",
    }
}

fn or_another_key(step: &str) -> Cow<'static, str> {
    let others = "a passphrase, a key file or a callback, or use memory";
    format!("{step}, or keep a sealed cache under {others}").into()
}
