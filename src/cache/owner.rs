//! The account of a token that names none.
//!
//! A provider may omit from any response who signed in, and other programs store such tokens
//! without an account. Such a token belongs to the only account that its client has at that
//! authority, if there is only one. It is found and signed out with that account. App-only tokens
//! belong to no account.

use std::collections::{BTreeSet, HashMap};

use crate::{
    Error,
    cache::{
        TokenCache,
        authority::is_microsoft,
        entry::{Entry, inside, scopes_in},
        issuer::Place,
        json::decode,
        request::Lookup,
        schema::CredentialType,
        section::lookup_token,
    },
};

/// A client, and the tenant if it distinguishes accounts, as canonical tokens.
pub(super) type Program<'c> = (&'c str, Option<&'c str>);

/// A client at one authority, as canonical tokens.
#[derive(Clone, Copy)]
pub(super) struct ClientAt<'p> {
    pub(super) client: &'p str,
    pub(super) place: Place<'p>,
    /// The tenant, if it distinguishes accounts. It does not in Microsoft's clouds: there an
    /// account may be a guest in other tenants, and its refresh token is good for all of them.
    realm: Option<&'p str>,
}

impl<'p> ClientAt<'p> {
    pub(super) fn new(client: &'p str, place: Place<'p>, realm: Option<&'p str>) -> Self {
        let is_one_service = place.environments.iter().any(|name| is_microsoft(inside(name)));
        Self { client, place, realm: realm.filter(|_| !is_one_service) }
    }

    /// The same client in all tenants. A refresh token does not name its tenant.
    pub(super) fn in_any_tenant(self) -> Self {
        Self { realm: None, ..self }
    }

    pub(super) fn program(self) -> Program<'p> {
        (self.client, self.realm)
    }
}

impl TokenCache {
    /// The client and authority of a request.
    pub(super) fn client_at<'l>(&self, lookup: &'l Lookup) -> ClientAt<'l> {
        ClientAt::new(&lookup.client, self.place_of(lookup), Some(&lookup.realm))
    }

    /// The place of a request.
    pub(super) fn place_of<'l>(&self, lookup: &'l Lookup) -> Place<'l> {
        let issuer = lookup.issuer.as_deref();
        let has_unnamed =
            issuer.is_none() || !self.knows_another_issuer(&lookup.environments[0], issuer);
        Place { environments: &lookup.environments, issuer, has_unnamed }
    }

    /// Whether a refresh token of the account may belong to this tenant. The client's ID tokens of
    /// the account decide. If there are none, the account's entries decide. Without those, it may
    /// belong to any tenant.
    pub(super) fn may_be_at(&self, home: &str, at: ClientAt<'_>) -> bool {
        let Some(realm) = at.realm else { return true };
        let own = |entry: &&Entry| lookup_token(entry.token("client_id")) == at.client;
        let id_tokens = self.owned_by(CredentialType::IdToken, home).filter(own);
        let accounts = self.owned_by(CredentialType::Account, home);
        let says = |known: &mut dyn Iterator<Item = &Entry>| {
            let mut realms = known
                .filter(|entry| at.place.has(entry))
                .map(|entry| lookup_token(entry.token("realm")))
                .peekable();
            realms.peek().is_some().then(|| realms.any(|known| known == realm))
        };
        says(&mut { id_tokens }).or_else(|| says(&mut { accounts })).unwrap_or(true)
    }

    /// The entries of an account, which is a canonical token. Null gives the entries without an
    /// account.
    pub(super) fn owned_by<'c>(
        &'c self,
        kind: CredentialType,
        home: &str,
    ) -> impl Iterator<Item = &'c Entry> + use<'c> {
        let owned = self.section(kind).map(|section| section.indexed(section.account(home)));
        owned.into_iter().flatten()
    }

    /// The error that lists the accounts to choose from: by user name, or by home account id if a
    /// name is missing or not unique.
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

/// Sorts the account entries of a token's cloud. Those of its tenant come first, and later entries
/// come before earlier ones.
pub(super) fn sort_for(token: &Entry, accounts: &mut [&Entry]) {
    let realm = lookup_token(token.token("realm"));
    // Before the sort, which is stable: later entries stay before earlier ones.
    accounts.reverse();
    accounts.sort_by_key(|entry| lookup_token(entry.token("realm")) != realm);
}

/// The account that an entry names, as a canonical token; [`NOBODY`] if it names none.
pub(super) fn owner(entry: &Entry) -> &str {
    lookup_token(entry.home())
}

/// Stands for an absent account.
pub(super) const NOBODY: &str = "null";

/// Whether an access token without an account is app-only: its grant type says so, or it has none
/// and its scopes say so, or it belongs to a managed identity.
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

/// The accounts that some entries belong to.
pub(super) fn accounts_in<'c>(entries: impl Iterator<Item = &'c Entry>) -> BTreeSet<&'c str> {
    entries.map(owner).filter(|&home| home != NOBODY).collect()
}

/// A field that only this crate writes: how an application got its token.
pub(super) const GRANT_TYPE: &str = "grant_type";

/// The value of [`GRANT_TYPE`] for an app-only token, as a canonical token.
pub(super) const APPS_GRANT: &str = "\"client_credentials\"";

/// The value of [`GRANT_TYPE`] for a user's token without an account that would otherwise be taken
/// for an app-only token.
pub(super) const USERS_GRANT: &str = "\"user\"";

/// The end of a scope for everything that an application may do. Microsoft's clouds issue app-only
/// tokens only for such scopes.
const EVERYTHING: &str = "/.default";
