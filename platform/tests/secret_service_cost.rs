//! How much a vault read and a save cost beside the bare calls they are made of.
// Not on Windows: the Secret Service
#![cfg(all(unix, not(any(target_os = "macos", target_os = "ios", target_os = "android"))))]
#![expect(clippy::print_stdout, reason = "figures are for the user who runs the tests")]

use std::time::{Duration, Instant};

use secret_service::EncryptionType;
use secret_service::blocking::SecretService;
use tokenkeep_platform::vault::{Call, Item, Vault};
use tokenkeep_test_support::again;
use tokenkeep_test_support::keyring::{State, inside};
use tokenkeep_test_support::task;

#[test]
fn reads_and_saves_are_measured_against_bare_calls_of_the_same_kind() {
    const NAME: &str = "reads_and_saves_are_measured_against_bare_calls_of_the_same_kind";
    let key = Item::new("tests", "key").with_attributes([("name", "key")]);
    let bare = || SecretService::connect(EncryptionType::Dh).unwrap();
    if let Some(mode) = task() {
        let started = Instant::now();
        if mode == "ours" {
            assert!(Vault::os().read(&key, &Call::quiet()).unwrap().is_some());
        } else {
            let service = bare();
            let found = service.search_items([("name", "key")].into()).unwrap();
            assert_eq!(found.unlocked[0].get_secret().unwrap(), SECRET);
        }
        println!("\ntook {}", started.elapsed().as_micros());
        return;
    }
    inside(NAME, State::Unlocked, |_| {
        Vault::os().create(&key, &SECRET, &Call::quiet()).unwrap();
        let in_a_new_process = |mode: &str| {
            let test = reads_and_saves_are_measured_against_bare_calls_of_the_same_kind;
            let output = again(test, mode).output().unwrap();
            let out = String::from_utf8(output.stdout).unwrap();
            let took = out.lines().find_map(|line| line.strip_prefix("took ")).unwrap();
            Duration::from_micros(took.parse().unwrap())
        };
        let (mut first, mut bare_first) = (Vec::new(), Vec::new());
        for _ in 0..21 {
            first.push(in_a_new_process("ours"));
            bare_first.push(in_a_new_process("bare"));
        }
        report("first read", first, "connect, session, search and get", bare_first);

        let (vault, service) = (Vault::os(), bare());
        let found = service.search_items([("name", "key")].into()).unwrap();
        let (mut later, mut bare_later) = (Vec::new(), Vec::new());
        for _ in 0..500 {
            let started = Instant::now();
            assert_eq!(*vault.read(&key, &Call::quiet()).unwrap().unwrap(), SECRET);
            later.push(started.elapsed());
            let started = Instant::now();
            assert_eq!(found.unlocked[0].get_secret().unwrap(), SECRET);
            bare_later.push(started.elapsed());
        }
        report("later read", later, "GetSecret", bare_later);

        let (mut saves, mut bare_saves) = (Vec::new(), Vec::new());
        for _ in 0..200 {
            let started = Instant::now();
            vault.write(&key, &SECRET, &Call::quiet(), None).unwrap();
            saves.push(started.elapsed());
            let started = Instant::now();
            found.unlocked[0].set_secret(&SECRET, "application/octet-stream").unwrap();
            bare_saves.push(started.elapsed());
        }
        report("save", saves, "SetSecret", bare_saves);
    });
}

fn report(ours: &str, times: Vec<Duration>, bare: &str, floor: Vec<Duration>) {
    let (median, floor) = (median(times), median(floor));
    let ratio = median.as_secs_f64() / floor.as_secs_f64();
    println!("\nmeasured: {ours} {median:?}, bare {bare} {floor:?}, ratio {ratio:.2}");
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

const SECRET: [u8; 32] = [0xa5; 32];
