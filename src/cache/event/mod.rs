//! A sign-in as an event, and the entries that it makes.

pub(super) mod claims;
pub(super) mod ext_cache_key;
mod fields;
mod getters;
mod json;
mod refusal;

use std::fmt;

use zeroize::Zeroizing;

use crate::{
    Error,
    cache::{
        entry::builder::Draft,
        entry::{ASKED, Entry, ISSUER, NO_EXPIRY},
        json::quoted,
        owner::{APPS_GRANT, GRANT_TYPE, NOBODY, USERS_GRANT, is_apps, owner},
        schema::{AuthorityType, CredentialType},
        scope::ScopeRule,
        section::lookup_token,
        time,
    },
};

/// The result of one sign-in or of one renewal of tokens.
///
/// Read an event in msal's format with [`from_json`](Self::from_json), or create it from a
/// provider's response with [`from_response`](Self::from_response). `Debug` prints no secret.
///
/// ```
/// use tokenkeep::{PersistedTokenCache, SignInEvent, TokenRequest};
///
/// let request = TokenRequest::new("client", "https://github.example/login", ["repo"]);
/// let answer = br#"{"access_token": "gho_16C7", "expires_in": 28800}"#;
/// // This provider does not say who signed in, so the program does.
/// let event = SignInEvent::from_response(&request, answer)?.account("42", "ada");
/// let cache = PersistedTokenCache::in_memory();
/// cache.add(&event)?;
/// assert_eq!(cache.accounts()?[0].username(), "ada");
/// # Ok::<(), tokenkeep::Error>(())
/// ```
#[derive(Clone, Default)]
pub struct SignInEvent {
    pub(super) client_id: Option<String>,
    pub(super) scopes: Vec<String>,
    pub(super) environment: Option<String>,
    pub(super) realm: Option<String>,
    /// The issuer as the request spells it. `None` in Microsoft's clouds, and if it is not known.
    pub(super) issuer: Option<String>,
    pub(super) grant_type: Option<String>,
    /// The user name to show if the provider sent none, as a canonical token.
    pub(super) username: Option<String>,
    pub(super) authority_type: Option<Option<String>>,
    pub(super) local_account_id: Option<Option<String>>,
    pub(super) skip_account: bool,
    /// The key id of a bound token, as a canonical token.
    pub(super) key_id: Option<String>,
    pub(super) ext_cache_key: Option<String>,
    pub(super) response: Response,
    pub(super) identity: Identity,
    /// What the request asked for. `None` if that is not known.
    pub(super) asked: Option<Asked>,
}

/// What a request asked for.
#[derive(Clone)]
pub(super) struct Asked {
    /// The requested scopes, written as in an entry's `target`.
    pub(super) target: String,
    pub(super) app_only: bool,
}

/// The response of a token endpoint.
#[derive(Clone, Default)]
pub(super) struct Response {
    pub(super) access_token: Option<Zeroizing<String>>,
    pub(super) refresh_token: Option<Zeroizing<String>>,
    pub(super) id_token: Option<Zeroizing<String>>,
    /// A canonical token.
    pub(super) token_type: Option<String>,
    pub(super) expires_in: Option<i64>,
    pub(super) expires_on: Option<i64>,
    pub(super) ext_expires_in: Option<i64>,
    pub(super) refresh_in: Option<i64>,
    /// For how many seconds the refresh token is valid. 0 if it does not end.
    pub(super) refresh_token_expires_in: Option<i64>,
    /// There is neither a lifetime nor a refresh token.
    pub(super) is_lasting: bool,
    /// A canonical token.
    pub(super) family_id: Option<String>,
}

/// Who signed in.
#[derive(Clone, Default)]
pub(super) struct Identity {
    pub(super) home_account_id: Option<String>,
    pub(super) is_user: bool,
    /// The provider's response says who signed in.
    pub(super) is_from_provider: bool,
    /// A canonical token.
    pub(super) local_account_id: Option<String>,
    /// A canonical token.
    pub(super) username: Option<String>,
    /// The claims `iss` and `sub` of the ID token.
    pub(super) issuer: Option<String>,
    pub(super) subject: Option<String>,
}

impl SignInEvent {
    /// Sets the grant type of the sign-in, such as `authorization_code`.
    #[must_use]
    pub fn grant_type(mut self, grant_type: impl Into<String>) -> Self {
        self.grant_type = Some(grant_type.into());
        self
    }

    /// Sets the account of the sign-in: its home account id and the user name to show. Use it for a
    /// provider whose response does not say who signed in.
    ///
    /// The id is what the provider's API calls the user, such as a number or a login name. It must
    /// be the same at each sign-in. If the response has `client_info` or an ID token, these
    /// identify the user, and the user name is shown only if they have none.
    #[must_use]
    pub fn account(
        mut self,
        home_account_id: impl Into<String>,
        username: impl Into<String>,
    ) -> Self {
        self.belongs_to(home_account_id.into());
        self.username(username)
    }

    /// Sets the account that the provider named elsewhere, or that the user did.
    #[cfg(all(feature = "desktop", feature = "ureq"))]
    pub(crate) fn of_user(self, home_account_id: String, username: String) -> Self {
        let mut event = self.account(home_account_id, username);
        event.identity.is_from_provider = true;
        event
    }

    /// Sets the account unless the provider's response names it.
    pub(super) fn belongs_to(&mut self, home_account_id: String) {
        if !self.identity.is_from_provider && !home_account_id.is_empty() {
            self.identity.local_account_id = Some(quoted(&home_account_id));
            self.identity.home_account_id = Some(home_account_id);
            self.identity.is_user = true;
        }
    }

    /// Sets the user name to show if the provider's response has none.
    ///
    /// If nothing else identifies the account, this user name does. The home account id is then
    /// that of the request, or if the request has none, the user name.
    #[must_use]
    pub fn username(mut self, username: impl Into<String>) -> Self {
        let username = username.into();
        if !self.identity.is_user && !username.is_empty() {
            let home = self.identity.home_account_id.get_or_insert_with(|| username.clone());
            self.identity.local_account_id = Some(quoted(home));
            self.identity.is_user = true;
        }
        self.username = Some(quoted(&username));
        self
    }

    /// Omits the account entry, as for a renewal.
    #[must_use]
    pub fn without_account(mut self) -> Self {
        self.skip_account = true;
        self
    }

    /// The entries of the event at `now` (Unix seconds), in the order in which they are written.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if `now` is out of range, or if the event's names are longer than
    /// [`NAMES_LIMIT`].
    pub(super) fn entries(&self, now: u64) -> Result<Vec<Entry>, Error> {
        let now = i64::try_from(now).map_err(|_| Error::Invalid {
            detail: "the time of the sign-in is out of range; check the clock".to_owned(),
        })?;
        self.check_names()?;
        let mut scopes: Vec<&str> = self.scopes.iter().map(String::as_str).collect();
        // By code point and with repetitions, as msal stores them.
        scopes.sort_unstable();
        let target = scopes.join(" ");
        let mut entries = Vec::with_capacity(5);
        if let Some(secret) = &self.response.access_token {
            let token = self.token_entry(secret, &target, now);
            entries.push(match &self.asked {
                Some(asked) => with_asked(&token, &target, asked),
                None => token,
            });
        }
        if self.identity.is_user && !self.skip_account {
            entries.push(self.account_entry());
        }
        if let Some(secret) = &self.response.id_token {
            let mut draft = self.credential(CredentialType::IdToken, secret);
            draft.optional("realm", self.realm.as_deref());
            draft.optional("client_id", self.client_id.as_deref());
            entries.push(self.finish(draft));
        }
        if let Some(secret) = &self.response.refresh_token {
            let mut draft = self.credential(CredentialType::RefreshToken, secret);
            draft.optional("client_id", self.client_id.as_deref());
            draft.text("target", &target);
            draft.text("last_modification_time", &now.to_string());
            self.family(&mut draft);
            entries.push(self.finish(draft));
        }
        // Written at each sign-in, as msal does, even without a family.
        let mut draft = Draft::new(CredentialType::AppMetadata);
        draft.optional("client_id", self.client_id.as_deref());
        draft.optional("environment", self.environment.as_deref());
        self.family(&mut draft);
        entries.push(self.finish(draft));
        Ok(entries)
    }

    /// Limits the length of the names, because every entry and its key repeat them.
    fn check_names(&self) -> Result<(), Error> {
        let names = [&self.client_id, &self.environment, &self.realm, &self.ext_cache_key];
        let names = names.into_iter().chain([&self.identity.home_account_id, &self.issuer]);
        let names = names.flatten();
        let size: u64 = names.chain(&self.scopes).map(|name| name.len() as u64 + 1).sum();
        if size > NAMES_LIMIT {
            let detail = format!(
                "client id, authority, account and scopes of a sign-in have {size} bytes together, \
                 at most {NAMES_LIMIT} are kept"
            );
            return Err(Error::Invalid { detail });
        }
        Ok(())
    }

    fn token_entry(&self, secret: &str, target: &str, now: i64) -> Entry {
        let response = &self.response;
        let until = |end: i64| end.saturating_sub(now);
        // `expires_in` first: it does not depend on the provider's clock.
        let lifetime = response.expires_in.or(response.expires_on.map(until));
        let lifetime = lifetime.unwrap_or(DEFAULT_LIFETIME);
        let extended = response.ext_expires_in.unwrap_or(lifetime);
        let mut draft = self.credential(CredentialType::AccessToken, secret);
        draft.optional("client_id", self.client_id.as_deref());
        draft.text("target", target);
        draft.optional("realm", self.realm.as_deref());
        let token_type = response.token_type.as_deref();
        draft.member(&quoted("token_type"), token_type.unwrap_or("\"Bearer\""));
        draft.text("cached_at", &now.to_string());
        draft.text("expires_on", &time::after(now, lifetime));
        draft.text("extended_expires_on", &time::after(now, extended));
        if let Some(token) = &self.key_id {
            draft.member(&quoted("key_id"), token);
        }
        if let Some(key) = &self.ext_cache_key {
            draft.text("ext_cache_key", key);
        }
        if let Some(seconds) = response.refresh_in {
            draft.text("refresh_on", &time::after(now, seconds));
        }
        // In Microsoft's clouds nothing is added to what msal writes.
        if response.is_lasting && self.issuer.is_some() {
            draft.text(NO_EXPIRY, "true");
        }
        self.finish(draft)
    }

    fn account_entry(&self) -> Entry {
        let username = self.identity.username.as_deref().or(self.username.as_deref());
        let local = match &self.local_account_id {
            Some(stated) => stated.as_deref().map(quoted),
            None => self.identity.local_account_id.clone(),
        };
        let kind = match self.realm.as_deref() {
            // ADFS has this word in its addresses in place of a tenant.
            Some("adfs") => AuthorityType::Adfs,
            _ => AuthorityType::Mssts,
        };
        let mut draft = Draft::new(CredentialType::Account);
        draft.optional("home_account_id", self.identity.home_account_id.as_deref());
        draft.optional("environment", self.environment.as_deref());
        draft.optional("realm", self.realm.as_deref());
        draft.member(&quoted("local_account_id"), local.as_deref().unwrap_or("null"));
        draft.member(&quoted("username"), username.unwrap_or("\"\""));
        let authority_type = self.authority_type.as_ref();
        let authority_type = authority_type.map_or(Some(kind.as_str()), |stated| stated.as_deref());
        draft.optional("authority_type", authority_type);
        if let Some(grant) = self.grant_type.as_deref().filter(|grant| SIGN_INS.contains(grant)) {
            draft.text("account_source", grant);
        }
        self.finish(draft)
    }

    /// Starts an entry with the fields that all credentials have.
    fn credential(&self, kind: CredentialType, secret: &str) -> Draft {
        let mut draft = Draft::new(kind);
        draft.text("credential_type", kind.as_str());
        draft.text("secret", secret);
        draft.optional("home_account_id", self.identity.home_account_id.as_deref());
        draft.optional("environment", self.environment.as_deref());
        draft
    }

    /// Adds the issuer, which every entry has outside Microsoft's clouds.
    fn finish(&self, mut draft: Draft) -> Entry {
        if let Some(issuer) = &self.issuer {
            draft.text(ISSUER, issuer);
        }
        draft.finish()
    }

    fn family(&self, draft: &mut Draft) {
        if let Some(family) = &self.response.family_id {
            draft.member(&quoted("family_id"), family);
        }
    }
}

impl fmt::Debug for SignInEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignInEvent")
            .field("client_id", &self.client_id)
            .field("environment", &self.environment)
            .field("realm", &self.realm)
            .finish_non_exhaustive()
    }
}

/// Adds the requested scopes to an access token if the granted scopes do not cover them. Adds the
/// grant type to an app-only token, and to a user's token that would be taken for an app-only one.
fn with_asked(token: &Entry, granted: &str, asked: &Asked) -> Entry {
    let mut further: Vec<(String, Zeroizing<String>)> = Vec::new();
    let rule = ScopeRule::of(lookup_token(token.token("environment")));
    if !rule.covers(granted, &asked.target) {
        further.push((quoted(ASKED), Zeroizing::new(quoted(&asked.target))));
    }
    let grant = match asked.app_only {
        true => Some(APPS_GRANT),
        false => (owner(token) == NOBODY && is_apps(token)).then_some(USERS_GRANT),
    };
    further.extend(grant.map(|grant| (quoted(GRANT_TYPE), Zeroizing::new(grant.to_owned()))));
    match further.is_empty() {
        true => token.clone(),
        false => token.with(&further),
    }
}

/// Limit on client id, authority, account and scopes together, in bytes.
const NAMES_LIMIT: u64 = 1 << 20;

/// The lifetime of an access token in seconds if the provider does not say.
const DEFAULT_LIFETIME: i64 = 600;

/// The grant types that sign a user in, as msal lists them.
const SIGN_INS: [&str; 5] = [
    "broker",
    "authorization_code",
    "password",
    "urn:ietf:params:oauth:grant-type:device_code",
    "user_fic",
];
