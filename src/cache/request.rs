//! The request for an access token.

mod equality;
mod fingerprint;
mod getters;
mod lookup;

use std::{
    collections::BTreeSet,
    fmt,
    hash::{Hash, Hasher},
    sync::Arc,
    time::Duration,
};

use zeroize::Zeroizing;

use crate::{
    Error,
    cache::{
        accounts::Account,
        authority::{Authority, is_microsoft},
        entry::scopes_in,
        event::ext_cache_key::ext_cache_key,
    },
};

pub(crate) use self::lookup::Lookup;

/// A request for an access token: client, authority, scopes, and optionally an account.
///
/// Create a request once and reuse it: its creation computes the values that lookups need. Two
/// requests are equal if they ask for the same token. The order of the scopes does not matter.
///
/// ```
/// use std::time::Duration;
/// use tokenkeep::TokenRequest;
///
/// let authority = "https://login.microsoftonline.com/organizations";
/// let request = TokenRequest::new("my-client-id", authority, ["User.Read", "Mail.Read"])
///     .margin(Duration::from_secs(60));
/// // A list in one string is the same request.
/// assert!(request == TokenRequest::new("my-client-id", authority, ["Mail.Read User.Read"])
///     .margin(Duration::from_secs(60)));
/// ```
#[derive(Clone)]
pub struct TokenRequest {
    client_id: String,
    authority: String,
    place: Option<Authority>,
    scopes: Vec<String>,
    home_account_id: Option<String>,
    app_only: bool,
    key_id: Option<String>,
    ext_cache_key: Option<String>,
    /// The further parameters themselves, for the form.
    data: Vec<(String, String)>,
    margin: Option<Duration>,
    claims: Option<String>,
    capabilities: Vec<String>,
    resource: Option<String>,
    refused: Option<Arc<RefusedToken>>,
    lookup: Option<Lookup>,
}

impl TokenRequest {
    /// A request by the client `client_id` to `authority`, such as
    /// `https://login.microsoftonline.com/TENANT`, for a token that has all `scopes`.
    ///
    /// A text that contains white space is a list of scopes. The order of the scopes does not
    /// matter, nor does a scope that is named twice. `openid`, `profile`, `email`, `address`,
    /// `phone` and `offline_access` do not decide which token is found, because providers leave
    /// them out of the granted scopes. A request for only these scopes, or [without
    /// scopes](Self::without_scopes), finds any token of the account.
    ///
    /// The authority must be an https address, or an http address of this machine. All other
    /// programs must read the same host in it. If it is not such an address, the call that uses the
    /// request returns [`Error::Invalid`].
    ///
    /// In Microsoft's clouds, the host and the first segment of the path identify an authority, as
    /// in MSAL. Elsewhere the authority is the address of the issuer and may have any path and
    /// port: scheme, host, port and path identify it, but for one `/` at the end. So the realms of
    /// one server have tokens of their own. Entries that this crate stores have a field `issuer`
    /// for this. Entries that other programs store do not. They are found by host and tenant, as
    /// long as the cache knows no other issuer of that host.
    pub fn new(
        client_id: impl Into<String>,
        authority: impl Into<String>,
        scopes: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> Self {
        let authority = authority.into();
        Self {
            client_id: client_id.into(),
            // The call that uses the request parses it again, for the error.
            place: Authority::parse(&authority).ok(),
            authority,
            scopes: each_once(scopes),
            home_account_id: None,
            app_only: false,
            key_id: None,
            ext_cache_key: None,
            data: Vec::new(),
            margin: None,
            claims: None,
            capabilities: Vec::new(),
            resource: None,
            refused: None,
            lookup: None,
        }
        .prepared()
    }

    /// A request without scopes. It asks for the scopes that the provider grants by default. It
    /// finds any valid token of the account, client and authority.
    pub fn without_scopes(client_id: impl Into<String>, authority: impl Into<String>) -> Self {
        Self::new(client_id, authority, [""; 0])
    }

    /// Requests a token that has all `scopes`, as in [`new`](Self::new), instead of the scopes so
    /// far. The rest of the request stays.
    ///
    /// For programs that learn the scopes with each call, as from a client of an API.
    ///
    /// ```
    /// use tokenkeep::TokenRequest;
    ///
    /// let authority = "https://login.microsoftonline.com/organizations";
    /// let request = TokenRequest::without_scopes("my-client-id", authority);
    /// let mail = request.clone().with_scopes(["Mail.Read"]);
    /// assert!(mail == TokenRequest::new("my-client-id", authority, ["Mail.Read"]));
    /// ```
    #[must_use]
    pub fn with_scopes(mut self, scopes: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        self.scopes = each_once(scopes);
        self.prepared()
    }

    /// Requests a token of this account, given its home account id. Replaces
    /// [`app_only`](Self::app_only).
    ///
    /// Without an account, a token of any account is found, as long as only one account has a valid
    /// token or a refresh token.
    #[must_use]
    pub fn account(mut self, home_account_id: impl Into<String>) -> Self {
        self.home_account_id = Some(home_account_id.into());
        self.app_only = false;
        self.prepared()
    }

    /// Requests a token of this account. Replaces [`app_only`](Self::app_only).
    #[must_use]
    pub fn for_account(self, account: &Account) -> Self {
        self.account(account.home_account_id())
    }

    /// Requests a token for the application itself, not for a user. The application gets such a
    /// token with its own credentials (`client_credentials`). No other request finds this token,
    /// and this request finds no other token. Replaces [`account`](Self::account).
    ///
    /// In the schema, an app-only token is a token without an account. This crate marks the tokens
    /// that it keeps for such a request with a field `grant_type`. Tokens without this field count
    /// as app-only in two cases. Either all their scopes end in `/.default`, as Microsoft's clouds
    /// require, or they belong to a managed identity.
    #[must_use]
    pub fn app_only(mut self) -> Self {
        self.app_only = true;
        self.home_account_id = None;
        self.prepared()
    }

    /// Requests a token that stays valid for at least `margin`.
    ///
    /// The default is 300 s as in MSAL, or a quarter of the token's lifetime if that is less.
    #[must_use]
    pub fn margin(mut self, margin: Duration) -> Self {
        self.margin = Some(margin);
        self
    }

    /// Requests a token that is bound to this key. Without a key, no token that is bound to a key
    /// is found.
    #[must_use]
    pub fn key_id(mut self, key_id: impl Into<String>) -> Self {
        self.key_id = Some(key_id.into());
        self
    }

    /// Sets further parameters of the request's body; see [`ext_cache_key`]. A
    /// [`Spend`](crate::silent::Spend) sends them.
    #[must_use]
    pub fn data<'d>(mut self, data: impl IntoIterator<Item = (&'d str, &'d str)>) -> Self {
        let data: Vec<(&str, &str)> = data.into_iter().collect();
        self.ext_cache_key = ext_cache_key(data.iter().copied());
        self.data = data.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        self
    }

    /// Sets the extended cache key as it is stored in the cache. An empty key means none.
    ///
    /// The parameters that it stands for are not known from it, so a request with one finds tokens
    /// and cannot renew them. [`data`](Self::data) can.
    #[must_use]
    pub fn ext_cache_key(mut self, key: impl Into<String>) -> Self {
        self.ext_cache_key = Some(key.into()).filter(|key: &String| !key.is_empty());
        self.data.clear();
        self
    }

    /// Asks the provider for these claims, which is how an API or a provider wants more of a
    /// sign-in: the claims challenge of a `WWW-Authenticate` header, decoded to its JSON text.
    ///
    /// No token of the cache answers such a request, because it does not say for which claims it
    /// was issued. The token that the provider issues is stored as usual.
    ///
    /// Claims are a JSON object (OpenID Connect Core, section 5.5). With others, a call that would
    /// ask the provider returns [`Error::Invalid`], and spends nothing.
    #[must_use]
    pub fn claims(mut self, json: impl Into<String>) -> Self {
        self.claims = Some(json.into()).filter(|claims: &String| !claims.is_empty());
        self
    }

    /// Tells the provider what the program can do, as `client_capabilities` of MSAL's applications.
    /// The one that Microsoft's clouds know is `CP1`: the program handles a claims challenge of an
    /// API, see [`claims`](Self::claims). They then issue tokens that live for up to 28 hours, and
    /// end earlier if something happens to the account.
    ///
    /// The capabilities are sent with each request to the provider, as the claim `xms_cc` of the
    /// access token. They do not decide which token of the cache answers. So programs that share a
    /// cache and an id have to agree on them.
    #[must_use]
    pub fn client_capabilities(
        mut self,
        names: impl IntoIterator<Item = impl Into<String>>,
    ) -> Self {
        self.capabilities = names.into_iter().map(Into::into).collect();
        self
    }

    /// Asks the provider for a token for this resource, an address (RFC 8707). The cache does not
    /// tell tokens apart by it, so give each resource scopes of its own.
    #[must_use]
    pub fn resource(mut self, address: impl Into<String>) -> Self {
        self.resource = Some(address.into()).filter(|address: &String| !address.is_empty());
        self
    }

    /// Refuses the token with this secret and caching time, and older ones.
    pub(super) fn refusing(mut self, secret: &str, cached_at: Option<i64>) -> Self {
        let secret = Zeroizing::new(secret.to_owned());
        self.refused = Some(Arc::new(RefusedToken { secret, cached_at }));
        self
    }

    /// The request sets no key, no claims, no extended cache key, no refused token and no margin.
    pub(crate) fn is_plain(&self) -> bool {
        self.key_id.is_none()
            && self.refused.is_none()
            && self.claims.is_none()
            && self.ext_cache_key.is_none()
            && self.margin.is_none()
    }

    /// The number of seconds that the token must stay valid, or `None` for the default margin.
    pub(crate) fn least_left(&self) -> Option<i64> {
        // Rounded up: a token must not have less time left than the margin.
        let whole = |margin: Duration| {
            margin.as_secs().saturating_add(u64::from(margin.subsec_nanos() > 0))
        };
        self.margin.map(|margin| i64::try_from(whole(margin)).unwrap_or(i64::MAX))
    }

    pub(crate) fn requested_claims(&self) -> Option<&str> {
        self.claims.as_deref()
    }

    pub(crate) fn requested_capabilities(&self) -> &[String] {
        &self.capabilities
    }

    /// Whether a token with this secret and caching time may answer the request at `now`.
    pub(crate) fn accepts(&self, secret: Option<&str>, cached_at: Option<i64>, now: i64) -> bool {
        self.refused.as_ref().is_none_or(|refused| {
            // If the clock was set back since, the times cannot be compared.
            let is_comparable = refused.cached_at.is_some_and(|at| at <= now);
            secret != Some(refused.secret.as_str())
                && (!is_comparable || cached_at >= refused.cached_at)
        })
    }

    /// The secret of the access token that an API refused.
    pub(crate) fn refused_secret(&self) -> Option<&str> {
        self.refused.as_ref().map(|refused| refused.secret.as_str())
    }

    /// What a provider may refuse although it accepts the refresh token.
    #[cfg(feature = "desktop")]
    pub(crate) fn asked(&self) -> String {
        let given = |text: &Option<String>| text.clone().unwrap_or_default();
        let further =
            [&self.claims, &self.resource, &self.key_id, &self.ext_cache_key].map(given).join("\0");
        let mut capabilities = self.capabilities.clone();
        capabilities.sort_unstable();
        format!("{}\0{further}\0{}", self.target(), capabilities.join("\0"))
    }

    pub(crate) fn requested_resource(&self) -> Option<&str> {
        self.resource.as_deref()
    }

    /// The further parameters of the body.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if only the key that stands for them is known.
    pub(crate) fn further_parameters(&self) -> Result<&[(String, String)], Error> {
        match self.ext_cache_key.is_some() && self.data.is_empty() {
            true => Err(Error::Invalid {
                detail: "the request names an extended cache key; name its parameters with `data`"
                    .into(),
            }),
            false => Ok(&self.data),
        }
    }

    pub(crate) fn bound_key(&self) -> Option<&str> {
        self.key_id.as_deref()
    }

    pub(crate) fn extension(&self) -> Option<&str> {
        self.ext_cache_key.as_deref()
    }

    /// # Errors
    ///
    /// [`Error::Invalid`] if the authority cannot be used, see [`TokenRequest::new`].
    pub(crate) fn place(&self) -> Result<&Authority, Error> {
        match &self.place {
            Some(place) => Ok(place),
            None => Err(Authority::parse(&self.authority)
                .err()
                .unwrap_or(Error::Invalid { detail: "the authority cannot be used".to_owned() })),
        }
    }

    /// Whether the request is for a cloud of Microsoft.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if the authority cannot be used, see [`TokenRequest::new`].
    pub(crate) fn is_for_known_cloud(&self) -> Result<bool, Error> {
        Ok(is_microsoft(&self.place()?.environment))
    }

    /// The scopes as they are stored in an entry's `target`: sorted and separated by spaces.
    pub(crate) fn target(&self) -> String {
        let mut scopes: Vec<&str> = self.scopes.iter().map(String::as_str).collect();
        scopes.sort_unstable();
        scopes.join(" ")
    }
}

/// The scopes in these texts, each once and in their order.
fn each_once(scopes: impl IntoIterator<Item = impl AsRef<str>>) -> Vec<String> {
    let mut named: Vec<String> = Vec::new();
    let mut known = BTreeSet::new();
    for text in scopes {
        let new = scopes_in(text.as_ref()).filter(|scope| known.insert((*scope).to_owned()));
        named.extend(new.map(str::to_owned));
    }
    named
}

/// An access token that an API refused.
#[derive(PartialEq, Eq)]
struct RefusedToken {
    secret: Zeroizing<String>,
    cached_at: Option<i64>,
}

impl Hash for RefusedToken {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.secret.as_str(), self.cached_at).hash(state);
    }
}

impl fmt::Debug for TokenRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenRequest")
            .field("client_id", &self.client_id)
            .field("authority", &self.authority)
            .field("scopes", &self.scopes)
            .field("home_account_id", &self.home_account_id)
            .field("app_only", &self.app_only)
            .finish_non_exhaustive()
    }
}
