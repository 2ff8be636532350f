//! Tokens without an account, and the account that they belong to.

use std::collections::HashSet;

use crate::cache::{
    TokenCache,
    entry::Entry,
    issuer::Cloud,
    owner::{ClientAt, NOBODY, Program, is_apps, owner},
    schema::CredentialType,
    section::lookup_token,
};

impl TokenCache {
    /// The account, as a canonical token, to which an access token without an account belongs.
    pub(super) fn adopter(&self, token: &Entry) -> Option<String> {
        if owner(token) != NOBODY || is_apps(token) {
            return None;
        }
        let cloud = self.cloud_of(token);
        let place = cloud.place();
        if !place.has(token) {
            return None;
        }
        let realm = lookup_token(token.token("realm"));
        let client = lookup_token(token.token("client_id"));
        self.only_account(ClientAt::new(client, place, Some(realm))).map(str::to_owned)
    }
}

/// The entries without an account that belong to a given account.
pub(super) struct Unclaimed {
    cloud: Cloud,
    /// As [`Program`].
    programs: HashSet<(String, Option<String>)>,
}

impl Unclaimed {
    /// The entries that currently belong to an account, a canonical token, in its cloud.
    pub(super) fn of(cache: &TokenCache, home: &str, cloud: Cloud) -> Self {
        let kinds =
            [CredentialType::RefreshToken, CredentialType::AccessToken, CredentialType::IdToken];
        let nobodys = kinds.into_iter().flat_map(|kind| cache.owned_by(kind, NOBODY));
        let programs = nobodys
            .filter(|entry| cloud.place().has(entry))
            .map(|entry| client_of(entry, &cloud).program())
            .collect();
        let only = cache.only_accounts(cloud.place(), &programs);
        let own = only.into_iter().filter(|(_, owner)| *owner == home);
        let owned = |(client, realm): Program<'_>| (client.to_owned(), realm.map(str::to_owned));
        let programs = own.map(|(program, _)| owned(program)).collect();
        Self { cloud, programs }
    }

    pub(super) fn has(&self, entry: &Entry) -> bool {
        if owner(entry) != NOBODY || self.programs.is_empty() {
            return false;
        }
        let (client, realm) = client_of(entry, &self.cloud).program();
        self.programs.contains(&(client.to_owned(), realm.map(str::to_owned)))
            && self.cloud.place().has(entry)
            && !is_apps(entry)
    }
}

/// The client and authority of an entry.
fn client_of<'p>(entry: &'p Entry, cloud: &'p Cloud) -> ClientAt<'p> {
    // A refresh token does not name its tenant.
    let has_realm = entry.kind() != CredentialType::RefreshToken;
    let realm = has_realm.then(|| lookup_token(entry.token("realm")));
    ClientAt::new(lookup_token(entry.token("client_id")), cloud.place(), realm)
}
