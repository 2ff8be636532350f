//! Users, passwords, databases and rights.

use tokenkeep_test_support::{Tool, engines::redis::Server, need};
use tokenkeep_web::{
    RedisStore,
    contract::{self, Setup},
    store::{Durability, LeaseRequest, Loaded, Owner, Put, PutOutcome, Store as _, StoreError},
};

use crate::support::{HOUR, connect, expect_refused, key, mark, patient, replicated, value};

fn grant(server: &Server, rights: &str) {
    let mut command = vec!["ACL", "SETUSER", "web", "reset", "on", ">word"];
    command.extend(rights.split_ascii_whitespace());
    assert_eq!(server.cli(&command), "OK");
}

fn url(server: &Server, user: &str, database: u8) -> String {
    format!("redis://{user}@127.0.0.1:{}/{database}", server.port())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_documented_rights_are_enough() {
    if !need(Tool::Redis) {
        return;
    }
    let server = Server::start(&[]);
    grant(&server, RedisStore::RIGHTS);
    let store = || async { patient().connect(&url(&server, "web:word", 3)).await.unwrap() };
    let setup = Setup::new(store().await).other_node(store().await);
    contract::suite(&setup).await.expect_all_passed();
    let inspection = store().await.inspect().await.unwrap();
    assert!(inspection.engine.starts_with("Redis "), "{inspection:?}");
    assert!(inspection.now.is_some());
    // Nothing was written elsewhere.
    let databases = server.cli(&["INFO", "keyspace"]);
    assert!(databases.contains("db3:") && !databases.contains("db0:"), "{databases}");
}

#[tokio::test]
async fn each_missing_right_is_a_refusal() {
    if !need(Tool::Redis) {
        return;
    }
    let server = Server::start(&[]);
    let (key, value) = (key(), value(150));
    connect(&server).await.put(&key, Put::new(None, &value, HOUR)).await.unwrap();
    grant(&server, RedisStore::RIGHTS);
    let store = RedisStore::connect(&url(&server, "web:word", 0)).await.unwrap();
    for (right, is_read) in [("-get", true), ("resetkeys", true), ("-evalsha", false)] {
        grant(&server, &format!("{} {right}", RedisStore::RIGHTS));
        let error = match is_read {
            true => store.load(&key, None).await.unwrap_err(),
            false => store.remove(&key, Durability::Local).await.unwrap_err(),
        };
        assert!(matches!(error, StoreError::Refused { .. }), "{right}: {error:?}");
    }
    grant(&server, &format!("{} -info -time", RedisStore::RIGHTS));
    let inspection = store.inspect().await.unwrap();
    assert!(inspection.advice.iter().any(|advice| advice.next_step.contains("+info")));
    assert!(inspection.advice.iter().any(|advice| advice.next_step.contains("+time")));
}

/// Redis 7.0 answers with `ERR`, and not with `NOPERM`, where a script may not do something.
#[tokio::test]
async fn each_right_that_a_script_lacks_is_a_refusal() {
    if !need(Tool::Redis) {
        return;
    }
    let server = Server::start(&[]);
    grant(&server, RedisStore::RIGHTS);
    let store = RedisStore::connect(&url(&server, "web:word", 0)).await.unwrap();
    let (key, old) = (key(), value(150));
    store.put(&key, Put::new(None, &old, HOUR)).await.unwrap();
    let (expected, newer) = (mark(&old), value(150));
    let other = Owner::from_bytes([1; 16]);
    store.lease(&key, LeaseRequest::new(other, HOUR)).await.unwrap();
    let put = || async {
        let put = Put::new(Some(&expected), &newer, HOUR);
        store.put(&key, put).await.map(drop)
    };
    let lease = |owner| {
        let (store, key) = (&store, &key);
        async move { store.lease(key, LeaseRequest::new(owner, HOUR)).await.map(drop) }
    };
    let remove = || async { store.remove(&key, Durability::Local).await };
    for right in ["-set", "-getrange", "-get", "-pttl", "-pexpire", "-publish", "resetchannels"] {
        grant(&server, &format!("{} {right}", RedisStore::RIGHTS));
        let result = match right {
            "-set" | "-getrange" => put().await,
            "-get" | "-pttl" => lease(Owner::from_bytes([2; 16])).await,
            "-pexpire" => lease(other).await,
            _ => remove().await,
        };
        let error = result.unwrap_err();
        assert!(matches!(error, StoreError::Refused { .. }), "{right}: {error:?}");
    }
    grant(&server, &format!("{} -del", RedisStore::RIGHTS));
    let error = remove().await.unwrap_err();
    assert!(matches!(error, StoreError::Refused { .. }), "{error:?}");
}

#[tokio::test]
async fn an_error_of_the_wait_for_replicas_is_not_their_number() {
    if !need(Tool::Redis) {
        return;
    }
    let server = Server::start(&[]);
    grant(&server, &format!("{} -wait", RedisStore::RIGHTS));
    let store = patient().connect(&url(&server, "web:word", 0)).await.unwrap();
    let (key, value) = (key(), value(150));
    let put = Put::new(None, &value, HOUR);
    let error = store.put(&key, put.durability(replicated())).await.unwrap_err();
    assert!(matches!(error, StoreError::Refused { .. }), "{error:?}");
    // The value is there, and its writer may say so again.
    assert_eq!(store.load(&key, None).await.unwrap(), Loaded::Value(value.clone()));
    assert_eq!(store.put(&key, put).await.unwrap(), PutOutcome::Stored);
    // What a script says comes first.
    server.cli(&["REPLICAOF", "127.0.0.1", "1"]);
    let error = store.put(&key, put.durability(replicated())).await.unwrap_err();
    assert!(matches!(error, StoreError::Unreachable { .. }), "{error:?}");
}

#[tokio::test]
async fn a_database_without_a_right_is_not_replaced_by_another() {
    if !need(Tool::Redis) {
        return;
    }
    let server = Server::start(&[]);
    grant(&server, &format!("{} -select", RedisStore::RIGHTS));
    expect_refused(RedisStore::connect(&url(&server, "web:word", 3)).await);
    expect_refused(RedisStore::connect(&url(&server, "web:wrong", 0)).await);
    expect_refused(RedisStore::connect(&url(&server, "nobody:word", 0)).await);
    let store = RedisStore::connect(&url(&server, "web:word", 0)).await.unwrap();
    assert_eq!(store.load(&key(), None).await.unwrap(), Loaded::Absent);
    let error = RedisStore::connect(&format!("{}/99", server.url())).await;
    expect_refused(error);
}

#[tokio::test]
async fn a_missing_password_is_a_refusal_and_no_error_has_it() {
    if !need(Tool::Redis) {
        return;
    }
    let server = Server::start(&["requirepass s3cret"]);
    expect_refused(RedisStore::connect(&server.url()).await);
    let error = RedisStore::connect(&url(&server, ":s3cret-not", 0)).await.unwrap_err();
    let texts = format!("{error:?} {error}");
    assert!(!texts.contains("s3cret"), "{texts}");
    let store = RedisStore::connect(&url(&server, ":s3cret", 0)).await.unwrap();
    assert!(!format!("{store:?}").contains("s3cret"));
}
