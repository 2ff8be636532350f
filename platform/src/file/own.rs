//! Whether a folder or a file was made only for a store.
//!
//! A command that narrows a mode breaks other programs that use the place. So an error names such a
//! command only for a store's own place. Otherwise it says in words what to do. A place is a
//! store's own if it is:
//!
//! * a folder `tokenkeep/NAME` in the user's data folder or in the runtime folder of the login
//!   session, or a folder that is not empty and holds only a store's files or our key files. The
//!   root and the user's home never count.
//! * a file with the name of a store's file in such a folder, or a file that begins like one of our
//!   key files.
//!
//! The caller has already checked that it belongs to this user and has no sticky bit. The answer
//! only selects the text of an error. It is never a reason to use a place.

use std::{
    env, fs,
    io::Read as _,
    path::{Component, Path, PathBuf},
};

use super::os;

/// Whether the folder at `path` was made for a store.
pub(super) fn is_own_folder(path: &Path) -> bool {
    let Ok(path) = std::path::absolute(path) else { return false };
    if path.parent().is_none() || is_home(&path) {
        return false;
    }
    is_default(&path) || holds_a_store(&path)
}

/// Whether the file at `path` was made for a store.
pub(super) fn is_own_file(path: &Path) -> bool {
    is_key_file(path) || has_store_name(path) && path.parent().is_some_and(is_own_folder)
}

/// Whether the name is one that only a store gives its files.
pub(super) fn has_store_name(path: &Path) -> bool {
    path.file_name().and_then(|name| name.to_str()).is_some_and(|name| {
        STORE_FILES.contains(&name.strip_suffix(".tmp").unwrap_or(name))
            || SET_ASIDE.iter().any(|prefix| name.starts_with(prefix))
    })
}

fn is_home(path: &Path) -> bool {
    let real = |path: &Path| fs::canonicalize(path).ok();
    home().is_some_and(|home| home == path || real(&home).is_some_and(|h| real(path) == Some(h)))
}

/// The user's home folder from the environment or the user database. Services may have the root
/// folder as their home; that one is ignored.
pub(super) fn home() -> Option<PathBuf> {
    env::home_dir().filter(|home| home.is_absolute() && home.parent().is_some())
}

/// `tokenkeep/NAME` where a program that names no folder keeps its store. A path with `..` may lead
/// to a folder other than its text says, so it is refused.
fn is_default(path: &Path) -> bool {
    if path.components().any(|component| component == Component::ParentDir) {
        return false;
    }
    let above = path.parent().and_then(Path::parent);
    path.parent().and_then(Path::file_name) == Some("tokenkeep".as_ref())
        && above.is_some_and(|above| bases().iter().flatten().any(|base| base == above))
}

cfg_if::cfg_if! {
    if #[cfg(windows)] {
        fn bases() -> [Option<PathBuf>; 1] {
            [variable("LOCALAPPDATA")]
        }
    } else if #[cfg(target_vendor = "apple")] {
        fn bases() -> [Option<PathBuf>; 1] {
            [home().map(|home| home.join("Library/Application Support"))]
        }
    } else {
        fn bases() -> [Option<PathBuf>; 2] {
            let data = variable("XDG_DATA_HOME");
            [data.or_else(|| Some(home()?.join(".local/share"))), variable("XDG_RUNTIME_DIR")]
        }
    }
}

#[cfg(not(target_vendor = "apple"))]
fn variable(name: &str) -> Option<PathBuf> {
    env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute())
}

fn holds_a_store(folder: &Path) -> bool {
    let Ok(entries) = fs::read_dir(folder) else { return false };
    let mut count = 0;
    for entry in entries {
        let Ok(path) = entry.map(|entry| entry.path()) else { return false };
        count += 1;
        // The limit bounds the work: a folder with more entries cannot be a store's.
        if count > MAX_FILES || !(has_store_name(&path) || is_key_file(&path)) {
            return false;
        }
    }
    count > 0
}

fn is_key_file(path: &Path) -> bool {
    // Opening anything but a regular file could block or have side effects.
    if !fs::symlink_metadata(path).is_ok_and(|found| found.is_file()) {
        return false;
    }
    let mut head = [0; KEY_FILE_HEAD.len()];
    let read = os::open_to_look(path).and_then(|mut file| file.read_exact(&mut head));
    read.is_ok() && head == *KEY_FILE_HEAD
}

/// The files of a sealed store, as listed in FORMAT.md. Each may have a `.tmp` next to it.
const STORE_FILES: [&str; 5] =
    ["cache.sealed", "cache.lock", "cache.queue", "cache.holder", "key.dpapi"];

/// Prefixes of the names of files that were set aside.
const SET_ASIDE: [&str; 2] = ["cache.quarantine-", "key.dpapi.quarantine-"];

/// The start of a key file, whatever its version. Nothing after it is read.
const KEY_FILE_HEAD: &[u8; 20] = b"tokenkeep-key-file-v";

/// More files than a store ever leaves.
const MAX_FILES: usize = 64;

#[cfg(test)]
#[allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "a test may")]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_a_stores_if_there_is_something_in_it_and_nothing_else() {
        let outer = tempfile::tempdir().unwrap();
        for (names, expected) in [
            (&[][..], false),
            (&["cache.sealed"], true),
            (&["cache.lock", "cache.queue", "cache.holder", "cache.sealed.tmp"], true),
            (&["cache.sealed", "cache.quarantine-00ff"], true),
            (&["cache.sealed", "notes"], false),
            (&["cache.db"], false),
            (&[".bashrc"], false),
        ] {
            let folder = tempfile::tempdir_in(outer.path()).unwrap();
            for name in names {
                fs::write(folder.path().join(name), "").unwrap();
            }
            assert_eq!(is_own_folder(folder.path()), expected, "{names:?}");
            for name in names {
                let is_own = is_own_file(&folder.path().join(name));
                assert_eq!(is_own, expected, "{name} of {names:?}");
            }
        }
    }

    #[test]
    fn a_key_file_is_ours_by_how_it_begins() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("my.key");
        for (content, expected) in [
            ("tokenkeep-key-file-v1\nstore: 00", true),
            ("tokenkeep-key-file", false),
            ("-----BEGIN PRIVATE KEY-----", false),
            ("", false),
        ] {
            fs::write(&path, content).unwrap();
            assert_eq!((is_own_file(&path), is_own_folder(folder.path())), (expected, expected));
        }
        fs::create_dir(folder.path().join("tokenkeep-key-file-v1")).unwrap();
        assert!(!is_own_folder(folder.path()));
    }

    #[test]
    fn a_stores_default_folder_is_its_own_and_what_leads_out_of_it_is_not() {
        let base = bases().into_iter().flatten().next().unwrap();
        let is_own = |below: &str| is_own_folder(&base.join(below));
        assert!(is_own("tokenkeep/x"));
        for below in ["tokenkeep/..", "tokenkeep/../..", "tokenkeep/x/../..", "tokenkeep"] {
            assert!(!is_own(below), "{below}");
        }
    }

    #[test]
    fn neither_the_root_nor_a_home_nor_a_system_folder_is_a_stores() {
        for path in ["/", "/tmp", "/etc", "/no/such/tokenkeep/x", "."] {
            assert!(!is_own_folder(Path::new(path)), "{path}");
        }
        if let Some(home) = home() {
            assert!(!is_own_folder(&home));
        }
    }
}
