//! The suite that every store has to pass, on each way to the server.

use std::sync::{Mutex, PoisonError};

use tokenkeep_test_support::{
    Tool,
    engines::postgres::{PgBouncer, Server},
    need,
};
use tokenkeep_web::{contract, postgres::SCHEMA_IN_PARTS};

use crate::scene::{run, server, store, store_on};

/// One suite after another: it takes leases of 300 ms, and asks before they end.
fn passes(setup: contract::Setup) {
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    run(contract::suite(&setup.keeps_values_longer())).expect_all_passed();
}

#[test]
fn on_a_server() {
    let Some(server) = server(&[]) else { return };
    passes(contract::Setup::new(store(&server)).other_node(store(&server)));
}

#[test]
fn with_one_connection() {
    let Some(server) = server(&[]) else { return };
    // All calls of the suite wait for the same connection.
    let one = || store_on(&server.url(), 1, &server.url());
    passes(contract::Setup::new(one()).other_node(one()));
}

#[test]
fn where_transactions_are_serializable() {
    let Some(server) = server(&["default_transaction_isolation = 'serializable'"]) else { return };
    passes(contract::Setup::new(store(&server)).other_node(store(&server)));
}

#[test]
fn on_a_table_in_parts() {
    let Some(server) = server(&[]) else { return };
    server.psql("DROP TABLE tokenkeep_web, tokenkeep_web_lease");
    server.psql(SCHEMA_IN_PARTS);
    passes(contract::Setup::new(store(&server)).other_node(store(&server)));
}

/// Each transaction may run on another connection of the server.
#[test]
fn behind_pgbouncer() {
    if !need(Tool::PgBouncer) {
        return;
    }
    let Some(server) = server(&[]) else { return };
    let bouncer = PgBouncer::start(&server, &["default_pool_size = 3"]);
    let through = |server: &Server| store_on(&bouncer.url(), 8, &server.url());
    passes(contract::Setup::new(through(&server)).other_node(through(&server)));
}
