//! The index names of entries.

use super::{Section, lookup_token};
use crate::cache::{
    entry::{Entry, key, scopes_in},
    index::Name,
    json::decode,
    schema::CredentialType,
    scope::ScopeRule,
};

/// Where an access token applies, as canonical tokens.
#[derive(Clone, Copy)]
pub(crate) struct Reach<'t> {
    pub(crate) client: &'t str,
    /// The tenant. If the token names an issuer, the [`Entry::issuer_name`], which no token of a
    /// tenant equals.
    pub(crate) realm: &'t str,
    pub(crate) environment: &'t str,
}

impl Reach<'_> {
    /// The start of the index names of an account's access tokens. A scope follows it.
    pub(crate) fn of(&self, home: &str) -> String {
        format!("{}{home}\n", self.start())
    }

    /// The start of the index names of any account's access tokens. The account follows it, and
    /// after a line end a scope.
    pub(crate) fn start(&self) -> String {
        let Self { client, realm, environment } = self;
        format!("S\n{client}\n{realm}\n{environment}\n")
    }

    /// The start of the exact index names of access tokens with scopes of this
    /// [name](ScopeRule::name). The account follows it, so that it does not depend on one.
    pub(crate) fn exactly(&self, scopes: &str) -> String {
        let Self { client, realm, environment } = self;
        format!("{client}\n{realm}\n{environment}\n{scopes}\n")
    }

    /// The start of the index names of any account's access tokens. A scope follows it.
    pub(crate) fn of_anybody(&self) -> String {
        let Self { client, realm, environment } = self;
        format!("A\n{client}\n{realm}\n{environment}\n")
    }
}

/// The scopes of a request at one place.
#[derive(Clone, Copy)]
pub(crate) struct Scopes<'t> {
    /// [`Reach::exactly`] these scopes.
    pub(crate) exactly: &'t str,
    /// [`Reach::start`].
    pub(crate) reach: &'t str,
    /// Those that decide a match, each as it is indexed.
    pub(crate) each: &'t [String],
}

/// The index names of an entry.
#[derive(Default)]
pub(super) struct Names {
    pub(super) index: Vec<Name>,
    /// By account and scope, with the note [`Entry::good_until`].
    pub(super) scopes: Vec<Name>,
    pub(super) is_unindexed: bool,
    /// In the exact index: by the requested scopes and by the granted scopes.
    pub(super) asked: Option<Name>,
    pub(super) granted: Option<Name>,
}

impl Section {
    /// The index name of the entry with this spelling of its key.
    pub(crate) fn spelled(&self, key: &str) -> Name {
        self.index.context("K\n").name(key)
    }

    /// The index name of the entries whose fields make this key.
    pub(crate) fn own(&self, key: &str) -> Name {
        self.index.context("O\n").name(key)
    }

    /// The index name of the entries of any issuer to which msal would give this key.
    pub(crate) fn plain(&self, key: &str) -> Name {
        self.index.context("P\n").name(key)
    }

    /// The index name of an account's entries; the argument is a canonical token. Entries without
    /// an account are indexed under null.
    pub(crate) fn account(&self, home: &str) -> Name {
        self.index.context("H\n").name(lookup_token(Some(home)))
    }

    /// The index name of a client's refresh tokens and ID tokens at a host; both arguments are
    /// canonical tokens.
    pub(crate) fn client(&self, client: &str, environment: &str) -> Name {
        self.index.context("C\n").name(&format!("{client}\n{environment}"))
    }

    /// The index name of the accounts with this local account id, a canonical token.
    pub(crate) fn local(&self, id: &str) -> Name {
        self.index.context("L\n").name(id)
    }

    /// The index name of a family's refresh tokens at a host; both arguments are canonical tokens.
    pub(crate) fn family(&self, family: &str, environment: &str) -> Name {
        self.index.context("F\n").name(&format!("{family}\n{environment}"))
    }

    /// All index names of an entry.
    pub(super) fn names(&self, entry: &Entry) -> Names {
        let mut index = vec![self.spelled(entry.spelled_key())];
        let key = key::own(entry);
        if entry.issuer().is_some() {
            index.extend(key::plain(entry).map(|key| self.plain(&key)));
        }
        index.extend(key.map(|key| self.own(&key)));
        let mut names = Names { index, ..Names::default() };
        match entry.kind() {
            CredentialType::AppMetadata => return names,
            CredentialType::AccessToken => self.name_access_token(entry, &mut names),
            CredentialType::RefreshToken | CredentialType::IdToken => {
                self.name_program(entry, &mut names);
            }
            CredentialType::Account => {
                names.index.push(self.local(lookup_token(entry.token("local_account_id"))));
            }
        }
        names.index.push(self.account(lookup_token(entry.home())));
        names
    }

    fn name_program(&self, entry: &Entry, names: &mut Names) {
        // Peers keep the case in which a program typed the host; lookups do not.
        let environment = lookup_token(entry.token("environment")).to_ascii_lowercase();
        let token = |field| lookup_token(entry.token(field));
        names.index.push(self.client(token("client_id"), &environment));
        if entry.kind() == CredentialType::RefreshToken && token("family_id") != "null" {
            names.index.push(self.family(token("family_id"), &environment));
        }
    }

    fn name_access_token(&self, entry: &Entry, names: &mut Names) {
        let Some(target) = entry.target().and_then(decode) else { return };
        let environment = lookup_token(entry.token("environment")).to_ascii_lowercase();
        let rule = ScopeRule::of(&environment);
        let issuer = entry.issuer_name();
        let reach = Reach {
            client: lookup_token(entry.token("client_id")),
            realm: issuer.as_deref().unwrap_or(lookup_token(entry.token("realm"))),
            environment: &environment,
        };
        let account = lookup_token(entry.home());
        let contexts = [self.reach(&reach.of(account)), self.reach(&reach.of_anybody())];
        names.index.extend(contexts.iter().map(|context| context.name(ALL)));
        if let Some(asked) = entry.asked() {
            let asked = rule.name(&asked);
            names.asked = Some(self.exact.name([&reach.exactly(&asked), account]));
            // For any account alone: a find with a named account looks in the exact index.
            names.index.push(contexts[1].name(&format!("{ALL}{asked}")));
        }
        // Bounds the index: a target of many short scopes would need more memory there than in the
        // entry.
        if scopes_in(&target).count() * TEXT_PER_SCOPE > entry.canonical().len() {
            names.index.extend(contexts.iter().map(|context| context.name(UNINDEXED)));
            names.is_unindexed = true;
            return;
        }
        names.granted = Some(self.exact.name([&reach.exactly(&rule.name(&target)), account]));
        let scopes = rule.deciding(&target);
        let [of_account, of_anybody] = contexts;
        names.scopes.extend(scopes.iter().map(|scope| of_account.name(scope)));
        names.index.extend(scopes.iter().map(|scope| of_anybody.name(scope)));
    }
}

/// The scopes of an access token are indexed if it has at least this many bytes of text for each
/// scope, as provider tokens do. A token with more scopes is searched without the index, so that
/// the index is never larger than the cache.
const TEXT_PER_SCOPE: usize = 32;

/// Used instead of a scope: access tokens whose scopes are not indexed.
pub(super) const UNINDEXED: &str = "";

/// Used instead of a scope: every access token whose scopes can be read. No scope contains a line
/// end.
pub(super) const ALL: &str = "\n";
