//! What the index alone answers: requests for one account, and requests without an account where
//! one has everything.

use std::time::Duration;

use tokenkeep::{CredentialType, Entry, Error, Query, TokenCache, TokenRequest};

use crate::oracle::random::Random;

const NOW: u64 = 1_700_000_000;
/// The last ones are too many for the index.
const SCOPES: [&str; 5] =
    ["read", "write", "read write", "api/.default", "read a b c d e f g h i j k l m n o p"];

/// What a find says, by any way that it takes.
fn found(cache: &TokenCache, request: &TokenRequest) -> Result<Option<String>, Vec<String>> {
    match cache.find_access_token(request, NOW) {
        Ok(token) => Ok(token.map(|token| token.secret().to_owned())),
        Err(Error::AccountAmbiguous { usernames }) => Err(usernames),
        Err(error) => panic!("{error}"),
    }
}

fn pick<'t>(random: &mut Random, texts: &[&'t str]) -> &'t str {
    texts[random.next() as usize % texts.len()]
}

/// Adds or removes an entry of one of these accounts.
fn change(cache: &mut TokenCache, random: &mut Random, homes: &[&str], nth: usize) {
    let (home, client) = (pick(random, homes), pick(random, &["client", "client", "other"]));
    let (kind, fields) = if random.next().is_multiple_of(4) {
        (CredentialType::RefreshToken, String::new())
    } else {
        let (target, from) = (pick(random, &SCOPES), NOW - 3_600);
        let until = NOW - 500 + random.next() % 2_000;
        let times = format!(r#""cached_at": "{from}", "expires_on": "{until}""#);
        (CredentialType::AccessToken, format!(r#", "realm": "t", "target": "{target}", {times}"#))
    };
    let json = format!(
        r#"{{"credential_type": "{kind}", "home_account_id": {home}, "client_id": "{client}",
        "environment": "login.windows.net", "secret": "{nth}"{fields}}}"#
    );
    let entry = Entry::from_json(kind, json.as_bytes()).unwrap();
    cache.put(&entry).unwrap();
    if random.next().is_multiple_of(3) {
        let kind = [CredentialType::AccessToken, CredentialType::RefreshToken][nth % 2];
        let entries = cache.find(kind, &Query::new(), 0);
        if let Some(entry) = entries.get(random.next() as usize % (entries.len() + 1)) {
            let removed = match kind {
                CredentialType::AccessToken => cache.remove_access_token(entry),
                _ => cache.remove_refresh_token(entry),
            };
            assert!(removed.unwrap());
        }
    }
}

#[test]
fn the_index_alone_gives_the_answer_that_a_look_at_all_tokens_gives() {
    let homes = [r#""me""#, r#""you""#, "null"];
    let (mut answers, mut several) = (0, 0);
    for seed in 0..3_000 {
        let mut random = Random(seed);
        let mut cache = TokenCache::new();
        // Of one account, of two, of nobody besides, and of nobody alone.
        let homes = [&homes[..1], &homes[..2], &homes[..], &homes[2..]][seed as usize % 4];
        for nth in 0..12 {
            // Most changes are of the first account.
            let whose = if random.next().is_multiple_of(6) { homes } else { &homes[..1] };
            change(&mut cache, &mut random, whose, nth);
            for scopes in SCOPES {
                let authority = "https://login.windows.net/t";
                let anybodys = TokenRequest::new("client", authority, [scopes]);
                for request in [anybodys.clone().account("me"), anybodys] {
                    let quick = found(&cache, &request);
                    // A margin is not in the index. This one is that of a request without one.
                    let thorough = found(&cache, &request.margin(Duration::from_secs(300)));
                    assert_eq!(quick, thorough, "seed {seed}, change {nth}, {scopes}");
                    answers += usize::from(matches!(quick, Ok(Some(_))));
                    several += usize::from(quick.is_err());
                }
            }
        }
    }
    println!("{answers} tokens found, {several} requests with several accounts");
    assert!(answers > 10_000 && several > 1_000);
}
