//! The client at the provider, and its requests.

use std::sync::Arc;

use moka::sync::Cache;
use tokenkeep::TokenRequest;

use crate::provider::Provider;

/// The client at the provider.
pub(crate) struct Client {
    client_id: String,
    authority: String,
    pub(crate) provider: Arc<dyn Provider>,
    /// By their scopes, one to a line. To prepare one takes longer than to answer it.
    requests: Cache<String, Arc<TokenRequest>>,
}

impl Client {
    pub(crate) fn new(client_id: String, authority: String, provider: Arc<dyn Provider>) -> Self {
        Self { client_id, authority, provider, requests: Cache::new(MOST_REQUESTS) }
    }

    /// The request for a token with these scopes.
    pub(crate) fn request<S: AsRef<str>>(
        &self,
        scopes: impl IntoIterator<Item = S>,
    ) -> Arc<TokenRequest> {
        let mut lines = String::new();
        for scope in scopes {
            lines.push_str(scope.as_ref());
            lines.push('\n');
        }
        if let Some(request) = self.requests.get(lines.as_str()) {
            return request;
        }
        let request = Arc::new(TokenRequest::new(&self.client_id, &self.authority, [&lines]));
        if lines.len() <= LONGEST {
            self.requests.insert(lines, Arc::clone(&request));
        }
        request
    }
}

/// A web app asks for few. They may come from its users.
const MOST_REQUESTS: u64 = 1_000;
/// The longest text of scopes that is kept, in bytes.
const LONGEST: usize = 1_000;

#[cfg(test)]
mod tests {
    use tokenkeep::{
        Secret,
        silent::{ExchangeError, Spend, TokenReply},
    };

    use super::*;
    use crate::store::BoxFuture;

    struct Nobody;

    impl Provider for Nobody {
        fn exchange<'a>(
            &'a self,
            _: &'a Spend,
        ) -> BoxFuture<'a, Result<TokenReply, ExchangeError>> {
            unreachable!("nothing is asked")
        }

        fn revoke<'a>(&'a self, _: &'a Secret) -> BoxFuture<'a, Result<(), ExchangeError>> {
            unreachable!("nothing is revoked")
        }
    }

    #[test]
    fn each_list_of_scopes_has_its_own_request_which_is_prepared_once() {
        let client = Client::new("id".into(), "https://idp.example".into(), Arc::new(Nobody));
        let new = |scopes: &[&str]| TokenRequest::new("id", "https://idp.example", scopes);
        let long = "x".repeat(2_000);
        for scopes in [&["a", "b"][..], &["ab"], &["b a"], &["a\nb"], &[""], &[], &[&long]] {
            let request = client.request(scopes);
            assert!(*request == new(scopes), "{scopes:?}");
            let again = client.request(scopes);
            assert!(*again == new(scopes), "{scopes:?}");
            let is_kept = scopes != [&*long];
            assert_eq!(Arc::ptr_eq(&request, &again), is_kept, "{scopes:?}");
        }
        for nth in 0..10 * MOST_REQUESTS {
            client.request([format!("scope{nth}")]);
        }
        client.requests.run_pending_tasks();
        assert!(client.requests.entry_count() <= MOST_REQUESTS);
    }
}
