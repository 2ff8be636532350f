//! The error type of this crate: what failed and what a user can do about it.

mod decisions;
#[cfg(feature = "desktop")]
mod from_platform;
mod next_step;
mod refusal;
mod refused;
mod sign_in;
mod text;

pub(crate) use refusal::CLIENT_MISMATCH;
pub use refusal::Refusal;
pub use sign_in::{IssuerSource, SignInFailure};

use std::{error::Error as StdError, path::PathBuf, time::Duration};

use tokenkeep_platform::text::{shown, shown_path, shown_start};

use text::{cut_off, held_by, in_brackets, listed, way_back};

/// The error of the operating system, a vault or a parser.
pub(crate) type Source = Box<dyn StdError + Send + Sync>;

/// The errors of this crate, by what the caller can do about them.
///
/// The absence of an entry or a cache is not an error. No variant carries a secret. The text says
/// what failed. [`next_step`](Self::next_step) says what to do, in one line for a user.
/// [`source`](StdError::source) is what the operating system said; neither text repeats it. `Debug`
/// prints all three, so an error that `main` returns is readable. Paths, names and other text from
/// outside are escaped in these texts where a terminal would interpret them. The fields contain
/// them unescaped.
///
/// [`is_retryable`](Self::is_retryable) and [`is_sign_in_needed`](Self::is_sign_in_needed) are for
/// the program's own decisions. The errors that users meet most:
///
/// - `VaultMissing`: this user or system has no such vault or collection. Create it, or choose
///   another key source.
/// - `VaultServiceMissing`: the vault's service or bus does not run, or belongs to another user.
///   Start it (`gnome-keyring-daemon`, KWallet), or choose another key source.
/// - `VaultDenied`: the vault refuses this program. For example, the Keychain refuses another build
///   of the same program. Allow the program in the vault's own program.
/// - `VaultAmbiguous`: a store of keyring-core holds several items with the same names. Remove all
///   but one in that store's own program.
/// - `VaultLocked`: a keyring is locked and prompts are not allowed. The keyring has the item, or
///   may have a cache's key. Unlock it, or allow prompts with
///   [`Interaction::Allow`](crate::Interaction::Allow).
/// - `VaultTimeout`, `OutcomeUnknown`: the vault did not answer in time. Look for an open prompt,
///   then try again.
/// - `KeyGone`: the key was removed, or the keyring is a different one. Restore the keyring, or
///   call `reset` and sign in again.
/// - `WrongKey`: the passphrase, key file or callback is wrong. Check it; nothing was changed.
/// - `Corrupt`, `OtherBackend`, `OtherStore`, `UnsupportedVersion`: the file is not what it should
///   be. `quarantine` sets a damaged file aside, and `reset` starts over. Neither touches another
///   program's file.
/// - `UnsafePath`: the path is a link, has a second hard link, has a foreign owner, or gives rights
///   to others. The error says which. It names a command only if the place was made for a cache
///   only and belongs to this user.
/// - `Mounted`: the file itself is a mount, as in a container. Mount its folder as a whole.
/// - `LockTimeout`: others held the lock for 60 s. The error names the file, and the process if it
///   is known. Let that process go on, then try again.
/// - `NoSpace`, `ReadOnly`, `PermissionDenied`: the save did not happen, and the old content is
///   intact. Free space, remount, or correct the rights.
/// - `PartlyRemoved`: the cache was removed, but one of its files or keys was not. Remove what the
///   error names.
/// - `RolledBack`: the file is older than what this process has seen, or belongs to a store that
///   had ended. Find out who restored it; `reset` starts over.
/// - `SignInNeeded`, `Refused`, `ProviderAnswer`: the provider's response is an error that a
///   sign-in solves, another error, or no response of a token endpoint. Nothing was stored.
/// - `SignInFailed`: a sign-in of a user did not come about, for one of these
///   [reasons](SignInFailure).
/// - `ProviderUnreachable`, `ProviderUnavailable`, `RefreshInProgress`: the user is still signed
///   in. Try again later.
/// - `RefreshTokenGone`: another program renewed the token first, or its user signed out. Look in
///   the cache again.
///
/// ```
/// use tokenkeep::{Error, PersistedTokenCache, persistence::SealedPersistence};
///
/// fn explain(error: &Error) -> String {
///     let what = if error.is_sign_in_needed() { "sign in again" } else { "not opened" };
///     format!("{what}: {error}; {}", error.next_step())
/// }
///
/// let refused = SealedPersistence::builder("a name with blanks").open().unwrap_err();
/// assert!(explain(&refused).starts_with("not opened: the store name"));
/// ```
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Several accounts have a token for the request. Name one of them.
    #[error(
        "{} accounts have a token for this request: {}",
        usernames.len(),
        listed(usernames)
    )]
    AccountAmbiguous {
        /// Their user names. A home account id is used if an account's name is unknown or not
        /// unique.
        usernames: Vec<String>,
    },
    /// The thread holds the lock already. It would have waited for itself.
    #[error("`{}` is already locked by this thread, which would wait for itself", shown_path(path))]
    AlreadyLocked {
        /// The file that is locked.
        path: PathBuf,
    },
    /// The closure or program that supplies the key failed, or a custom persistence failed.
    #[error("{what} failed")]
    Callback {
        /// Which part of the caller's code failed.
        what: &'static str,
        /// The error of that part.
        source: Source,
    },
    /// The bytes are not valid. They were left unchanged.
    #[error("{} is corrupt: {}; it was left as it is", shown(what), shown(detail))]
    Corrupt {
        /// The file or the document.
        what: String,
        /// What is wrong and where, without the content.
        detail: String,
        /// What the operating system said, if it was asked.
        source: Option<Source>,
    },
    /// The new content is visible, but the operating system did not confirm that it survives a
    /// power cut. It is safe to save again.
    #[error("`{}` was written, but the disk did not confirm it", shown_path(path))]
    DurabilityUnknown {
        /// The file that was replaced.
        path: PathBuf,
        /// What the operating system said.
        source: Source,
    },
    /// A sign-in event, a request or a search cannot be used as it is. Nothing was changed.
    #[error("{}", shown(detail))]
    Invalid {
        /// What is wrong with it and what is expected.
        detail: String,
    },
    /// A file that was named as a key file is not a key file, or is damaged. It was left unchanged.
    #[error("`{}` is not a usable key file: {}", shown_path(path), shown(detail))]
    InvalidKeyFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, without the content.
        detail: String,
        /// What the operating system said, if it was asked.
        source: Option<Source>,
    },
    /// An operating system call failed.
    #[error("could not {operation} `{}`", shown_path(path))]
    Io {
        /// The operation that failed.
        operation: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        source: Source,
    },
    /// The cache exists, but the key that sealed it does not. No new key replaces it.
    #[error(
        "the key {} of `{}` is gone from its source ({vault})",
        shown(key_id),
        shown_path(path)
    )]
    KeyGone {
        /// The cache file.
        path: PathBuf,
        /// The key's identifier, in hexadecimal.
        key_id: String,
        /// Where the key was kept.
        vault: &'static str,
    },
    /// At each attempt to open the store, another process removed it or gave it another key.
    #[error(
        "`{}` was removed or re-keyed by others at each of {attempts} attempts",
        shown_path(path)
    )]
    KeptChanging {
        /// The file that locks the store.
        path: PathBuf,
        /// The number of attempts.
        attempts: usize,
    },
    /// Other processes held the lock for the whole time, or another thread of this program was at
    /// work.
    #[error(
        "`{}` was still locked after {waited:?} by {}",
        shown_path(path),
        shown(holder.as_deref().unwrap_or("a process that is not known, or that has ended"))
    )]
    LockTimeout {
        /// The file that was locked: the lock file, or the queue in front of it if the lock was
        /// free.
        path: PathBuf,
        /// How long this call waited.
        waited: Duration,
        /// The holder: process id and program name, and whether the process is stopped. It is named
        /// in two cases. Either the process runs and has the name that it noted, or it has ended
        /// and left its lock file.
        holder: Option<String>,
    },
    /// The parent of a folder that the caller named does not exist.
    #[error("`{}` does not exist", shown_path(path))]
    MissingParent {
        /// The folder that is missing.
        path: PathBuf,
    },
    /// Something is mounted at the file itself, as when a container is given a single file. The
    /// file can be read, but neither replaced nor removed. The old content is intact.
    #[error("could not {operation} `{}`, because something is mounted there", shown_path(path))]
    Mounted {
        /// The operation that failed.
        operation: &'static str,
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: Source,
    },
    /// A change was begun inside a transaction of the same cache. Or a callback that serves a cache
    /// (a key source, a persistence, a lock notice) used that cache. The call would have waited for
    /// itself.
    #[error(
        "the cache was used inside its own transaction or callback, which would wait for itself"
    )]
    Nested,
    /// The disk is full, or a quota is exhausted. The old content is intact.
    #[error("no space is left to write `{}`; the old content is intact", shown_path(path))]
    NoSpace {
        /// The file that could not be written.
        path: PathBuf,
        /// What the operating system said.
        source: Source,
    },
    /// There was no thread for an asynchronous call: the operating system gave none, or other calls
    /// used all that are allowed. Nothing was begun.
    #[error("there was no thread for the call")]
    NoThread {
        /// What the operating system said, or how long other calls had the threads.
        source: Source,
    },
    /// Another kind of persistence wrote the content. It was left unchanged.
    #[error("`{}` holds {}, not {expected}", shown_path(path), shown(found))]
    OtherBackend {
        /// The file.
        path: PathBuf,
        /// What was found.
        found: String,
        /// What this persistence reads.
        expected: &'static str,
    },
    /// The cache was sealed for a store with another name.
    #[error("`{}` belongs to a store of another name than `{}`", shown_path(path), shown(name))]
    OtherStore {
        /// The cache file.
        path: PathBuf,
        /// The name that it was opened with.
        name: String,
    },
    /// A write to the vault was begun, but the vault did not answer in time. The next load shows
    /// whether the write happened.
    #[error("the {vault} did not confirm a write within {waited:?}")]
    OutcomeUnknown {
        /// The vault.
        vault: &'static str,
        /// How long this process waited.
        waited: Duration,
        /// What failed in the meantime. `None` if only the time ran out.
        source: Option<Source>,
    },
    /// A cache was removed, but something that belongs to it was not. It does no harm, and no cache
    /// needs it.
    #[error("the cache was removed, but this is left of it: {}", shown(left))]
    PartlyRemoved {
        /// The files that are left, and the keys, each with the line that removes it.
        left: String,
        /// Why they could not be removed.
        source: Box<Error>,
    },
    /// The operating system refuses this user or this program.
    #[error("access to {} was denied", shown(what))]
    PermissionDenied {
        /// The file or the folder.
        what: String,
        /// What the operating system said.
        source: Source,
    },
    /// The user closed the vault's prompt.
    #[error("the {vault}'s prompt was dismissed")]
    PromptDismissed {
        /// The vault.
        vault: &'static str,
        /// What the vault said, if it said anything.
        source: Option<Source>,
    },
    /// The provider's response is no answer of a token endpoint, has no access token, or is for
    /// another user. Nothing was stored.
    #[error("the provider's response cannot be used: {}", shown_start(detail))]
    ProviderAnswer {
        /// What is wrong with it, without the content.
        detail: String,
    },
    /// The file system is read-only. Reading still works.
    #[error(
        "`{}` lies on a read-only file system; reading works, saving does not",
        shown_path(path)
    )]
    ReadOnly {
        /// The file or folder that could not be written.
        path: PathBuf,
        /// What the operating system said.
        source: Source,
    },
    /// The provider is overloaded, broken or silent. The user is still signed in.
    #[error("the provider is not available{}", status.map_or_else(String::new, |status| format!(" (status {status})")))]
    ProviderUnavailable {
        /// The HTTP status code, if there was an answer.
        status: Option<u16>,
        /// After how long the same call asks the provider again. Until then it returns this error
        /// at once. As the provider says, else a few seconds. `None` if it did not answer.
        retry_in: Option<Duration>,
        /// What the HTTP client said, if there was no answer. Else the provider's error, if a
        /// browser brought it.
        source: Option<Source>,
    },
    /// The provider could not be reached. Nothing was spent, and the user is still signed in.
    #[error("the provider could not be reached")]
    ProviderUnreachable {
        /// What the HTTP client said.
        source: Source,
    },
    /// Another call, of this program or of another one, has been renewing the token for the whole
    /// time. Nothing was spent.
    #[error("another call has been renewing this token for {waited:.0?}{}", held_by(holder.as_deref()))]
    RefreshInProgress {
        /// How long this call waited.
        waited: Duration,
        /// The program, if it is known.
        holder: Option<String>,
    },
    /// The refresh token that was spent is not in the cache any more. Nothing was stored.
    ///
    /// Another program renewed it, or its user signed out or signed in again.
    #[error("the refresh token that was spent is not in the cache any more")]
    RefreshTokenGone,
    /// The provider refuses the request for a reason that a sign-in does not solve. Nothing was
    /// stored.
    #[error("the provider refuses the request{}", in_brackets(refusal.code()))]
    Refused {
        /// What the provider said.
        refusal: Box<Refusal>,
    },
    /// The cache is older than what this process has already seen. It was left unchanged.
    ///
    /// An earlier save is older. So is every save of a store that was removed or replaced since.
    #[error("`{}` {}; somebody restored an old copy", shown_path(path), way_back(*seen, *found))]
    RolledBack {
        /// The cache file.
        path: PathBuf,
        /// The newest generation of this store that this process has seen.
        seen: u64,
        /// The generation that was found. It is not below `seen` if the store had ended.
        found: u64,
    },
    /// The operating system, or something that it provides, failed. No file or vault is involved.
    #[error("{what} failed")]
    System {
        /// What failed.
        what: &'static str,
        /// What the operating system said.
        source: Source,
    },
    /// A sign-in of a user did not come about. Nothing was stored.
    #[error(transparent)]
    SignInFailed(#[from] SignInFailure),
    /// The provider accepts neither the refresh token nor the sign-in. Nothing was stored.
    ///
    /// The response is an `error` such as `invalid_grant` or `interaction_required`.
    #[error("the provider does not accept the sign-in{}{}", in_brackets(refusal.code()), cut_off(*is_orphan))]
    SignInNeeded {
        /// What the provider said.
        refusal: Box<Refusal>,
        /// Whether a program that had spent the refresh token was ended before it could store the
        /// answer.
        is_orphan: bool,
    },
    /// The data does not fit. Nothing was written.
    #[error("{} has {size} bytes, the limit is {limit}", shown(what))]
    TooLarge {
        /// The file or the secret.
        what: String,
        /// Its size in bytes.
        size: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// A file or folder is not safe to use. It was left unchanged.
    #[error("`{}` {}", shown_path(path), shown(found))]
    UnsafePath {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong with it.
        found: String,
        /// What to do. A command, such as "run `chmod 600 PATH`", is named only for a path that was
        /// made for a cache only and belongs to this user. The command never changes a path that
        /// others use.
        fix: String,
    },
    /// This persistence or this system cannot do what was asked. Nothing was changed.
    #[error("{}", shown(detail))]
    Unsupported {
        /// What cannot be done, and where it cannot.
        detail: String,
    },
    /// A newer tokenkeep wrote the file.
    #[error("`{}` has format version {version}, this program reads version 1", shown_path(path))]
    UnsupportedVersion {
        /// The cache file.
        path: PathBuf,
        /// The format version of the file.
        version: u16,
    },
    /// Several items in a store of keyring-core have the requested names. None of them is chosen,
    /// and none is removed. The Secret Service never causes this error.
    #[error("the {vault} holds several items by the same names")]
    VaultAmbiguous {
        /// The vault.
        vault: &'static str,
    },
    /// The vault exists, but refuses this program or this user.
    #[error("the {vault} refused access to this program")]
    VaultDenied {
        /// The vault.
        vault: &'static str,
        /// What the vault said.
        source: Source,
    },
    /// The vault failed in a way that no other variant describes.
    #[error("the {vault} failed")]
    VaultFailed {
        /// The vault.
        vault: &'static str,
        /// What the vault said.
        source: Source,
    },
    /// The vault exists but is locked.
    #[error("the {vault} is locked")]
    VaultLocked {
        /// The vault.
        vault: &'static str,
        /// What the vault said, if it said anything.
        source: Option<Source>,
    },
    /// This user has no such vault, or the vault has no such collection.
    #[error("there is no {vault} here: {}", shown(reason))]
    VaultMissing {
        /// The vault.
        vault: &'static str,
        /// Which part is missing.
        reason: String,
        /// What the operating system said, if it said anything.
        source: Option<Source>,
    },
    /// The vault's service or its bus does not run, or the bus belongs to another user.
    #[error("the {vault} cannot be reached: {}", shown(reason))]
    VaultServiceMissing {
        /// The vault.
        vault: &'static str,
        /// What does not run, or whose bus it is.
        reason: String,
        /// What the operating system said, if it said anything.
        source: Option<Source>,
    },
    /// The vault did not answer within the deadline.
    #[error("the {vault} did not answer within {waited:?}")]
    VaultTimeout {
        /// The vault.
        vault: &'static str,
        /// How long this process waited.
        waited: Duration,
    },
    /// The caller stopped a wait for another program, another thread or a vault. Nothing was
    /// changed.
    #[error("the wait for {} was stopped", shown(what))]
    WaitCanceled {
        /// The lock file or the vault.
        what: String,
    },
    /// The key is not the one that sealed the cache: a wrong passphrase, key file or callback.
    #[error("`{}` was sealed with another key", shown_path(path))]
    WrongKey {
        /// The cache file.
        path: PathBuf,
        /// What the operating system said, if it was asked.
        source: Option<Source>,
    },
}

#[cfg(test)]
mod tests;
