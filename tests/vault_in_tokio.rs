//! Vault calls of a program that runs tokio: on every kind of thread, and while the vault is stuck.
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a test may, and it prints figures")]
// Not on Windows: the Secret Service
#![cfg(target_os = "linux")]

mod support;

use std::{
    io::{BufRead, BufReader, Read},
    path::Path,
    process::Stdio,
    thread,
    time::{Duration, Instant},
};

use support::{OpenCache, Place, STORE, event, token};
use tokenkeep::persistence::SealedPersistence;
use tokenkeep::{
    Interaction, KeySource, PersistedTokenCache, persistence::SealedPersistenceBuilder,
};
use tokenkeep_test_support::{
    again,
    keyring::{State, inside},
    mock::{Act, Mock},
    task,
};
use tokio::runtime::{Builder, Runtime};

fn at(place: &Path) -> SealedPersistenceBuilder {
    SealedPersistence::builder(STORE).folder(place.join("cache")).key_source(KeySource::OsVault)
}

/// Waits for the vault much longer than a test lasts.
fn patient(place: &Path) -> SealedPersistenceBuilder {
    at(place).interaction(Interaction::Allow { deadline: Duration::from_secs(100) })
}

fn runtimes() -> [Runtime; 2] {
    [Builder::new_current_thread(), Builder::new_multi_thread()]
        .map(|mut runtime| runtime.enable_all().build().unwrap())
}

#[test]
fn a_vault_answers_a_plain_thread_a_task_and_the_blocking_pool() {
    let name = "a_vault_answers_a_plain_thread_a_task_and_the_blocking_pool";
    inside(name, State::Unlocked, |_| {
        // Each opens again: what another has opened holds the key already.
        let keep_and_find = |secret: &str| {
            let place = Place::new();
            at(place.path()).cache().unwrap().add(&event("client", secret)).unwrap();
            let found = token(&at(place.path()).cache().unwrap(), "client");
            assert_eq!(found.as_deref(), Some(secret));
        };
        thread::spawn(move || keep_and_find("a plain thread")).join().unwrap();
        for runtime in runtimes() {
            runtime.block_on(async move {
                keep_and_find("block_on");
                tokio::spawn(async move { keep_and_find("a task") }).await.unwrap();
                tokio::task::spawn_blocking(move || keep_and_find("the pool")).await.unwrap();
            });
        }
    });
}

#[test]
fn asynchronous_calls_reach_a_vault() {
    inside("asynchronous_calls_reach_a_vault", State::Unlocked, |_| {
        for runtime in runtimes() {
            let place = Place::new();
            runtime.block_on(async {
                let open = || async { at(place.path()).open_async().await.unwrap() };
                let kept = event("client", "kept");
                let cache = PersistedTokenCache::new(open().await);
                cache.call_async(move |cache| cache.add(&kept)).await.unwrap();
                let again = PersistedTokenCache::new(open().await);
                let found = again.find_access_token_async(&support::request("client")).await;
                assert_eq!(found.unwrap().unwrap().secret(), "kept");
            });
        }
    });
}

#[test]
fn a_runtime_ends_at_once_while_a_vault_is_stuck() {
    inside("a_runtime_ends_at_once_while_a_vault_is_stuck", State::Absent, |_| {
        let mock = Mock::start(None, |_| Act::Silence);
        let place = Place::new();
        for runtime in runtimes() {
            runtime.spawn(patient(place.path()).open_async());
            runtime.block_on(async {
                let open = patient(place.path()).open_async();
                let unanswered = tokio::time::timeout(Duration::from_millis(100), open).await;
                assert!(unanswered.is_err());
                while mock.calls().is_empty() {
                    tokio::task::yield_now().await;
                }
            });
            let took = support::end(runtime);
            println!("measured: a runtime ended while the vault was stuck after {took:?}");
        }
    });
}

#[test]
fn a_program_whose_main_returns_while_a_vault_call_is_stuck_ends_at_once() {
    if let Some(task) = task() {
        return leave_while_stuck(task.to_str().unwrap());
    }
    let name = "a_program_whose_main_returns_while_a_vault_call_is_stuck_ends_at_once";
    inside(name, State::Absent, |_| {
        let mock = Mock::start(None, |_| Act::Silence);
        for who in WHO {
            let before = mock.calls().len();
            let test = a_program_whose_main_returns_while_a_vault_call_is_stuck_ends_at_once;
            let mut child =
                again(test, who).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
            while mock.calls().len() == before {
                assert!(child.try_wait().unwrap().is_none(), "{who}: it has ended early");
                thread::yield_now();
            }
            drop(child.stdin.take());
            let mut out = BufReader::new(child.stdout.take().unwrap());
            let mut line = String::new();
            while !line.contains("leaving") {
                line.clear();
                assert!(out.read_line(&mut line).unwrap() > 0, "{who}: it never left");
            }
            let started = Instant::now();
            out.read_to_string(&mut line).unwrap();
            assert!(child.wait().unwrap().success());
            let took = started.elapsed();
            println!("measured: a program with {who} in a stuck vault ended after {took:?}");
            assert!(took < Duration::from_secs(1), "{took:?}");
        }
    });
}

/// Calls the vault, and leaves when its parent has seen that call.
fn leave_while_stuck(who: &str) {
    let place = Place::new();
    let builder = patient(place.path());
    let wait = || std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
    match who {
        "a plain thread" => {
            thread::spawn(|| builder.open());
            wait();
            println!("leaving");
        }
        "an asynchronous call" => {
            let runtime = Runtime::new().unwrap();
            runtime.spawn(builder.open_async());
            wait();
            println!("leaving");
            drop(runtime);
        }
        who => panic!("nobody knows {who}"),
    }
}

const WHO: &[&str] = &["a plain thread", "an asynchronous call"];
