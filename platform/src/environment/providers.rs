//! The programs that can serve the Secret Service, by the files that let the session bus start
//! them.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

/// A program that the session bus can start as a Secret Service.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct InstalledProvider {
    /// What people call it.
    pub name: String,
    /// The D-Bus service file that names it.
    pub service_file: PathBuf,
}

/// What people call the Secret Service whose program has this name, which Linux may have cut to 15
/// bytes.
pub fn provider_name(program: &str) -> String {
    known_provider(program).unwrap_or(program).to_owned()
}

/// The same, only for a program that is known to be a Secret Service.
pub fn known_provider(program: &str) -> Option<&'static str> {
    PROGRAMS.iter().find(|(start, _)| program.starts_with(start)).map(|(_, name)| *name)
}

/// In the order in which the session bus searches them (XDG base directory specification).
pub(super) fn data_folders(set: &dyn Fn(&str) -> Option<OsString>, root: &Path) -> Vec<PathBuf> {
    let home = set("XDG_DATA_HOME")
        .map(PathBuf::from)
        .or_else(|| set("HOME").map(|home| Path::new(&home).join(".local/share")));
    let shared = set("XDG_DATA_DIRS").map_or_else(
        || vec![root.join("usr/local/share"), root.join("usr/share")],
        |list| std::env::split_paths(&list).collect(),
    );
    home.into_iter().chain(shared).collect()
}

/// The first file that names a program stands for it.
pub(super) fn providers(data_folders: &[PathBuf]) -> Vec<InstalledProvider> {
    let mut found: Vec<InstalledProvider> = Vec::new();
    for folder in data_folders {
        let entries = fs::read_dir(folder.join("dbus-1/services")).into_iter().flatten().flatten();
        let mut files: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
        files.sort();
        for service_file in files {
            let Some(name) = claimed_by(&service_file) else { continue };
            if found.iter().all(|other| other.name != name) {
                found.push(InstalledProvider { name, service_file });
            }
        }
    }
    found
}

/// The program of a service file that claims the name, by `Name=` and `Exec=` (D-Bus specification,
/// "Message Bus Starting Services").
fn claimed_by(file: &Path) -> Option<String> {
    if file.extension()? != "service" || fs::metadata(file).ok()?.len() > MAX_SERVICE_FILE {
        return None;
    }
    let text = fs::read_to_string(file).ok()?;
    let fields: BTreeMap<&str, &str> = text
        .lines()
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.trim(), value.trim()))
        .collect();
    if !CLAIMS.contains(fields.get("Name")?) {
        return None;
    }
    let program = fields.get("Exec")?.split_whitespace().next()?.trim_matches(['"', '\'']);
    Some(provider_name(Path::new(program).file_name()?.to_str()?))
}

/// KWallet takes the Secret Service's name once it is started under its own.
const CLAIMS: [&str; 3] = ["org.freedesktop.secrets", "org.kde.kwalletd5", "org.kde.kwalletd6"];

/// How programs' names begin, and what people call them.
const PROGRAMS: [(&str, &str); 6] = [
    ("gnome-keyring", "gnome-keyring"),
    ("kwalletd", "KWallet"),
    ("ksecretd", "KWallet"),
    ("keepassxc", "KeePassXC"),
    ("oo7-daemon", "oo7"),
    ("pass_secret", "pass-secret-service"),
];

/// In bytes; a service file has about a hundred.
const MAX_SERVICE_FILE: u64 = 64 * 1024;
