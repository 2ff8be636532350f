//! The names in Redis.

use std::time::Duration;

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};

use super::limits::LONGEST_TTL;
use crate::store::StoreKey;

/// The keys of a value and of its lease. Their hash tag puts both in one slot of a Cluster.
pub(super) fn keys(key: &StoreKey) -> [String; 2] {
    let id = BASE64_URL_SAFE_NO_PAD.encode(key.as_bytes());
    [format!("tk1:{}:{{{id}}}:v", key.app()), format!("tk1:{}:{{{id}}}:l", key.app())]
}

/// The key of a value that is about to be stored, in the same slot. Writers share none.
pub(super) fn draft(key: &StoreKey) -> Result<String, getrandom::Error> {
    let id = BASE64_URL_SAFE_NO_PAD.encode(key.as_bytes());
    Ok(format!("tk1:{}:{{{id}}}:d{:016x}", key.app(), getrandom::u64()?))
}

/// The channel of an application's removals.
pub(super) fn channel(app: &str) -> String {
    format!("tk1:{app}:out")
}

/// What the names of an application's values match.
pub(super) fn pattern(app: &str) -> String {
    let mut pattern = String::from("tk1:");
    for letter in app.chars() {
        if matches!(letter, '*' | '?' | '[' | ']' | '\\' | '^' | '-') {
            pattern.push('\\');
        }
        pattern.push(letter);
    }
    pattern + ":{*}:v"
}

/// A name that no value has, with this hash tag.
pub(super) fn absent(app: &str, tag: u32) -> String {
    format!("tk1:{app}:{{{tag}}}:v")
}

/// The key of a value's name.
pub(super) fn parse(app: &str, name: &[u8]) -> Option<StoreKey> {
    let name = std::str::from_utf8(name).ok()?;
    let id =
        name.strip_prefix("tk1:")?.strip_prefix(app)?.strip_prefix(":{")?.strip_suffix("}:v")?;
    let id = BASE64_URL_SAFE_NO_PAD.decode(id).ok()?;
    Some(StoreKey::new(app, <[u8; 16]>::try_from(id).ok()?))
}

/// A time to live in milliseconds: at least one, and no more than Redis can count.
pub(super) fn milliseconds(ttl: Duration) -> String {
    ttl.min(LONGEST_TTL).as_millis().max(1).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_brings_its_key_back() {
        let key = StoreKey::new("shop", [0xfb; 16]);
        let [value, lease] = keys(&key);
        assert_eq!(value, "tk1:shop:{-_v7-_v7-_v7-_v7-_v7-w}:v");
        assert_eq!(lease, "tk1:shop:{-_v7-_v7-_v7-_v7-_v7-w}:l");
        assert_eq!(parse("shop", value.as_bytes()), Some(key));
        assert_eq!(parse("sho", value.as_bytes()), None);
        assert_eq!(parse("shop", lease.as_bytes()), None);
        assert_eq!(parse("shop", b"tk1:shop:{short}:v"), None);
        assert_eq!(parse("shop", absent("shop", u32::MAX).as_bytes()), None);
    }

    #[test]
    fn a_time_to_live_fits_redis() {
        assert_eq!(milliseconds(Duration::ZERO), "1");
        assert_eq!(milliseconds(Duration::from_micros(1_500)), "1");
        assert_eq!(milliseconds(Duration::MAX), "3153600000000");
    }
}
