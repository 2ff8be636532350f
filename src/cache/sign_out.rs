//! Sign-out: removes everything that an account owns, under all aliases of its host, or at its
//! issuer.

use std::collections::BTreeSet;

use crate::{
    Error,
    cache::{
        TokenCache,
        accounts::{Account, TOKENS, cloud, names_nobody},
        belongings::Belongings,
        entry::Entry,
        json::quoted,
        owner::NOBODY,
        schema::CredentialType,
    },
};

impl TokenCache {
    /// Signs an account out of a client and its family. Removes the refresh tokens of the client
    /// and the family, and every access token, ID token and account entry of the account.
    ///
    /// All aliases of the account's host count. Access tokens for further parameters are removed
    /// too. So are tokens without an account that belong to this account because their client has
    /// no other. Refresh tokens of other clients and the app metadata stay. Returns the number of
    /// removed entries.
    ///
    /// Outside Microsoft's clouds only the entries of the account's issuer are removed, and those
    /// of the account that name no issuer, unless the account's id is known at another issuer of
    /// the host, too.
    ///
    /// The [record](Self::record) of the client is removed with its last token at the issuer.
    ///
    /// If the account has tokens, but none of the client or its family, nothing is removed.
    /// Otherwise a mistyped client id would remove the account and leave its refresh tokens.
    ///
    /// Only the cache changes: nothing is revoked at the provider.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] if one of the sections is not a JSON object; nothing is removed then.
    pub fn sign_out(&mut self, account: &Account, client_id: &str) -> Result<usize, Error> {
        let client = quoted(client_id);
        let families = self.families_of(account, &client);
        let is_clients = |entry: &Entry| {
            entry.token("client_id") == Some(&client)
                || entry.token("family_id").is_some_and(|family| families.contains(family))
        };
        let belongings = Belongings::of(self, account);
        let records = self.records_of(account, client_id);
        let is_accounts = |entry: &Entry| belongings.has(entry);
        let home = quoted(account.home_account_id());
        let kept = TOKENS
            .into_iter()
            .flat_map(|kind| self.owned_by(kind, &home).chain(self.owned_by(kind, NOBODY)));
        let mut tokens = kept.filter(|entry| is_accounts(entry)).peekable();
        // An account without any token may be signed out of any client.
        let is_anothers = tokens.peek().is_some() && !tokens.any(is_clients);
        // Ends the borrow, because the removal changes the cache.
        drop(tokens);
        if is_anothers {
            return Ok(0);
        }
        let removed = self.remove_owned(account, &belongings, is_clients)?;
        self.remove_unused(&records)?;
        Ok(removed)
    }

    /// Signs an account out of every client. Removes the same entries as
    /// [`sign_out`](Self::sign_out), and all refresh tokens of the account. Nothing is revoked at
    /// the provider.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] if one of the sections is not a JSON object; nothing is removed then.
    pub fn sign_out_everywhere(&mut self, account: &Account) -> Result<usize, Error> {
        self.remove_owned(account, &Belongings::of(self, account), |_| true)
    }

    /// Removes the tokens that [`without_account`](Self::without_account) lists, of one client or
    /// of all clients. Returns the number of removed entries.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] if one of the sections is not a JSON object; nothing is removed then.
    pub fn sign_out_without_account(&mut self, client_id: Option<&str>) -> Result<usize, Error> {
        let (client, records) = (client_id.map(quoted), self.records_in_use());
        let removed = self.remove_from(&TOKENS, |entry| {
            names_nobody(entry)
                && client.as_deref().is_none_or(|client| entry.token("client_id") == Some(client))
        })?;
        self.remove_unused(&records)?;
        Ok(removed)
    }

    /// The families that a client belongs to in the account's cloud, as canonical tokens.
    fn families_of(&self, account: &Account, client: &str) -> BTreeSet<String> {
        let is_there = |entry: &Entry| {
            entry.environment().is_some_and(|host| cloud(&host) == cloud(account.environment()))
        };
        self.entries(CredentialType::AppMetadata)
            .filter(|entry| entry.token("client_id") == Some(client) && is_there(entry))
            .filter_map(|entry| entry.token("family_id"))
            .filter(|family| !matches!(*family, "null" | "\"\""))
            .map(str::to_owned)
            .collect()
    }

    fn remove_owned(
        &mut self,
        account: &Account,
        belongings: &Belongings,
        may_go: impl Fn(&Entry) -> bool,
    ) -> Result<usize, Error> {
        let records = self.records_in_use();
        let is_gone = |entry: &Entry| {
            belongings.has(entry) && (entry.kind() != CredentialType::RefreshToken || may_go(entry))
        };
        // Checks all sections first, so that an error leaves the cache unchanged.
        OWNED.into_iter().try_for_each(|kind| self.can_write(kind))?;
        let home = quoted(account.home_account_id());
        let mut removed = 0;
        for (kind, home) in OWNED.into_iter().flat_map(|kind| [(kind, &*home), (kind, NOBODY)]) {
            // Looks first: `section_mut` copies a shared section and marks the cache as changed.
            if self.owned_by(kind, home).any(is_gone) {
                let section = self.section_mut(kind)?;
                removed += section.remove_indexed(section.account(home), is_gone);
            }
        }
        self.remove_unused(&records)?;
        Ok(removed)
    }

    /// Removes from all sections. If one of them cannot be written, removes nothing.
    fn remove_from(
        &mut self,
        kinds: &[CredentialType],
        is_gone: impl Fn(&Entry) -> bool,
    ) -> Result<usize, Error> {
        for &kind in kinds {
            self.can_write(kind)?;
        }
        let mut removed = 0;
        for &kind in kinds {
            removed += self.remove_where(kind, &is_gone)?;
        }
        Ok(removed)
    }
}

/// The kinds of entry that an account owns, in the order of their removal.
const OWNED: [CredentialType; 4] = [
    CredentialType::RefreshToken,
    CredentialType::AccessToken,
    CredentialType::IdToken,
    CredentialType::Account,
];
