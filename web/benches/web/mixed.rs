//! Many workers that read tokens and write some, beside what the engine's own benchmark does with
//! the same commands.

use std::{sync::Arc, time::Duration};

use tokenkeep_web::{
    KeyRing, UserId,
    store::{BoxFuture, Loaded, Mark, Put, Store as _},
};
use tokio::runtime::Runtime;

use crate::{
    caches,
    drive::{calls, rate, runtime},
    engine::{Engine, Shared},
    pgbench,
    row::{self, Aim},
    sent::{self, Load, Sent},
    user,
    values::{self, KEEP_FOR, Users, characters, encoded, key},
};

pub(crate) fn run() {
    for engine in Engine::all() {
        of(&engine);
    }
}

fn of(engine: &Engine) {
    let runtime = runtime();
    let store = runtime.block_on(engine.store());
    let floor = Floor::new(&runtime, engine, &store);
    let keys = KeyRing::generate().expect("random bytes");
    // The users of another key ring are other values in the store.
    let others = KeyRing::generate().expect("random bytes");
    let kept = 256 << 20;
    let sides = [
        bare(&runtime, &store),
        whole(&runtime, store.clone(), &keys, kept),
        whole(&runtime, store, &others, 0),
    ];
    let (mut read, mut write) = (0.0_f64, 0.0_f64);
    let mut ours = [0.0_f64; 3];
    for _ in 0..ROUNDS {
        read = read.max(floor.rate(engine, false));
        write = write.max(floor.rate(engine, true));
        for (ours, side) in ours.iter_mut().zip(&sides) {
            let side = Arc::clone(side);
            let call = move |random| side(random);
            // What a node knows for longer than 30 s is compared with the store first.
            runtime.block_on(calls(WORKERS, 3 * USERS, call.clone()));
            *ours = ours.max(runtime.block_on(rate(WORKERS, TIME, call)));
        }
    }
    let both = 1.0 / (0.95 / read + 0.05 / write);
    row::title(&format!(
        "{}: {WORKERS} workers, {USERS} users, 95 % reads and 5 % writes",
        engine.name()
    ));
    let name = floor.name();
    row::note(format_args!("{name}: {read:.0} reads/s, {write:.0} writes/s"));
    let [bare, whole, unkept] = ours;
    row::rate("the store", bare, name, both, Aim::AtLeast(0.6));
    row::rate("the cache", whole, name, both, Aim::AtLeast(0.6));
    row::rate("the cache, nothing in memory", unkept, name, both, Aim::None);
}

/// A call with a random number, of which every twentieth writes.
type Call = Arc<dyn Fn(u64) -> BoxFuture<'static, ()> + Send + Sync>;

fn writes(random: u64) -> bool {
    (random / USERS).is_multiple_of(20)
}

/// The store alone.
fn bare(runtime: &Runtime, store: &Shared) -> Call {
    let users = Arc::new(Users::new(usize::try_from(USERS).expect("a count"), values::sealed()));
    runtime.block_on(users.fill(store));
    let store = store.clone();
    Arc::new(move |random| {
        let (store, users) = (store.clone(), Arc::clone(&users));
        Box::pin(async move {
            let user = users.any(random);
            if writes(random) {
                users.put(&store, user).await;
            } else {
                let loaded = store.load(&key(user), None).await;
                assert!(matches!(loaded, Ok(Loaded::Value(_))), "{loaded:?}");
            }
        })
    })
}

/// The cache, with so many bytes of memory.
fn whole(runtime: &Runtime, store: Shared, keys: &KeyRing, memory: u64) -> Call {
    let cache = caches::builder(store, keys).max_memory(memory).build().expect("a cache");
    let ids: Arc<[UserId]> = runtime.block_on(caches::sign_in_at_once(&cache, USERS)).into();
    let answer: Arc<[u8]> = user::other_response().into();
    Arc::new(move |random| {
        let (cache, ids, answer) = (cache.clone(), Arc::clone(&ids), Arc::clone(&answer));
        Box::pin(async move {
            let id = &ids[usize::try_from(random % USERS).expect("a count")];
            if writes(random) {
                cache.user(id).keep(&user::other_request(), answer).await.expect("kept");
            } else {
                cache.user(id).token(&user::SCOPES[..1]).await.expect("a token");
            }
        })
    })
}

/// The engine's own benchmark with what the store sends.
enum Floor {
    Redis { get: Sent, put: Sent },
    Postgres(pgbench::Floor),
}

impl Floor {
    fn new(runtime: &Runtime, engine: &Engine, store: &Shared) -> Self {
        let server = match engine {
            Engine::Postgres(server) => {
                return Self::Postgres(pgbench::Floor::new(runtime, server, store, USERS));
            }
            Engine::Redis(server) => server,
        };
        let value = characters(values::sealed().len());
        let mark = Mark::of(&value).expect("it is long enough");
        let write = |expect| {
            let put = Put::new(expect, &value, KEEP_FOR);
            runtime.block_on(store.put(&key(WHOSE), put)).expect("stored");
        };
        write(None);
        // What the store sends with it, redis-benchmark cannot send.
        let put = Sent::by(server, "SET", || write(Some(&mark)));
        let get = Sent::by(server, "GET", || {
            runtime.block_on(store.load(&key(WHOSE), None)).expect("loaded");
        });
        let name = |user: u64| get.word(1).replace(&encoded(WHOSE), &format!("{user:012}"));
        sent::set(server, (0..USERS).map(name), &value);
        Self::Redis { get, put }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Redis { .. } => "redis-benchmark, 64 clients",
            Self::Postgres(_) => "pgbench, 64 clients",
        }
    }

    fn rate(&self, engine: &Engine, writes: bool) -> f64 {
        match (self, engine) {
            (Self::Redis { get, put }, Engine::Redis(server)) => {
                let (sent, calls) = if writes { (put, 40_000) } else { (get, 100_000) };
                let load = Load { clients: WORKERS, users: USERS, calls };
                sent.rate(server, &encoded(WHOSE), &load)
            }
            (Self::Postgres(floor), Engine::Postgres(server)) => {
                let script = if writes { &floor.put } else { &floor.load };
                script.rate(server, "extended", WORKERS, TIME.as_secs())
            }
            _ => unreachable!("the floor is one of this engine"),
        }
    }
}

const WORKERS: u64 = 64;
const USERS: u64 = 10_000;
/// The user whose commands redis-benchmark sends.
const WHOSE: u64 = 1_000_000_000;
const ROUNDS: usize = 3;
const TIME: Duration = Duration::from_secs(2);
