//! The authorization code flow with PKCE. Its requests are those of the crate oauth2.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use oauth2::{
    AuthType, AuthUrl, AuthorizationCode, ClientId, ClientSecret, CsrfToken, EndpointNotSet,
    EndpointSet, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, Scope, TokenUrl,
    basic::BasicClient,
};
use serde::Deserialize;
use tokenkeep::silent::TokenReply;

use crate::{
    CLIENT_ID, SCOPES,
    carrier::Carrier,
    parts::{Failure, endpoint::Endpoint, provider::CLIENT_SECRET, random::random},
    sessions::Begun,
};

/// Signs users in at one provider.
pub(crate) struct SignIn {
    client: BasicClient<EndpointSet, EndpointNotSet, EndpointNotSet, EndpointNotSet, EndpointSet>,
    endpoint: Endpoint,
    issuer: String,
}

/// What the provider's redirect brings.
#[derive(Deserialize)]
pub(crate) struct Callback {
    code: Option<String>,
    state: Option<String>,
    error: Option<String>,
}

/// The claims of an ID token that are looked at.
#[derive(Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    exp: u64,
    nonce: Option<String>,
}

impl SignIn {
    /// `own` is the origin of this application, which is registered at the provider.
    pub(crate) fn new(issuer: &str, own: &str, endpoint: Endpoint) -> Result<Self, Failure> {
        let client = BasicClient::new(ClientId::new(CLIENT_ID.into()))
            .set_client_secret(ClientSecret::new(CLIENT_SECRET.into()))
            .set_auth_type(AuthType::RequestBody)
            .set_auth_uri(AuthUrl::new(format!("{issuer}/authorize"))?)
            .set_token_uri(TokenUrl::new(format!("{issuer}/token"))?)
            .set_redirect_uri(RedirectUrl::new(format!("{own}/signed-in"))?);
        Ok(Self { client, endpoint, issuer: issuer.to_owned() })
    }

    /// The issuer, which is the authority of requests.
    pub(crate) fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The address for the browser, and what its response is checked against.
    pub(crate) fn begin(&self) -> (String, Begun) {
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let nonce = random();
        let scopes = ["openid", "offline_access"].into_iter().chain(SCOPES);
        let (url, state) = self
            .client
            .authorize_url(CsrfToken::new_random)
            .add_scopes(scopes.map(|scope| Scope::new(scope.into())))
            .add_extra_param("nonce", &nonce)
            .set_pkce_challenge(challenge)
            .url();
        let (state, code_verifier) = (state.into_secret(), verifier.into_secret());
        (url.into(), Begun { state, nonce, code_verifier })
    }

    /// Exchanges the code. Returns the provider's response as it came, once it is checked.
    pub(crate) async fn finish(
        &self,
        begun: Begun,
        callback: Callback,
    ) -> Result<TokenReply, Failure> {
        if callback.state != Some(begun.state) {
            return Err("the response belongs to another sign-in".into());
        }
        if callback.error.is_some() {
            return Err("the provider refused the sign-in".into());
        }
        let code = callback.code.ok_or("the response has no code")?;
        let carrier = Carrier::new(self.endpoint.clone(), Duration::from_secs(10));
        self.client
            .exchange_code(AuthorizationCode::new(code))
            .set_pkce_verifier(PkceCodeVerifier::new(begun.code_verifier))
            .request_async(&carrier)
            .await?;
        let reply = carrier.last().ok_or("the provider did not answer")?;
        self.check(reply.body().expose(), &begun.nonce)?;
        Ok(reply)
    }

    /// Checks the ID token (OpenID Connect Core 1.0, section 3.1.3.7). It came from the token
    /// endpoint itself, so its signature need not be checked.
    fn check(&self, response: &[u8], nonce: &str) -> Result<(), Failure> {
        #[derive(Deserialize)]
        struct Response {
            id_token: String,
        }
        let response: Response = serde_json::from_slice(response)?;
        let claims = response.id_token.split('.').nth(1).ok_or("the ID token is none")?;
        let claims: Claims = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims)?)?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        let is_ours = claims.iss == self.issuer && claims.aud == CLIENT_ID;
        if !is_ours || claims.exp < now || claims.nonce.as_deref() != Some(nonce) {
            return Err("the ID token is for another sign-in".into());
        }
        Ok(())
    }
}
