//! What one find costs in caches of different sizes, at random places.
//!
//! Prints nanoseconds per find and the ratio to the smallest cache; then the same with the token
//! read. Requests are made outside the timer, in batches that go to random places in all entries.
#![allow(clippy::print_stdout, clippy::unwrap_used, missing_docs, reason = "it is a benchmark")]

use std::{fmt::Write as _, hint::black_box, time::Instant};

use tokenkeep::{TokenCache, TokenRequest};

fn main() {
    for (name, account, scope) in
        [("accounts x 1 token", true, false), ("1 account x scopes", false, true)]
    {
        let mut smallest = None;
        for size in [10, 1_000, 1_000_000] {
            let cache = TokenCache::from_json(document(size, account, scope).as_bytes()).unwrap();
            let (find, read) = measure(&cache, size, account, scope);
            let ratio = find / *smallest.get_or_insert(find);
            println!(
                "{name:20} {size:>9} entries {find:7.1} ns {ratio:5.2}x  and read {read:7.1} ns"
            );
        }
    }
}

/// Nanoseconds for a find, and for a find whose token is read: the median of the batches.
fn measure(cache: &TokenCache, size: usize, account: bool, scope: bool) -> (f64, f64) {
    let mut random = 1;
    let mut spent = [Vec::new(), Vec::new()];
    for nth in 0..2 * BATCHES {
        // A batch is small enough to stay in the processor's cache, and goes to new places.
        let requests: Vec<TokenRequest> =
            (0..BATCH).map(|_| request(&mut random, size, account, scope)).collect();
        let reads = nth % 2 == 1;
        let start = Instant::now();
        for request in &requests {
            let found = cache.find_access_token(black_box(request), 1_000).unwrap().unwrap();
            if reads {
                black_box(found.secret().as_bytes()[0]);
            } else {
                black_box(found);
            }
        }
        spent[usize::from(reads)].push(start.elapsed());
    }
    let [find, read] = spent.map(|mut batches| {
        batches.sort_unstable();
        batches[BATCHES / 2].as_nanos() as f64 / BATCH as f64
    });
    (find, read)
}

fn request(random: &mut u64, size: usize, account: bool, scope: bool) -> TokenRequest {
    *random =
        random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    let nth = (*random >> 33) as usize % size;
    let (a, s) = (if account { nth } else { 0 }, if scope { nth } else { 0 });
    TokenRequest::new(CLIENT, format!("https://{HOST}/{TENANT}"), [format!("api://{s}/read")])
        .account(format!("{a:08}-2345-6789-abcd-0123456789ab.{TENANT}"))
}

fn document(size: usize, account: bool, scope: bool) -> String {
    let mut text = String::from("{\"AccessToken\": {");
    for nth in 0..size {
        let (a, s) = (if account { nth } else { 0 }, if scope { nth } else { 0 });
        let comma = if nth > 0 { "," } else { "" };
        write!(
            text,
            r#"{comma}"k{nth}": {{"credential_type": "AccessToken", "secret": "secret-{nth}",
            "home_account_id": "{a:08}-2345-6789-abcd-0123456789ab.{TENANT}",
            "environment": "{HOST}", "client_id": "{CLIENT}", "target": "api://{s}/read",
            "realm": "{TENANT}", "token_type": "Bearer", "cached_at": "1000",
            "expires_on": "9999999999", "extended_expires_on": "9999999999"}}"#
        )
        .unwrap();
    }
    text + "}}"
}

const BATCH: usize = 64;
const BATCHES: usize = 10_000;
const HOST: &str = "login.microsoftonline.com";
const TENANT: &str = "11111111-2222-3333-4444-555555555555";
const CLIENT: &str = "99999999-8888-7777-6666-555555555555";
