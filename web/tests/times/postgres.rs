//! PostgreSQL.

use std::time::Duration;

use tokenkeep_test_support::{
    Tool,
    engines::{
        postgres::Server,
        proxy::{Mode, Proxy, no_writes},
    },
    need,
};
use tokenkeep_web::{
    PostgresStore,
    postgres::SCHEMA,
    store::{Put, Store as _},
};
use tokio_postgres::NoTls;

use crate::{HOUR, alone, fails_and_comes_back, filled, is_a_timeout, mark, run, value};

const BACK: Duration = Duration::from_millis(1_500);

fn server() -> Option<Server> {
    let server = need(Tool::Postgres).then(|| Server::start(&[]))?;
    server.psql(SCHEMA);
    Some(server)
}

fn connect(url: &str) -> PostgresStore {
    PostgresStore::connect(url).expect("it is an address")
}

#[test]
fn a_frozen_server_costs_half_a_second_once() {
    let _alone = alone();
    let Some(server) = server() else { return };
    run(async {
        let store = connect(&server.url());
        let (back, cut) = (|| server.thaw(), || server.freeze());
        fails_and_comes_back("PostgreSQL, frozen", store, BACK, back, cut).await;
    });
}

#[test]
fn a_way_that_is_cut_costs_half_a_second_once() {
    let _alone = alone();
    let Some(server) = server() else { return };
    let proxy = Proxy::start(server.port(), no_writes);
    for mode in [Mode::BlackHole, Mode::HalfOpen, Mode::Refuse, Mode::Reset] {
        run(async {
            let store = connect(&proxy.postgres_url());
            let (back, cut) = (|| proxy.set(Mode::Pass), || proxy.set(mode));
            fails_and_comes_back(&format!("PostgreSQL, {mode:?}"), store, BACK, back, cut).await;
        });
    }
}

#[test]
fn a_server_that_is_slow_is_a_timeout() {
    let _alone = alone();
    let Some(server) = server() else { return };
    let proxy = Proxy::start(server.port(), no_writes);
    run(async {
        let store = connect(&proxy.postgres_url());
        let (key, _) = filled(&store).await;
        proxy.set(Mode::Delay(Duration::from_secs(2)));
        is_a_timeout("PostgreSQL, slow", store.load(&key, None)).await;
    });
}

#[test]
fn a_row_that_another_holds_is_a_timeout() {
    let _alone = alone();
    let Some(server) = server() else { return };
    run(async {
        let store = connect(&server.url());
        let (key, old) = filled(&store).await;
        let (holder, connection) =
            tokio_postgres::connect(&server.url(), NoTls).await.expect("the server is there");
        tokio::spawn(connection);
        let hold = "BEGIN; SELECT FROM tokenkeep_web FOR UPDATE";
        holder.batch_execute(hold).await.expect("nobody else holds it");
        let (old, new) = (mark(&old), value());
        let put = store.put(&key, Put::new(Some(&old), &new, HOUR));
        is_a_timeout("PostgreSQL, a row that another holds", put).await;
    });
}
