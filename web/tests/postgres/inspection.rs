//! What the store says of the server's settings.

use std::time::{Duration, SystemTime};

use tokenkeep_web::{PostgresStore, postgres::SCHEMA_IN_PARTS, store::Store};

use crate::scene::{run, server, store};

/// The store's advice, sorted.
async fn advice(store: &PostgresStore) -> Vec<String> {
    let found = store.inspect().await.expect("the server answers");
    assert!(found.engine.starts_with("PostgreSQL 1"), "{}", found.engine);
    let now = found.now.expect("it has a clock");
    let off = now.duration_since(SystemTime::now()).unwrap_or_else(|error| error.duration());
    assert!(off < Duration::from_secs(30), "{off:?}");
    let mut texts: Vec<_> = found.advice.into_iter().map(|advice| advice.found).collect();
    texts.sort();
    texts
}

const FINE: &[&str] = &["fsync = on", "full_page_writes = on"];

#[test]
fn nothing_is_found_at_a_good_server() {
    let Some(server) = server(FINE) else { return };
    run(async {
        assert_eq!(advice(&store(&server)).await, [""; 0]);
        server.psql("DROP TABLE tokenkeep_web, tokenkeep_web_lease");
        server.psql(SCHEMA_IN_PARTS);
        assert_eq!(advice(&store(&server)).await, [""; 0]);
        server.psql("ALTER TABLE tokenkeep_web_7 SET UNLOGGED");
        let found = advice(&store(&server)).await;
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains("has a part that is"), "{found:?}");
    });
}

#[test]
fn each_fault_is_found() {
    let Some(server) = server(FINE) else { return };
    run(async {
        let store = store(&server);
        for (fault, cure, text) in [
            (
                "ALTER TABLE tokenkeep_web SET UNLOGGED",
                "ALTER TABLE tokenkeep_web SET LOGGED",
                "tokenkeep_web is unlogged",
            ),
            (
                "ALTER TABLE tokenkeep_web_lease SET UNLOGGED",
                "ALTER TABLE tokenkeep_web_lease SET LOGGED",
                "tokenkeep_web_lease is unlogged",
            ),
            (
                "ALTER TABLE tokenkeep_web SET (autovacuum_enabled = false)",
                "ALTER TABLE tokenkeep_web RESET (autovacuum_enabled)",
                "autovacuum_enabled",
            ),
            (
                "DROP INDEX tokenkeep_web_keep_until",
                "CREATE INDEX ON tokenkeep_web (keep_until)",
                "no index",
            ),
            (
                "ALTER TABLE tokenkeep_web_lease DROP CONSTRAINT tokenkeep_web_lease_pkey",
                "ALTER TABLE tokenkeep_web_lease ADD PRIMARY KEY (id)",
                "tokenkeep_web_lease has no primary key",
            ),
            (
                "ALTER TABLE tokenkeep_web RENAME mark TO marks",
                "ALTER TABLE tokenkeep_web RENAME marks TO mark",
                "other columns",
            ),
            (
                "ALTER TABLE tokenkeep_web RENAME TO other",
                "ALTER TABLE other RENAME TO tokenkeep_web",
                "tokenkeep_web is missing",
            ),
        ] {
            server.psql(fault);
            let found = advice(&store).await;
            assert_eq!(found.len(), 1, "{fault}: {found:?}");
            assert!(found[0].contains(text), "{fault}: {found:?}");
            server.psql(cure);
        }
        assert_eq!(advice(&store).await, [""; 0]);
        server.psql("CREATE ROLE reader LOGIN; GRANT SELECT ON tokenkeep_web TO reader");
        let reader = server.url().replace("postgres@", "reader@");
        let found = advice(&PostgresStore::connect(&reader).unwrap()).await;
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found.iter().all(|found| found.contains("refuses this role")), "{found:?}");
    });
}

#[test]
fn settings_that_lose_sign_ins_are_found() {
    let Some(server) = server(&["autovacuum = off", "fsync = off"]) else { return };
    run(async {
        let found = advice(&store(&server)).await;
        assert_eq!(found.len(), 2, "{found:?}");
        for (found, text) in found.iter().zip(["autovacuum", "fsync"]) {
            assert!(found.contains(text), "{found:?}");
        }
    });
}
