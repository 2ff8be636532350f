//! Tokens without an account, and the account that they belong to.

use std::collections::HashSet;

use crate::cache::{
    TokenCache,
    entry::Entry,
    owner::{ClientAt, NOBODY, Program, cloud, is_apps, owner},
    schema::CredentialType,
    section::lookup_token,
};

impl TokenCache {
    /// The account, as a canonical token, to which an access token without an account belongs.
    pub(super) fn adopter(&self, token: &Entry) -> Option<String> {
        if owner(token) != NOBODY || is_apps(token) {
            return None;
        }
        let environments = cloud(lookup_token(token.token("environment")));
        let realm = lookup_token(token.token("realm"));
        let client = lookup_token(token.token("client_id"));
        self.only_account(ClientAt::new(client, &environments, Some(realm))).map(str::to_owned)
    }
}

/// The entries without an account that belong to a given account.
pub(super) struct Unclaimed {
    environments: Vec<String>,
    /// As [`Program`].
    programs: HashSet<(String, Option<String>)>,
}

impl Unclaimed {
    /// The entries that currently belong to an account at `environment`; both arguments are
    /// canonical tokens.
    pub(super) fn of(cache: &TokenCache, home: &str, environment: &str) -> Self {
        let environments = cloud(environment);
        let kinds =
            [CredentialType::RefreshToken, CredentialType::AccessToken, CredentialType::IdToken];
        let nobodys = kinds.into_iter().flat_map(|kind| cache.owned_by(kind, NOBODY));
        let programs = nobodys
            .map(|entry| (place_of(entry, &environments), entry))
            .filter(|(place, entry)| place.is_in_cloud(entry))
            .map(|(place, _)| place.program())
            .collect();
        let only = cache.only_accounts(&environments, &programs);
        let own = only.into_iter().filter(|(_, owner)| *owner == home);
        let owned = |(client, realm): Program<'_>| (client.to_owned(), realm.map(str::to_owned));
        let programs = own.map(|(program, _)| owned(program)).collect();
        Self { environments, programs }
    }

    pub(super) fn has(&self, entry: &Entry) -> bool {
        if owner(entry) != NOBODY || self.programs.is_empty() {
            return false;
        }
        let place = place_of(entry, &self.environments);
        let (client, realm) = place.program();
        self.programs.contains(&(client.to_owned(), realm.map(str::to_owned)))
            && place.is_in_cloud(entry)
            && !is_apps(entry)
    }
}

/// The client and authority of an entry.
fn place_of<'p>(entry: &'p Entry, environments: &'p [String]) -> ClientAt<'p> {
    // A refresh token does not name its tenant.
    let has_realm = entry.kind() != CredentialType::RefreshToken;
    let realm = has_realm.then(|| lookup_token(entry.token("realm")));
    ClientAt::new(lookup_token(entry.token("client_id")), environments, realm)
}
