//! What a lookup needs to know of a request.

use super::TokenRequest;
use crate::{
    Error,
    cache::{
        authority::aliases,
        json::quoted,
        scope::ScopeRule,
        section::{Reach, Scopes, lookup_token},
    },
};

/// The fields of a request as canonical tokens.
#[derive(Clone)]
pub(crate) struct Lookup {
    pub(crate) client: String,
    pub(crate) realm: String,
    pub(crate) home: Option<String>,
    /// The authority's host, followed by its aliases.
    pub(crate) environments: Vec<String>,
    /// The [`issuer_name`](crate::cache::authority::issuer_name) outside Microsoft's clouds.
    pub(crate) issuer: Option<String>,
    /// For each of the [`reaches`](Self::reaches), the start of the index names of any account's
    /// tokens.
    anybodys: Vec<String>,
    pub(crate) rule: ScopeRule,
    /// The scopes that decide a match, folded by the rule and sorted.
    pub(crate) scopes: Vec<String>,
    /// All scopes as they were given, sorted.
    pub(crate) target: String,
    /// The [`ScopeRule::name`] of the scopes.
    pub(crate) joined: String,
    /// At the first of the [`reaches`](Self::reaches): [`Reach::exactly`] the scopes, and
    /// [`Reach::start`].
    first: [String; 2],
}

impl TokenRequest {
    /// # Errors
    ///
    /// [`Error::Invalid`] if the authority cannot be used, see [`TokenRequest::new`].
    pub(crate) fn lookup(&self) -> Result<&Lookup, Error> {
        match &self.lookup {
            Some(lookup) => Ok(lookup),
            None => Err(self
                .place()
                .err()
                .unwrap_or(Error::Invalid { detail: "the authority cannot be used".to_owned() })),
        }
    }

    pub(super) fn prepared(mut self) -> Self {
        // Made with the request, so that the usual find formats no text.
        self.lookup = self.place.as_ref().map(|place| {
            let token = |text: &str| lookup_token(Some(&quoted(text))).to_owned();
            let rule = ScopeRule::of(&place.environment);
            let target = self.target();
            let home = match self.app_only {
                // Entries without an account are indexed under null.
                true => Some("null".to_owned()),
                false => self.home_account_id.as_deref().map(token),
            };
            let mut lookup = Lookup {
                client: token(&self.client_id),
                realm: token(place.realm.as_deref().unwrap_or_default()),
                home,
                environments: aliases(&place.environment).map(quoted).collect(),
                issuer: place.issuer.clone(),
                anybodys: Vec::new(),
                rule,
                scopes: rule.deciding(&target).into_iter().map(Into::into).collect(),
                joined: rule.name(&target),
                target,
                first: Default::default(),
            };
            lookup.anybodys = lookup.reaches(true).map(|reach| reach.of_anybody()).collect();
            let first = lookup.reaches(true).next();
            let first = first.map(|reach| [reach.exactly(&lookup.joined), reach.start()]);
            lookup.first = first.unwrap_or_default();
            lookup
        });
        self
    }
}

impl Lookup {
    /// Where access tokens for the request are, the best first: those of the issuer, then those
    /// that name no issuer, if these count.
    pub(crate) fn reaches(&self, has_unnamed: bool) -> impl Iterator<Item = Reach<'_>> {
        let client = &self.client;
        let issuer = self.issuer.as_deref().map(|issuer| Reach {
            client,
            realm: issuer,
            environment: &self.environments[0],
        });
        let unnamed = self.environments.iter().filter(move |_| has_unnamed);
        let unnamed =
            unnamed.map(move |environment| Reach { client, realm: &self.realm, environment });
        issuer.into_iter().chain(unnamed)
    }

    /// For each of the [`reaches`](Self::reaches), the start of the index names of any account's
    /// tokens.
    pub(crate) fn anybodys(&self, has_unnamed: bool) -> &[String] {
        // Outside Microsoft's clouds a host has no aliases, so the first is the issuer's.
        if has_unnamed { &self.anybodys } else { &self.anybodys[..1] }
    }

    /// The scopes at the first of the [`reaches`](Self::reaches).
    pub(crate) fn at_first(&self) -> Scopes<'_> {
        let [exactly, reach] = &self.first;
        Scopes { exactly, reach, each: &self.scopes }
    }

    pub(crate) fn each_scope(&self) -> impl Iterator<Item = &str> {
        self.scopes.iter().map(String::as_str)
    }
}
