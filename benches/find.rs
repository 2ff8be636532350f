//! What one find costs in caches of different sizes, at random places.
//!
//! Prints nanoseconds per find and the ratio to the smallest cache. The requests are made outside
//! the timer, in the order in which they are used. Each find's token is read.
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
            let requests = requests(size, account, scope);
            let nanoseconds =
                (0..5).map(|_| measure(&cache, &requests)).min_by(f64::total_cmp).unwrap();
            let ratio = nanoseconds / *smallest.get_or_insert(nanoseconds);
            println!("{name:20} {size:>9} entries {nanoseconds:8.1} ns {ratio:5.2}x");
        }
    }
}

fn measure(cache: &TokenCache, requests: &[TokenRequest]) -> f64 {
    let (mut done, start) = (0, Instant::now());
    while done < FINDS {
        for request in requests {
            let found = cache.find_access_token(black_box(request), 1_000).unwrap().unwrap();
            black_box(found.secret().as_bytes()[0]);
        }
        done += requests.len();
    }
    start.elapsed().as_nanos() as f64 / done as f64
}

fn requests(size: usize, account: bool, scope: bool) -> Vec<TokenRequest> {
    let mut random = 42u64;
    let request = |_| {
        random =
            random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let nth = (random >> 33) as usize % size;
        let (a, s) = (if account { nth } else { 0 }, if scope { nth } else { 0 });
        TokenRequest::new(CLIENT, format!("https://{HOST}/{TENANT}"), [format!("api://{s}/read")])
            .account(format!("{a:08}-2345-6789-abcd-0123456789ab.{TENANT}"))
    };
    (0..size.max(1_000)).map(request).collect()
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

const FINDS: usize = 1_000_000;
const HOST: &str = "login.microsoftonline.com";
const TENANT: &str = "11111111-2222-3333-4444-555555555555";
const CLIENT: &str = "99999999-8888-7777-6666-555555555555";
