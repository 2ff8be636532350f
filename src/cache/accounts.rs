//! The accounts of a cache.

use std::{
    collections::{HashMap, HashSet},
    hash::Hash,
};

use crate::{
    Error,
    cache::{
        TokenCache,
        account_issuers::AccountIssuers,
        authority::{Authority, aliases, cloud_name, issuer_name},
        entry::Entry,
        json::quoted,
        schema::{AuthorityType, CredentialType},
    },
};

/// A user or another identity that is signed in.
///
/// ```no_run
/// # let cache = tokenkeep::PersistedTokenCache::open("com.example.mytool")?;
/// for account in cache.accounts()? {
///     println!("{} ({})", account.username(), account.environment());
/// }
/// if let [only] = &cache.accounts()?[..] {
///     cache.sign_out_everywhere(only)?;
/// }
/// # Ok::<(), tokenkeep::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Account {
    home_account_id: String,
    environment: String,
    username: String,
    account_source: Option<String>,
    authority_type: AuthorityType,
    local_account_id: Option<String>,
    realm: Option<String>,
    issuer: Option<String>,
}

impl Account {
    /// The home account id, which identifies the account in all tenants.
    pub fn home_account_id(&self) -> &str {
        &self.home_account_id
    }

    /// The host of the authority.
    pub fn environment(&self) -> &str {
        &self.environment
    }

    /// The name of the account's cloud, as [`TokenRequest::cloud`](crate::TokenRequest::cloud).
    pub fn cloud(&self) -> String {
        cloud_name(&self.environment.to_ascii_lowercase()).to_owned()
    }

    /// The user name to show. Empty if the provider sent none.
    pub fn username(&self) -> &str {
        &self.username
    }

    /// The grant type of the sign-in. Returns `None` if the entry has none.
    pub fn account_source(&self) -> Option<&str> {
        self.account_source.as_deref()
    }

    /// The kind of service that issued the account.
    pub fn authority_type(&self) -> AuthorityType {
        self.authority_type
    }

    /// The local account id, which identifies the account within its tenant.
    pub fn local_account_id(&self) -> Option<&str> {
        self.local_account_id.as_deref()
    }

    /// The tenant as the address of the authority names it at the sign-in. It may be a name such as
    /// `organizations` instead of the id of the user's tenant.
    pub fn realm(&self) -> Option<&str> {
        self.realm.as_deref()
    }

    /// The address of the issuer, outside Microsoft's clouds. Returns `None` in them, and if the
    /// cache does not say which issuer of the host it is.
    pub fn issuer(&self) -> Option<&str> {
        self.issuer.as_deref()
    }

    /// The address of the account's authority, as [`TokenRequest::new`] takes it: the
    /// [issuer](Self::issuer), or if it is not known, the address of the host and the
    /// [tenant](Self::realm). Returns `None` if there is no such address.
    ///
    /// [`TokenRequest::new`]: crate::TokenRequest::new
    pub fn authority(&self) -> Option<String> {
        match &self.issuer {
            Some(issuer) => Some(issuer.clone()),
            None => Authority::address(&self.environment, self.realm.as_deref()),
        }
    }

    /// Returns `true` if an authority, such as `https://login.microsoftonline.com/TENANT`, is in
    /// this account's cloud. The tenant does not matter. Outside Microsoft's clouds, the authority
    /// must be the account's [issuer](Self::issuer), if that is known.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if `authority` is not the address of an authority.
    pub fn is_at(&self, authority: &str) -> Result<bool, Error> {
        let place = Authority::parse(authority)?;
        let is_there = cloud(&place.environment) == cloud(&self.environment);
        Ok(is_there && (self.issuer.is_none() || self.issuer_name() == place.issuer))
    }

    /// Returns `true` if an entry belongs to this account: it has the same home account id and is
    /// in the same cloud. Outside Microsoft's clouds, an entry that names its issuer must also name
    /// that of this account. An entry that names none may belong to accounts of several issuers of
    /// its host.
    ///
    /// The home account id is not enough, because small providers number their users.
    pub fn owns(&self, entry: &Entry) -> bool {
        entry.token("home_account_id") == Some(&quoted(&self.home_account_id))
            && entry.environment().is_some_and(|host| cloud(&host) == cloud(&self.environment))
            && (entry.issuer().is_none() || entry.issuer_name() == self.issuer_name())
    }

    /// The [issuer](Self::issuer) as it is compared.
    pub(super) fn issuer_name(&self) -> Option<String> {
        let issuer = self.issuer.as_deref()?;
        Some(issuer_name(issuer).unwrap_or_else(|| issuer.to_owned()))
    }

    pub(super) fn read(entry: &Entry) -> Option<Self> {
        let text = |name| entry.text(name).map(|text| text.into_owned());
        Some(Self {
            home_account_id: text("home_account_id")?,
            environment: text("environment")?,
            username: text("username").unwrap_or_default(),
            account_source: text("account_source"),
            authority_type: AuthorityType::from_name(&entry.text("authority_type")?)?,
            local_account_id: text("local_account_id"),
            realm: text("realm"),
            issuer: entry.issuer().map(|issuer| issuer.into_owned()),
        })
    }

    /// The account that a token names, as far as the token describes it.
    fn of_token(entry: &Entry) -> Option<Self> {
        let text = |name| entry.text(name).filter(|text| !text.is_empty());
        let realm = text("realm").map(|realm| realm.into_owned());
        Some(Self {
            home_account_id: text("home_account_id")?.into_owned(),
            environment: text("environment")?.into_owned(),
            username: String::new(),
            account_source: None,
            authority_type: match realm.as_deref() {
                Some("adfs") => AuthorityType::Adfs,
                _ => AuthorityType::Mssts,
            },
            local_account_id: None,
            realm,
            issuer: entry.issuer().map(|issuer| issuer.into_owned()),
        })
    }

    /// This account with its issuer, if its entry names none and the other entries show it.
    fn at_issuer(mut self, issuers: &mut AccountIssuers<'_>) -> Self {
        if self.issuer.is_none() {
            self.issuer = issuers.of(&self.home_account_id, &self.environment);
        }
        self
    }
}

impl TokenCache {
    /// Returns every signed-in account, once per cloud, in the order of first sign-in. Outside
    /// Microsoft's clouds, each issuer is a cloud of its own.
    ///
    /// If an account has several entries, such as one for each tenant, the last one in the order of
    /// the cache is returned. Entries without a home account id, environment or known authority
    /// type are not accounts. [`owners`](Self::owners) also returns accounts without an entry.
    pub fn accounts(&self) -> Vec<Account> {
        grouped(self.account_entries().into_iter(), whose)
    }

    /// Every entry of an account.
    fn account_entries(&self) -> Vec<Account> {
        let mut issuers = AccountIssuers::new(self);
        let read = self.entries(CredentialType::Account).filter_map(Account::read);
        read.map(|account| account.at_issuer(&mut issuers)).collect()
    }

    /// Returns the [`accounts`](Self::accounts), followed by the accounts of which only tokens are
    /// left, as after a sign-out of one client. The latter have no user name.
    pub fn owners(&self) -> Vec<Account> {
        let mut owners = self.accounts();
        let mut known: HashSet<_> = owners.iter().map(whose).collect();
        let mut issuers = AccountIssuers::new(self);
        let named = self.tokens().filter_map(Account::of_token);
        let named = named.map(|account| account.at_issuer(&mut issuers));
        owners.extend(named.filter(|account| known.insert(whose(account))));
        owners
    }

    /// Returns the access tokens, refresh tokens and ID tokens without an account: those without a
    /// home account id or without an environment. Examples are app-only tokens, and tokens of a
    /// provider that does not say who signed in.
    pub fn without_account(&self) -> impl Iterator<Item = &Entry> {
        self.tokens().filter(|entry| names_nobody(entry))
    }

    /// Returns the addresses of the authorities for which a client has access tokens of `account`.
    /// If `account` is `None`, tokens of all accounts count. A token without an account counts as a
    /// token of the only account that it can belong to. Tenants of one cloud are different
    /// authorities, and so are issuers of one host. Aliases of one host are the same authority.
    pub fn authorities(&self, client_id: &str, account: Option<&Account>) -> Vec<String> {
        let client = quoted(client_id);
        let mut seen = HashSet::new();
        self.entries(CredentialType::AccessToken)
            .filter(|entry| entry.token("client_id") == Some(&client))
            .filter_map(|entry| {
                let realm = entry.realm().filter(|realm| !realm.is_empty());
                let of_cloud = self.cloud_of(entry);
                let place = match of_cloud.place().issuer {
                    Some(issuer) => (cloud(&entry.environment()?), Some(issuer.to_owned())),
                    None => (cloud(&entry.environment()?), realm.map(|realm| realm.into_owned())),
                };
                let is_theirs = |account: &Account| {
                    account.owns(entry) || self.is_adopted(entry, &place.0, account)
                };
                if seen.contains(&place) || !account.is_none_or(is_theirs) {
                    return None;
                }
                let authority = match of_cloud.place().issuer {
                    // The issuer as the entry spells it, if it does.
                    Some(issuer) if entry.issuer().is_none() => Some(issuer.to_owned()),
                    _ => entry.authority(),
                };
                seen.insert(place);
                authority
            })
            .collect()
    }

    /// Whether a token without an account, which is in the cloud `of_cloud`, belongs to `account`.
    fn is_adopted(&self, token: &Entry, of_cloud: &str, account: &Account) -> bool {
        cloud(account.environment()) == of_cloud
            && self.adopter(token).is_some_and(|home| home == quoted(account.home_account_id()))
    }

    /// The access tokens, refresh tokens and ID tokens.
    pub(super) fn tokens(&self) -> impl Iterator<Item = &Entry> {
        TOKENS.into_iter().flat_map(move |kind| self.entries(kind))
    }

    /// Returns the accounts of an authority, such as `https://login.microsoftonline.com/TENANT`:
    /// those of its host. If there are none, returns those of the first alias of the host that has
    /// any. Outside Microsoft's clouds, returns those of the issuer, and those whose issuer is not
    /// known, unless the cache knows another issuer of the host.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if the address `authority` cannot be used, see
    /// [`TokenRequest::new`](crate::TokenRequest::new).
    pub fn accounts_of(&self, authority: &str) -> Result<Vec<Account>, Error> {
        let place = Authority::parse(authority)?;
        let known = self.account_entries();
        let is_uncertain =
            self.knows_another_issuer(&quoted(&place.environment), place.issuer.as_deref());
        let is_there = |account: &Account| match account.issuer_name() {
            None => !is_uncertain,
            issuer => issuer == place.issuer,
        };
        let under = |name: &str| {
            let here =
                known.iter().filter(|account| account.environment == name && is_there(account));
            grouped(here.cloned(), |account| account.home_account_id.clone())
        };
        let found = aliases(&place.environment).map(under).find(|accounts| !accounts.is_empty());
        Ok(found.unwrap_or_default())
    }

    /// Returns every account that `name` may refer to. `name` is a user name in any letter case, a
    /// home account id, or the local account id in any tenant. Accounts of which only tokens are
    /// left are included.
    ///
    /// If there are several accounts, ask the user to choose. No kind of name takes precedence,
    /// because a provider may give its user an id that is the name of another user.
    pub fn accounts_named(&self, name: &str) -> Vec<Account> {
        let wanted = name.to_lowercase();
        let is_named = |account: &Account| {
            account.home_account_id == name
                || account.local_account_id.as_deref() == Some(name)
                || (!wanted.is_empty() && account.username.to_lowercase() == wanted)
        };
        // A guest has a different name and local id in each tenant.
        let entries = self.account_entries();
        let named: HashSet<_> = entries.iter().filter(|one| is_named(one)).map(whose).collect();
        let mut accounts = self.owners();
        accounts.retain(|account| is_named(account) || named.contains(&whose(account)));
        accounts
    }
}

/// The values that all entries of one account share: the home account id, the cloud, and outside
/// Microsoft's clouds the issuer.
fn whose(account: &Account) -> (String, String, Option<String>) {
    let home = account.home_account_id.clone();
    (home, cloud(&account.environment), account.issuer_name())
}

/// A name for a host's cloud that is the same for all aliases of the host.
pub(super) fn cloud(environment: &str) -> String {
    let host = environment.to_lowercase();
    // Any rule would do that chooses the same alias for all of them.
    aliases(&host).min().unwrap_or_default().to_owned()
}

pub(super) fn names_nobody(entry: &Entry) -> bool {
    Account::of_token(entry).is_none()
}

/// Keeps one account per group: at the position of the first one, with the content of the last one.
fn grouped<G: Hash + Eq>(
    accounts: impl Iterator<Item = Account>,
    group: impl Fn(&Account) -> G,
) -> Vec<Account> {
    let mut places = HashMap::new();
    let mut found: Vec<Account> = Vec::new();
    for account in accounts {
        let next = found.len();
        let at = *places.entry(group(&account)).or_insert(next);
        if at == next {
            found.push(account);
        } else {
            found[at] = account;
        }
    }
    found
}

/// The kinds of entry that hold a secret of an account.
pub(super) const TOKENS: [CredentialType; 3] =
    [CredentialType::AccessToken, CredentialType::RefreshToken, CredentialType::IdToken];
