//! The fingerprint of a request.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};
use tokenkeep_platform::text::hexadecimal;

use super::{RefusedToken, TokenRequest};
use crate::cache::scope::ScopeRule;

impl TokenRequest {
    /// A text that is the same for two requests only if they want the same answer, so that one
    /// answer can serve both.
    ///
    /// It does not depend on the order of the scopes, of the parameters and of the capabilities,
    /// nor on which host of a cloud the authority names. In Microsoft's clouds the letter case of
    /// scopes does not count. Everything else does, including the margin. Versions of this crate
    /// may differ in the text, so it is not to be stored.
    ///
    /// The token of [`instead_of`](Self::instead_of) and the values of [`data`](Self::data) are in
    /// it as hashes. The account's id and the claims are in it as they are, so it does not belong
    /// in a log.
    ///
    /// ```
    /// use tokenkeep::TokenRequest;
    ///
    /// let at = |host| format!("https://{host}/organizations");
    /// let one = TokenRequest::new("id", at("login.microsoftonline.com"), ["User.Read", "openid"]);
    /// let other = TokenRequest::new("id", at("login.windows.net"), ["openid user.read"]);
    /// assert_eq!(one.fingerprint(), other.fingerprint());
    /// ```
    pub fn fingerprint(&self) -> String {
        let mut text = String::new();
        // The length keeps a value from passing for further fields.
        let mut add = |name: &str, value: &str| {
            write!(text, "{name}={}:{value};", value.len()).expect("a String takes every write");
        };
        let mut rule = ScopeRule::EXACT;
        add("client", &self.client_id);
        match &self.place {
            Some(place) => {
                rule = ScopeRule::of(&place.environment);
                add("cloud", self.cloud().unwrap_or_default());
                add("realm", place.realm.as_deref().unwrap_or_default());
                // Elsewhere host and realm are not all of an issuer.
                place.issuer.iter().for_each(|issuer| add("issuer", issuer));
            }
            None => add("unusable", &self.authority),
        }
        let scopes = self.scopes.iter().map(|scope| rule.fold(scope).into_owned());
        sorted(scopes).iter().for_each(|scope| add("scope", scope));
        if self.app_only {
            add("app", "");
        }
        for (name, value) in [
            ("account", &self.home_account_id),
            ("key", &self.key_id),
            ("ext", &self.ext_cache_key),
            ("claims", &self.claims),
            ("resource", &self.resource),
        ] {
            value.iter().for_each(|value| add(name, value));
        }
        if !self.data.is_empty() {
            add("data", &self.data_hash());
        }
        let capabilities = self.capabilities.iter().cloned();
        sorted(capabilities).iter().for_each(|name| add("capability", name));
        if let Some(margin) = self.margin {
            add("margin", &margin.as_nanos().to_string());
        }
        if let Some(refused) = &self.refused {
            add("refused", &refused.hashed());
        }
        text
    }

    /// A hash of the further parameters. The key that they make lacks some of them.
    fn data_hash(&self) -> String {
        let mut data: Vec<_> = self.data.iter().collect();
        data.sort_unstable();
        let mut digest = Sha256::new_with_prefix(b"tokenkeep parameters");
        for part in data.into_iter().flat_map(|(name, value)| [name, value]) {
            digest.update((part.len() as u64).to_be_bytes());
            digest.update(part);
        }
        hexadecimal(digest.finalize())
    }
}

impl RefusedToken {
    /// A hash of the token, and its caching time, before which other tokens are refused as well.
    fn hashed(&self) -> String {
        let digest = Sha256::new_with_prefix(b"tokenkeep refused token");
        let secret = hexadecimal(digest.chain_update(self.secret.as_str()).finalize());
        let cached_at = self.cached_at.map(|time| time.to_string()).unwrap_or_default();
        format!("{secret}@{cached_at}")
    }
}

fn sorted(names: impl Iterator<Item = String>) -> Vec<String> {
    let mut names: Vec<String> = names.collect();
    names.sort_unstable();
    names.dedup();
    names
}
