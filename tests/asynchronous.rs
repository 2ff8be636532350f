//! The asynchronous calls, and the synchronous calls inside tokio.
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a test may, and it prints figures")]

mod support;

use std::{
    future::Future,
    sync::{Arc, mpsc},
    task::{Context, Waker},
};

#[cfg(unix)]
use support::child_says_yes;
use support::{OpenCache, Place, block_on, event, request, token};
use tokenkeep::{CredentialType, Error, PersistedTokenCache, Query, SignInEvent};
use tokenkeep_test_support::{again, task};
use tokio::runtime::{Builder, Runtime};

fn runtimes() -> [Runtime; 2] {
    [Builder::new_current_thread(), Builder::new_multi_thread()]
        .map(|mut runtime| runtime.enable_all().build().unwrap())
}

async fn add(cache: &PersistedTokenCache, event: SignInEvent) -> Result<(), Error> {
    cache.call_async(move |cache| cache.add(&event)).await
}

#[test]
fn each_does_what_its_call_does_on_both_kinds_of_runtime() {
    for runtime in runtimes() {
        let place = Place::new();
        runtime.block_on(async {
            let cache = PersistedTokenCache::new(place.builder().open_async().await.unwrap());
            add(&cache, event("first", "one")).await.unwrap();
            assert_eq!(token(&cache, "first").as_deref(), Some("one"));
            let answer = br#"{"access_token": "two", "expires_in": 3600}"#;
            let kept = cache
                .call_async(move |cache| cache.add_response(&request("second"), answer))
                .await
                .unwrap();
            assert!(kept.secret() == "two" && kept.is_stored());
            let found = cache.find_access_token_async(&request("second")).await.unwrap();
            assert_eq!(found.unwrap().secret(), "two");
            let query = Query::new();
            let found = cache
                .call_async(move |cache| cache.search(CredentialType::AccessToken, &query))
                .await
                .unwrap();
            assert_eq!(found.len(), 2);
            let accounts = cache.call_async(PersistedTokenCache::accounts).await.unwrap();
            assert_eq!(accounts, cache.accounts().unwrap());
            let counted = cache
                .transaction_async(|cache| {
                    cache.add(&event("third", "three"), 0)?;
                    Ok(cache.accounts().len())
                })
                .await
                .unwrap();
            assert_eq!(counted, accounts.len());
            cache.call_async(|cache| cache.sign_out(&cache.accounts()?[0], "first")).await.unwrap();
            assert_eq!(token(&cache, "first"), None);
        });
        let bad_name = runtime.block_on(PersistedTokenCache::open_async("not/a/name"));
        assert!(matches!(bad_name, Err(Error::Invalid { .. })), "{bad_name:?}");
    }
}

#[test]
fn they_need_no_runtime_of_tokio() {
    let place = Place::new();
    let cache = place.open();
    block_on(add(&cache, event("client", "kept"))).unwrap();
    assert_eq!(token(&place.open(), "client").as_deref(), Some("kept"));
}

#[test]
fn sixty_four_transactions_at_once_lose_nothing() {
    for runtime in runtimes() {
        let place = Place::new();
        let cache = place.open();
        let tasks: Vec<_> = (0..64)
            .map(|number| {
                let cache = cache.clone();
                runtime.spawn(async move {
                    let client = format!("client-{number}");
                    cache
                        .transaction_async(move |cache| {
                            cache.add(&event(&client, "kept"), 4_000_000_000)
                        })
                        .await
                })
            })
            .collect();
        for task in tasks {
            runtime.block_on(task).unwrap().unwrap();
        }
        let fresh = place.open();
        for number in 0..64 {
            assert!(token(&fresh, &format!("client-{number}")).is_some(), "{number} is lost");
        }
    }
}

#[test]
fn more_calls_than_threads_all_get_their_turn() {
    for runtime in runtimes() {
        let cache = PersistedTokenCache::in_memory();
        cache.add(&event("client", "kept")).unwrap();
        let tasks: Vec<_> = (0..2000)
            .map(|_| {
                let cache = cache.clone();
                runtime
                    .spawn(async move { cache.find_access_token_async(&request("client")).await })
            })
            .collect();
        for task in tasks {
            assert!(runtime.block_on(task).unwrap().unwrap().is_some());
        }
    }
}

#[test]
fn a_closure_that_panics_is_the_panic_of_its_caller_and_changes_nothing() {
    for runtime in runtimes() {
        let place = Place::new();
        let cache = place.open();
        let theirs = cache.clone();
        let task = runtime.spawn(async move {
            theirs
                .transaction_async(|cache| -> Result<(), Error> {
                    cache.add(&event("client", "lost"), 0)?;
                    panic!("the closure's own")
                })
                .await
        });
        let panic = runtime.block_on(task).unwrap_err().into_panic();
        assert_eq!(panic.downcast_ref(), Some(&"the closure's own"));
        assert!(!place.file().exists());
        runtime.block_on(add(&cache, event("client", "next"))).expect("nothing is locked");
    }
}

#[test]
fn an_error_of_the_closure_reaches_the_caller() {
    let place = Place::new();
    let cache = place.open();
    let failed = block_on(cache.transaction_async(|cache| -> Result<(), Error> {
        cache.add(&event("client", "lost"), 0)?;
        Err(Error::Invalid { detail: "the closure's own".into() })
    }));
    assert!(matches!(failed, Err(Error::Invalid { .. })));
    assert!(!place.file().exists());
}

#[test]
fn nothing_begins_before_the_first_poll_and_what_has_begun_ends_without_its_future() {
    let place = Place::new();
    let cache = place.open();
    drop(add(&cache, event("client", "never polled")));
    assert_eq!(token(&cache, "client"), None);

    let (begun, has_begun) = mpsc::channel();
    let (go_on, may_go_on) = mpsc::channel::<()>();
    let mut call = Box::pin(cache.transaction_async(move |cache| {
        begun.send(()).unwrap();
        may_go_on.recv().unwrap();
        cache.add(&event("client", "kept"), 4_000_000_000)
    }));
    assert!(call.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    has_begun.recv().unwrap();
    drop(call);
    go_on.send(()).unwrap();
    // The next transaction waits for the one before it.
    let found = cache.transaction(|cache| {
        Ok(cache.find_access_token(&request("client"), 4_000_000_000)?.is_some())
    });
    assert!(found.unwrap());
}

#[test]
fn a_runtime_ends_at_once_while_a_call_is_stuck() {
    for runtime in runtimes() {
        let cache = PersistedTokenCache::in_memory();
        let (go_on, may_go_on) = mpsc::channel::<()>();
        let (begun, has_begun) = mpsc::channel();
        let stuck = cache.clone();
        runtime.spawn(async move {
            stuck
                .transaction_async(move |_| {
                    begun.send(()).unwrap();
                    may_go_on.recv().map_err(|_| Error::Nested)
                })
                .await
        });
        // A runtime of one thread only works while it is driven.
        runtime.block_on(async {
            while has_begun.try_recv().is_err() {
                tokio::task::yield_now().await;
            }
        });
        let took = support::end(runtime);
        println!("measured: a runtime with a stuck call ended after {took:?}");
        drop(go_on);
    }
}

#[test]
fn the_calls_themselves_work_in_a_task_and_on_the_blocking_pool() {
    for runtime in runtimes() {
        let place = Place::new();
        let cache = place.open();
        let theirs = cache.clone();
        runtime.block_on(async move {
            theirs.add(&event("inside", "block_on")).unwrap();
            let cache = theirs.clone();
            tokio::spawn(async move { cache.add(&event("task", "spawn")).unwrap() }).await.unwrap();
            let pooled = move || theirs.add(&event("pool", "spawn_blocking")).unwrap();
            tokio::task::spawn_blocking(pooled).await.unwrap();
        });
        for (client, secret) in
            [("inside", "block_on"), ("task", "spawn"), ("pool", "spawn_blocking")]
        {
            assert_eq!(token(&cache, client).as_deref(), Some(secret));
        }
    }
}

// Not on Windows: it has no fork
#[cfg(unix)]
#[test]
fn a_forked_child_gets_its_turn_though_its_parent_has_taken_them_all() {
    let runtime = Runtime::new().unwrap();
    let (begun, has_begun) = mpsc::channel();
    let (go_on, may_go_on) = mpsc::channel::<()>();
    let may_go_on = Arc::new(std::sync::Mutex::new(may_go_on));
    let cache = PersistedTokenCache::in_memory();
    for _ in 0..256 {
        let (cache, begun, may_go_on) = (cache.clone(), begun.clone(), Arc::clone(&may_go_on));
        runtime.spawn(async move {
            let stuck = move |_: &PersistedTokenCache| {
                begun.send(()).unwrap();
                may_go_on.lock().unwrap().recv().map_err(|_| Error::Nested)
            };
            cache.call_async(stuck).await
        });
    }
    (0..256).for_each(|_| has_begun.recv().unwrap());
    let late = cache.call_async(PersistedTokenCache::accounts);
    let late = runtime
        .block_on(async { tokio::time::timeout(std::time::Duration::from_millis(50), late).await });
    assert!(late.is_err(), "the parent has no turn left");
    let place = Place::new();
    assert!(child_says_yes(|| {
        let cache = place.open();
        block_on(add(&cache, event("client", "of the child"))).is_ok()
    }));
    assert_eq!(token(&place.open(), "client").as_deref(), Some("of the child"));
    drop(go_on);
}

/// Runs the test that takes every turn in a process of its own, for the other tests of this one
/// need some, too; `false` in that process.
fn alone(test: impl Fn()) -> bool {
    let is_ours = task().is_none();
    if is_ours {
        assert!(again(test, "alone").status().unwrap().success());
    }
    is_ours
}

/// Each closure waits for another call, which is given no turn but runs in that of the closure.
#[test]
fn as_many_closures_as_there_are_turns_may_each_await_another_call() {
    if alone(as_many_closures_as_there_are_turns_may_each_await_another_call) {
        return;
    }
    for runtime in runtimes() {
        let cache = PersistedTokenCache::in_memory();
        cache.add(&event("client", "kept")).unwrap();
        // None goes on before all have a turn.
        let all = Arc::new(std::sync::Barrier::new(256));
        let tasks: Vec<_> = (0..256)
            .map(|_| {
                let (cache, all) = (cache.clone(), Arc::clone(&all));
                runtime.spawn(async move {
                    cache
                        .call_async(move |cache| {
                            all.wait();
                            block_on(cache.find_access_token_async(&request("client")))
                        })
                        .await
                })
            })
            .collect();
        let began = std::time::Instant::now();
        for task in tasks {
            assert!(runtime.block_on(task).unwrap().unwrap().is_some());
        }
        println!("measured: 256 closures with a call in each took {:?}", began.elapsed());
        assert!(
            runtime.block_on(cache.call_async(PersistedTokenCache::accounts)).is_ok(),
            "the next call works"
        );
    }
}

/// What other threads drive cannot be told from a call of somebody else.
#[test]
fn closures_that_wait_for_calls_of_other_threads_end_and_every_later_call_works() {
    if alone(closures_that_wait_for_calls_of_other_threads_end_and_every_later_call_works) {
        return;
    }
    let runtime = Runtime::new().unwrap();
    let place = Place::new();
    let wait = std::time::Duration::from_secs(5);
    let cache = place.builder().cache().unwrap().lock_timeout(wait);
    let all = Arc::new(std::sync::Barrier::new(256));
    let tasks: Vec<_> = (0..256)
        .map(|_| {
            let (cache, all) = (cache.clone(), Arc::clone(&all));
            let handle = runtime.handle().clone();
            runtime.spawn(async move {
                cache
                    .call_async(move |cache| {
                        all.wait();
                        let cache = cache.clone();
                        let inner = handle.spawn(async move {
                            cache.call_async(PersistedTokenCache::accounts).await
                        });
                        block_on(inner).unwrap()
                    })
                    .await
            })
        })
        .collect();
    let began = std::time::Instant::now();
    for task in tasks {
        let ended = runtime.block_on(task).unwrap();
        assert!(matches!(ended, Ok(_) | Err(Error::NoThread { .. })), "{ended:?}");
    }
    println!("measured: 256 waits for a turn ended after {:?}", began.elapsed());
    assert!(
        runtime.block_on(cache.call_async(PersistedTokenCache::accounts)).is_ok(),
        "the next call works"
    );
}

#[test]
fn an_asynchronous_change_awaited_inside_a_transaction_is_refused_at_once() {
    let place = Place::new();
    let cache = place.open();
    let theirs = cache.clone();
    let nested = block_on(
        cache.transaction_async(move |_| block_on(add(&theirs, event("client", "never")))),
    );
    assert!(matches!(nested, Err(Error::Nested)), "{nested:?}");
    assert_eq!(token(&cache, "client"), None);
}
