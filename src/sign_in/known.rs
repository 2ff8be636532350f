//! What single providers do in a way of their own.
//!
//! Each row says what was run against the provider and what is from its documentation.

use super::ProviderMetadata;
use crate::{
    ClientAuthMethod,
    cache::{Address, is_microsoft},
};

/// A provider, as far as a sign-in differs there.
pub(super) struct Known {
    /// Further parameters of the address that the browser opens.
    pub(super) authorization: &'static [(&'static str, &'static str)],
    /// What the user is always asked there (`prompt`).
    pub(super) prompt: Option<&'static str>,
    /// The revocation of one refresh token ends all of the user's sign-ins to the client.
    pub(super) revokes_all: bool,
    /// It lets the user choose an account (`prompt=select_account`), whether it says so or not.
    pub(super) has_select_account: bool,
    /// Scopes that are asked for besides those of the program.
    pub(super) scopes: &'static [&'static str],
    /// The host of the redirect: the provider compares it, but not the port.
    pub(super) redirect_host: &'static str,
    /// The path of the redirect.
    pub(super) redirect_path: &'static str,
    /// It is asked to name the account as all programs of Microsoft know it.
    pub(super) has_client_info: bool,
    /// The endpoints, for a provider that announces none.
    metadata: Option<Endpoints>,
}

/// The endpoints of a provider without metadata.
struct Endpoints {
    authorization: &'static str,
    token: &'static str,
    device: &'static str,
    userinfo: &'static str,
    auth_methods: &'static [ClientAuthMethod],
}

impl Known {
    /// The row of an issuer.
    pub(super) fn of(issuer: &str) -> &'static Self {
        let host = Address::parse(issuer).map(|address| address.host).unwrap_or_default();
        match host.as_str() {
            "accounts.google.com" => &GOOGLE,
            "github.com" => &GITHUB,
            host if is_microsoft(host) => &MICROSOFT,
            _ => &ANY,
        }
    }

    /// The metadata of an issuer that announces none.
    pub(super) fn metadata(&self, issuer: &str) -> Option<ProviderMetadata> {
        let endpoints = self.metadata.as_ref()?;
        let mut metadata = ProviderMetadata::new(issuer);
        let some = |address: &str| Some(address.to_owned());
        metadata.authorization_endpoint = some(endpoints.authorization);
        metadata.token_endpoint = some(endpoints.token);
        metadata.device_authorization_endpoint = some(endpoints.device);
        metadata.userinfo_endpoint = some(endpoints.userinfo);
        metadata.token_endpoint_auth_methods_supported =
            Some(endpoints.auth_methods.iter().map(|method| method.as_str().to_owned()).collect());
        Some(metadata)
    }
}

/// What OpenID Connect and RFC 8252 say. Run against oidc-provider and django-oauth-toolkit. Auth0,
/// Okta and Keycloak need nothing else by their documentation: Auth0's `audience` is the program's
/// to say, and an authorization server of Okta and a realm of Keycloak are issuers with a path.
const ANY: Known = Known {
    authorization: &[],
    prompt: None,
    revokes_all: false,
    has_select_account: false,
    scopes: &["openid", "profile", OFFLINE_ACCESS],
    redirect_host: "127.0.0.1",
    redirect_path: "/callback",
    has_client_info: false,
    metadata: None,
};

/// From the documentation of Microsoft's identity platform and what MSAL sends: `client_info`, and
/// a redirect to `http://localhost` without a path, which is registered for programs on a desktop.
const MICROSOFT: Known = Known {
    has_select_account: true,
    redirect_host: "localhost",
    redirect_path: "",
    has_client_info: true,
    ..ANY
};

/// From Google's documentation of OAuth for desktop programs: a refresh token comes with
/// `access_type=offline`, and again only with `prompt=consent`; there is no `offline_access`. A
/// revocation takes back what the user allowed the program, so the tokens of a newer sign-in end as
/// well.
const GOOGLE: Known = Known {
    authorization: &[("access_type", "offline")],
    prompt: Some("consent"),
    revokes_all: true,
    has_select_account: true,
    scopes: &["openid", "profile"],
    ..ANY
};

/// From GitHub's documentation of OAuth: it is no provider of OpenID Connect, and announces
/// nothing. It has no revocation that a program without a secret can use. A secret is one of the
/// parameters of the form.
const GITHUB: Known = Known {
    has_select_account: true,
    scopes: &[],
    metadata: Some(Endpoints {
        authorization: "https://github.com/login/oauth/authorize",
        token: "https://github.com/login/oauth/access_token",
        device: "https://github.com/login/device/code",
        userinfo: "https://api.github.com/user",
        auth_methods: &[ClientAuthMethod::ClientSecretPost],
    }),
    ..ANY
};

/// The scope that asks for a refresh token (OpenID Connect Core 1.0, section 11).
pub(super) const OFFLINE_ACCESS: &str = "offline_access";
/// What Microsoft's metadata have in place of a tenant.
pub(super) const TENANT: &str = "{tenantid}";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_provider_is_known_by_its_host() {
        for (issuer, revokes_all, has_client_info) in [
            ("https://accounts.google.com", true, false),
            ("https://login.microsoftonline.com/organizations", false, true),
            ("https://accounts.google.com.evil.example", false, false),
            ("https://id.example.org", false, false),
        ] {
            let known = Known::of(issuer);
            assert_eq!(
                (known.revokes_all, known.has_client_info),
                (revokes_all, has_client_info),
                "{issuer}"
            );
        }
    }
}
