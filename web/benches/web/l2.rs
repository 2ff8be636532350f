//! What a token from the store costs this node.

use std::{hint::black_box, time::Duration};

use tokenkeep::{
    TokenCache,
    envelope::{self, Envelope, EnvelopeKey, KeyId},
};
use tokenkeep_web::KeyRing;

use crate::{
    caches::{self, Users},
    drive::{Random, runtime_in_this_thread},
    engine::Engine,
    measure::{least, thread_cpu},
    redis::bare,
    row::{self, Aim},
    user,
};

/// Prints the rows, and returns what a call costs. `None` without Redis.
pub(crate) fn run() -> Option<Duration> {
    let engine = Engine::redis()?;
    let runtime = runtime_in_this_thread();
    let keys = KeyRing::generate().expect("random bytes");
    let (users, bare) = runtime.block_on(async {
        let cache = caches::builder(engine.store().await, &keys).max_memory(0).build();
        let cache = cache.expect("a cache");
        (Users::new(&cache, USERS).await, bare(&engine).await)
    });
    let floor = Floor::new();
    runtime.block_on(async {
        for number in 0..USERS {
            let mut set = redis::cmd("SET");
            set.arg(name(number)).arg(floor.seal(number));
            let () = set.query_async(&mut bare.clone()).await.expect("an answer");
        }
    });
    let mut random = [1, 2, 3].map(Random);
    let [random, random_find, random_floor] = &mut random;
    let request = user::request();
    let [[get], [find], [bare_get]] = least(
        ROUNDS,
        BATCH,
        [&thread_cpu],
        [
            &mut |batch| {
                runtime.block_on(async {
                    for _ in 0..batch {
                        let token = users.any(random).get(&request).await;
                        black_box(token.expect("in the store"));
                    }
                });
            },
            &mut |batch| {
                runtime.block_on(async {
                    for _ in 0..batch {
                        let token = users.any(random_find).find(&request).await;
                        black_box(token.expect("the store answers").expect("in the store"));
                    }
                });
            },
            &mut |batch| {
                runtime.block_on(async {
                    for _ in 0..batch {
                        let mut get = redis::cmd("GET");
                        get.arg(name(random_floor.next() % USERS));
                        let value: Vec<u8> =
                            get.query_async(&mut bare.clone()).await.expect("an answer");
                        let cache = floor.open(value);
                        let token = cache.find_access_token(&request, user::now());
                        black_box(token.expect("a good request").expect("valid").to_owned());
                    }
                });
            },
        ],
    );
    row::title("a token from Redis, nothing in memory, CPU of the client");
    let name = "bare GET + open + from_json + find_access_token + copy";
    row::cost("Tokens::get", get, name, bare_get, Aim::AtMost(1.25));
    row::cost("Tokens::find", find, name, bare_get, Aim::None);
    Some(get)
}

/// Values that are opened without the cache.
struct Floor {
    key: EnvelopeKey,
    key_id: KeyId,
}

impl Floor {
    fn new() -> Self {
        let key = EnvelopeKey::random().expect("random bytes");
        Self { key, key_id: KeyId::random().expect("random bytes") }
    }

    fn seal(&self, number: u64) -> Vec<u8> {
        let envelope = Envelope::new(self.key_id, &self.key, NAME, [1; 16], 1);
        envelope.seal(user::cache(number).to_json().expose(), LIMIT).expect("it fits").1
    }

    fn open(&self, value: Vec<u8>) -> TokenCache {
        let (_, json) = envelope::open(value, &self.key, NAME, LIMIT).expect("it opens");
        TokenCache::from_json(json.expose()).expect("JSON")
    }
}

fn name(number: u64) -> String {
    format!("bare:{number}")
}

const NAME: &str = "tokenkeep-web/1/bench/00000000000000000000000000000000";
const LIMIT: u64 = 256 * 1024;
const USERS: u64 = 1_000;
const ROUNDS: usize = 10;
const BATCH: u32 = 1_000;
