//! What a token from the memory of this node costs.

use std::{hint::black_box, sync::Arc, time::Duration};

use moka::sync::Cache;
use tokenkeep::TokenCache;
use tokenkeep_web::{KeyRing, MemoryStore};

use crate::{
    caches::{self, Users},
    drive::{Random, runtime_in_this_thread},
    measure::{least, thread_cpu},
    row::{self, Aim},
    user,
};

/// Prints the rows, and returns what a call costs.
pub(crate) fn run() -> Duration {
    let runtime = runtime_in_this_thread();
    let keys = KeyRing::generate().expect("random bytes");
    let store = {
        let _within = runtime.enter();
        MemoryStore::new()
    };
    let cache = caches::builder(store, &keys).build().expect("a cache");
    let users = runtime.block_on(Users::new(&cache, USERS));
    let moka: Cache<[u8; 16], Arc<TokenCache>> = Cache::new(USERS * 2);
    for number in 0..USERS {
        moka.insert(place(number), Arc::new(user::cache(number)));
    }
    let (request, now) = (user::request(), user::now());
    let mut random = [1, 2, 3].map(Random);
    let [random, random_whole, random_floor] = &mut random;
    let [[call], [whole], [floor]] = least(
        ROUNDS,
        BATCH,
        [&thread_cpu],
        [
            &mut |batch| {
                runtime.block_on(async {
                    for _ in 0..batch {
                        let token = users.any(random).get(&request).await;
                        black_box(token.expect("in memory"));
                    }
                });
            },
            &mut |batch| {
                runtime.block_on(async {
                    for _ in 0..batch {
                        let id = users.any_id(random_whole);
                        let token = cache.user(id).token(&user::SCOPES[..1]).await;
                        black_box(token.expect("in memory"));
                    }
                });
            },
            &mut |batch| {
                for _ in 0..batch {
                    let cache =
                        moka.get(&place(random_floor.next() % USERS)).expect("it was put there");
                    let token = cache.find_access_token(&request, now).expect("a good request");
                    black_box(token.expect("valid").to_owned());
                }
            },
        ],
    );
    row::title("a token from the memory of this node, CPU");
    let name = "moka get + find_access_token + copy";
    row::cost("Tokens::get", call, name, floor, Aim::AtMost(2.0));
    row::cost("cache.user(id).token(scopes)", whole, name, floor, Aim::None);
    whole
}

fn place(number: u64) -> [u8; 16] {
    let mut place = [7; 16];
    place[..8].copy_from_slice(&number.to_le_bytes());
    place
}

const USERS: u64 = 1_000;
const ROUNDS: usize = 15;
const BATCH: u32 = 5_000;
