//! Whose a token is that does not say so itself.
//!
//! A provider may leave out of any answer who signed in, and other programs keep such tokens
//! without an account. They belong to the only account that their program has there, if it has only
//! one; so
//! they are found with it and signed out with it. An app's own tokens are nobody's.

use std::collections::{BTreeSet, HashMap};

use crate::{
    Error,
    cache::{
        TokenCache,
        authority::{aliases, is_microsoft},
        entry::{Entry, inside, scopes_in},
        json::decode,
        request::Lookup,
        schema::CredentialType,
        section::lookup_token,
    },
};

/// A program, and the tenant where it tells accounts apart, as canonical tokens.
pub(super) type Program<'c> = (&'c str, Option<&'c str>);

/// A program at one authority, as canonical tokens.
#[derive(Clone, Copy)]
pub(super) struct ClientAt<'p> {
    pub(super) client: &'p str,
    /// All names of the cloud, in lower case.
    pub(super) environments: &'p [String],
    /// The tenant where it tells accounts apart: not in Microsoft's clouds, where an account may be
    /// a guest in other tenants and its refresh token is good for all of them.
    realm: Option<&'p str>,
}

impl<'p> ClientAt<'p> {
    pub(super) fn new(client: &'p str, environments: &'p [String], realm: Option<&'p str>) -> Self {
        let is_one_service = environments.iter().any(|name| is_microsoft(inside(name)));
        Self { client, environments, realm: realm.filter(|_| !is_one_service) }
    }

    /// Where a request goes.
    pub(super) fn of(lookup: &'p Lookup) -> Self {
        Self::new(&lookup.client, &lookup.environments, Some(&lookup.realm))
    }

    /// The same in all tenants. A refresh token does not say of which it is.
    pub(super) fn in_any_tenant(self) -> Self {
        Self { realm: None, ..self }
    }

    /// Of no program, for [`is_in_cloud`](Self::is_in_cloud) alone.
    pub(super) fn in_cloud(environments: &'p [String]) -> Self {
        Self { client: NOBODY, environments, realm: None }
    }

    pub(super) fn program(self) -> Program<'p> {
        (self.client, self.realm)
    }

    pub(super) fn is_in_cloud(&self, entry: &Entry) -> bool {
        let host = lookup_token(entry.token("environment"));
        self.environments.iter().any(|name| name.eq_ignore_ascii_case(host))
    }
}

impl TokenCache {
    /// A refresh token of the account may be of this place: the program's ID tokens of the account,
    /// or where it has none the account's entries, say so or are not there.
    pub(super) fn may_be_at(&self, home: &str, place: ClientAt<'_>) -> bool {
        let Some(realm) = place.realm else { return true };
        let own = |entry: &&Entry| lookup_token(entry.token("client_id")) == place.client;
        let id_tokens = self.owned_by(CredentialType::IdToken, home).filter(own);
        let accounts = self.owned_by(CredentialType::Account, home);
        let says = |known: &mut dyn Iterator<Item = &Entry>| {
            let mut realms = known
                .filter(|entry| place.is_in_cloud(entry))
                .map(|entry| lookup_token(entry.token("realm")))
                .peekable();
            realms.peek().is_some().then(|| realms.any(|known| known == realm))
        };
        says(&mut { id_tokens }).or_else(|| says(&mut { accounts })).unwrap_or(true)
    }

    /// The entries of an account, which is a canonical token; null for those that name nobody.
    pub(super) fn owned_by<'c>(
        &'c self,
        kind: CredentialType,
        home: &str,
    ) -> impl Iterator<Item = &'c Entry> + use<'c> {
        let owned = self.section(kind).map(|section| section.indexed(section.account(home)));
        owned.into_iter().flatten()
    }

    /// The error that names the accounts to choose from: by their user names, or where these are
    /// missing or the same, by their ids.
    pub(super) fn ambiguous(&self, lookup: &Lookup, owners: &BTreeSet<&str>) -> Error {
        let names: Vec<Option<String>> =
            owners.iter().map(|home| self.username(home, lookup)).collect();
        let mut counts: HashMap<&str, usize> = HashMap::new();
        names.iter().flatten().for_each(|name| *counts.entry(name).or_default() += 1);
        let is_alone = |name: &&String| counts[name.as_str()] == 1;
        let usernames = owners.iter().zip(&names).map(|(home, name)| {
            let name = name.as_ref().filter(is_alone).cloned();
            name.unwrap_or_else(|| decode(home).unwrap_or((*home).into()).into_owned())
        });
        Error::AccountAmbiguous { usernames: usernames.collect() }
    }
}

/// The accounts of a token's cloud, those of its tenant first, then the later ones.
pub(super) fn in_cloud_of(token: &Entry, accounts: &mut Vec<&Entry>) {
    let environments = cloud(lookup_token(token.token("environment")));
    let realm = lookup_token(token.token("realm"));
    let place = ClientAt::in_cloud(&environments);
    accounts.retain(|entry| place.is_in_cloud(entry));
    accounts.reverse();
    accounts.sort_by_key(|entry| lookup_token(entry.token("realm")) != realm);
}

/// All names of the cloud of a host, as canonical tokens.
pub(super) fn cloud(environment: &str) -> Vec<String> {
    let host = environment.to_ascii_lowercase();
    aliases(inside(&host)).map(|name| format!("\"{name}\"")).collect()
}

/// Whose an entry says it is, as a canonical token; [`NOBODY`] if it does not say.
pub(super) fn owner(entry: &Entry) -> &str {
    lookup_token(entry.home())
}

/// What stands in the place of an account where there is none.
pub(super) const NOBODY: &str = "null";

/// An access token without an account is an app's own: it says so, or where it does not say how it
/// was got, its scopes do, or it is of a managed identity.
pub(super) fn is_apps(entry: &Entry) -> bool {
    if entry.kind() != CredentialType::AccessToken {
        return false;
    }
    match lookup_token(entry.token(GRANT_TYPE)) {
        "null" => seems_apps(entry),
        grant => grant == APPS_GRANT,
    }
}

fn seems_apps(entry: &Entry) -> bool {
    let target = entry.target().and_then(decode).unwrap_or_default();
    let mut scopes = scopes_in(&target).peekable();
    (scopes.peek().is_some() && scopes.all(|scope| scope.ends_with(EVERYTHING)))
        || (entry.token("environment") == Some("\"localhost\"")
            && entry.token("realm") == Some("\"managed_identity\""))
}

/// The accounts among the owners of some entries.
pub(super) fn accounts_in<'c>(entries: impl Iterator<Item = &'c Entry>) -> BTreeSet<&'c str> {
    entries.map(owner).filter(|&home| home != NOBODY).collect()
}

/// The field of our own that says how an app got its token.
pub(super) const GRANT_TYPE: &str = "grant_type";

/// What stands in it, as a canonical token.
pub(super) const APPS_GRANT: &str = "\"client_credentials\"";

/// What stands in it where a user's token has no account and would be taken for an app's.
pub(super) const USERS_GRANT: &str = "\"user\"";

/// The scope for all that an app may do; Microsoft's clouds give an app no token for others.
const EVERYTHING: &str = "/.default";
