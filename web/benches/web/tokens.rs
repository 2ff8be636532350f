//! What a token that is in the cache costs, beside the peers.

use std::time::Duration;

use crate::{
    engine::Engine,
    l1, l2,
    peers::Peer,
    row::{self, Aim},
};

pub(crate) fn run() {
    let from_memory = l1::run();
    let Some(from_store) = l2::run() else { return };
    let Some(Engine::Redis(server)) = Engine::redis() else { return };
    row::title("a token in the cache, CPU of the client, beside web apps with peers on Redis");
    if let Some(mut peer) = Peer::python(&server) {
        let cost = peer.least("request", ROUNDS, CALLS).cpu;
        beside(&peer, from_memory, from_store, cost, Aim::AtLeast(100.0));
        let kept = peer.least("memory", ROUNDS, CALLS).cpu;
        let name = format!("{}, cache and application kept in memory", peer.name);
        row::peer("from memory", from_memory, &name, kept, Aim::None);
    }
    if let Some(mut peer) = Peer::node(&server) {
        let cost = peer.least("request", ROUNDS, CALLS).cpu;
        beside(&peer, from_memory, from_store, cost, Aim::None);
    }
}

fn beside(peer: &Peer, from_memory: Duration, from_store: Duration, cost: Duration, aim: Aim) {
    row::peer("from memory", from_memory, &peer.name, cost, aim);
    row::peer("from the store", from_store, &peer.name, cost, Aim::AtLeast(5.0));
}

const ROUNDS: usize = 8;
const CALLS: u32 = 300;
