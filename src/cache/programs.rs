//! The only account that a client has at an authority, for many clients at once.

use std::collections::{HashMap, HashSet};

use crate::cache::{
    TokenCache,
    entry::Entry,
    issuer::Place,
    owner::{ClientAt, NOBODY, Program, owner},
    schema::CredentialType,
    section::lookup_token,
};

impl TokenCache {
    /// The only account, as a canonical token, that a client has at a place: the only one with a
    /// refresh token of the client. If there is no refresh token, ID tokens decide, and then access
    /// tokens.
    pub(super) fn only_account<'c>(&'c self, at: ClientAt<'c>) -> Option<&'c str> {
        self.only_accounts(at.place, &HashSet::from([at.program()])).into_values().next()
    }

    /// The only account, as a canonical token, of which a client has any token at a place.
    ///
    /// If a response may belong to another account, it must not replace this account's tokens.
    pub(super) fn sole_account<'c>(&'c self, at: ClientAt<'c>) -> Option<&'c str> {
        let programs = HashSet::from([at.program()]);
        self.accounts_at(at.place, &programs, Owners::and).into_values().next()
    }

    /// The [`only_account`](Self::only_account) of each client at a place that has one.
    ///
    /// Reads the entries of each client and each account only once.
    pub(super) fn only_accounts<'c>(
        &'c self,
        place: Place<'c>,
        programs: &HashSet<Program<'c>>,
    ) -> HashMap<Program<'c>, &'c str> {
        self.accounts_at(place, programs, Owners::or)
    }

    /// The accounts of those clients that have exactly one.
    fn accounts_at<'c>(
        &'c self,
        place: Place<'c>,
        programs: &HashSet<Program<'c>>,
        join: fn(Owners<'c>, Owners<'c>) -> Owners<'c>,
    ) -> HashMap<Program<'c>, &'c str> {
        let mut tenants: HashMap<&str, Vec<Option<&str>>> = HashMap::new();
        for &(client, realm) in programs {
            tenants.entry(client).or_default().push(realm);
        }
        let mut found: HashMap<Program<'c>, Owners<'c>> = HashMap::new();
        let mut known = Known { cache: self, place, tenants: HashMap::new() };
        for (client, realms) in tenants {
            let id_tokens = known.id_tokens(client);
            let refresh_tokens = known.refresh_tokens(client, &realms, &id_tokens);
            for realm in realms {
                let owners = join(refresh_tokens.at(realm), id_tokens.owners.at(realm));
                found.insert((client, realm), owners);
            }
        }
        // Access tokens are read last and only if they can change the result: there are many of
        // them.
        let may_change = |owners: &Owners<'c>| {
            // The most that access tokens can add.
            let others = Owners::Several;
            join(*owners, others) != *owners
        };
        if found.values().any(may_change) {
            for (program, others) in known.access_tokens(&found) {
                found.entry(program).and_modify(|owners| *owners = join(*owners, others));
            }
        }
        let only = |(program, owners)| match owners {
            Owners::One(home) => Some((program, home)),
            Owners::Nobody | Owners::Several => None,
        };
        found.into_iter().filter_map(only).collect()
    }
}

/// The entries of one cloud or issuer.
struct Known<'c> {
    cache: &'c TokenCache,
    place: Place<'c>,
    /// The tenants in which an account has entries.
    tenants: HashMap<&'c str, HashSet<&'c str>>,
}

impl<'c> Known<'c> {
    fn id_tokens(&self, client: &'c str) -> IdTokens<'c> {
        let mut found = IdTokens::default();
        for entry in self.of_program(CredentialType::IdToken, client) {
            let (home, realm) = (owner(entry), realm(entry));
            if home != NOBODY {
                found.owners.add(realm, home);
                found.tenants.entry(home).or_default().insert(realm);
            }
        }
        found
    }

    /// The accounts with refresh tokens that may belong to these tenants. The client's ID tokens of
    /// the account give its tenants. If there are none, the account's entries do. Without those, a
    /// refresh token may belong to any tenant.
    fn refresh_tokens(
        &mut self,
        client: &'c str,
        wanted: &[Option<&'c str>],
        id_tokens: &IdTokens<'c>,
    ) -> ByTenant<'c> {
        let mut found = ByTenant::default();
        let homes: HashSet<&str> =
            self.of_program(CredentialType::RefreshToken, client).map(owner).collect();
        for home in homes.into_iter().filter(|&home| home != NOBODY) {
            found.everywhere.add(home);
            if wanted.iter().all(Option::is_none) {
                continue;
            }
            let known = match id_tokens.tenants.get(home) {
                Some(tenants) => tenants,
                None => self.tenants(home),
            };
            if known.is_empty() {
                found.in_any.add(home);
            } else if known.len() < wanted.len() {
                // The shorter of the two lists is walked through.
                known.iter().for_each(|realm| found.add(realm, home));
            } else {
                let here = wanted.iter().flatten().filter(|realm| known.contains(*realm));
                here.for_each(|realm| found.add(realm, home));
            }
        }
        found
    }

    fn tenants(&mut self, home: &'c str) -> &HashSet<&'c str> {
        let (cache, place) = (self.cache, self.place);
        self.tenants.entry(home).or_insert_with(|| {
            let entries = cache.owned_by(CredentialType::Account, home);
            entries.filter(|entry| place.has(entry)).map(realm).collect()
        })
    }

    /// The accounts with access tokens of these clients.
    fn access_tokens(
        &self,
        programs: &HashMap<Program<'c>, Owners<'c>>,
    ) -> HashMap<Program<'c>, Owners<'c>> {
        let mut found: HashMap<Program<'c>, Owners<'c>> = HashMap::new();
        for entry in self.cache.entries(CredentialType::AccessToken) {
            let home = owner(entry);
            if home == NOBODY || !self.place.has(entry) {
                continue;
            }
            let client = lookup_token(entry.token("client_id"));
            for program in [(client, Some(realm(entry))), (client, None)] {
                if programs.contains_key(&program) {
                    found.entry(program).or_default().add(home);
                }
            }
        }
        found
    }

    /// The refresh tokens or ID tokens of a client.
    fn of_program(
        &self,
        kind: CredentialType,
        client: &'c str,
    ) -> impl Iterator<Item = &'c Entry> + use<'c> {
        let place = self.place;
        self.cache.section(kind).into_iter().flat_map(move |section| {
            let names = place.environments.iter().map(move |host| section.client(client, host));
            let there = names.flat_map(|name| section.indexed(name));
            there.filter(move |entry| place.has_issuer_of(entry))
        })
    }
}

/// The ID tokens of a client.
#[derive(Default)]
struct IdTokens<'c> {
    owners: ByTenant<'c>,
    /// By account.
    tenants: HashMap<&'c str, HashSet<&'c str>>,
}

/// The accounts with tokens of a client.
#[derive(Default)]
struct ByTenant<'c> {
    everywhere: Owners<'c>,
    /// The accounts with tokens that may belong to any tenant.
    in_any: Owners<'c>,
    tenants: HashMap<&'c str, Owners<'c>>,
}

impl<'c> ByTenant<'c> {
    fn add(&mut self, realm: &'c str, home: &'c str) {
        self.everywhere.add(home);
        self.tenants.entry(realm).or_default().add(home);
    }

    /// The accounts in a tenant, or in all tenants if `realm` is `None`.
    fn at(&self, realm: Option<&str>) -> Owners<'c> {
        let Some(realm) = realm else { return self.everywhere };
        self.in_any.and(self.tenants.get(realm).copied().unwrap_or_default())
    }
}

/// The accounts that own some tokens, as far as it matters whether there is only one.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Owners<'c> {
    #[default]
    Nobody,
    One(&'c str),
    Several,
}

impl<'c> Owners<'c> {
    fn add(&mut self, home: &'c str) {
        *self = self.and(Self::One(home));
    }

    /// These owners, or if there are none, the others.
    fn or(self, others: Self) -> Self {
        if self == Self::Nobody { others } else { self }
    }

    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Nobody, owners) | (owners, Self::Nobody) => owners,
            (Self::One(one), Self::One(other)) if one == other => self,
            _ => Self::Several,
        }
    }
}

fn realm(entry: &Entry) -> &str {
    lookup_token(entry.token("realm"))
}
