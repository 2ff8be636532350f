//! The issuer of entries outside Microsoft's clouds.
//!
//! Several providers may share a host, such as the realms of one server, and msal gives their
//! entries the same host and tenant. So this crate also stores the issuer. Other programs do not
//! store it, and drop it when they renew an entry. An entry without an issuer counts as one of any
//! issuer of its host, as long as the cache knows only one.

use crate::cache::{
    TokenCache,
    authority::aliases,
    entry::{Entry, inside, key},
    schema::CredentialType,
    section::{Section, lookup_token},
};

/// A cloud of Microsoft, or an issuer elsewhere.
#[derive(Clone, Copy)]
pub(super) struct Place<'p> {
    /// All aliases of the host, as canonical tokens in lower case.
    pub(super) environments: &'p [String],
    /// The [`Entry::issuer_name`] of the issuer, if it is known.
    pub(super) issuer: Option<&'p str>,
    /// Entries without an issuer count.
    pub(super) has_unnamed: bool,
}

impl Place<'_> {
    /// The entry is of this host and issuer.
    pub(super) fn has(&self, entry: &Entry) -> bool {
        let host = lookup_token(entry.token("environment"));
        self.environments.iter().any(|name| name.eq_ignore_ascii_case(host))
            && self.has_issuer_of(entry)
    }

    /// The entry, which is of this host, is of this issuer.
    pub(super) fn has_issuer_of(&self, entry: &Entry) -> bool {
        match entry.issuer() {
            None => self.has_unnamed,
            // Usually the text is the same, and costs no reading of the address.
            Some(text) => self.issuer.is_some_and(|issuer| {
                text == issuer || entry.issuer_name().as_deref() == Some(issuer)
            }),
        }
    }
}

/// A [`Place`] that is not one of a request.
pub(super) struct Cloud {
    environments: Vec<String>,
    issuer: Option<String>,
    has_unnamed: bool,
}

impl Cloud {
    pub(super) fn place(&self) -> Place<'_> {
        Place {
            environments: &self.environments,
            issuer: self.issuer.as_deref(),
            has_unnamed: self.has_unnamed,
        }
    }
}

impl TokenCache {
    /// The cloud of a host, a canonical token. Outside Microsoft's clouds the place of an issuer,
    /// an [`Entry::issuer_name`]; if it is `None`, of the only one that the cache knows there.
    pub(super) fn cloud(&self, environment: &str, issuer: Option<String>) -> Cloud {
        let environments = cloud(environment);
        let issuer = issuer.or_else(|| self.only_issuer(&environments[0]).map(str::to_owned));
        let has_unnamed = !self.knows_another_issuer(&environments[0], issuer.as_deref());
        Cloud { environments, issuer, has_unnamed }
    }

    /// The cloud of an entry.
    pub(super) fn cloud_of(&self, entry: &Entry) -> Cloud {
        self.cloud(lookup_token(entry.token("environment")), entry.issuer_name())
    }

    /// Two entries name the same host and issuer. `false` if only a look at the cloud can say
    /// whether they are of one.
    pub(super) fn are_surely_of_one_cloud(&self, one: &Entry, other: &Entry) -> bool {
        let mut sections = CredentialType::ALL.into_iter().filter_map(|kind| self.section(kind));
        one.token("environment") == other.token("environment")
            && one.issuer_token() == other.issuer_token()
            && (sections.all(Section::has_no_issuer) || one.issuer().is_some())
    }

    /// The cache knows an issuer at this host, a canonical token in lower case, besides `issuer`.
    pub(super) fn knows_another_issuer(&self, environment: &str, issuer: Option<&str>) -> bool {
        self.issuers(environment).any(|known| Some(known) != issuer)
    }

    /// The only issuer that the cache knows at this host, a canonical token in lower case.
    pub(super) fn only_issuer(&self, environment: &str) -> Option<&str> {
        let mut known = self.issuers(environment);
        let first = known.next()?;
        known.all(|other| other == first).then_some(first)
    }

    /// May name an issuer once for each kind of entry.
    fn issuers(&self, environment: &str) -> impl Iterator<Item = &str> {
        let sections = CredentialType::ALL.into_iter().filter_map(|kind| self.section(kind));
        sections.flat_map(|section: &Section| section.issuers(environment))
    }

    /// The key by which an entry of another program would be this same entry: without the issuer
    /// that this one has, or with the only issuer of its host. Returns `None` if there is none, or
    /// if the cache knows several issuers at the host, so that the issuer is not certain.
    pub(super) fn twin(&self, entry: &Entry) -> Option<String> {
        let environment = lookup_token(entry.token("environment")).to_ascii_lowercase();
        match entry.issuer_name() {
            Some(issuer) => {
                let is_certain = !self.knows_another_issuer(&environment, Some(&issuer));
                is_certain.then(|| key::plain(entry)).flatten()
            }
            None => {
                let issuer = self.only_issuer(&environment)?;
                Some(key::of_issuer(&key::plain(entry)?, issuer))
            }
        }
    }
}

/// All aliases of a host, as canonical tokens. The host itself is the first.
fn cloud(environment: &str) -> Vec<String> {
    let host = environment.to_ascii_lowercase();
    aliases(inside(&host)).map(|name| format!("\"{name}\"")).collect()
}
