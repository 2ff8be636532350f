//! Answers that could not be saved when they came.

use std::{
    cell::RefCell,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokenkeep::{
    CredentialType, Error, PersistedTokenCache, Query,
    lock::LockGuard,
    persistence::{Loaded, MemoryPersistence, Persistence, Saved, Stamp},
    silent::SilentOptions,
};

use crate::script::*;

/// A persistence over one in memory. Its saves fail while `is_full`. While `is_unsure`, it saves
/// and cannot say that it did.
#[derive(Clone, Debug, Default)]
struct Full {
    inner: Arc<MemoryPersistence>,
    is_full: Arc<AtomicBool>,
    is_unsure: Arc<AtomicBool>,
}

impl Full {
    /// A cache of it with a sign-in, whose clock a test moves.
    fn signed_in(&self) -> (PersistedTokenCache, Arc<AtomicU64>) {
        let clock = Arc::new(AtomicU64::new(NOW));
        let now = Arc::clone(&clock);
        let cache =
            PersistedTokenCache::new(self.clone()).clock(move || now.load(Ordering::SeqCst));
        cache.add_response(&request(), tokens("a0", Some("r0"), 3600)).unwrap();
        (cache, clock)
    }
}

impl Persistence for Full {
    fn load(&self, known: Option<&Stamp>) -> Result<Loaded, Error> {
        self.inner.load(known)
    }

    fn save(
        &self,
        content: &[u8],
        base: Option<&Stamp>,
        guard: &LockGuard,
    ) -> Result<Saved, Error> {
        if self.is_full.load(Ordering::SeqCst) {
            return Err(Error::NoSpace { path: "full".into(), source: "no space".into() });
        }
        let saved = self.inner.save(content, base, guard)?;
        match self.is_unsure.swap(false, Ordering::SeqCst) {
            true => Err(Error::DurabilityUnknown { path: "f".into(), source: "cut".into() }),
            false => Ok(saved),
        }
    }

    fn delete(&self, base: Option<&Stamp>, guard: &LockGuard) -> Result<(), Error> {
        self.inner.delete(base, guard)
    }

    fn stamp(&self) -> Result<Option<Stamp>, Error> {
        self.inner.stamp()
    }
}

#[test]
fn an_answer_that_could_not_be_saved_is_used_and_saved_later() {
    let full = Full::default();
    let is_full = &full.is_full;
    let (cache, clock) = full.signed_in();
    clock.store(NOW + 3600, Ordering::SeqCst);
    is_full.store(true, Ordering::SeqCst);
    let token = Script::new([ok("a1", Some("r1"))]).call(&cache).unwrap().unwrap();
    assert_eq!(token.secret(), "a1");
    assert!(matches!(token.unstored_because(), Some(Error::NoSpace { .. })), "{token:?}");
    assert!(matches!(cache.settle(Duration::ZERO), Err(Error::NoSpace { .. })));
    // It is not asked for again, and the spent token is not spent again.
    assert_eq!(secret(Script::new([]).call(&cache)), "a1");
    clock.store(NOW + 7200, Ordering::SeqCst);
    let script = Script::new([ok("a2", Some("r2"))]);
    assert_eq!(secret(script.call(&cache)), "a2");
    assert_eq!(script.spent(), ["r1"]);
    is_full.store(false, Ordering::SeqCst);
    cache.settle(Duration::from_secs(60)).unwrap();
    assert_eq!(refresh_token(&cache), "r2");
    assert_eq!(cache.find_access_token(&request()).unwrap().unwrap().secret(), "a2");
}

#[test]
fn a_sign_out_ends_an_answer_that_was_not_saved_yet() {
    let full = Full::default();
    let (cache, clock) = full.signed_in();
    clock.store(NOW + 3600, Ordering::SeqCst);
    full.is_full.store(true, Ordering::SeqCst);
    assert_eq!(secret(Script::new([ok("a1", Some("r1"))]).call(&cache)), "a1");
    full.is_full.store(false, Ordering::SeqCst);
    cache.sign_out_without_account(None).unwrap();
    assert!(Script::new([]).call(&cache).unwrap().is_none());
    assert!(cache.search(CredentialType::AccessToken, &Query::new()).unwrap().is_empty());
}

#[test]
fn many_answers_that_could_not_be_saved_are_one_and_the_last_one_is_saved() {
    let full = Full::default();
    let (cache, clock) = full.signed_in();
    full.is_full.store(true, Ordering::SeqCst);
    for number in 1..300 {
        clock.store(NOW + 3600 * number, Ordering::SeqCst);
        let script = Script::new([ok(&format!("a{number}"), Some(&format!("r{number}")))]);
        assert_eq!(secret(script.call(&cache)), format!("a{number}"));
        assert_eq!(script.spent(), [format!("r{}", number - 1)]);
    }
    assert_eq!(cache.refresh_tokens(&request()).unwrap()[0].secret(), Some("r299"));
    full.is_full.store(false, Ordering::SeqCst);
    cache.settle(Duration::from_secs(60)).unwrap();
    assert_eq!(refresh_token(&cache), "r299");
    // What was removed does not come back.
    full.is_full.store(true, Ordering::SeqCst);
    clock.store(NOW + 3600 * 300, Ordering::SeqCst);
    Script::new([ok("a300", Some("r300"))]).call(&cache).unwrap();
    full.is_full.store(false, Ordering::SeqCst);
    cache.clear().unwrap();
    cache.settle(Duration::from_secs(60)).unwrap();
    assert!(cache.snapshot().unwrap().is_empty());
}

#[test]
fn an_old_answer_that_is_saved_late_replaces_no_newer_token() {
    let full = Full::default();
    let (cache, clock) = full.signed_in();
    clock.store(NOW + 3600, Ordering::SeqCst);
    full.is_full.store(true, Ordering::SeqCst);
    assert_eq!(secret(Script::new([ok("a1", None)]).call(&cache)), "a1");
    full.is_full.store(false, Ordering::SeqCst);
    // Another process.
    let other = PersistedTokenCache::new(full.clone()).clock(|| NOW + 3700);
    other.add_response(&request(), tokens("a2", None, 3600)).unwrap();
    cache.settle(Duration::from_secs(60)).unwrap();
    assert_eq!(cache.find_access_token(&request()).unwrap().unwrap().secret(), "a2");
}

#[test]
fn a_renewal_that_was_stored_without_a_proof_is_no_sign_out() {
    for refresh_token in [Some("r1"), None] {
        let full = Full::default();
        let (cache, clock) = full.signed_in();
        clock.store(NOW + 3600, Ordering::SeqCst);
        full.is_unsure.store(true, Ordering::SeqCst);
        let refresh = refresh_token.map(|token| format!(r#""refresh_token": "{token}", "#));
        let named = format!(
            r#"{{"access_token": "a1", {}"expires_in": 3600, "client_info": "{}"}}"#,
            refresh.unwrap_or_default(),
            client_info("ada")
        );
        let revoked = RefCell::default();
        let endpoint = Bobs { answer: named, revoked: &revoked };
        let token = cache.acquire_token_silent_with(&request(), &SilentOptions::new(), endpoint);
        assert_eq!(secret(token), "a1");
        assert!(revoked.take().is_empty());
        let account = cache.accounts().unwrap().remove(0);
        let adas = cache.refresh_tokens(&request().for_account(&account)).unwrap();
        assert_eq!(adas[0].secret(), Some(refresh_token.unwrap_or("r0")));
    }
}
