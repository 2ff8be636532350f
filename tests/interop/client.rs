//! Our side of a program that several languages have a part in.

use serde_json::json;
use tokenkeep::{CredentialType, PersistedTokenCache, Query, TokenRequest};

use crate::python::Python;

/// Its id at the provider.
#[derive(Clone, Copy)]
pub(crate) struct Client(pub(crate) &'static str);

impl Client {
    pub(crate) fn token(self, cache: &PersistedTokenCache) -> Option<String> {
        let found = cache.find_access_token(&self.request()).unwrap();
        found.map(|token| token.secret().to_owned())
    }

    /// Keeps the provider's answer to a request of ours, which it gave through `python`.
    pub(crate) fn add_answer(
        self,
        cache: &PersistedTokenCache,
        python: &mut Python,
        expires_in: u32,
    ) {
        let arguments = [json!("contoso"), json!(self.0), json!(["s1"]), json!(expires_in)];
        let answer = python.ask("issue", arguments).to_string();
        cache.add_response(&self.request(), answer.as_bytes()).unwrap();
    }

    fn request(self) -> TokenRequest {
        TokenRequest::new(self.0, "https://login.microsoftonline.com/contoso", ["s1"])
    }
}

pub(crate) fn refresh_tokens(cache: &PersistedTokenCache) -> Vec<String> {
    let found = cache.search(CredentialType::RefreshToken, &Query::new()).unwrap();
    found.iter().map(|entry| entry.secret().unwrap().to_owned()).collect()
}
