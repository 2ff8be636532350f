//! Who signed in according to a response, and whether that is an account of the cache.
//!
//! Responses for one user may have `client_info` or not. Without it, the `sub` of the ID token
//! names the user. In the cache the user stays one account.

use crate::cache::{
    TokenCache,
    accounts::TOKENS,
    authority::is_microsoft,
    entry::{Entry, inside},
    event::SignInEvent,
    event::claims::Subject,
    issuer::Place,
    json::quoted,
    owner::owner,
    request::Lookup,
    schema::CredentialType,
    section::lookup_token,
};

/// Who signed in according to a response. All fields are canonical tokens.
pub(super) struct Stated {
    home: String,
    /// The response names the account in all tenants, not only by its ID token.
    has_client_info: bool,
    subject: Option<String>,
    local: Option<String>,
    /// The home account id that Microsoft's clouds give to a user of the ID token's own tenant.
    at_home: Option<String>,
}

impl Stated {
    /// Returns `None` if the response does not say who signed in.
    pub(super) fn of(event: &SignInEvent) -> Option<Self> {
        let identity = &event.identity;
        let home = identity.home_account_id.as_deref().filter(|home| !home.is_empty());
        let home = home.filter(|_| identity.is_from_provider)?;
        let id_token = event.response.id_token.as_deref();
        let said = id_token.map(|token| Subject::of(token)).unwrap_or_default();
        let (at_home, sub) = (at_home(&said), said.sub);
        let is_said = |id: &&str| !matches!(*id, "null" | "\"\"");
        Some(Self {
            home: quoted(home),
            has_client_info: sub.as_deref() != Some(home),
            subject: sub.as_deref().map(quoted),
            local: identity.local_account_id.as_deref().filter(is_said).map(str::to_owned),
            at_home,
        })
    }

    /// The ID token is for the account's home tenant and names another user of that tenant.
    fn contradicts(&self, home: &str) -> bool {
        let parts = |home| inside(home).rsplit_once('.');
        let Some((uid, utid)) = parts(home) else { return false };
        let Some((oid, tid)) = self.at_home.as_deref().and_then(parts) else { return false };
        // A B2C policy appends its name to the user's id.
        let is_same =
            uid.strip_prefix(oid).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'));
        utid == tid && !is_same
    }

    /// The user's id in the home tenant, from `client_info` that came without an ID token.
    fn uid_alone(&self) -> Option<String> {
        let is_alone = self.has_client_info && self.subject.is_none();
        let (uid, _) = inside(&self.home).rsplit_once('.').filter(|_| is_alone)?;
        Some(format!("\"{uid}\""))
    }

    fn is_local(&self, id: &str) -> bool {
        let ids = [&self.local, &self.subject];
        ids.into_iter().flatten().any(|known| known == id)
    }
}

impl TokenCache {
    /// The account of the response, as a canonical token: one that the cache has, or a new one.
    pub(super) fn stated_owner(&self, stated: &Stated, lookup: &Lookup) -> String {
        let place = self.place_of(lookup);
        // After a sign-out from one client, other clients' tokens may be left without an account
        // entry.
        let kinds = TOKENS.into_iter().chain([CredentialType::Account]);
        let is_here = |home: &str| {
            let mut owned = kinds.clone().flat_map(|kind| self.owned_by(kind, home));
            owned.any(|entry| place.has(entry))
        };
        if is_here(&stated.home) {
            return stated.home.clone();
        }
        let mut fitting: Vec<&str> = [&stated.subject, &stated.at_home]
            .into_iter()
            .flatten()
            .map(String::as_str)
            .filter(|home| is_here(home))
            .collect();
        if let Some(section) = self.section(CredentialType::Account) {
            let uid = stated.uid_alone();
            let ids = [&stated.local, &stated.subject, &uid].into_iter().flatten();
            fitting.extend(ids.flat_map(|id| section.indexed(section.local(id))).map(owner));
        }
        fitting.sort_unstable();
        fitting.dedup();
        // Last, because it reads all entries of an account.
        fitting.retain(|home| self.is_same_user(home, stated, lookup));
        match fitting[..] {
            [only] => only.to_owned(),
            // If several fit, none is chosen: tokens must not go to another user's account.
            _ => stated.home.clone(),
        }
    }

    /// An account of the cache is the one that the response names.
    ///
    /// `client_info` takes precedence over the ID token: for a B2C policy it names a separate
    /// account.
    pub(super) fn is_same_user(&self, home: &str, stated: &Stated, lookup: &Lookup) -> bool {
        match stated.has_client_info {
            true => {
                stated.home == home
                    || stated.subject.as_deref() == Some(home)
                    || self.is_known_at_home(home, stated, lookup)
            }
            false => self.is_known_as(home, stated, lookup),
        }
    }

    /// Nothing shows that the response to a refresh token of this account is for another user.
    pub(super) fn may_be_same_user(&self, home: &str, stated: &Stated, lookup: &Lookup) -> bool {
        if self.is_known_as(home, stated, lookup) || self.is_known_at_home(home, stated, lookup) {
            return true;
        }
        // `uid.utid` does not show the user's ids in another tenant, and no entry shows them
        // either.
        let is_open = is_microsoft(inside(&lookup.environments[0]))
            && home.contains('.')
            && !stated.contradicts(home)
            && self.local_ids(home, lookup).next().is_none()
            && self.subjects(home, lookup).next().is_none();
        !stated.has_client_info && is_open
    }

    /// One of the ids in the response is an id of the account, in all tenants or in this one.
    fn is_known_as(&self, home: &str, stated: &Stated, lookup: &Lookup) -> bool {
        let names = [Some(&stated.home), stated.subject.as_ref(), stated.at_home.as_ref()];
        names.into_iter().flatten().any(|name| name == home)
            || self.local_ids(home, lookup).any(|id| stated.is_local(id))
            || self.subjects(home, lookup).any(|id| stated.is_local(&id))
    }

    /// The response has `client_info` without an ID token, and it matches the account: either the
    /// account's entry in the home tenant or one of its ID tokens.
    fn is_known_at_home(&self, home: &str, stated: &Stated, lookup: &Lookup) -> bool {
        if stated.uid_alone().is_none() {
            return false;
        }
        let place = self.place_of(lookup);
        let known = |kind| self.owned_by(kind, home).filter(|entry| place.has(entry));
        let by_entry = |entry: &Entry| {
            let id = |field| lookup_token(entry.token(field));
            format!("\"{}.{}\"", inside(id("local_account_id")), inside(id("realm")))
        };
        let by_token = |entry: &Entry| at_home(&Subject::of(entry.secret()?));
        known(CredentialType::Account).any(|entry| by_entry(entry) == stated.home)
            || known(CredentialType::IdToken)
                .any(|entry| by_token(entry).as_ref() == Some(&stated.home))
    }

    /// The local account ids of an account in the request's tenant.
    fn local_ids(&self, home: &str, lookup: &Lookup) -> impl Iterator<Item = &str> {
        let known = self.owned_by(CredentialType::Account, home);
        let place = self.place_of(lookup);
        let here = known.filter(move |entry| is_in_tenant(entry, lookup, place));
        here.map(|entry| lookup_token(entry.token("local_account_id"))).filter(|id| *id != "null")
    }

    /// The subjects of the client's ID tokens of an account in the request's tenant.
    fn subjects(&self, home: &str, lookup: &Lookup) -> impl Iterator<Item = String> {
        let known = self.owned_by(CredentialType::IdToken, home);
        let place = self.place_of(lookup);
        let here = known.filter(move |entry| {
            is_in_tenant(entry, lookup, place)
                && lookup_token(entry.token("client_id")) == lookup.client
        });
        here.filter_map(|entry| Some(quoted(&Subject::of(entry.secret()?).sub?)))
    }

    /// The user name of an account, if the cache has one.
    pub(super) fn username(&self, home: &str, lookup: &Lookup) -> Option<String> {
        let place = self.place_of(lookup);
        let known = self.owned_by(CredentialType::Account, home).filter(|e| place.has(e));
        let names = known.filter_map(|entry| entry.text("username"));
        names.filter(|name| !name.is_empty()).last().map(|name| name.into_owned())
    }
}

/// The home account id, as a canonical token, that Microsoft's clouds give to a user of the tenant
/// that issued the ID token.
fn at_home(subject: &Subject) -> Option<String> {
    let (oid, tid) = (subject.oid.as_ref()?, subject.tid.as_ref()?);
    Some(quoted(&format!("{oid}.{tid}")))
}

fn is_in_tenant(entry: &Entry, lookup: &Lookup, place: Place<'_>) -> bool {
    lookup_token(entry.token("realm")) == lookup.realm && place.has(entry)
}
