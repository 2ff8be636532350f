//! Our side of a program that several languages have a part in.

use serde_json::{Value, json};
use tokenkeep::{CredentialType, PersistedTokenCache, Query, TokenRequest, silent::TokenReply};

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

    /// Renews the sign-in without asking a user, whether or not a token is still valid. The
    /// provider that `python` has issues a token for `expires_in` seconds, which is returned.
    pub(crate) fn renew(
        self,
        cache: &PersistedTokenCache,
        python: &mut Python,
        expires_in: u32,
    ) -> String {
        let mut request = self.request();
        if let Some(token) = cache.find_access_token(&request).unwrap() {
            request = request.instead_of(&token);
        }
        let renewed = cache.acquire_token_silent(&request, |spend| {
            let form: Value =
                spend.form().map(|(name, value)| (name.to_owned(), json!(value))).collect();
            let answer = python.ask("exchange", [json!("contoso"), form, json!(expires_in)]);
            let status = answer[0].as_u64().unwrap().try_into().unwrap();
            Ok(TokenReply::new(status, answer[1].to_string()))
        });
        let token = renewed.unwrap().expect("somebody is signed in");
        assert!(token.is_stored());
        token.secret().to_owned()
    }

    fn request(self) -> TokenRequest {
        TokenRequest::new(self.0, "https://login.microsoftonline.com/contoso", ["s1"])
    }
}

pub(crate) fn refresh_tokens(cache: &PersistedTokenCache) -> Vec<String> {
    let found = cache.search(CredentialType::RefreshToken, &Query::new()).unwrap();
    found.iter().map(|entry| entry.secret().unwrap().to_owned()).collect()
}
