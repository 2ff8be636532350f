//! A standby server takes the primary's place. It had not followed for a while.

use std::time::{Duration, Instant};

use tokenkeep_test_support::say;
use tokenkeep_web::{
    PostgresStore,
    store::{Durability, Loaded, Put, PutOutcome, Store, StoreError, StoreKey},
};

use crate::scene::{LONG, count, key, run, server, until, value};

#[test]
fn a_failover_loses_nothing_that_a_standby_had_to_have() {
    failovers(Durability::Replicated { replicas: 1, timeout: Duration::from_millis(300) });
}

#[test]
fn a_failover_loses_what_no_standby_had_to_have() {
    failovers(Durability::Local);
}

fn failovers(durability: Durability) {
    let Some(first) = server(&[]) else { return };
    // A commit waits for a standby server where it is asked to, and else for none.
    first.psql(
        "ALTER ROLE postgres SET synchronous_commit = local;
         ALTER SYSTEM SET synchronous_standby_names = 'standby'; SELECT pg_reload_conf()",
    );
    let mut pair = [first.standby(&[]), first];
    let url = format!(
        "postgresql://postgres@127.0.0.1:{},127.0.0.1:{}/postgres?\
         target_session_attrs=read-write&connect_timeout=1",
        pair[0].port(),
        pair[1].port()
    );
    let rounds = count("TOKENKEEP_FAILOVERS", 3);
    let (mut acknowledged, mut lost, mut longest) = (0, 0, Duration::ZERO);
    run(async {
        let store = PostgresStore::connect(&url).expect("it is an address");
        for _ in 0..rounds {
            let [standby, primary] = &pair;
            let mut before = Vec::new();
            for _ in 0..20 {
                before.push(confirmed(&store).await);
            }
            primary.freeze_standby(standby);
            let mut during = Vec::new();
            for _ in 0..if durability == Durability::Local { 20 } else { 2 } {
                let (key, value) = (key(), value(300));
                let put = Put::new(None, &value, LONG).durability(durability);
                match store.put(&key, put).await {
                    Ok(PutOutcome::Stored) => during.push((key, value)),
                    Ok(outcome) => panic!("{outcome:?}"),
                    Err(StoreError::Refused { what, .. }) => panic!("{what}"),
                    // On a busy machine a call may also come too late.
                    Err(_) => {}
                }
            }
            let start = Instant::now();
            primary.fail_over_to(standby);
            until("the new primary takes a write", async || {
                store.remove(&key(), Durability::Local).await.is_ok()
            })
            .await;
            longest = longest.max(start.elapsed());
            assert_eq!(missing(&store, &before).await, 0, "values that the standby had confirmed");
            lost += missing(&store, &during).await;
            acknowledged += during.len();
            primary.follow(standby);
            pair.reverse();
        }
    });
    say(&format!(
        "{rounds} failovers of PostgreSQL, {durability:?}: {lost} acknowledged, then lost; the \
         longest took {longest:?}"
    ));
    assert_eq!(lost, acknowledged, "the standby had not followed");
    assert_eq!(acknowledged > 0, durability == Durability::Local);
}

/// A value that the standby has.
async fn confirmed(store: &PostgresStore) -> (StoreKey, Vec<u8>) {
    let (key, value) = (key(), value(300));
    let durability = Durability::Replicated { replicas: 1, timeout: Duration::from_secs(2) };
    let put = Put::new(None, &value, LONG).durability(durability);
    until("the standby confirms", async || {
        matches!(store.put(&key, put).await, Ok(PutOutcome::Stored))
    })
    .await;
    (key, value)
}

async fn missing(store: &PostgresStore, values: &[(StoreKey, Vec<u8>)]) -> usize {
    let mut missing = 0;
    for (key, value) in values {
        let mut loaded = Loaded::Unchanged;
        until("the store answers", async || match store.load(key, None).await {
            Ok(answer) => {
                loaded = answer;
                true
            }
            Err(_) => false,
        })
        .await;
        missing += usize::from(loaded != Loaded::Value(value.clone()));
    }
    missing
}
