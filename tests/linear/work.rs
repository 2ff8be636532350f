//! What is done with content.

use std::hint::black_box;

use tokenkeep::{CredentialType, Entry, Query, TokenCache, TokenRequest};

/// What is done, with a document and for some works another one with the same keys.
pub(crate) struct Work {
    pub(crate) name: &'static str,
    pub(crate) needs_another: bool,
    /// A request that is as large as the document counts as content, too.
    pub(crate) has_large_request: bool,
    pub(crate) run: fn(&[u8], &[u8]),
}

pub(crate) const READ: Work = alone("read and print", |document, _| {
    black_box(cache(document).to_json());
});

pub(crate) const MERGE: Work = Work {
    name: "merge",
    needs_another: true,
    has_large_request: false,
    run: |one, other| {
        let (mut one, mut other) = (cache(one), cache(other));
        let before = one.clone();
        black_box(one.merge(&other).unwrap());
        black_box(other.merge(&before).unwrap());
        assert!(!other.merge(&before).unwrap().is_change());
        black_box(one.to_json());
    },
};

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

pub(crate) const REMOVE: Work = alone("remove each", |document, _| {
    let mut cache = cache(document);
    let tokens: Vec<Entry> = cache.entries(CredentialType::AccessToken).cloned().collect();
    assert_eq!(cache.clone().remove_expired(u64::MAX).unwrap(), tokens.len());
    for token in tokens {
        assert!(cache.remove_access_token(&token).unwrap());
    }
});

const fn alone(name: &'static str, run: fn(&[u8], &[u8])) -> Work {
    Work { name, needs_another: false, has_large_request: false, run }
}

const fn large_request(name: &'static str, run: fn(&[u8], &[u8])) -> Work {
    Work { has_large_request: true, ..alone(name, run) }
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

/// No token of the table expires before it.
const NOW: u64 = 1_000;
