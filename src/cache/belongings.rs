//! Everything that an account owns, as a sign-out removes it.

use crate::cache::{
    TokenCache,
    account_issuers::AccountIssuers,
    accounts::{Account, cloud},
    authority::issuer_name,
    entry::Entry,
    json::quoted,
    unclaimed::Unclaimed,
};

/// Which entries belong to an account.
pub(super) struct Belongings {
    home: String,
    cloud: String,
    issuer: Option<String>,
    /// The account's id is known at no other issuer of the host, so that its entries without an
    /// issuer are this account's.
    has_unnamed: bool,
    /// The tokens without an account that belong to this one.
    unclaimed: Unclaimed,
}

impl Belongings {
    pub(super) fn of(cache: &TokenCache, account: &Account) -> Self {
        let (id, host) = (account.home_account_id(), account.environment());
        let found = AccountIssuers::new(cache).of(id, host);
        let found = found.map(|issuer| issuer_name(&issuer).unwrap_or(issuer));
        let environment = quoted(host).to_ascii_lowercase();
        let is_certain = found.is_some() || !cache.knows_another_issuer(&environment, None);
        // The account may have been read from an earlier state of the cache.
        let issuer = account.issuer_name().or_else(|| found.clone());
        Self {
            home: quoted(id),
            cloud: cloud(host),
            has_unnamed: match &issuer {
                Some(issuer) if is_certain => found.as_ref().is_none_or(|found| found == issuer),
                Some(_) => false,
                None => true,
            },
            unclaimed: Unclaimed::of(
                cache,
                &quoted(id),
                cache.cloud(&quoted(host), issuer.clone()),
            ),
            issuer,
        }
    }

    pub(super) fn has(&self, entry: &Entry) -> bool {
        self.owns(entry) || self.unclaimed.has(entry)
    }

    fn owns(&self, entry: &Entry) -> bool {
        entry.token("home_account_id") == Some(&self.home)
            && entry.environment().is_some_and(|host| cloud(&host) == self.cloud)
            && match entry.issuer() {
                None => self.has_unnamed,
                Some(_) => entry.issuer_name() == self.issuer,
            }
    }
}
