//! What is missing at the server, and what the store says of it.

use tokenkeep_web::{
    PostgresStore,
    store::{Durability, Loaded, Store, StoreError},
};

use crate::scene::{FULL, filled, key, owner, put, run, server, store, value, whole};

/// The text of a refusal.
fn refused<T: std::fmt::Debug>(result: Result<T, StoreError>) -> String {
    match result {
        Err(StoreError::Refused { what, source }) => {
            assert!(source.is_some(), "what the server said is kept");
            what
        }
        other => panic!("not refused: {other:?}"),
    }
}

#[test]
fn a_missing_table_is_named() {
    let Some(server) = server(&[]) else { return };
    run(async {
        let store = store(&server);
        server.psql("DROP TABLE tokenkeep_web, tokenkeep_web_lease");
        let (key, value) = (key(), value(200));
        for what in [
            refused(store.load(&key, None).await),
            refused(put(&store, &key, None, &value).await),
            refused(crate::scene::lease(&store, &key, owner()).await),
            refused(store.remove(&key, Durability::Local).await),
            refused(store.release(&key, owner(), None).await),
            refused(store.page("shop", None).await),
            refused(store.sweep().await),
        ] {
            assert!(what.contains("postgres::SCHEMA") && what.contains("42P01"), "{what}");
        }
    });
}

#[test]
fn other_columns_and_missing_keys_are_named() {
    let Some(server) = server(&[]) else { return };
    run(async {
        let store = store(&server);
        server.psql("ALTER TABLE tokenkeep_web DROP CONSTRAINT tokenkeep_web_pkey");
        let what = refused(put(&store, &key(), None, &value(200)).await);
        assert!(what.contains("primary key"), "{what}");
        server.psql("ALTER TABLE tokenkeep_web DROP COLUMN mark");
        let what = refused(store.load(&key(), None).await);
        assert!(what.contains("other columns"), "{what}");
    });
}

#[test]
fn missing_rights_and_passwords_are_named() {
    let Some(server) = server(&[]) else { return };
    server.psql(
        "CREATE ROLE with_password; CREATE ROLE reader LOGIN;
         CREATE ROLE shop LOGIN PASSWORD 'a' IN ROLE with_password",
    );
    run(async {
        let of = |role: &str| server.url().replace("postgres@", &format!("{role}@"));
        let reader = PostgresStore::connect(&of("reader")).unwrap();
        let what = refused(reader.load(&key(), None).await);
        assert!(what.contains("grant SELECT, INSERT, UPDATE and DELETE"), "{what}");
        let wrong = PostgresStore::connect(&of("shop:hunter2")).unwrap();
        let error = wrong.load(&key(), None).await.unwrap_err();
        assert!(!whole(&error).contains("hunter2"), "{}", whole(&error));
        assert!(refused(Err::<(), _>(error)).contains("password"));
        let none = PostgresStore::connect(&of("shop")).unwrap();
        assert!(refused(none.load(&key(), None).await).contains("password"));
        let other = PostgresStore::connect(&(server.url() + "2")).unwrap();
        assert!(refused(other.load(&key(), None).await).contains("database"));
        let tls = PostgresStore::connect(&(server.url() + "?sslmode=require")).unwrap();
        assert!(refused(tls.load(&key(), None).await).contains("TLS"));
    });
    let error = PostgresStore::connect("postgresql://shop:hunter2@[").unwrap_err();
    assert!(!whole(&error).contains("hunter2"), "{}", whole(&error));
}

#[test]
fn a_full_disk_leaves_reads() {
    let Some(server) = server(&[]) else { return };
    run(async {
        let store = store(&server);
        let (known, value) = filled(&store).await;
        server.psql(FULL);
        for _ in 0..10 {
            let error = put(&store, &known, Some(&value), &crate::scene::value(200)).await;
            let error = error.unwrap_err();
            assert!(matches!(error, StoreError::Full { source: Some(_) }), "{error:?}");
            let text = whole(&error);
            assert!(text.contains("no room in") && !text.contains('\n'), "{text}");
            assert!(!text.contains("a row"), "{text}");
        }
        assert_eq!(store.load(&known, None).await.unwrap(), Loaded::Value(value));
    });
}

#[test]
fn a_server_that_only_reads_did_nothing() {
    let Some(server) = server(&[]) else { return };
    run(async {
        let store = store(&server);
        let (known, value) = filled(&store).await;
        server.psql("ALTER SYSTEM SET default_transaction_read_only = on; SELECT pg_reload_conf()");
        let newer = crate::scene::value(200);
        crate::scene::until("writes are refused", async || {
            matches!(
                put(&store, &known, Some(&value), &value).await,
                Err(StoreError::Unreachable { source: Some(_), .. })
            )
        })
        .await;
        assert_eq!(store.load(&known, None).await.unwrap(), Loaded::Value(value.clone()));
        server.psql(
            "SET default_transaction_read_only = off;
             ALTER SYSTEM RESET default_transaction_read_only; SELECT pg_reload_conf()",
        );
        crate::scene::until("writes are done again", async || {
            put(&store, &known, Some(&value), &newer).await.is_ok()
        })
        .await;
        assert_eq!(store.load(&known, None).await.unwrap(), Loaded::Value(newer));
    });
}

#[test]
fn too_many_connections_pass() {
    let Some(server) = server(&["max_connections = 4", "superuser_reserved_connections = 0"])
    else {
        return;
    };
    run(async {
        let holders = crate::scene::pool_on(&server.url(), 4);
        let mut held = Vec::new();
        while let Ok(client) = holders.get().await {
            held.push(client);
            if held.len() == 4 {
                break;
            }
        }
        let store = store(&server);
        let error = store.load(&key(), None).await.unwrap_err();
        assert!(matches!(error, StoreError::Unreachable { source: Some(_), .. }), "{error:?}");
        held.clear();
        holders.close();
        crate::scene::until("there is a connection", async || {
            store.load(&key(), None).await.is_ok()
        })
        .await;
    });
}

#[test]
fn a_short_value_is_an_error() {
    let Some(server) = server(&[]) else { return };
    run(async {
        let error = put(&store(&server), &key(), None, &[0; 119]).await.unwrap_err();
        assert!(matches!(error, StoreError::Other { .. }), "{error:?}");
    });
}
