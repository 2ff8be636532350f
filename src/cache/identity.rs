//! Who an answer says signed in, and whether that is somebody who is here already.
//!
//! The same user may come with `client_info` or without, and then is named by the `sub` of the ID
//! token; in the cache it stays one account.

use crate::cache::{
    TokenCache,
    accounts::TOKENS,
    authority::is_microsoft,
    entry::{Entry, inside},
    event::SignInEvent,
    event::claims::Subject,
    json::quoted,
    owner::{ClientAt, owner},
    request::Lookup,
    schema::CredentialType,
    section::lookup_token,
};

/// Who an answer says signed in. All are canonical tokens.
pub(super) struct Stated {
    home: String,
    /// The answer names the account in all tenants, and not by its ID token alone.
    has_client_info: bool,
    subject: Option<String>,
    local: Option<String>,
    /// The home account id that Microsoft's clouds give to a user of the token's own tenant.
    at_home: Option<String>,
}

impl Stated {
    /// None if the answer does not say.
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

    /// The ID token is of the account's own tenant and names another user of it.
    fn contradicts(&self, home: &str) -> bool {
        let parts = |home| inside(home).rsplit_once('.');
        let Some((uid, utid)) = parts(home) else { return false };
        let Some((oid, tid)) = self.at_home.as_deref().and_then(parts) else { return false };
        // A policy of B2C adds its name to the id of the user.
        let is_same =
            uid.strip_prefix(oid).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'));
        utid == tid && !is_same
    }

    /// Of `client_info` that came without an ID token, the user's id in the home tenant.
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
    /// Whose the answer is, as a canonical token: of an account that is here, or of a new one.
    pub(super) fn stated_owner(&self, stated: &Stated, lookup: &Lookup) -> String {
        let place = ClientAt::of(lookup);
        // A sign-out of one program leaves the tokens of others without an account entry.
        let kinds = TOKENS.into_iter().chain([CredentialType::Account]);
        let is_here = |home: &str| {
            let mut owned = kinds.clone().flat_map(|kind| self.owned_by(kind, home));
            owned.any(|entry| place.is_in_cloud(entry))
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
        // After that, for it looks at all entries of an account.
        fitting.retain(|home| self.is_same_user(home, stated, lookup));
        match fitting[..] {
            [only] => only.to_owned(),
            _ => stated.home.clone(),
        }
    }

    /// An account that is here is who the answer says.
    ///
    /// `client_info` goes before the ID token: of a B2C policy it names an account of its own.
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

    /// Nothing says that the answer to a refresh token of this account is for somebody else.
    pub(super) fn may_be_same_user(&self, home: &str, stated: &Stated, lookup: &Lookup) -> bool {
        if self.is_known_as(home, stated, lookup) || self.is_known_at_home(home, stated, lookup) {
            return true;
        }
        // `uid.utid` says nothing of the ids within another tenant, where none is known here.
        let is_open = is_microsoft(inside(&lookup.environments[0]))
            && home.contains('.')
            && !stated.contradicts(home)
            && self.local_ids(home, lookup).next().is_none()
            && self.subjects(home, lookup).next().is_none();
        !stated.has_client_info && is_open
    }

    /// What the answer says is an id of the account, in all tenants or in this one.
    fn is_known_as(&self, home: &str, stated: &Stated, lookup: &Lookup) -> bool {
        let names = [Some(&stated.home), stated.subject.as_ref(), stated.at_home.as_ref()];
        names.into_iter().flatten().any(|name| name == home)
            || self.local_ids(home, lookup).any(|id| stated.is_local(id))
            || self.subjects(home, lookup).any(|id| stated.is_local(&id))
    }

    /// `client_info` that came without an ID token says of an account what its entry in the home
    /// tenant says, or what an ID token of it said.
    fn is_known_at_home(&self, home: &str, stated: &Stated, lookup: &Lookup) -> bool {
        if stated.uid_alone().is_none() {
            return false;
        }
        let place = ClientAt::of(lookup);
        let known = |kind| self.owned_by(kind, home).filter(|entry| place.is_in_cloud(entry));
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
        let here = known.filter(move |entry| is_in_tenant(entry, lookup));
        here.map(|entry| lookup_token(entry.token("local_account_id"))).filter(|id| *id != "null")
    }

    /// The subjects of the ID tokens that the program has of an account in the request's tenant.
    fn subjects(&self, home: &str, lookup: &Lookup) -> impl Iterator<Item = String> {
        let known = self.owned_by(CredentialType::IdToken, home);
        let here = known.filter(move |entry| {
            is_in_tenant(entry, lookup) && lookup_token(entry.token("client_id")) == lookup.client
        });
        here.filter_map(|entry| Some(quoted(&Subject::of(entry.secret()?).sub?)))
    }

    /// The name to show of an account, if one is known.
    pub(super) fn username(&self, home: &str, lookup: &Lookup) -> Option<String> {
        let place = ClientAt::of(lookup);
        let known = self.owned_by(CredentialType::Account, home).filter(|e| place.is_in_cloud(e));
        let names = known.filter_map(|entry| entry.text("username"));
        names.filter(|name| !name.is_empty()).last().map(|name| name.into_owned())
    }
}

/// The home account id, as a canonical token, that Microsoft's clouds give to a user of the tenant
/// that the ID token is of.
fn at_home(subject: &Subject) -> Option<String> {
    let (oid, tid) = (subject.oid.as_ref()?, subject.tid.as_ref()?);
    Some(quoted(&format!("{oid}.{tid}")))
}

fn is_in_tenant(entry: &Entry, lookup: &Lookup) -> bool {
    lookup_token(entry.token("realm")) == lookup.realm && ClientAt::of(lookup).is_in_cloud(entry)
}
