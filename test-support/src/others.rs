//! What a user does with a file: keeps it private, lets others use it, or gives it away.

use std::fs::File;
use std::path::Path;

/// What others may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Others {
    /// Read a file, or list and enter a folder.
    Read,
    /// That, and change it.
    Write,
}

/// Creates an empty file, or empties one that is there, in a folder that is this user's alone; so
/// is the file.
///
/// # Panics
///
/// Where the operating system refuses.
pub fn create_private(path: &Path) -> File {
    os::create_private(path)
}

/// Lets every user of this computer use what lies at `path`.
///
/// # Panics
///
/// Where the operating system refuses.
pub fn let_others(path: &Path, others: Others) {
    os::let_others(path, others);
}

/// Makes somebody else the owner of what lies at `path`; false where this user may not.
pub fn give_away(path: &Path) -> bool {
    os::give_away(path)
}

#[cfg(unix)]
mod os {
    use std::fs::{self, File};
    use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, chown};
    use std::path::Path;

    use super::Others;

    pub(super) fn create_private(path: &Path) -> File {
        let mut options = File::options();
        options.write(true).create(true).truncate(true).mode(0o600);
        options.open(path).expect("the folder is ours")
    }

    pub(super) fn let_others(path: &Path, others: Others) {
        let found = fs::metadata(path).expect("it is there");
        let enter = if found.is_dir() { 0o055 } else { 0o044 };
        let write = if others == Others::Write { 0o022 } else { 0 };
        let mode = found.permissions().mode() | enter | write;
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("it is ours");
    }

    pub(super) fn give_away(path: &Path) -> bool {
        chown(path, Some(NOBODY), None).is_ok()
    }

    const NOBODY: u32 = 65534;
}

/// Wine shows an owner and a mode of the system below as an access list, so there it is that
/// system's programs that change them; its own `icacls` does nothing.
#[cfg(windows)]
mod os {
    use std::fs::{self, File};
    use std::path::{Path, PathBuf};
    use std::process::Command;
    use std::thread;
    use std::time::{Duration, Instant};

    use super::Others;
    use crate::under_wine;

    /// On Windows the folder hands its access list down; Wine's folders do not.
    pub(super) fn create_private(path: &Path) -> File {
        let file = File::create(path).expect("the folder is ours");
        assert!(!under_wine() || below("chmod", "600", path), "chmod failed");
        file
    }

    pub(super) fn let_others(path: &Path, others: Others) {
        if under_wine() {
            let mode = if others == Others::Write { "a+rwX" } else { "a+rX" };
            assert!(below("chmod", mode, path), "chmod failed");
            return;
        }
        let inherit = if path.is_dir() { "(OI)(CI)" } else { "" };
        let rights = if others == Others::Write { "M" } else { "RX" };
        let mut grant = Command::new("icacls");
        grant.arg(path).arg("/grant").arg(format!("*S-1-1-0:{inherit}{rights}"));
        let done = grant.output().expect("icacls is a part of Windows");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stdout));
    }

    pub(super) fn give_away(path: &Path) -> bool {
        under_wine() && below("chown", "65534", path)
    }

    /// Runs a program of the system below Wine. Neither a handle nor a pipe tells when it ended, so
    /// its exit code comes through a file beside `path`.
    fn below(program: &str, what: &str, path: &Path) -> bool {
        let below = Command::new("winepath").arg("-u").arg(path).output();
        let below = String::from_utf8(below.expect("winepath is a part of Wine").stdout);
        let script = format!("{program} {what} $1; echo $? > $1.new; mv $1.new $1.code");
        let mut start = Command::new("start");
        start.args(["/unix", "/bin/sh", "-c", &script, "sh"]);
        let path_below = below.expect("it prints UTF-8");
        let started = start.arg(path_below.trim_end()).status().expect("start is a part of Wine");
        assert!(started.success(), "{started}");
        let code = PathBuf::from(format!("{}.code", path.display()));
        let begun = Instant::now();
        loop {
            if let Ok(said) = fs::read_to_string(&code) {
                fs::remove_file(&code).expect("it was there");
                return said.trim_end() == "0";
            }
            assert!(begun.elapsed() < Duration::from_secs(30), "{program} does not end");
            thread::yield_now();
        }
    }
}
