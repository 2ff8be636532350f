//! What the store on PostgreSQL costs, and what many updates leave behind.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use tokenkeep_test_support::{Tool, engines::postgres::Server, need};
use tokenkeep_web::{PostgresStore, postgres::SCHEMA, store::BoxFuture};
use tokio::{runtime::Runtime, time::sleep_until};

use crate::{
    drive::{calls, rate, runtime},
    engine::{Engine, Shared},
    pgbench::Floor,
    row::{self, Aim},
    values::{self, Users},
};

pub(crate) fn run() {
    if !need(Tool::Postgres) {
        return;
    }
    put();
    size();
}

/// A put beside pgbench with the same statement.
fn put() {
    let Some(Engine::Postgres(server)) = Engine::postgres() else { return };
    let runtime = runtime();
    let (store, users) = filled(&runtime, &server, USERS);
    let floor = Floor::new(&runtime, &server, &store, USERS as u64).put;
    let (mut ours, mut prepared, mut extended) = (0.0_f64, 0.0_f64, 0.0_f64);
    for _ in 0..ROUNDS {
        extended = extended.max(floor.rate(&server, "extended", WORKERS, SECONDS));
        let put = put_any(&store, &users);
        ours = ours.max(runtime.block_on(rate(WORKERS, Duration::from_secs(SECONDS), put)));
        prepared = prepared.max(floor.rate(&server, "prepared", WORKERS, SECONDS));
    }
    row::title("PostgreSQL: 16 workers, and 16 clients of pgbench with the store's statement");
    let name = "pgbench, statement sent each time";
    row::rate("put", ours, name, extended, Aim::AtLeast(0.8));
    row::rate("put", ours, "pgbench, statement prepared", prepared, Aim::None);
}

/// A store whose users have a value each.
fn filled(runtime: &Runtime, server: &Server, count: usize) -> (Shared, Arc<Users>) {
    let store = PostgresStore::connect(&server.url()).expect("a URL");
    let (store, users) = (Shared(Arc::new(store)), Users::new(count, values::sealed()));
    let users = Arc::new(users);
    runtime.block_on(users.fill(&store));
    (store, users)
}

/// A call that gives any user the next value.
fn put_any(store: &Shared, users: &Arc<Users>) -> impl Fn(u64) -> BoxFuture<'static, ()> + use<> {
    let (store, users) = (store.clone(), Arc::clone(users));
    move |random| {
        let (store, users) = (store.clone(), Arc::clone(&users));
        Box::pin(async move { users.put(&store, users.any(random)).await })
    }
}

/// How many updates leave their row where it is, and how large the table is after them.
fn size() {
    let users = crate::count("TOKENKEEP_BENCH_TABLE", 50_000);
    let updates = crate::count("TOKENKEEP_BENCH_UPDATES", 100_000);
    // By default the server looks once a minute what is to be vacuumed, and a site's users renew
    // once an hour. Here both are some hundred times as often.
    let server = Server::start(&["autovacuum_naptime = 1"]);
    server.psql(SCHEMA);
    let runtime = runtime();
    let (store, values) = filled(&runtime, &server, usize::try_from(users).expect("a count"));
    let begun = Instant::now();
    let apart = Duration::from_secs(1).div_f64(users as f64 * A_SECOND);
    let (put, number) = (put_any(&store, &values), AtomicU32::new(0));
    let in_turn = Arc::new((put, number));
    runtime.block_on(calls(WORKERS, updates, move |random| {
        let in_turn = Arc::clone(&in_turn);
        async move {
            let (put, number) = &*in_turn;
            sleep_until((begun + apart * number.fetch_add(1, Ordering::Relaxed)).into()).await;
            put(random).await;
        }
    }));
    let a_second = updates as f64 / begun.elapsed().as_secs_f64();
    // What a connection has counted is in the statistics when it ends.
    drop((store, values));
    let counted = || {
        let said = server.psql(
            "SELECT n_tup_upd, n_tup_hot_upd, autovacuum_count FROM pg_stat_user_tables \
             WHERE relname = 'tokenkeep_web'",
        );
        let words: Vec<f64> = said.split('|').filter_map(|word| word.parse().ok()).collect();
        <[f64; 3]>::try_from(words).expect("three numbers")
    };
    let made = (updates / WORKERS * WORKERS) as f64;
    let [all, hot, vacuums] = crate::until(counted, |[all, ..]| *all >= made);
    server.psql(&format!(
        "CREATE SCHEMA live; SET search_path = live; {SCHEMA} \
         INSERT INTO live.tokenkeep_web SELECT * FROM public.tokenkeep_web"
    ));
    let size = |table: &str| {
        let bytes = server.psql(&format!("SELECT pg_total_relation_size('{table}')"));
        bytes.parse::<f64>().expect("a number")
    };
    let (table, live) = (size("public.tokenkeep_web"), size("live.tokenkeep_web"));
    row::title(&format!("PostgreSQL: {updates} updates of {users} users"));
    row::note(format_args!(
        "{a_second:.0} updates/s, {:.1} % of the values in a second; {vacuums} vacuums",
        a_second / users as f64 * 100.0
    ));
    let share = hot / all * 100.0;
    row::figure("updates that leave the indexes alone (HOT)", share, " %", Aim::AtLeast(99.0));
    let megabytes = |bytes: f64| format!("{:.0} MB", bytes / 1e6);
    let name = "the same values in a new table";
    row::ratio("table", megabytes(table), name, megabytes(live), table / live, Aim::AtMost(1.6));
}

const USERS: usize = 10_000;
const WORKERS: u64 = 16;
const ROUNDS: usize = 3;
const SECONDS: u64 = 2;
/// The share of the values that change in a second.
const A_SECOND: f64 = 0.04;
