//! What a probe and a put cost on Redis, beside the bare commands of the same client.

use std::{sync::Arc, time::Duration};

use redis::{AsyncConnectionConfig, aio::MultiplexedConnection};
use tokenkeep_web::store::{Loaded, Mark, Store as _};

use crate::{
    drive::{calls, runtime_in_this_thread},
    engine::Engine,
    measure::{least, thread_cpu},
    row::{self, Aim},
    values::{self, KEEP_FOR, Users, encoded, key},
};

pub(crate) fn run() {
    let Some(engine) = Engine::redis() else { return };
    let runtime = runtime_in_this_thread();
    let value = Arc::new(values::sealed());
    let users = Arc::new(Users::new(USERS, value.to_vec()));
    let (store, bare) = runtime.block_on(async {
        let store = engine.store().await;
        users.fill(&store).await;
        (store, bare(&engine).await)
    });
    let server_cpu = || engine.cpu_time();

    let probe = {
        let (store, users) = (store.clone(), Arc::clone(&users));
        move |random| {
            let (store, users) = (store.clone(), Arc::clone(&users));
            async move {
                let user = users.any(random);
                let loaded = store.load(&key(user), Some(&users.mark(user).await)).await;
                assert!(matches!(loaded, Ok(Loaded::Unchanged)), "{loaded:?}");
            }
        }
    };
    let bare_probe = {
        let (bare, users) = (bare.clone(), Arc::clone(&users));
        move |random| {
            let (mut bare, user) = (bare.clone(), users.any(random));
            async move {
                let mut command = redis::cmd("GETRANGE");
                let (from, to) = (Mark::RANGE.start, Mark::RANGE.end - 1);
                command.arg(name(user)).arg(from).arg(to);
                let mark: Vec<u8> = command.query_async(&mut bare).await.expect("an answer");
                assert_eq!(mark.len(), Mark::LEN);
            }
        }
    };
    let [[ours, ours_server], [floor, floor_server]] = least(
        ROUNDS,
        BATCH,
        [&thread_cpu, &server_cpu],
        [
            &mut |batch| runtime.block_on(calls(WORKERS, batch.into(), probe.clone())),
            &mut |batch| runtime.block_on(calls(WORKERS, batch.into(), bare_probe.clone())),
        ],
    );
    row::title("Redis, 32 calls at once");
    let name_of_floor = "bare GETRANGE";
    row::cost("probe, CPU of the client", ours, name_of_floor, floor, Aim::AtMost(1.3));
    row::cost(
        "probe, CPU of the server",
        ours_server,
        name_of_floor,
        floor_server,
        Aim::AtMost(1.3),
    );

    let put = move |random| {
        let (store, users) = (store.clone(), Arc::clone(&users));
        async move { users.put(&store, users.any(random)).await }
    };
    let bare_put = move |random: u64| {
        let (mut bare, value) = (bare.clone(), Arc::clone(&value));
        async move {
            let mut command = redis::cmd("SET");
            let ttl = u64::try_from(KEEP_FOR.as_millis()).expect("a few months");
            command.arg(format!("bare:{}", name(random % USERS as u64)));
            command.arg(&value[..]).arg("PX").arg(ttl);
            let () = command.query_async(&mut bare).await.expect("an answer");
        }
    };
    let [[ours, ours_server], [floor, floor_server]] = least(
        ROUNDS,
        BATCH,
        [&thread_cpu, &server_cpu],
        [&mut |batch| runtime.block_on(calls(WORKERS, batch.into(), put.clone())), &mut |batch| {
            runtime.block_on(calls(WORKERS, batch.into(), bare_put.clone()))
        }],
    );
    let name_of_floor = "bare SET PX";
    row::cost("put, CPU of the server", ours_server, name_of_floor, floor_server, Aim::AtMost(2.0));
    row::cost("put, CPU of the client", ours, name_of_floor, floor, Aim::None);
}

/// A connection of the client that the store uses, with timeouts as it has them.
pub(crate) async fn bare(engine: &Engine) -> MultiplexedConnection {
    let client = redis::Client::open(engine.url()).expect("a URL");
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(Duration::from_millis(250)))
        .set_response_timeout(Some(Duration::from_millis(500)));
    let connection = client.get_multiplexed_async_connection_with_config(&config).await;
    connection.expect("the server answers")
}

/// The name of a user's key.
fn name(user: u64) -> String {
    format!("tk1:{}:{{{}}}:v", values::APP, encoded(user))
}

const USERS: usize = 2_000;
const WORKERS: u64 = 32;
const ROUNDS: usize = 10;
const BATCH: u32 = 3_200;
