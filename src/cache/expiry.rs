//! How long an access token is good: the margin before its expiry, and whether the clock agrees
//! with the time at which it was stored.

use crate::cache::entry::Entry;

/// The largest default margin, in seconds.
const MOST: i64 = 300;

/// How far, in seconds, the clock that stamped a token may be ahead of this one.
pub(super) const SKEW: i64 = 300;

impl Entry {
    /// The number of seconds before its expiry at which the token counts as expired. This is 300 as
    /// in msal, or a quarter of its lifetime if that is less, so that a token of five minutes can
    /// be used.
    fn margin(&self) -> i64 {
        let lifetime = self
            .expires_on()
            .zip(self.cached_at())
            .map(|(end, from)| end.saturating_sub(from))
            .filter(|&lifetime| lifetime > 0);
        lifetime.map_or(MOST, |lifetime| MOST.min(lifetime / 4))
    }

    /// At `now` the token stays valid for `margin` seconds, or for the default margin if it is
    /// `None`.
    pub(crate) fn is_valid(&self, margin: Option<i64>, now: i64) -> bool {
        let Some(end) = self.valid_until() else { return false };
        let left = end.saturating_sub(now);
        let margin = match margin {
            Some(margin) => margin,
            // If the clock contradicts the caching time, the lifetime is unknown.
            None if !self.is_fresh(now) => MOST,
            None => self.margin(),
        };
        left > 0 && left >= margin
    }

    /// The token has a caching time that is not in the future: the clock was not set back.
    pub(crate) fn is_fresh(&self, now: i64) -> bool {
        self.cached_at().is_some_and(|from| from <= now.saturating_add(SKEW))
    }

    /// The token should be renewed at `now`: the provider asks for a renewal, or the token is not
    /// fresh.
    pub(crate) fn is_aging(&self, now: i64) -> bool {
        self.refresh_on().is_some_and(|refresh_on| refresh_on < now) || !self.is_fresh(now)
    }

    /// Before this time, in Unix seconds, a find returns the token without reading its entry. The
    /// token has a secret, is not bound to anything further, is valid, and is not aging. 0 if a
    /// find must always read the entry.
    ///
    /// Valid while the clock is past [`Self::fresh_from`].
    pub(crate) fn good_until(&self) -> u32 {
        if self.secret().is_none()
            || self.cached_at().is_none()
            || self.is_bound_to_key()
            || self.is_extended()
        {
            return 0;
        }
        let end = self.valid_until().unwrap_or(0).saturating_sub(self.margin());
        let end = end.min(self.refresh_on().unwrap_or(end)).max(0);
        // A later time is cut to the year 2106; from then on a find reads the entry.
        u32::try_from(end).unwrap_or(u32::MAX)
    }

    /// From this time on, in Unix seconds, the token is fresh. `i64::MIN` if it has no caching
    /// time.
    pub(crate) fn fresh_from(&self) -> i64 {
        self.cached_at().map_or(i64::MIN, |from| from.saturating_sub(SKEW))
    }
}
