//! The folder of a store, and the names that a store may have.

use std::path::{Component, Path, PathBuf};

use directories::BaseDirs;
use sha2::{Digest as _, Sha256};
use tokenkeep_platform::{
    file::{Folder, real_path},
    text::{hexadecimal, shown_path},
};

use crate::Error;

/// A file that a user named, by its absolute path and its folder.
#[derive(Debug)]
pub(super) struct FileLocation {
    pub(super) path: PathBuf,
    pub(super) folder: PathBuf,
    pub(super) name: String,
}

impl FileLocation {
    pub(super) fn of(path: &Path) -> Result<Self, Error> {
        refuse_tilde(path)?;
        // Absolute from now on, because the program may change its current folder later.
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        match (path.parent(), path.file_name().and_then(|name| name.to_str())) {
            (Some(folder), Some(name)) => {
                let (folder, name) = (folder.to_owned(), name.to_owned());
                Ok(Self { path, folder, name })
            }
            _ => Err(Error::Invalid {
                detail: format!(
                    "`{}` names no file, or one whose name is not UTF-8; give its full path",
                    shown_path(&path)
                ),
            }),
        }
    }
}

/// Refuses a leading `~`, which only a shell expands. Here it would be a folder of that name in the
/// folder where the program was started, and another folder elsewhere.
pub(super) fn refuse_tilde(path: &Path) -> Result<(), Error> {
    let Some(Component::Normal(first)) = path.components().next() else { return Ok(()) };
    if !first.as_encoded_bytes().starts_with(b"~") {
        return Ok(());
    }
    let path = shown_path(path);
    let detail = format!(
        "`{path}` begins with `~`, which only a shell replaces by a home folder; give the full \
         path, or `./{path}` if that is its name"
    );
    Err(Error::Invalid { detail })
}

/// Expands a leading `~` to the user's home folder, as Python's `os.path.expanduser` does.
pub(super) fn expand_home(path: &str) -> Result<PathBuf, Error> {
    let Some(rest) = path.strip_prefix('~') else { return Ok(path.into()) };
    // Without its separators: `join` takes a rest that begins with one for the whole path.
    let below = rest.trim_start_matches(std::path::is_separator);
    if below.len() == rest.len() && !rest.is_empty() {
        let detail = format!("`{path}` begins with another user's home; give its full path");
        return Err(Error::Invalid { detail });
    }
    let home = full(base()?.home_dir())?.to_owned();
    Ok(if below.is_empty() { home } else { home.join(below) })
}

/// Checks that `name` can be a folder's name on every system, and is the same name everywhere.
pub(super) fn check_name(name: &str) -> Result<(), Error> {
    let fault = if name.is_empty() {
        "is empty"
    } else if name.len() > MAX_NAME_LEN {
        "has more than 100 characters"
    } else if !name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b)) {
        "has characters other than letters, digits, `.`, `_` and `-`"
    } else if name.starts_with(['.', '-']) || name.ends_with('.') {
        // A command takes a leading `-` for an option, and Windows drops a trailing `.`.
        "begins with `.` or `-`, or ends with `.`"
    } else if is_windows_device(name) {
        "is a device's name on Windows"
    } else {
        return Ok(());
    };
    Err(Error::Invalid {
        detail: format!(
            "the store name {name:?} {fault}; use your program's identifier, such as \
             com.example.mytool"
        ),
    })
}

/// `~/.local/share/tokenkeep/NAME` on Linux, `%LOCALAPPDATA%\tokenkeep\NAME` on Windows,
/// `~/Library/Application Support/tokenkeep/NAME` on macOS.
pub(super) fn data_folder(name: &str) -> Result<PathBuf, Error> {
    Ok(full(base()?.data_local_dir())?.join("tokenkeep").join(name))
}

/// The folder for the leases of the store with this lock file. Every path to the lock has the same
/// one. It is not the store's own folder, which may belong to other programs too.
pub(super) fn lease_folder_of(path: &Path) -> Result<PathBuf, Error> {
    let parent = path.parent().and_then(|folder| real_path(folder).ok());
    let path = match (parent, path.file_name()) {
        (Some(folder), Some(name)) => folder.join(name),
        _ => path.to_owned(),
    };
    let digest = Sha256::digest(path.as_os_str().as_encoded_bytes());
    // No store can have a name that begins with a dot.
    Ok(data_folder(".leases")?.join(hexadecimal(&digest[..16])))
}

/// `$XDG_RUNTIME_DIR/tokenkeep/NAME`: gone at logout. Only some systems have one.
///
/// The runtime folder must belong to this user only, as its specification says. Somebody who may
/// change it could move the cache away and restore it after a sign-out. A link at `tokenkeep` could
/// lead to a place that outlives the login.
pub(super) fn login_session_folder(name: &str) -> Result<PathBuf, Error> {
    let base = base()?;
    let Some(runtime) = base.runtime_dir() else {
        return Err(Error::Unsupported {
            detail: "there is no folder for the login session (XDG_RUNTIME_DIR is not set to a \
                     full path); name a folder, or keep the cache in memory"
                .into(),
        });
    };
    let refused = |error: Error| match error {
        Error::UnsafePath { path, found, .. } => Error::UnsafePath {
            path,
            found,
            fix: "XDG_RUNTIME_DIR has to name a folder that is this user's and closed to others \
                   (mode 0700), as a login makes it: log in again, or name a folder for the cache"
                .into(),
        },
        error => error,
    };
    if Folder::open(runtime).map_err(Error::from).map_err(refused)?.is_none() {
        return Err(Error::Unsupported {
            detail: format!(
                "`{}`, which XDG_RUNTIME_DIR names, does not exist; log in again, or name a folder \
                 for the cache",
                shown_path(runtime)
            ),
        });
    }
    let ours = runtime.join("tokenkeep");
    // Only checks that it is safe; the folder may not exist yet.
    Folder::open(&ours)?;
    Ok(ours.join(name))
}

fn base() -> Result<BaseDirs, Error> {
    BaseDirs::new().ok_or_else(|| Error::Unsupported {
        detail: format!("this user has no home folder; {NAME_A_FOLDER}"),
    })
}

/// Refuses a relative folder, as the XDG specification does, because it would depend on the folder
/// in which the program is started.
fn full(folder: &Path) -> Result<&Path, Error> {
    if folder.is_absolute() {
        return Ok(folder);
    }
    let folder = shown_path(folder);
    let detail = format!(
        "HOME is no full path, so the cache would be kept in `{folder}`; set HOME, or \
         {NAME_A_FOLDER}"
    );
    Err(Error::Invalid { detail })
}

const NAME_A_FOLDER: &str =
    "name a folder for the cache, in a program with `folder(…)`, in a command with `--cache PATH`";

/// <https://learn.microsoft.com/windows/win32/fileio/naming-a-file>
fn is_windows_device(name: &str) -> bool {
    // Windows ignores what follows the first dot: `nul.txt` is the device, too.
    let stem = name.split('.').next().unwrap_or(name).to_ascii_uppercase();
    let numbered = |prefix: &str| {
        stem.strip_prefix(prefix)
            .is_some_and(|rest| rest.len() == 1 && rest.as_bytes()[0].is_ascii_digit())
    };
    matches!(&*stem, "CON" | "PRN" | "AUX" | "NUL") || numbered("COM") || numbered("LPT")
}

const MAX_NAME_LEN: usize = 100;

#[cfg(test)]
mod tests {
    use super::{base, check_name, expand_home, refuse_tilde};

    #[test]
    fn a_tilde_is_the_home_folder_at_the_beginning_alone() {
        let home = base().unwrap().home_dir().to_owned();
        assert_eq!(expand_home("~").unwrap(), home);
        assert_eq!(expand_home("~/.azure/cache").unwrap(), home.join(".azure/cache"));
        for same in ["/~/x", "x~", "./~"] {
            assert_eq!(expand_home(same).unwrap(), std::path::Path::new(same));
        }
        assert!(expand_home("~somebody/x").is_err());
    }

    #[test]
    fn a_tilde_that_nobody_replaced_is_no_folder() {
        for bad in ["~", "~/x.key", "~ada/x", "~x"] {
            let error = refuse_tilde(bad.as_ref()).unwrap_err().to_string();
            assert!(error.contains("only a shell"), "{error}");
        }
        for good in ["./~/x", "/~/x", "x/~", "x~", ""] {
            assert!(refuse_tilde(good.as_ref()).is_ok(), "{good}");
        }
    }

    #[test]
    fn names_are_plain_identifiers_or_refused_with_the_reason() {
        for good in ["com.example.mytool", "a", "Tool_2-x"] {
            assert!(check_name(good).is_ok(), "{good:?}");
        }
        let long = "x".repeat(101);
        for bad in [
            "",
            ".",
            "..",
            ".x",
            "x.",
            "-x",
            "a/b",
            "a\\b",
            "a\0b",
            "a\r\nb",
            "a b",
            "é",
            "CON",
            "nul.txt",
            "com1",
            "\u{202e}x",
            &long,
        ] {
            assert!(check_name(bad).is_err(), "{bad:?}");
        }
    }
}
