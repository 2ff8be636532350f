//! Until when an access token is good: how much of its life is left over as a margin, and whether
//! the clock agrees with the time at which it was kept.

use crate::cache::entry::Entry;

/// A token that has this many seconds left is good, however long it lived.
const MOST: i64 = 300;

/// How far ahead of this clock another one may be that kept a token, in seconds.
const SKEW: i64 = 300;

impl Entry {
    /// How many seconds before its end the token counts as expired: 300 as in the reference, but a
    /// quarter of its lifetime where this is less, so that a token of five minutes can be used.
    fn margin(&self) -> i64 {
        let lifetime = self
            .expires_on()
            .zip(self.cached_at())
            .map(|(end, from)| end.saturating_sub(from))
            .filter(|&lifetime| lifetime > 0);
        lifetime.map_or(MOST, |lifetime| MOST.min(lifetime / 4))
    }

    /// At `now` the token is good for its margin, or for `margin` seconds if this is given.
    pub(crate) fn is_valid(&self, margin: Option<i64>, now: i64) -> bool {
        let Some(end) = self.expires_on() else { return false };
        let left = end.saturating_sub(now);
        let margin = match margin {
            Some(margin) => margin,
            // What the clock contradicts says nothing of the lifetime.
            None if !self.is_fresh(now) => MOST,
            None => self.margin(),
        };
        left > 0 && left >= margin
    }

    /// The token says when it was kept, and this is not in the future: the clock was not set back.
    pub(crate) fn is_fresh(&self, now: i64) -> bool {
        self.cached_at().is_some_and(|from| from <= now.saturating_add(SKEW))
    }

    /// The token should be renewed at `now`: the provider asks for it, or it is not fresh.
    pub(crate) fn is_aging(&self, now: i64) -> bool {
        self.refresh_on().is_some_and(|refresh_on| refresh_on < now) || !self.is_fresh(now)
    }

    /// Before this time, in Unix seconds, a find takes the token without a further look: it has its
    /// secret, is bound to nothing further, is valid and not aging. 0 if it never does.
    ///
    /// It holds while the clock is past [`Self::fresh_from`].
    pub(crate) fn good_until(&self) -> u32 {
        if self.secret().is_none()
            || self.cached_at().is_none()
            || self.is_bound_to_key()
            || self.is_extended()
        {
            return 0;
        }
        let end = self.expires_on().unwrap_or(0).saturating_sub(self.margin());
        let end = end.min(self.refresh_on().unwrap_or(end)).max(0);
        u32::try_from(end).unwrap_or(u32::MAX)
    }

    /// From this time on, in Unix seconds, the token is fresh if it ever is.
    pub(crate) fn fresh_from(&self) -> i64 {
        self.cached_at().map_or(i64::MIN, |from| from.saturating_sub(SKEW))
    }
}
