//! One server.

use tokenkeep_test_support::{Tool, engines::redis::Server, need};
use tokenkeep_web::{
    contract::{self, Setup},
    store::{Loaded, Put, PutOutcome, Store as _, StoreError},
};

use crate::support::{HOUR, connect, key, mark, value};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_server_passes_the_contract() {
    if !need(Tool::Redis) {
        return;
    }
    let server = Server::start(&[]);
    let setup = Setup::new(connect(&server).await).other_node(connect(&server).await);
    contract::suite(&setup).await.expect_all_passed();
}

#[tokio::test]
async fn scripts_are_sent_again_after_a_flush() {
    if !need(Tool::Redis) {
        return;
    }
    let server = Server::start(&[]);
    let store = connect(&server).await;
    let key = key();
    let mut last = value(200);
    assert_eq!(store.put(&key, Put::new(None, &last, HOUR)).await.unwrap(), PutOutcome::Stored);
    for _ in 0..3 {
        server.cli(&["SCRIPT", "FLUSH"]);
        let next = value(200);
        let outcome = store.put(&key, Put::new(Some(&mark(&last)), &next, HOUR)).await.unwrap();
        assert_eq!(outcome, PutOutcome::Stored);
        last = next;
    }
    assert_eq!(store.load(&key, None).await.unwrap(), Loaded::Value(last));
}

#[tokio::test]
async fn a_cut_off_value_is_not_written_over() {
    if !need(Tool::Redis) {
        return;
    }
    let server = Server::start(&[]);
    let store = connect(&server).await;
    let (key, whole) = (key(), value(200));
    store.put(&key, Put::new(None, &whole, HOUR)).await.unwrap();
    let name = server.cli(&["KEYS", "*"]);
    for length in [0, 40, 90, 119] {
        let cut = "x".repeat(length);
        server.cli(&["SET", &name, &cut]);
        let outcome = store.put(&key, Put::new(None, &whole, HOUR)).await.unwrap();
        assert_eq!(outcome, PutOutcome::Conflict(Loaded::Value(cut.into())), "{length}");
    }
}

#[tokio::test]
async fn nothing_but_the_value_is_left_of_a_put() {
    if !need(Tool::Redis) {
        return;
    }
    let server = Server::start(&[]);
    let store = connect(&server).await;
    let (key, first, second) = (key(), value(9_000), value(9_000));
    let expected = mark(&first);
    let puts = [
        (None, &first, true),
        (None, &first, true),
        (None, &second, false),
        (Some(&expected), &second, true),
        (Some(&expected), &second, true),
        (Some(&expected), &first, false),
    ];
    for (expect, value, is_stored) in puts {
        let outcome = store.put(&key, Put::new(expect, value, HOUR)).await.unwrap();
        assert_eq!(outcome == PutOutcome::Stored, is_stored);
        let name = server.cli(&["KEYS", "*"]);
        assert!(name.ends_with("}:v") && name.lines().count() == 1, "{name}");
        let left: u128 = server.cli(&["PTTL", &name]).parse().unwrap();
        assert!(left > HOUR.as_millis() / 2, "{left}");
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unreachable() {
    if !need(Tool::Redis) {
        return;
    }
    let server = Server::start(&[]);
    let url = server.url();
    let store = connect(&server).await;
    server.kill();
    let error = tokenkeep_web::RedisStore::connect(&url).await.unwrap_err();
    assert!(matches!(error, StoreError::Unreachable { .. }), "{error:?}");
    // The connection broke before or after the command was sent.
    let error = store.load(&key(), None).await.unwrap_err();
    let fits = matches!(error, StoreError::Unreachable { .. } | StoreError::Timeout { .. });
    assert!(fits, "{error:?}");
    let error = store.load(&key(), None).await.unwrap_err();
    assert!(matches!(error, StoreError::Unreachable { .. }), "{error:?}");
    server.restart();
    while store.load(&key(), None).await.is_err() {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}
