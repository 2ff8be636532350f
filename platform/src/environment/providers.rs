//! Finds the programs that can serve the Secret Service, by the files from which the session bus
//! starts them.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

/// A program that the session bus can start as a Secret Service.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct InstalledProvider {
    /// The name shown to users.
    pub name: String,
    /// The D-Bus service file that names the program.
    pub service_file: PathBuf,
}

/// The user-visible name of the Secret Service with this program name. Linux may have cut the
/// program name to 15 bytes.
pub fn provider_name(program: &str) -> String {
    known_provider(program).unwrap_or(program).to_owned()
}

/// As [`provider_name`], but returns `None` for a program that is not known to be a Secret Service.
pub fn known_provider(program: &str) -> Option<&'static str> {
    PROGRAMS.iter().find(|(start, _)| program.starts_with(start)).map(|(_, name)| *name)
}

/// The data folders, in the order in which the session bus searches them (XDG base directory
/// specification).
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

/// The installed programs. If several files name one program, the first one is used.
pub(super) fn providers(data_folders: &[PathBuf]) -> Vec<InstalledProvider> {
    let mut found: Vec<InstalledProvider> = Vec::new();
    for folder in data_folders {
        // A folder that is missing or cannot be read names no program.
        let entries = fs::read_dir(folder.join("dbus-1/services")).into_iter().flatten().flatten();
        let mut files: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
        // Directory order is arbitrary; the report must not change between runs.
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

/// The program of a service file that claims the Secret Service, by its `Name=` and `Exec=` (D-Bus
/// specification, "Message Bus Starting Services").
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

/// KWallet takes the Secret Service's name after it was started under its own.
const CLAIMS: [&str; 3] = ["org.freedesktop.secrets", "org.kde.kwalletd5", "org.kde.kwalletd6"];

/// Prefixes of program names, and the names shown to users.
const PROGRAMS: [(&str, &str); 6] = [
    ("gnome-keyring", "gnome-keyring"),
    ("kwalletd", "KWallet"),
    ("ksecretd", "KWallet"),
    ("keepassxc", "KeePassXC"),
    ("oo7-daemon", "oo7"),
    ("pass_secret", "pass-secret-service"),
];

/// In bytes. A service file has about a hundred.
const MAX_SERVICE_FILE: u64 = 64 * 1024;
