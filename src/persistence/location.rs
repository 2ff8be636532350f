//! Which folder a store lies in, and which names a store may have.

use std::path::{Path, PathBuf};

use directories::BaseDirs;

use crate::Error;

/// A file that a person named, by its absolute path and its folder.
#[derive(Debug)]
pub(super) struct FilePlace {
    pub(super) path: PathBuf,
    pub(super) folder: PathBuf,
    pub(super) name: String,
}

impl FilePlace {
    pub(super) fn of(path: &Path) -> Result<Self, Error> {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        match (path.parent(), path.file_name().and_then(|name| name.to_str())) {
            (Some(folder), Some(name)) => {
                let (folder, name) = (folder.to_owned(), name.to_owned());
                Ok(Self { path, folder, name })
            }
            _ => Err(Error::Invalid {
                detail: format!(
                    "`{}` names no file, or one whose name is not UTF-8; give its full path",
                    path.display()
                ),
            }),
        }
    }
}

/// The path with a leading `~` as the person's home folder, as Python's `os.path.expanduser` has it.
pub(super) fn expand_home(path: &str) -> Result<PathBuf, Error> {
    let Some(rest) = path.strip_prefix('~') else { return Ok(path.into()) };
    let below = rest.trim_start_matches(std::path::is_separator);
    if below.len() == rest.len() && !rest.is_empty() {
        let detail = format!("`{path}` begins with another person's home; give its full path");
        return Err(Error::Invalid { detail });
    }
    let home = base()?.home_dir().to_owned();
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
        "begins with `.` or `-`, or ends with `.`"
    } else if is_windows_device(name) {
        "is a device's name on Windows"
    } else {
        return Ok(());
    };
    Err(Error::Invalid {
        detail: format!(
            "the store name {name:?} {fault}; use your program's identifier, such as com.example.mytool"
        ),
    })
}

/// `~/.local/share/tokenkeep/NAME` on Linux, `%LOCALAPPDATA%\tokenkeep\NAME` on Windows,
/// `~/Library/Application Support/tokenkeep/NAME` on macOS.
pub(super) fn data_folder(name: &str) -> Result<PathBuf, Error> {
    Ok(base()?.data_local_dir().join("tokenkeep").join(name))
}

/// `$XDG_RUNTIME_DIR/tokenkeep/NAME`: gone at logout. Only some systems have one.
pub(super) fn login_session_folder(name: &str) -> Result<PathBuf, Error> {
    match base()?.runtime_dir() {
        Some(runtime) => Ok(runtime.join("tokenkeep").join(name)),
        None => Err(Error::Invalid {
            detail: "there is no folder for the login session (XDG_RUNTIME_DIR is not set); \
                     name a folder, or keep the cache in memory"
                .into(),
        }),
    }
}

fn base() -> Result<BaseDirs, Error> {
    BaseDirs::new().ok_or_else(|| Error::Invalid {
        detail: "this user has no home folder; name a folder for the cache".into(),
    })
}

/// <https://learn.microsoft.com/windows/win32/fileio/naming-a-file>
fn is_windows_device(name: &str) -> bool {
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
    use super::{base, check_name, expand_home};

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
