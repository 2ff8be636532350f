//! What is done with content.

use std::hint::black_box;

use tokenkeep::{CredentialType, Entry, Query, SignInEvent, TokenCache, TokenRequest};

/// What is done, with a document and for some works another one with the same keys.
pub(crate) struct Work {
    pub(crate) name: &'static str,
    pub(crate) needs_another: bool,
    /// How many times the size of the documents it may take; none if the request is as large.
    pub(crate) memory: Option<f64>,
    pub(crate) run: fn(&[u8], &[u8]),
}

pub(crate) const READ: Work = alone("read and print", |document, _| {
    black_box(cache(document).to_json());
});

pub(crate) const MERGE: Work = Work {
    name: "merge",
    needs_another: true,
    // One cache more than the documents are: the state before.
    memory: Some(12.0),
    run: |one, other| {
        let (mut one, mut other) = (cache(one), cache(other));
        let before = one.clone();
        black_box(one.merge(&other).unwrap());
        black_box(other.merge(&before).unwrap());
        assert!(!other.merge(&before).unwrap().is_change());
        black_box(one.to_json());
    },
};

/// Of what is shorter than the record that is kept of each entry, or is escaped when it is printed.
pub(crate) const READ_SHORT: Work = Work { memory: Some(32.0), ..READ };
pub(crate) const MERGE_SHORT: Work = Work { memory: Some(32.0), ..MERGE };

pub(crate) const FIND: Work = alone("find each token", |document, _| {
    let cache = cache(document);
    for entry in cache.entries(CredentialType::AccessToken) {
        let scopes = entry.scopes().into_iter().take(1);
        let found = cache.find_access_token(&request(entry, scopes), NOW).unwrap();
        assert!(black_box(found).is_some());
    }
});

/// With all scopes; and with all but one, which no exact name finds.
pub(crate) const FIND_ALL_SCOPES: Work = large_request("find the token", |document, _| {
    let cache = cache(document);
    let entry = cache.entries(CredentialType::AccessToken).next().unwrap();
    for fewer in 0..2 {
        let wanted = entry.scopes().into_iter().skip(fewer);
        let request = request(entry, wanted);
        assert!(black_box(cache.find_access_token(&request, NOW).unwrap()).is_some());
    }
});

/// For a request that names nobody.
pub(crate) const FIND_ANYBODYS: Work = alone("find anybody's token", |document, _| {
    let cache = cache(document);
    let token = cache.find_access_token(&anybodys("s"), NOW).unwrap().unwrap();
    assert!(black_box(token.to_owned()).home_account_id().is_some());
});

/// An answer that does not say whose it is, and one that says it with an ID token alone.
pub(crate) const KEEP: Work = alone("keep an answer", |document, _| {
    let mut cache = cache(document);
    for more in ["", ",\"id_token\":\"h.eyJzdWIiOiJsb2NhbCJ9.s\""] {
        let answer = format!("{{\"access_token\":\"AT\",\"expires_in\":3600{more}}}");
        black_box(cache.add_response(&anybodys("new"), answer.as_bytes(), NOW).unwrap());
    }
});

pub(crate) const SEARCH: Work = large_request("search", |document, _| {
    let cache = cache(document);
    for kind in CredentialType::ALL {
        let Some(entry) = cache.entries(kind).next() else { continue };
        let home = entry.home_account_id().unwrap_or_default();
        let mine = Query::new().home_account_id(&home);
        black_box(cache.find(kind, &mine, NOW));
        black_box(cache.find(kind, &mine.clone().scopes(entry.scopes()), NOW));
        let everywhere = mine
            .environment(&entry.environment().unwrap_or_default())
            .client_id(&entry.client_id().unwrap_or_default())
            .realm(&entry.realm().unwrap_or_default())
            .scopes(entry.scopes());
        black_box(cache.find(kind, &everywhere, NOW));
        black_box(cache.find(kind, &Query::new().field("unknown", "x"), NOW));
    }
});

pub(crate) const SIGN_OUT: Work = alone("sign out", |document, _| {
    let cache = cache(document);
    let accounts = cache.accounts();
    let token = cache.entries(CredentialType::RefreshToken).next().unwrap();
    let client = token.client_id().unwrap().into_owned();
    let mut here = cache.clone();
    assert!(here.sign_out(&accounts[0], &client).unwrap() > 0);
    drop(here);
    let mut everywhere = cache;
    for account in &accounts {
        assert!(everywhere.sign_out_everywhere(account).unwrap() > 0);
    }
    assert!(everywhere.accounts().is_empty());
});

pub(crate) const REMOVE: Work = alone("remove each", |document, _| {
    let mut cache = cache(document);
    let tokens: Vec<Entry> = cache.entries(CredentialType::AccessToken).cloned().collect();
    assert_eq!(cache.clone().remove_expired(u64::MAX).unwrap(), tokens.len());
    for token in tokens {
        assert!(cache.remove_access_token(&token).unwrap());
    }
});

pub(crate) const RENEW: Work = alone("renew", |document, _| {
    let mut cache = cache(document);
    let tokens: Vec<Entry> = cache.entries(CredentialType::RefreshToken).cloned().collect();
    let first = &tokens[0];
    let request = request(first, first.scopes().into_iter());
    black_box(cache.refresh_tokens(&request).unwrap());
    // Each looks at all that have its key.
    let last = tokens.iter().rev().take(10);
    let renewed: Vec<&Entry> =
        last.filter(|token| cache.update_refresh_token(token, "renewed", NOW).unwrap()).collect();
    let home = renewed[0].home_account_id().unwrap();
    assert!(cache.renew_refresh_token(&home, "renewed", "again", NOW).unwrap() > 0);
});

/// Each line is an event.
pub(crate) const ADD: Work = event("add", |document, _| {
    let mut cache = TokenCache::new();
    for line in document.split(|&byte| byte == b'\n') {
        let event = SignInEvent::from_json(line).unwrap();
        cache.add(&event, NOW).unwrap();
        cache.add(&event, NOW + 1).unwrap();
    }
    black_box(cache.to_json());
});

const fn alone(name: &'static str, run: fn(&[u8], &[u8])) -> Work {
    Work { name, needs_another: false, memory: Some(8.0), run }
}

/// An event makes five entries, in each of which its names stand twice.
const fn event(name: &'static str, run: fn(&[u8], &[u8])) -> Work {
    Work { memory: Some(24.0), ..alone(name, run) }
}

const fn large_request(name: &'static str, run: fn(&[u8], &[u8])) -> Work {
    Work { memory: None, ..alone(name, run) }
}

fn cache(document: &[u8]) -> TokenCache {
    TokenCache::from_json(document).unwrap()
}

fn request(entry: &Entry, scopes: impl Iterator<Item = String>) -> TokenRequest {
    let (host, realm) = (entry.environment().unwrap(), entry.realm().unwrap_or("r".into()));
    let authority = format!("https://{host}/{realm}");
    TokenRequest::new(entry.client_id().unwrap(), authority, scopes)
        .account(entry.home_account_id().unwrap())
}

fn anybodys(scope: &str) -> TokenRequest {
    TokenRequest::new("c", "https://e/r", [scope])
}

/// No token of the table expires before it.
const NOW: u64 = 1_000;
