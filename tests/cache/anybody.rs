//! What the index alone answers: requests for one account, and requests without an account where
//! one has everything.

use tokenkeep::{AccessToken, CredentialType, Entry, Error, Query, TokenCache, TokenRequest};

use crate::oracle::random::Random;

const HOST: &str = "login.windows.net";
const NOW: u64 = 1_700_000_000;
/// The last ones are too many for the index.
const SCOPES: [&str; 5] =
    ["read", "write", "read write", "api/.default", "read a b c d e f g h i j k l m n o p"];

/// What a find says, by any way that it takes: the secret, and whether the token is aging.
fn found(
    cache: &TokenCache,
    request: &TokenRequest,
) -> Result<Option<(String, bool)>, Vec<String>> {
    match cache.find_access_token(request, NOW) {
        Ok(token) => Ok(token.map(|token| (token.secret().to_owned(), token.is_aging()))),
        Err(Error::AccountAmbiguous { usernames }) => Err(usernames),
        Err(error) => panic!("{error}"),
    }
}

fn pick<'t>(random: &mut Random, texts: &[&'t str]) -> &'t str {
    texts[random.next() as usize % texts.len()]
}

/// Adds or removes an entry of one of these accounts. One in `odd` fields is an unusual one.
fn change(cache: &mut TokenCache, random: &mut Random, homes: &[&str], odd: u64, nth: usize) {
    let home = pick(random, homes);
    let client = seldom(random, odd, "client", "other");
    let alias = pick(random, &["login.microsoftonline.com", "id.example"]);
    let place = seldom(random, odd, HOST, alias);
    let (kind, fields) = if random.next().is_multiple_of(4) {
        let family = pick(random, &["", "", r#", "family_id": "1""#]);
        (CredentialType::RefreshToken, family.to_owned())
    } else {
        (CredentialType::AccessToken, access_token(random, odd))
    };
    let json = format!(
        r#"{{"credential_type": "{kind}", "home_account_id": {home}, "client_id": "{client}",
        "environment": "{place}", "secret": "{nth}"{fields}}}"#
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

fn seldom<'t>(random: &mut Random, odd: u64, usual: &'t str, unusual: &'t str) -> &'t str {
    if random.next().is_multiple_of(odd) { unusual } else { usual }
}

/// The fields of an access token, most of them as usual.
fn access_token(random: &mut Random, odd: u64) -> String {
    let target = pick(random, &SCOPES[..4]);
    let target = seldom(random, odd, target, SCOPES[4]);
    let (from, until) = (NOW - 3_600, NOW - 200 + random.next() % 2_000);
    let (renew, asked) = (NOW - 500 + random.next() % 1_000, pick(random, &SCOPES));
    let realm = seldom(random, odd, "t", "other");
    let mut fields = format!(
        r#", "realm": "{realm}", "target": "{target}", "cached_at": "{from}",
        "expires_on": "{until}""#
    );
    for further in [
        format!(r#", "cached_at": "{}""#, NOW - 600),
        format!(r#", "cached_at": "{}""#, NOW + 1_000),
        r#", "cached_at": null"#.to_owned(),
        format!(r#", "refresh_on": "{renew}""#),
        format!(r#", "requested_target": "{asked}""#),
        r#", "key_id": "a key""#.to_owned(),
        r#", "ext_cache_key": "further""#.to_owned(),
        r#", "issuer": "https://id.example/""#.to_owned(),
        r#", "secret": null"#.to_owned(),
    ] {
        // Of two fields with one name the later one counts.
        fields.push_str(seldom(random, odd * 2, "", &further));
    }
    fields
}

/// The same cache in another way, or without what has expired.
fn again(cache: TokenCache, random: &mut Random) -> TokenCache {
    let mut again = match random.next() % 16 {
        0 => TokenCache::from_json(cache.to_json().expose()).unwrap(),
        1 => {
            let mut other = TokenCache::new();
            other.merge(&cache).unwrap();
            other
        }
        2 => cache.clone(),
        _ => return cache,
    };
    if random.next().is_multiple_of(4) {
        again.remove_expired(NOW).unwrap();
    }
    again
}

/// A token that no cache has, and that is younger than all: a request instead of it is answered as
/// one without it, and reads the entries.
fn elsewhere() -> AccessToken {
    let json = format!(
        r#"{{"home_account_id": "me", "client_id": "c", "environment": "{HOST}", "realm": "t",
        "target": "read", "secret": "elsewhere", "cached_at": "{}", "expires_on": "{}"}}"#,
        NOW + 60,
        NOW + 7_200
    );
    let mut cache = TokenCache::new();
    cache.put(&Entry::from_json(CredentialType::AccessToken, json.as_bytes()).unwrap()).unwrap();
    let request = TokenRequest::new("c", format!("https://{HOST}/t"), ["read"]);
    cache.find_access_token(&request, NOW).unwrap().expect("it is there").to_owned()
}

#[test]
fn the_index_alone_gives_the_answer_that_a_look_at_all_tokens_gives() {
    let homes = [r#""me""#, r#""you""#, "null"];
    let elsewhere = elsewhere();
    let (mut answers, mut several) = (0, 0);
    for seed in 0..1_000 {
        let mut random = Random(seed);
        let mut cache = TokenCache::new();
        // Of one account, of two, of nobody besides, and of nobody alone.
        let homes = [&homes[..1], &homes[..2], &homes[..], &homes[2..]][seed as usize % 4];
        let odd = [1_000, 16, 4][seed as usize % 3];
        // Some have so many changes that the places of removed entries are used again.
        for nth in 0..if seed % 100 < 4 { 200 } else { 12 } {
            // Most changes are of the first account.
            let whose = if random.next().is_multiple_of(6) { homes } else { &homes[..1] };
            change(&mut cache, &mut random, whose, odd, nth);
            cache = again(cache, &mut random);
            for scopes in SCOPES {
                let anybodys = TokenRequest::new("client", format!("https://{HOST}/t"), [scopes]);
                for request in [anybodys.clone().account("me"), anybodys] {
                    let quick = found(&cache, &request);
                    let thorough = found(&cache, &request.instead_of(&elsewhere));
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
