//! Who a user is.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use tokenkeep::Account;

use crate::Error;

/// Who a user is: the issuer, and the name that the issuer gives the user. For a session to keep.
///
/// `Display` and serde write one text, which [`FromStr`] reads. It has the user's identifier at the
/// provider, so it belongs in a session and not in a log. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UserId {
    issuer: String,
    subject: String,
}

impl UserId {
    /// The user `subject` of the issuer `issuer`: the claims `sub` and `iss` of an ID token.
    ///
    /// One `/` at the end of the issuer does not count. In Microsoft's clouds a user has another
    /// `sub` for each application, so use [`of`](Self::of) there, or what
    /// [`keep_sign_in`](crate::WebTokenCache::keep_sign_in) returned.
    pub fn new(issuer: impl Into<String>, subject: impl Into<String>) -> Self {
        let mut issuer = issuer.into();
        if issuer.ends_with('/') {
            issuer.pop();
        }
        Self { issuer, subject: subject.into() }
    }

    /// The user of this account: the cloud and the home account id in Microsoft's clouds, elsewhere
    /// the address of the issuer and the user's id there.
    pub fn of(account: &Account) -> Self {
        let home = account.home_account_id();
        match account.issuer() {
            Some(issuer) => Self::new(issuer, home),
            None => Self::new(account.cloud(), home),
        }
    }

    pub(crate) fn issuer(&self) -> &str {
        &self.issuer
    }

    pub(crate) fn subject(&self) -> &str {
        &self.subject
    }
}

/// The length of the issuer, so that no two users have the same text.
impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}{}", self.issuer.len(), self.issuer, self.subject)
    }
}

impl FromStr for UserId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let read = || {
            let (len, rest) = text.split_once(':')?;
            let (issuer, subject) = rest.split_at_checked(len.parse().ok()?)?;
            let read = Self::new(issuer, subject);
            // One text for each user.
            (read.to_string() == text).then_some(read)
        };
        read().ok_or_else(|| {
            Error::invalid("the text is no user id; pass one that a `UserId` was written as")
        })
    }
}

impl fmt::Debug for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UserId(..)")
    }
}

impl Serialize for UserId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for UserId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_read_as_the_same_user() {
        for (issuer, subject) in
            [("https://id.example", "ada"), ("", ""), ("a:b", "3:c"), ("ü", "ß"), ("i", "/")]
        {
            let user = UserId::new(issuer, subject);
            assert_eq!(user.to_string().parse::<UserId>().unwrap(), user);
            let json = serde_json::to_string(&user).unwrap();
            assert_eq!(serde_json::from_str::<UserId>(&json).unwrap(), user);
        }
        for text in ["", "5", "5:abc", "x:abc", "01:ab", "2:a/b", "-1:a", "1:ü"] {
            assert!(text.parse::<UserId>().is_err(), "{text}");
        }
    }

    #[test]
    fn two_users_never_have_one_text() {
        assert_ne!(UserId::new("a", "bc").to_string(), UserId::new("ab", "c").to_string());
    }

    #[test]
    fn debug_shows_nobody() {
        let user = UserId::new("https://id.example", "ada");
        assert_eq!(format!("{user:?}"), "UserId(..)");
    }
}
