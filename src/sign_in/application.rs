//! A program as its provider knows it.

mod builder;

use std::time::Duration;

pub use self::builder::ClientApplicationBuilder;
use super::known::{Known, OFFLINE_ACCESS};
use crate::{
    ClientAuthMethod, Error, SignInFailure, SignInRecord, TokenRequest,
    cache::Address,
    silent::{HttpEndpoint, ProviderMetadata, TokenReply},
};

/// A program as its provider knows it: issuer, client id and scopes, and the provider's endpoints.
///
/// `Debug` shows no secret.
#[derive(Clone, Debug)]
pub struct ClientApplication {
    pub(super) metadata: ProviderMetadata,
    pub(super) settings: ClientApplicationBuilder,
    pub(super) scopes: Vec<String>,
    endpoint: HttpEndpoint,
}

impl ClientApplication {
    /// The application with these endpoints.
    fn new(
        mut settings: ClientApplicationBuilder,
        metadata: ProviderMetadata,
        known: &Known,
    ) -> Result<Self, Error> {
        let missing = || Error::from(SignInFailure::NotOffered { missing: "token endpoint" });
        let token_endpoint = metadata.token_endpoint.as_deref().ok_or_else(missing)?;
        let mut endpoint =
            HttpEndpoint::new(token_endpoint)?.with_root_certificates(settings.roots.clone());
        if let Some(address) = &metadata.revocation_endpoint {
            endpoint = endpoint.revocation_endpoint(address, &*settings.client_id)?;
        }
        if let Some((method, secret)) = &mut settings.client_secret {
            let secret = secret.expose_str().unwrap_or_default();
            endpoint = match *method.get_or_insert_with(|| listed_method(&metadata)) {
                ClientAuthMethod::ClientSecretPost => endpoint.client_secret_post(secret),
                _ => endpoint.client_secret_basic(secret),
            };
        }
        let listed = metadata.scopes_supported.as_deref();
        let is_offered = |scope: &str| {
            scope != OFFLINE_ACCESS || listed.is_none_or(|all| all.iter().any(|one| one == scope))
        };
        let mut scopes: Vec<String> = Vec::new();
        let further = known.scopes.iter().copied().filter(|scope| is_offered(scope));
        for scope in further.chain(settings.scopes.iter().map(String::as_str)) {
            if !scopes.iter().any(|one| one == scope) {
                scopes.push(scope.to_owned());
            }
        }
        let app = Self { metadata, settings, scopes, endpoint };
        // Found out before the user signs in.
        app.request().place()?;
        Ok(app)
    }

    /// What the provider announces, with the addresses that were given instead.
    pub fn metadata(&self) -> &ProviderMetadata {
        &self.metadata
    }

    /// The scopes that a sign-in asks for.
    pub fn scopes(&self) -> &[String] {
        &self.scopes
    }

    /// The host of the provider, to show to the user.
    pub fn provider(&self) -> String {
        Address::parse(self.authority()).map(|address| address.host).unwrap_or_default()
    }

    /// The redirect address at this port of this machine, for
    /// [`initiate_auth_code_flow`](Self::initiate_auth_code_flow). Most providers compare all of it
    /// but the port (RFC 8252, section 7.3).
    pub fn redirect_uri(&self, port: u16) -> String {
        let known = self.known();
        format!("http://{}:{port}{}", known.redirect_host, known.redirect_path)
    }

    /// The request for a token of this program: for
    /// [`acquire_token_silent_with`](crate::PersistedTokenCache::acquire_token_silent_with).
    pub fn request(&self) -> TokenRequest {
        let request = TokenRequest::new(&*self.settings.client_id, self.authority(), &self.scopes);
        match self.settings.resources.as_slice() {
            [resource] => request.resource(resource),
            _ => request,
        }
    }

    /// The token endpoint, for
    /// [`acquire_token_silent_with`](crate::PersistedTokenCache::acquire_token_silent_with) and
    /// [`sign_out_with`](crate::PersistedTokenCache::sign_out_with).
    pub fn endpoint(&self) -> HttpEndpoint {
        self.endpoint.clone()
    }

    /// The record of a sign-in of this program at `now` in Unix seconds.
    pub fn record(&self, now: u64) -> SignInRecord {
        let metadata = &self.metadata;
        let mut record = SignInRecord::new(&*self.settings.client_id, self.authority())
            .with_scopes(&self.scopes)
            .with_updated(now);
        if let Some(address) = &metadata.token_endpoint {
            record = record.with_token_endpoint(address);
        }
        if let Some(address) = &metadata.device_authorization_endpoint {
            record = record.with_device_authorization_endpoint(address);
        }
        if let Some(address) = &metadata.revocation_endpoint {
            record = record.with_revocation_endpoint(address);
        }
        if let Some(address) = &metadata.userinfo_endpoint {
            record = record.with_userinfo_endpoint(address);
        }
        record = match &self.settings.client_secret {
            None => record.with_auth_method(ClientAuthMethod::None),
            Some((method, secret)) => record
                .with_auth_method(method.unwrap_or(ClientAuthMethod::ClientSecretBasic))
                .with_client_secret(secret.expose_str().unwrap_or_default()),
        };
        if let Some(audience) = &self.settings.audience {
            record = record.with_audience(audience);
        }
        if !self.settings.resources.is_empty() {
            record = record.with_resources(&self.settings.resources);
        }
        if let Some(program) = &self.settings.written_by {
            record = record.with_written_by(program);
        }
        record
    }

    /// The issuer by which the tokens are kept: as the provider spells it, but in Microsoft's
    /// clouds the authority, because their issuer is not an address there.
    fn authority(&self) -> &str {
        match self.known().has_client_info {
            true => &self.settings.issuer,
            false => &self.metadata.issuer,
        }
    }

    pub(super) fn known(&self) -> &'static Known {
        Known::of(&self.settings.issuer)
    }

    /// Sends a form to an endpoint as this client.
    pub(super) fn send(
        &self,
        address: &str,
        fields: &[(&str, &str)],
        limit: Duration,
    ) -> Result<TokenReply, crate::silent::ExchangeError> {
        self.endpoint.send(address, fields, limit)
    }

    /// Sends a form to the token endpoint.
    pub(super) fn exchange(
        &self,
        fields: &[(&str, &str)],
        limit: Duration,
    ) -> Result<TokenReply, crate::silent::ExchangeError> {
        let address = self.metadata.token_endpoint.as_deref().unwrap_or_default();
        self.endpoint.send(address, fields, limit)
    }
}

/// How a client with a secret authenticates itself. Basic authentication is the default (RFC 8414,
/// section 2), and what a provider must support (RFC 6749, section 2.3.1).
fn listed_method(metadata: &ProviderMetadata) -> ClientAuthMethod {
    let listed = metadata.token_endpoint_auth_methods_supported.as_deref().unwrap_or_default();
    let is_listed =
        |method: ClientAuthMethod| listed.iter().any(|listed| listed == method.as_str());
    let (basic, post) = (ClientAuthMethod::ClientSecretBasic, ClientAuthMethod::ClientSecretPost);
    if !is_listed(basic) && is_listed(post) { post } else { basic }
}
