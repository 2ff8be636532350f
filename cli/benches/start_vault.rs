//! From the start of the program to the token on its output, with its key in the Secret Service:
//! beside a process that reads the file, connects, opens a session of the same kind and gets the
//! secret by its path.
#![allow(clippy::print_stdout, reason = "it prints its rows")]

#[path = "../../benches/support/mod.rs"]
mod measure;
#[path = "support/mod.rs"]
mod support;

#[cfg(target_os = "linux")]
fn main() {
    linux::run();
}

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("start to token printed, vault key: skipped, it needs a Secret Service");
}

#[cfg(target_os = "linux")]
mod linux {
    use std::{env, process::Command};

    use secret_service::{EncryptionType, blocking::SecretService};
    use tokenkeep_test_support::{
        Tool,
        keyring::{Session, State},
        need,
    };

    use super::{
        measure,
        support::{self, BARE_FILE, Kept},
    };

    /// The path of the item that holds the key, for the bare process.
    const BARE_ITEM: &str = "TOKENKEEP_BENCH_ITEM";
    /// Asks this program for the path of the only item of tokenkeep's.
    const FIND: &str = "TOKENKEEP_BENCH_FIND";

    pub(super) fn run() {
        if env::var_os(BARE_FILE).is_some() {
            return bare();
        }
        if env::var_os(FIND).is_some() {
            return find();
        }
        if !need(Tool::SecretService) {
            return;
        }
        let session = Session::start(State::Unlocked).expect("a private session");
        let place = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder on disk");
        let kept = Kept::new(place.path(), |command| {
            command.arg("--key").arg("vault").envs(session.envs());
        });
        let program = env::current_exe().expect("this program");
        let found = session.command(program).env(FIND, "1").output().expect("it starts");
        let item = String::from_utf8(found.stdout).expect("a path");
        let bare = |command: &mut Command| {
            command.env(BARE_ITEM, item.trim());
        };
        let (ours, floor) = measure::alternate(
            100,
            |_| kept.run(&mut kept.token()),
            |_| {
                let mut command = kept.bare();
                bare(command.envs(session.envs()));
                kept.run(&mut command);
            },
        );
        measure::row(
            "start to token printed, vault key",
            ours,
            "a process with read + connect + DH session + GetSecret",
            floor,
            1.5,
            1.5,
        );
    }

    fn bare() {
        let file = support::read_file();
        let service = SecretService::connect(EncryptionType::Dh).expect("a connection");
        let path = env::var(BARE_ITEM).expect("a path").try_into().expect("an object's path");
        let item = service.get_item_by_path(path).expect("an item");
        assert!(item.get_secret().expect("a secret").len() > 32, "a key and its place");
        support::print_token(&file);
    }

    fn find() {
        let service = SecretService::connect(EncryptionType::Plain).expect("a connection");
        let found = service.search_items([("application", "tokenkeep")].into()).expect("a search");
        assert_eq!(found.unlocked.len(), 1, "one key");
        println!("{}", found.unlocked[0].item_path.as_str());
    }
}
