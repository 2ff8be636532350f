//! A store with many values beside one with few.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use tokenkeep_web::store::{Loaded, Mark, Put, PutOutcome, Store};

use crate::{
    drive::{Random, runtime},
    engine::{Engine, Shared},
    measure::median,
    row::{self, Aim},
    sent::{self, Sent},
    values::{KEEP_FOR, characters, encoded, key},
};

pub(crate) fn run() {
    let many = crate::count("TOKENKEEP_BENCH_PARTITIONS", 1_000_000);
    let engines = [Engine::redis as fn() -> Option<Engine>, Engine::postgres_without_vacuum];
    for start in engines {
        let (Some(few), Some(lots)) = (start(), start()) else { continue };
        let runtime = runtime();
        let mut sides = [(few, FEW), (lots, many)].map(|(engine, count)| {
            let store = runtime.block_on(engine.store());
            fill(&runtime, &engine, &store, count);
            Side { engine, store, count, random: Random(1), marks: HashMap::new(), number: 0 }
        });
        row::title(&format!(
            "{}, {many} values of {LEN} bytes beside {FEW}",
            sides[0].engine.name()
        ));
        for call in ["load", "put"] {
            let [small, large] = runtime.block_on(alternate(&mut sides, call));
            let name = "with few";
            row::cost(&format!("{call}, median"), large.wall, name, small.wall, Aim::AtMost(1.3));
            row::cost(
                &format!("{call}, CPU of the server"),
                large.cpu,
                name,
                small.cpu,
                Aim::AtMost(1.3),
            );
        }
    }
}

/// A server with its values.
struct Side {
    engine: Engine,
    store: Shared,
    count: u64,
    random: Random,
    /// Of the values that were written since the first.
    marks: HashMap<u64, Mark>,
    number: u64,
}

#[derive(Clone, Copy)]
struct Cost {
    wall: Duration,
    cpu: Duration,
}

/// Calls both sides in turn, one call at a time.
async fn alternate(sides: &mut [Side; 2], call: &str) -> [Cost; 2] {
    let mut times = [const { Vec::new() }; 2];
    let before = [0, 1].map(|side: usize| sides[side].engine.cpu_time());
    for _ in 0..CALLS {
        for (side, times) in sides.iter_mut().zip(&mut times) {
            let user = side.random.next() % side.count;
            let begun = Instant::now();
            if call == "load" {
                side.load(user).await
            } else {
                side.put(user).await
            }
            times.push(begun.elapsed());
        }
    }
    [0, 1].map(|side: usize| {
        let cpu = sides[side].engine.cpu_time().saturating_sub(before[side]) / CALLS;
        Cost { wall: median(std::mem::take(&mut times[side])), cpu }
    })
}

impl Side {
    async fn load(&self, user: u64) {
        let loaded = self.store.load(&key(user), None).await;
        assert!(matches!(loaded, Ok(Loaded::Value(_))), "{loaded:?}");
    }

    async fn put(&mut self, user: u64) {
        let mut value = characters(LEN);
        let first = Mark::of(&value).expect("it is long enough");
        self.number += 1;
        value[96..104].copy_from_slice(&self.number.to_be_bytes());
        let mark = self.marks.get(&user).unwrap_or(&first);
        let put = Put::new(Some(mark), &value, KEEP_FOR);
        let outcome = self.store.put(&key(user), put).await;
        assert!(matches!(outcome, Ok(PutOutcome::Stored)), "{outcome:?}");
        self.marks.insert(user, Mark::of(&value).expect("it is long enough"));
    }
}

/// Writes the values without the store, as it would.
fn fill(runtime: &tokio::runtime::Runtime, engine: &Engine, store: &Shared, count: u64) {
    let value = characters(LEN);
    let first = || {
        let put = Put::new(None, &value, KEEP_FOR);
        runtime.block_on(store.put(&key(0), put)).expect("stored");
    };
    match engine {
        Engine::Postgres(server) => {
            first();
            server.psql(&format!(
                "INSERT INTO tokenkeep_web (id, app, mark, key_id, keep_until, value) SELECT lpad(n::text, 16, '0')::bytea, app, mark, key_id, \
                 keep_until, value FROM tokenkeep_web, generate_series(1, {}) AS n; \
                 VACUUM ANALYZE tokenkeep_web; CHECKPOINT",
                count - 1
            ));
        }
        Engine::Redis(server) => {
            first();
            let sent = Sent::by(server, "GET", || {
                runtime.block_on(store.load(&key(0), None)).expect("loaded");
            });
            let first = sent.word(1);
            let names = (1..count).map(|user| first.replace(&encoded(0), &encoded(user)));
            sent::set(server, names, &value);
        }
    }
}

const FEW: u64 = 10_000;
/// What an empty cache has, sealed.
const LEN: usize = 136;
const CALLS: u32 = 5_000;
