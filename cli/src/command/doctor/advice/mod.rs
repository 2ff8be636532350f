//! The line that fixes a problem, from a table of troubles and environments.

mod table;

use std::path::Path;

use tokenkeep::Error;
use tokenkeep_platform::{
    environment::{System, known_provider},
    file,
    text::shell_word,
};

use self::table::{TABLE, Trouble, Where};
use super::environment::Environment;

/// What a user can type or do about `error`, if this environment has its own answer to it.
pub(super) fn line(error: &Error, environment: &Environment) -> Option<String> {
    Some(match error {
        // A folder below another user's folder would be in their way, or is refused.
        Error::MissingParent { path } if !is_windows(environment) && file::may_make(path) => {
            making(path)
        }
        Error::UnsafePath { fix, .. } => fix.clone(),
        Error::KeyGone { vault, .. } if is_os_vault(vault) && has_second(environment) => format!(
            "{} is installed too; if the key was made with it, end the one that answers and start \
             that one",
            environment.other_providers().join(", ")
        ),
        Error::OtherBackend { .. } => {
            "say with --store and --key how it is kept, or name another place with --cache".into()
        }
        _ => {
            let trouble = trouble(error, environment);
            let row = TABLE.iter().find(|(of, places, _)| {
                Some(*of) == trouble && places.iter().all(|place| place.is_here(environment))
            });
            fill(row?.2, environment)
        }
    })
}

fn trouble(error: &Error, environment: &Environment) -> Option<Trouble> {
    let is_windows = is_windows(environment);
    Some(match error {
        Error::PromptDismissed { .. } => Trouble::Dismissed,
        Error::OutcomeUnknown { .. } => Trouble::Left,
        Error::VaultLocked { .. } => Trouble::Locked,
        // A file or a callback can hang too, and then the vault is not the cause.
        Error::VaultTimeout { vault: "Secret Service" | "Keychain", .. } => Trouble::Silent,
        Error::VaultMissing { vault: "kernel keyring", .. } => Trouble::NoKernelKeyring,
        Error::VaultMissing { .. } if is_windows => Trouble::NetworkLogon,
        Error::VaultMissing { vault: "Secret Service", .. } => Trouble::NoCollection,
        Error::VaultServiceMissing { .. } if is_windows => Trouble::NoVaultSvc,
        Error::VaultServiceMissing { .. } if environment.has_bus => Trouble::NoService,
        Error::VaultServiceMissing { .. } => Trouble::NoBus,
        _ => return None,
    })
}

impl Where {
    fn is_here(self, environment: &Environment) -> bool {
        let around = &environment.around;
        let is_served_by = |name: &str| environment.provider_name().as_deref() == Some(name);
        match self {
            Self::Container => around.is_container,
            Self::Gnome => is_served_by("gnome-keyring"),
            Self::KWallet => is_served_by("KWallet"),
            Self::MacOs => around.system == System::MacOs,
            Self::NoDisplay => !around.has_display && around.system != System::MacOs,
            Self::NoProvider => around.providers.is_empty() && environment.provider.is_none(),
            // A bus of another container reports process ids that belong to other processes here.
            Self::Process => environment.provider.as_ref().is_some_and(|one| {
                let program = one.program.as_deref();
                one.pid.is_some() && program.is_some_and(|name| known_provider(name).is_some())
            }),
            Self::Ssh => around.is_ssh,
            Self::Windows => around.system == System::Windows,
            Self::Wsl => around.is_wsl,
        }
    }
}

fn fill(line: &str, environment: &Environment) -> String {
    let installer = environment.around.installer.unwrap_or("install:");
    // Debian has the session bus in a package of its own.
    let packages = match installer.contains("apt") {
        true => "gnome-keyring dbus-user-session",
        false => "gnome-keyring",
    };
    let pid = environment.provider.as_ref().and_then(|one| one.pid).map(|pid| pid.to_string());
    line.replace("{install}", &format!("{installer} {packages}"))
        .replace("{pid}", &pid.unwrap_or_default())
        .replace("{provider}", &environment.provider_name().unwrap_or_else(|| "the service".into()))
}

/// Every folder that is created on the way is private to the user.
fn making(folder: &Path) -> String {
    format!("(umask 077; mkdir -p {})", shell_word(folder))
}

fn is_windows(environment: &Environment) -> bool {
    environment.around.system == System::Windows
}

fn has_second(environment: &Environment) -> bool {
    environment.provider.is_some() && !environment.other_providers().is_empty()
}

fn is_os_vault(vault: &str) -> bool {
    vault == "Secret Service"
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokenkeep_platform::{environment::Environment as Around, vault::Provider};

    use super::*;

    fn environment(change: impl FnOnce(&mut Around)) -> Environment {
        let mut environment = Environment::default();
        environment.around.system = System::Linux;
        environment.around.installer = Some("sudo apt install");
        change(&mut environment.around);
        environment
    }

    fn no_service() -> Error {
        Error::VaultServiceMissing { vault: "Secret Service", reason: String::new(), source: None }
    }

    #[test]
    fn each_environment_has_a_line_of_its_own() {
        let locked = Error::VaultLocked { vault: "the vault", source: None };
        let none = |vault| Error::VaultMissing { vault, reason: String::new(), source: None };
        let silent = Error::VaultTimeout { vault: "Keychain", waited: Duration::ZERO };
        let plain = environment(|around| around.has_display = true);
        let wsl = environment(|around| around.is_wsl = true);
        let container = environment(|around| around.is_container = true);
        let mac = environment(|around| (around.system, around.is_ssh) = (System::MacOs, true));
        let windows =
            environment(|around| (around.system, around.is_ssh) = (System::Windows, true));
        for (error, environment, words) in [
            (&no_service(), &plain, "sudo apt install gnome-keyring"),
            (&no_service(), &wsl, "sudo apt install gnome-keyring dbus-user-session && wsl.exe"),
            (&no_service(), &container, "--key env:TOKENKEEP_KEY"),
            (&no_service(), &windows, "sc.exe start VaultSvc"),
            (&none("Secret Service"), &plain, "seahorse"),
            (&none("kernel keyring"), &container, "seccomp"),
            (&none("kernel keyring"), &plain, "--key passphrase"),
            (&none("Credential Manager"), &windows, "Remote Desktop"),
            (&none("DPAPI"), &windows, "Remote Desktop"),
            (&locked, &plain, "--allow-prompt"),
            (&locked, &mac, "security unlock-keychain"),
            (&silent, &mac, "dialogue"),
        ] {
            let line = line(error, environment).unwrap();
            assert!(line.contains(words), "{error}: {line}");
            assert!(!line.contains('{'), "{line}");
        }
    }

    #[test]
    fn no_process_is_to_be_ended_but_a_silent_keyring() {
        let silent = |vault| Error::VaultTimeout { vault, waited: Duration::ZERO };
        let served_by = |program: &str| {
            let mut environment = environment(|_| {});
            let mut provider = Provider::default();
            (provider.pid, provider.program) = (Some(77), Some(program.into()));
            environment.provider = Some(provider);
            environment
        };
        let keyring = served_by("gnome-keyring-d");
        assert!(line(&silent("Secret Service"), &keyring).unwrap().starts_with("kill 77 "));
        for line in [
            line(&silent("cache or its key source"), &keyring),
            line(&silent("key file"), &keyring),
            line(&silent("Secret Service"), &served_by("postgres")),
        ] {
            assert!(!line.clone().unwrap_or_default().contains("77"), "{line:?}");
        }
    }

    #[test]
    fn every_row_can_be_reached() {
        for (at, (trouble, places, line)) in TABLE.iter().enumerate() {
            let hides = |(other, theirs, _): &&(Trouble, &[Where], &str)| {
                other == trouble
                    && theirs.iter().all(|one| {
                        places.iter().any(|mine| format!("{mine:?}") == format!("{one:?}"))
                    })
            };
            assert!(TABLE[..at].iter().find(hides).is_none(), "{line}");
        }
    }

    #[test]
    fn a_missing_folder_has_a_command_only_where_this_user_may_make_it() {
        assert_eq!(making("/no/it's\n".as_ref()), r"(umask 077; mkdir -p $'/no/it\'s\012')");
        // A folder cannot be created below a file. On Windows no command is named at all.
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = Error::MissingParent { path: file.path().join("x") };
        let system = if cfg!(windows) { System::Windows } else { System::Linux };
        let here = environment(|around| around.system = system);
        assert_eq!(line(&error, &here), None);
    }
}
