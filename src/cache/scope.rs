//! How scopes are compared: which of them decide a match, and whether letter case matters.

use std::borrow::Cow;

use crate::cache::{
    authority::is_microsoft,
    entry::{Entry, inside, scopes_in},
    json::decode,
};

/// How the scopes of one host are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ScopeRule {
    any_case: bool,
}

impl ScopeRule {
    /// Compares scopes exactly, as a search does.
    pub(crate) const EXACT: Self = Self { any_case: false };

    /// The rule of a host. The host may be a canonical token, in quotes.
    ///
    /// Microsoft's services ignore the letter case of scopes. For other hosts it matters, as in RFC
    /// 6749.
    pub(crate) fn of(environment: &str) -> Self {
        Self { any_case: is_microsoft(inside(environment)) }
    }

    /// The scope in the form that is compared.
    pub(crate) fn fold(self, scope: &str) -> Cow<'_, str> {
        if self.any_case && !scope.bytes().all(|b| b.is_ascii() && !b.is_ascii_uppercase()) {
            return Cow::Owned(scope.to_lowercase());
        }
        Cow::Borrowed(scope)
    }

    /// The scope asks for a sign-in or for data about the user, not for access to an API.
    pub(crate) fn is_reserved(self, scope: &str) -> bool {
        RESERVED.contains(&self.fold(scope).as_ref())
    }

    /// The scopes in `text` that decide a match, folded, sorted and without duplicates.
    ///
    /// Reserved scopes do not decide it: providers add them to the granted scopes or omit them.
    pub(crate) fn deciding(self, text: &str) -> Vec<Cow<'_, str>> {
        self.sorted(scopes_in(text).filter(|scope| !self.is_reserved(scope)))
    }

    /// A name that is equal for two lists of scopes that ask for the same: the deciding scopes, or
    /// if there are none, the reserved ones.
    pub(crate) fn name(self, text: &str) -> String {
        let deciding = self.deciding(text);
        if deciding.is_empty() {
            self.sorted(scopes_in(text)).join(" ")
        } else {
            deciding.join(" ")
        }
    }

    /// `granted` contains all deciding scopes of `asked`. If `asked` has only reserved scopes,
    /// these decide.
    pub(crate) fn covers(self, granted: &str, asked: &str) -> bool {
        let mut wanted = self.deciding(asked);
        if wanted.is_empty() {
            wanted = self.sorted(scopes_in(asked));
        }
        let granted = self.sorted(scopes_in(granted));
        wanted.iter().all(|scope| granted.binary_search(scope).is_ok())
    }

    fn sorted<'s>(self, scopes: impl Iterator<Item = &'s str>) -> Vec<Cow<'s, str>> {
        let mut scopes: Vec<Cow<'s, str>> = scopes.map(|scope| self.fold(scope)).collect();
        scopes.sort_unstable();
        scopes.dedup();
        scopes
    }
}

impl Entry {
    /// The entry was granted all scopes of `wanted`, which are folded by the rule and sorted.
    pub(crate) fn has_scopes(&self, rule: ScopeRule, wanted: &[String]) -> bool {
        let target = self.target().and_then(decode).unwrap_or_default();
        let mut granted = scopes_in(&target).map(|scope| rule.fold(scope));
        // Most requests have one scope and need no list.
        if let [only] = wanted {
            return granted.any(|scope| scope == only.as_str());
        }
        let mut found = vec![false; wanted.len()];
        for scope in granted {
            let first = wanted.partition_point(|other| other.as_str() < scope.as_ref());
            if wanted.get(first).is_some_and(|other| *other == scope) {
                found[first] = true;
            }
        }
        // Of a scope that occurs twice in `wanted`, only the first is marked.
        (0..wanted.len()).all(|nth| found[nth] || nth > 0 && wanted[nth - 1] == wanted[nth])
    }
}

/// The scopes of OpenID Connect, in lower case.
const RESERVED: [&str; 6] = ["openid", "profile", "email", "address", "phone", "offline_access"];

#[cfg(test)]
mod tests {
    use super::ScopeRule;

    #[test]
    fn reserved_scopes_decide_only_where_there_are_no_others() {
        let rule = ScopeRule::of("idp.example");
        assert_eq!(rule.deciding("b openid a b email"), ["a", "b"]);
        assert_eq!(rule.name("b openid a b email"), "a b");
        assert_eq!(rule.name("profile openid"), "openid profile");
        assert_eq!(rule.deciding("OpenID A"), ["A", "OpenID"], "the case counts");
        assert!(rule.covers("a b", "openid b offline_access"));
        assert!(rule.covers("", ""));
        assert!(!rule.covers("a", "a b"));
        assert!(!rule.covers("https://idp.example/email", "email"));
    }

    #[test]
    fn the_letter_case_counts_everywhere_but_at_microsoft() {
        for host in
            ["login.microsoftonline.com", "sts.windows.net", "x.b2clogin.com", "x.ciamlogin.com"]
        {
            assert_eq!(ScopeRule::of(host).name("User.Read OpenID"), "user.read", "{host}");
            assert_eq!(ScopeRule::of(&format!("\"{host}\"")).name("B a"), "a b", "{host}");
        }
        for host in ["idp.example", "login.microsoftonline.com.example", "b2clogin.com.example"] {
            assert!(!ScopeRule::of(host).covers("User.Read", "user.read"), "{host}");
        }
    }
}
