//! Redis.

use std::time::Duration;

use tokenkeep_test_support::{
    Tool,
    engines::{
        proxy::{Mode, Proxy, no_writes},
        redis::Server,
    },
    need,
};
use tokenkeep_web::{RedisStore, store::Store as _};

use crate::{alone, fails_and_comes_back, filled, is_a_timeout, run};

const BACK: Duration = Duration::from_secs(1);

#[test]
fn a_frozen_server_costs_half_a_second_once() {
    if !need(Tool::Redis) {
        return;
    }
    let _alone = alone();
    let server = Server::start(&[]);
    run(async {
        let store = RedisStore::connect(&server.url()).await.expect("it answers");
        let (back, cut) = (|| server.thaw(), || server.freeze());
        fails_and_comes_back("Redis, frozen", store, BACK, back, cut).await;
    });
}

#[test]
fn a_way_that_is_cut_costs_half_a_second_once() {
    if !need(Tool::Redis) {
        return;
    }
    let _alone = alone();
    let server = Server::start(&[]);
    let proxy = Proxy::start(server.port(), no_writes);
    for mode in [Mode::BlackHole, Mode::HalfOpen, Mode::Refuse, Mode::Reset] {
        run(async {
            let store = RedisStore::connect(&proxy.redis_url()).await.expect("it answers");
            let (back, cut) = (|| proxy.set(Mode::Pass), || proxy.set(mode));
            fails_and_comes_back(&format!("Redis, {mode:?}"), store, BACK, back, cut).await;
        });
    }
}

#[test]
fn a_server_that_is_slow_is_a_timeout() {
    if !need(Tool::Redis) {
        return;
    }
    let _alone = alone();
    let server = Server::start(&[]);
    let proxy = Proxy::start(server.port(), no_writes);
    run(async {
        let store = RedisStore::connect(&proxy.redis_url()).await.expect("it answers");
        let (key, _) = filled(&store).await;
        proxy.set(Mode::Delay(Duration::from_secs(2)));
        is_a_timeout("Redis, slow", store.load(&key, None)).await;
    });
}
