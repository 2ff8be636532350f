//! What many updates leave behind.

use tokenkeep_web::store::PutOutcome;
use tokio_postgres::types::{ToSql, Type};

use crate::scene::{count, filled, pool_on, put, run, server, store, store_on, value};

/// The server's CPU time of a put, beside that of the least that it could do.
#[test]
fn the_cost_of_a_put_is_printed() {
    let Some(server) = server(&[]) else { return };
    run(async {
        let store = store_on(&server.url(), 1, &server.url());
        let updates = count("TOKENKEEP_TEST_UPDATES", 2_000);
        let (key, mut old) = filled(&store).await;
        let start = server.cpu_time();
        for _ in 0..updates {
            let newer = value(8_000);
            put(&store, &key, Some(&old), &newer).await.unwrap();
            old = newer;
        }
        let puts = server.cpu_time().saturating_sub(start);
        let pool = pool_on(&server.url(), 1);
        let client = pool.get().await.expect("the server is there");
        let prepared = client.prepare(BARE).await.unwrap();
        let mut bare = Vec::new();
        for is_prepared in [false, true] {
            let start = server.cpu_time();
            for _ in 0..updates {
                let newer = value(8_000);
                let (id, now, then) = (&key.as_bytes()[..], &newer[80..120], &old[80..120]);
                let done = if is_prepared {
                    client.execute(&prepared, &[&id, &now, &newer, &then]).await
                } else {
                    let bytes = Type::BYTEA;
                    let parameters: [(&(dyn ToSql + Sync), Type); 4] = [
                        (&id, bytes.clone()),
                        (&now, bytes.clone()),
                        (&newer, bytes.clone()),
                        (&then, bytes),
                    ];
                    client.execute_typed(BARE, &parameters).await
                };
                assert_eq!(done.unwrap(), 1);
                old = newer;
            }
            bare.push(server.cpu_time().saturating_sub(start));
        }
        let each = |time: std::time::Duration| time.as_micros() / updates as u128;
        tokenkeep_test_support::say(&format!(
            "a put takes {} µs of the server's CPU, a bare update {} µs, a prepared one {} µs",
            each(puts),
            each(bare[0]),
            each(bare[1])
        ));
    });
}

const BARE: &str = "UPDATE tokenkeep_web SET mark = $2, value = $3 WHERE id = $1 AND mark = $4";

/// An update that is not HOT writes every index, and leaves work for vacuum in each.
#[test]
fn updates_write_no_index() {
    let Some(server) = server(&[]) else { return };
    run(async {
        let store = store(&server);
        let mut values = Vec::new();
        for _ in 0..20 {
            values.push(filled(&store).await);
        }
        let updates = count("TOKENKEEP_TEST_UPDATES", 2_000);
        for nth in 0..updates {
            let (key, old) = &mut values[nth % 20];
            let newer = value(8_000);
            let stored = put(&store, key, Some(old), &newer).await.unwrap();
            assert_eq!(stored, PutOutcome::Stored);
            *old = newer;
        }
        drop(store);
        // A process of the server counts at its end, or once a second.
        let share = "SELECT coalesce(round(100.0 * n_tup_hot_upd / nullif(n_tup_upd, 0), 2), 0),
                n_tup_upd, pg_total_relation_size('tokenkeep_web') / 1024
            FROM pg_stat_user_tables WHERE relname = 'tokenkeep_web'";
        let mut line = String::new();
        crate::scene::until("all updates are counted", async || {
            line = server.psql(share);
            line.split('|').nth(1).is_some_and(|counted| counted == updates.to_string())
        })
        .await;
        tokenkeep_test_support::say(&format!("HOT % | updates | kB: {line}"));
        let hot: f64 = line.split('|').next().unwrap().parse().unwrap();
        assert!(hot >= 99.0, "{hot} % of the updates are HOT");
    });
}
