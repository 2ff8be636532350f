//! Who is signed in.

use std::collections::HashMap;

use crate::{
    Error,
    cache::{
        TokenCache,
        authority::{Authority, aliases},
        credential::{AuthorityType, CredentialType},
        entry::Entry,
    },
};

/// A person, or another identity, that is signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
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

    /// How the person signed in: the grant type.
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

    fn read(entry: &Entry) -> Option<Self> {
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
}

impl TokenCache {
    /// Everybody who is signed in, once per cloud, in order of first sign-in.
    ///
    /// Of several entries for one account the last one is shown. Entries without a home account
    /// id, environment or known authority type are no accounts.
    pub fn accounts(&self) -> Vec<Account> {
        let cloud = |account: &Account| {
            let smallest = aliases(&account.environment).min().unwrap_or_default();
            smallest.to_owned()
        };
        grouped(self.entries(CredentialType::Account).filter_map(Account::read), cloud)
    }

    /// The accounts of an authority, such as `https://login.microsoftonline.com/TENANT`: those of
    /// its host, and if there are none, those of the first other name of its cloud that has any.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if `authority` is no https address.
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

    /// The accounts with this user name, in any case, or with this home account id.
    pub fn accounts_named(&self, name: &str) -> Vec<Account> {
        let wanted = name.to_lowercase();
        let mut accounts = self.accounts();
        accounts.retain(|account| {
            account.home_account_id == name || account.username.to_lowercase() == wanted
        });
        accounts
    }
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
