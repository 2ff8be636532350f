//! Puts refresh tokens back that a store lost, because it returned to an older save.

use crate::cache::{
    TokenCache,
    entry::{Entry, key},
    expiry::SKEW,
    schema::CredentialType,
};

impl TokenCache {
    /// Puts back the refresh tokens of `newer`, a later save of this cache, that this cache holds
    /// in an older version. Returns their number. `now` is in Unix seconds.
    ///
    /// For a store that lost saves which it had acknowledged, such as in a failover. A provider
    /// that replaces refresh tokens has ended those of the older save.
    ///
    /// - An entry of this cache is replaced by the one of `newer` with the same key, if their
    ///   secrets differ.
    /// - It stays if its `last_modification_time` is later: somebody renewed it or signed in after
    ///   the store had lost the saves.
    /// - At the same second the one of `newer` counts, because `newer` is the later save. A renewal
    ///   takes less than a second, so the second does not decide.
    /// - A time of this cache that is more than 300 s after `now` counts as unknown, because the
    ///   clock that wrote it was ahead. An unknown time is the oldest.
    /// - An entry that this cache lacks is not put back, because it may have been signed out.
    pub fn restore_refresh_tokens(&mut self, newer: &Self, now: u64) -> usize {
        let latest = i64::try_from(now).unwrap_or(i64::MAX).saturating_add(SKEW);
        let time = |entry: &Entry| entry.last_modification_time();
        let lost: Vec<Entry> = self
            .entries(CredentialType::RefreshToken)
            .filter_map(|held| {
                let later = newer.newest_refresh_token(&key::own(held)?)?;
                let held_at = time(held).filter(|&at| at <= latest);
                let is_lost = later.secret().is_some()
                    && later.secret() != held.secret()
                    && held_at.is_none_or(|at| time(later).is_some_and(|later| later >= at));
                is_lost.then(|| later.clone())
            })
            .collect();
        let count = lost.len();
        for entry in lost {
            self.replace(None, entry).expect("a section with entries can be written");
        }
        count
    }

    /// The newest refresh token whose fields make this key.
    fn newest_refresh_token(&self, key: &str) -> Option<&Entry> {
        let section = self.section(CredentialType::RefreshToken)?;
        section.indexed(section.own(key)).max_by_key(|entry| entry.last_modification_time())
    }
}
