//! Describes the environment of the program, as far as it decides which vaults may exist. The data
//! is only for a report; no code depends on it.

mod mounts;
mod providers;

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

pub use mounts::network_file_system;
pub use providers::{InstalledProvider, known_provider, provider_name};
use providers::{data_folders, providers};

/// Facts about this machine and login that can be determined without asking any service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Environment {
    /// The operating system that this program was built for.
    pub system: System,
    /// The Windows Subsystem for Linux: the kernel release contains "microsoft".
    pub is_wsl: bool,
    /// Logged in over SSH: `SSH_CONNECTION` or `SSH_TTY` is set.
    pub is_ssh: bool,
    /// In a container: `/.dockerenv`, `/run/.containerenv`, or the variable `container` that
    /// systemd-nspawn and podman set.
    pub is_container: bool,
    /// `DISPLAY` or `WAYLAND_DISPLAY` is set, so a vault could show a prompt.
    pub has_display: bool,
    /// `DBUS_SESSION_BUS_ADDRESS` is set, or `XDG_RUNTIME_DIR` contains a socket `bus`.
    pub has_bus_address: bool,
    /// `XDG_RUNTIME_DIR` is set and not empty.
    pub has_runtime_folder: bool,
    /// The programs that can serve the Secret Service: those whose D-Bus service file claims its
    /// name or KWallet's.
    pub providers: Vec<InstalledProvider>,
    /// The command that installs a package, such as `sudo apt install`, if it is known.
    pub installer: Option<&'static str>,
}

/// An operating system.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum System {
    /// Linux, except Android.
    Linux,
    /// macOS.
    MacOs,
    /// Another Unix, such as a BSD.
    Unix,
    /// Windows.
    Windows,
    /// Any other.
    #[default]
    Other,
}

impl Environment {
    /// The environment of this process.
    pub fn here() -> Self {
        Self::seen(System::CURRENT, &|name| std::env::var_os(name), Path::new("/"))
    }

    /// Whether a browser of this machine can open, and reach a port of it. In a container and over
    /// SSH the user's browser is on another machine.
    pub fn has_browser(&self) -> bool {
        let is_near = !self.is_container && !self.is_ssh;
        is_near
            && match self.system {
                System::Windows | System::MacOs => true,
                _ => self.has_display || self.is_wsl,
            }
    }

    fn seen(system: System, variable: &dyn Fn(&str) -> Option<OsString>, root: &Path) -> Self {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        let runtime_folder = set("XDG_RUNTIME_DIR").map(PathBuf::from);
        let is_unix = matches!(system, System::Linux | System::Unix);
        let release = fs::read_to_string(root.join("proc/sys/kernel/osrelease"));
        let mark = |path: &str| root.join(path).exists();
        Self {
            system,
            is_wsl: is_unix
                && release.is_ok_and(|text| text.to_ascii_lowercase().contains("microsoft")),
            is_ssh: set("SSH_CONNECTION").or_else(|| set("SSH_TTY")).is_some(),
            is_container: is_unix
                && (mark(".dockerenv") || mark("run/.containerenv") || set("container").is_some()),
            has_display: set("DISPLAY").or_else(|| set("WAYLAND_DISPLAY")).is_some(),
            has_bus_address: set("DBUS_SESSION_BUS_ADDRESS").is_some()
                || runtime_folder.as_ref().is_some_and(|folder| folder.join("bus").exists()),
            has_runtime_folder: runtime_folder.is_some(),
            providers: if is_unix { providers(&data_folders(&set, root)) } else { Vec::new() },
            installer: INSTALLERS
                .iter()
                .find(|(program, _)| is_unix && root.join("usr/bin").join(program).exists())
                .map(|(_, line)| *line),
        }
    }
}

impl System {
    /// The system that this program was built for.
    pub const CURRENT: Self = if cfg!(windows) {
        Self::Windows
    } else if cfg!(target_os = "macos") {
        Self::MacOs
    } else if cfg!(target_os = "linux") {
        Self::Linux
    } else if cfg!(unix) {
        Self::Unix
    } else {
        Self::Other
    };
}

const INSTALLERS: [(&str, &str); 5] = [
    ("apt-get", "sudo apt install"),
    ("dnf", "sudo dnf install"),
    ("pacman", "sudo pacman -S"),
    ("zypper", "sudo zypper install"),
    ("apk", "doas apk add"),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn file(root: &Path, path: &str, text: &str) {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mut file = fs::File::create(path).unwrap();
        std::io::Write::write_all(&mut file, text.as_bytes()).unwrap();
    }

    fn seen(system: System, variables: &[(&str, &str)], root: &Path) -> Environment {
        let find = |name: &str| {
            let found = variables.iter().find(|(theirs, _)| *theirs == name);
            found.map(|(_, value)| OsString::from(value))
        };
        Environment::seen(system, &find, root)
    }

    #[test]
    fn nothing_is_seen_where_nothing_is() {
        let root = tempfile::tempdir().unwrap();
        let bare = Environment { system: System::Linux, ..Environment::default() };
        let empty = [("SSH_TTY", ""), ("container", ""), ("XDG_RUNTIME_DIR", "")];
        assert_eq!(seen(System::Linux, &empty, root.path()), bare);
    }

    #[test]
    fn wsl_ssh_a_container_and_the_bus_are_each_told_by_their_own_mark() {
        let root = tempfile::tempdir().unwrap();
        let bare = Environment { system: System::Linux, ..Environment::default() };
        let ssh = Environment { is_ssh: true, ..bare.clone() };
        for name in ["SSH_CONNECTION", "SSH_TTY"] {
            assert_eq!(seen(System::Linux, &[(name, "x")], root.path()), ssh, "{name}");
        }
        let display = Environment { has_display: true, ..bare.clone() };
        for name in ["DISPLAY", "WAYLAND_DISPLAY"] {
            assert_eq!(seen(System::Linux, &[(name, ":0")], root.path()), display, "{name}");
        }
        let container = Environment { is_container: true, ..bare.clone() };
        assert_eq!(seen(System::Linux, &[("container", "podman")], root.path()), container);
        for mark in [".dockerenv", "run/.containerenv"] {
            let root = tempfile::tempdir().unwrap();
            file(root.path(), mark, "");
            assert_eq!(seen(System::Linux, &[], root.path()), container, "{mark}");
        }
        let bus = Environment { has_bus_address: true, ..bare.clone() };
        assert_eq!(seen(System::Linux, &[("DBUS_SESSION_BUS_ADDRESS", "x")], root.path()), bus);
        file(root.path(), "run/user/bus", "");
        let runtime = root.path().join("run/user");
        let socket = [("XDG_RUNTIME_DIR", runtime.to_str().unwrap())];
        let both = Environment { has_runtime_folder: true, ..bus };
        assert_eq!(seen(System::Linux, &socket, root.path()), both);
        for (release, is_wsl) in [
            ("5.15.167.4-microsoft-standard-WSL2\n", true),
            ("4.4.0-19041-Microsoft\n", true),
            ("6.1.0-18-amd64\n", false),
        ] {
            file(root.path(), "proc/sys/kernel/osrelease", release);
            assert_eq!(seen(System::Linux, &[], root.path()).is_wsl, is_wsl, "{release}");
        }
    }

    #[test]
    fn a_browser_is_not_expected_over_ssh_or_in_a_container() {
        let mut here = Environment { system: System::Linux, ..Environment::default() };
        assert!(!here.has_browser());
        here.has_display = true;
        assert!(here.has_browser());
        for (is_ssh, is_container) in [(true, false), (false, true)] {
            (here.is_ssh, here.is_container) = (is_ssh, is_container);
            for (system, is_wsl) in [(System::Linux, true), (System::Windows, false)] {
                (here.system, here.is_wsl) = (system, is_wsl);
                assert!(!here.has_browser(), "{here:?}");
            }
        }
    }

    #[test]
    fn the_programs_that_claim_the_name_are_listed_once_in_the_buss_order() {
        let root = tempfile::tempdir().unwrap();
        let service = |path: &str, name: &str, program: &str| {
            let text = format!("[D-BUS Service]\nName={name}\nExec={program} --x\n");
            file(root.path(), path, &text);
        };
        let secrets = "org.freedesktop.secrets";
        service("usr/share/dbus-1/services/a.service", secrets, "/usr/bin/gnome-keyring-daemon");
        service("usr/share/dbus-1/services/b.service", "org.kde.kwalletd5", "/usr/bin/kwalletd5");
        service("usr/share/dbus-1/services/c.service", "org.a11y.Bus", "/usr/libexec/a11y");
        service("usr/share/dbus-1/services/d.conf", secrets, "/usr/bin/keepassxc");
        service("home/.local/share/dbus-1/services/z.service", secrets, "\"/opt/ksecretd\"");
        service("other/dbus-1/services/z.service", secrets, "/opt/of-another-name");
        let names = |variables: &[(&str, &str)]| -> Vec<String> {
            let seen = seen(System::Linux, variables, root.path());
            seen.providers.into_iter().map(|provider| provider.name).collect()
        };
        let home = root.path().join("home");
        assert_eq!(names(&[("HOME", home.to_str().unwrap())]), ["KWallet", "gnome-keyring"]);
        let other = root.path().join("other");
        assert_eq!(names(&[("XDG_DATA_DIRS", other.to_str().unwrap())]), ["of-another-name"]);
        assert!(seen(System::Windows, &[], root.path()).providers.is_empty());
    }

    #[test]
    fn the_package_manager_that_is_there_gives_the_line() {
        let root = tempfile::tempdir().unwrap();
        file(root.path(), "usr/bin/dnf", "");
        assert_eq!(seen(System::Linux, &[], root.path()).installer, Some("sudo dnf install"));
        file(root.path(), "usr/bin/apt-get", "");
        assert_eq!(seen(System::Linux, &[], root.path()).installer, Some("sudo apt install"));
    }

    #[test]
    fn a_name_that_linux_has_cut_is_still_known() {
        assert_eq!(provider_name("gnome-keyring-d"), "gnome-keyring");
        assert_eq!(provider_name("kwalletd6"), "KWallet");
        assert_eq!(provider_name("else"), "else");
    }
}
