//! Describes a program as its provider knows it.

use ureq::tls::RootCerts;

use super::ClientApplication;
use crate::{
    ClientAuthMethod, Error, Secret,
    cache::{Address, is_microsoft, is_of_customers},
    sign_in::known::{Known, TENANT},
    silent::{ProviderMetadata, endpoint_address, root_certificates},
};

/// Describes a [`ClientApplication`].
#[derive(Clone, Debug)]
#[must_use]
pub struct ClientApplicationBuilder {
    pub(in crate::sign_in) issuer: String,
    pub(in crate::sign_in) client_id: String,
    pub(in crate::sign_in) scopes: Vec<String>,
    /// `None` for the method: as the provider lists it.
    pub(in crate::sign_in) client_secret: Option<(Option<ClientAuthMethod>, Secret)>,
    pub(in crate::sign_in) roots: RootCerts,
    pub(in crate::sign_in) audience: Option<String>,
    pub(in crate::sign_in) resources: Vec<String>,
    pub(in crate::sign_in) login_hint: Option<String>,
    pub(in crate::sign_in) prompt: Option<String>,
    pub(in crate::sign_in) selects_account: bool,
    pub(in crate::sign_in) written_by: Option<String>,
    given: ProviderMetadata,
}

impl ClientApplication {
    /// Describes the client `client_id` of the provider whose issuer has this address.
    ///
    /// In Microsoft's clouds the issuer is an authority such as
    /// `https://login.microsoftonline.com/organizations`.
    pub fn builder(
        issuer: impl Into<String>,
        client_id: impl Into<String>,
    ) -> ClientApplicationBuilder {
        ClientApplicationBuilder {
            issuer: issuer.into().trim().to_owned(),
            client_id: client_id.into(),
            scopes: Vec::new(),
            client_secret: None,
            roots: RootCerts::PlatformVerifier,
            audience: None,
            resources: Vec::new(),
            login_hint: None,
            prompt: None,
            selects_account: false,
            written_by: None,
            given: ProviderMetadata::default(),
        }
    }
}

impl ClientApplicationBuilder {
    /// The scopes that the program needs. A sign-in also asks for `openid` and `profile`, and for
    /// `offline_access` if the provider lists it or lists no scopes.
    pub fn scopes<S: AsRef<str>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self {
        let scopes = scopes.into_iter();
        self.scopes = scopes
            .flat_map(|list| {
                list.as_ref().split_whitespace().map(str::to_owned).collect::<Vec<_>>()
            })
            .collect();
        self
    }

    /// The client authenticates itself with this secret, in a way that the provider lists
    /// (`token_endpoint_auth_methods_supported`): by HTTP Basic authentication if it lists that or
    /// nothing, else in the form if it lists that (RFC 8414, section 2).
    pub fn client_secret(mut self, secret: impl Into<String>) -> Self {
        self.client_secret = Some((None, Secret::new(secret.into())));
        self
    }

    /// The client authenticates itself by HTTP Basic authentication, `client_secret_basic` (RFC
    /// 6749, section 2.3.1).
    pub fn client_secret_basic(mut self, secret: impl Into<String>) -> Self {
        let secret = Secret::new(secret.into());
        self.client_secret = Some((Some(ClientAuthMethod::ClientSecretBasic), secret));
        self
    }

    /// The client authenticates itself in the form, `client_secret_post` (RFC 6749, section 2.3.1).
    pub fn client_secret_post(mut self, secret: impl Into<String>) -> Self {
        let secret = Secret::new(secret.into());
        self.client_secret = Some((Some(ClientAuthMethod::ClientSecretPost), secret));
        self
    }

    /// The API for which the tokens are, as Auth0 has it (`audience`).
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.audience = Some(audience.into());
        self
    }

    /// The resources for which the tokens are (RFC 8707).
    pub fn resources<S: Into<String>>(mut self, addresses: impl IntoIterator<Item = S>) -> Self {
        self.resources = addresses.into_iter().map(Into::into).collect();
        self
    }

    /// Who will sign in, as far as the program knows (`login_hint`). It is also the name of the
    /// account if the provider does not say who signed in.
    pub fn login_hint(mut self, name: impl Into<String>) -> Self {
        self.login_hint = Some(name.into());
        self
    }

    /// What the provider asks the user even if it need not: `login`, `consent` or `select_account`,
    /// or several of them with a space between (OpenID Connect Core 1.0, section 3.1.2.1). Only a
    /// sign-in with a browser has it.
    ///
    /// At Google `consent` is added, because a refresh token does not come without it. Nothing is
    /// added to `none`.
    pub fn prompt(mut self, prompt: impl Into<String>) -> Self {
        self.prompt = Some(prompt.into());
        self
    }

    /// Has the user choose an account (`prompt=select_account`) if the provider lists that in
    /// `prompt_values_supported`, or is known to have it as Microsoft, Google and GitHub are. Some
    /// others refuse the whole sign-in because of a value that they do not know. It is added to the
    /// values of [`prompt`](Self::prompt).
    pub fn select_account_if_supported(mut self) -> Self {
        self.selects_account = true;
        self
    }

    /// The program's name in the record of the sign-in.
    pub fn written_by(mut self, program: impl Into<String>) -> Self {
        self.written_by = Some(program.into());
        self
    }

    /// Trusts these certificates, in PEM, instead of those that the operating system trusts.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if there is no certificate, or one that cannot be read.
    pub fn root_certificates(mut self, pem: &[u8]) -> Result<Self, Error> {
        self.roots = root_certificates(pem)?;
        Ok(self)
    }

    /// Uses this address instead of the announced one. Then nothing is discovered.
    pub fn token_endpoint(mut self, address: impl Into<String>) -> Self {
        self.given.token_endpoint = Some(address.into());
        self
    }

    /// Uses this address instead of the announced one.
    pub fn authorization_endpoint(mut self, address: impl Into<String>) -> Self {
        self.given.authorization_endpoint = Some(address.into());
        self
    }

    /// Uses this address instead of the announced one.
    pub fn device_authorization_endpoint(mut self, address: impl Into<String>) -> Self {
        self.given.device_authorization_endpoint = Some(address.into());
        self
    }

    /// Uses this address instead of the announced one.
    pub fn revocation_endpoint(mut self, address: impl Into<String>) -> Self {
        self.given.revocation_endpoint = Some(address.into());
        self
    }

    /// Asks the issuer for its endpoints, unless the token endpoint was given or is known.
    ///
    /// The issuer is that of the metadata, which may differ from the given one by a slash at the
    /// end. GitHub announces nothing and is known.
    ///
    /// # Errors
    ///
    /// [`Error::SignInFailed`] if the metadata are of another issuer.
    /// [`Error::ProviderUnreachable`] and [`Error::ProviderUnavailable`] if they cannot be read.
    /// [`Error::ProviderAnswer`] if there are none, or if they name no token endpoint.
    /// [`Error::Invalid`] if an address cannot be used.
    pub fn discover(mut self) -> Result<ClientApplication, Error> {
        let known = Known::of(&self.issuer);
        let mut metadata = match (known.metadata(&self.issuer), &self.given.token_endpoint) {
            (Some(metadata), _) => metadata,
            (None, Some(_)) => ProviderMetadata::new(unannounced(&self.issuer)),
            (None, None) => ProviderMetadata::fetch(&self.issuer, &self.roots)?,
        };
        let given = &mut self.given;
        for (what, announced, given) in [
            ("token endpoint", &mut metadata.token_endpoint, &mut given.token_endpoint),
            (
                "authorization endpoint",
                &mut metadata.authorization_endpoint,
                &mut given.authorization_endpoint,
            ),
            (
                "device endpoint",
                &mut metadata.device_authorization_endpoint,
                &mut given.device_authorization_endpoint,
            ),
            (
                "revocation endpoint",
                &mut metadata.revocation_endpoint,
                &mut given.revocation_endpoint,
            ),
        ] {
            if let Some(address) = given.take() {
                *announced = Some(endpoint_address(what, &address)?);
            }
        }
        ClientApplication::new(self, metadata, known)
    }
}

/// The issuer whose metadata are not asked for. In Microsoft's clouds an authority does not say
/// which tenant the issuer has.
fn unannounced(issuer: &str) -> String {
    let host = Address::parse(issuer).map(|read| read.host).unwrap_or_default();
    match is_microsoft(&host) && !is_of_customers(&host) {
        true => format!("https://{host}/{TENANT}/v2.0"),
        false => issuer.to_owned(),
    }
}
