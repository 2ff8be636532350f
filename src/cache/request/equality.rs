//! Which requests are equal.

use std::hash::{Hash, Hasher};

use super::TokenRequest;

impl TokenRequest {
    /// The values that equality compares.
    fn meaning(&self) -> impl Hash + PartialEq + '_ {
        let names = (&self.client_id, &self.authority, self.target(), &self.home_account_id);
        let further = (&self.claims, &self.capabilities, &self.resource);
        let parameters = (&self.key_id, &self.ext_cache_key, further);
        (names, self.app_only, parameters, &self.refused, self.margin)
    }
}

impl PartialEq for TokenRequest {
    fn eq(&self, other: &Self) -> bool {
        self.meaning() == other.meaning()
    }
}

impl Eq for TokenRequest {}

impl Hash for TokenRequest {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.meaning().hash(state);
    }
}
