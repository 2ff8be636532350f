//! Who is signed in.

use std::collections::{HashMap, HashSet};

use crate::{
    Error,
    cache::{
        TokenCache,
        authority::{Authority, aliases},
        entry::Entry,
        json::quoted,
        schema::{AuthorityType, CredentialType},
    },
};

/// A user, or another identity, that is signed in.
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
}

impl Account {
    /// Who it is, in all tenants.
    pub fn home_account_id(&self) -> &str {
        &self.home_account_id
    }

    /// The host of the authority.
    pub fn environment(&self) -> &str {
        &self.environment
    }

    /// The name to show; empty if the provider gave none.
    pub fn username(&self) -> &str {
        &self.username
    }

    /// How the user signed in: the grant type.
    pub fn account_source(&self) -> Option<&str> {
        self.account_source.as_deref()
    }

    /// The kind of service that issued it.
    pub fn authority_type(&self) -> AuthorityType {
        self.authority_type
    }

    /// Who it is within its tenant.
    pub fn local_account_id(&self) -> Option<&str> {
        self.local_account_id.as_deref()
    }

    /// The tenant of the last sign-in.
    pub fn realm(&self) -> Option<&str> {
        self.realm.as_deref()
    }

    /// The address of the authority of the last sign-in, as [`TokenRequest::new`] takes it; none if
    /// no address means this host and tenant.
    ///
    /// [`TokenRequest::new`]: crate::TokenRequest::new
    pub fn authority(&self) -> Option<String> {
        Authority::address(&self.environment, self.realm.as_deref())
    }

    /// Whether an authority, such as `https://login.microsoftonline.com/TENANT`, is of this
    /// account's cloud. The tenant does not matter.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if `authority` is no address of an authority.
    pub fn is_at(&self, authority: &str) -> Result<bool, Error> {
        Ok(cloud(&Authority::parse(authority)?.environment) == cloud(&self.environment))
    }

    /// Whether an entry is this account's: of the same home account id in the same cloud.
    ///
    /// The home account id alone does not say whose it is: small providers number their users.
    pub fn owns(&self, entry: &Entry) -> bool {
        entry.token("home_account_id") == Some(&quoted(&self.home_account_id))
            && entry.environment().is_some_and(|host| cloud(&host) == cloud(&self.environment))
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
        })
    }

    /// Of a token, what it says of the account that it belongs to.
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
        })
    }
}

impl TokenCache {
    /// Everybody who is signed in, once per cloud, in order of first sign-in.
    ///
    /// Of several entries for one account the last one is shown. Entries without a home account
    /// id, environment or known authority type are no accounts.
    pub fn accounts(&self) -> Vec<Account> {
        let accounts = self.entries(CredentialType::Account).filter_map(Account::read);
        grouped(accounts, |account| cloud(&account.environment))
    }

    /// Everybody whose tokens are here: the [`accounts`](Self::accounts), and after them those of
    /// whom only tokens are left, as after a sign-out of one client. The latter have no user name.
    pub fn owners(&self) -> Vec<Account> {
        let mut owners = self.accounts();
        let mut known: HashSet<_> = owners.iter().map(whose).collect();
        let named = self.tokens().filter_map(Account::of_token);
        owners.extend(named.filter(|account| known.insert(whose(account))));
        owners
    }

    /// The access tokens, refresh tokens and ID tokens that name nobody: without a home account id,
    /// or without an environment. An app's own tokens are such, and those of a provider that does
    /// not say who signed in.
    pub fn without_account(&self) -> impl Iterator<Item = &Entry> {
        self.tokens().filter(|entry| names_nobody(entry))
    }

    /// The addresses of the authorities of which a client has access tokens: those of `account`, or
    /// without one, of everybody. A token without an account counts as that of the only account
    /// that it can belong to. Tenants of one cloud are told apart, names of its host are not.
    pub fn authorities(&self, client_id: &str, account: Option<&Account>) -> Vec<String> {
        let client = quoted(client_id);
        let mut seen = HashSet::new();
        self.entries(CredentialType::AccessToken)
            .filter(|entry| entry.token("client_id") == Some(&client))
            .filter_map(|entry| {
                let realm = entry.realm().filter(|realm| !realm.is_empty());
                let place = (cloud(&entry.environment()?), realm.map(|realm| realm.into_owned()));
                let is_theirs = |account: &Account| {
                    account.owns(entry) || self.is_adopted(entry, &place.0, account)
                };
                if seen.contains(&place) || !account.is_none_or(is_theirs) {
                    return None;
                }
                seen.insert(place);
                entry.authority()
            })
            .collect()
    }

    /// Whether a token without an account, which is of `cloud`, belongs to `account`.
    fn is_adopted(&self, token: &Entry, of_cloud: &str, account: &Account) -> bool {
        cloud(account.environment()) == of_cloud
            && self.adopter(token).is_some_and(|home| home == quoted(account.home_account_id()))
    }

    /// The access tokens, refresh tokens and ID tokens.
    pub(super) fn tokens(&self) -> impl Iterator<Item = &Entry> {
        TOKENS.into_iter().flat_map(move |kind| self.entries(kind))
    }

    /// The accounts of an authority, such as `https://login.microsoftonline.com/TENANT`: those of
    /// its host, and if there are none, those of the first other name of its cloud that has any.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if the address `authority` cannot be used, see
    /// [`TokenRequest::new`](crate::TokenRequest::new).
    pub fn accounts_of(&self, authority: &str) -> Result<Vec<Account>, Error> {
        let place = Authority::parse(authority)?;
        let known: Vec<Account> =
            self.entries(CredentialType::Account).filter_map(Account::read).collect();
        let under = |name: &str| {
            let here = known.iter().filter(|account| account.environment == name).cloned();
            grouped(here, |_| String::new())
        };
        let found = aliases(&place.environment).map(under).find(|accounts| !accounts.is_empty());
        Ok(found.unwrap_or_default())
    }

    /// Every account that `name` may mean: those with this user name, in any case, with this home
    /// account id, or with this local account id, in whatever tenant they have it. Those of whom
    /// only tokens are left count, too.
    ///
    /// More than one is a question for the user. None of the three goes before the others, because
    /// a provider may give its user an id that is the name of somebody else.
    pub fn accounts_named(&self, name: &str) -> Vec<Account> {
        let wanted = name.to_lowercase();
        let is_named = |account: &Account| {
            account.home_account_id == name
                || account.local_account_id.as_deref() == Some(name)
                || (!wanted.is_empty() && account.username.to_lowercase() == wanted)
        };
        // A guest has another name and local id in each tenant.
        let entries = self.entries(CredentialType::Account).filter_map(Account::read);
        let named: HashSet<_> = entries.filter(is_named).map(|account| whose(&account)).collect();
        let mut accounts = self.owners();
        accounts.retain(|account| is_named(account) || named.contains(&whose(account)));
        accounts
    }
}

/// What is the same for all entries of one account.
fn whose(account: &Account) -> (String, String) {
    (account.home_account_id.clone(), cloud(&account.environment))
}

/// What all names of a host's cloud have in common.
pub(super) fn cloud(environment: &str) -> String {
    let host = environment.to_lowercase();
    aliases(&host).min().unwrap_or_default().to_owned()
}

pub(super) fn names_nobody(entry: &Entry) -> bool {
    Account::of_token(entry).is_none()
}

/// One account per home account id and group: the first one's place, the last one's content.
fn grouped(
    accounts: impl Iterator<Item = Account>,
    group: impl Fn(&Account) -> String,
) -> Vec<Account> {
    let mut places = HashMap::new();
    let mut found: Vec<Account> = Vec::new();
    for account in accounts {
        let next = found.len();
        let at = *places.entry((account.home_account_id.clone(), group(&account))).or_insert(next);
        if at == next {
            found.push(account);
        } else {
            found[at] = account;
        }
    }
    found
}

/// What is a secret, and belongs to somebody.
pub(super) const TOKENS: [CredentialType; 3] =
    [CredentialType::AccessToken, CredentialType::RefreshToken, CredentialType::IdToken];
