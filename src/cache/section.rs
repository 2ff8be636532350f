//! The entries of one kind, in order, with their index.

use crate::cache::{
    entry::key,
    entry::{Entry, scopes_in},
    index::{Context, Index, Name},
    json::decode,
    known_issuers::KnownIssuers,
    schema::CredentialType,
    scope::ScopeRule,
};

/// Entries in the order of a Python dict: a replaced entry keeps its place, a new one comes last.
#[derive(Clone, Default)]
pub(crate) struct Section {
    slots: Vec<Option<Entry>>,
    live: usize,
    index: Index,
    /// Access tokens by account, place and all scopes, granted or requested. A find looks here
    /// first. The note of a token that was granted the scopes is [`Entry::good_until`].
    exact: Index,
    /// The notes are valid from this time on, in Unix seconds. Before it, a token would have a
    /// `cached_at` in the future.
    fresh_from: i64,
    /// The number of entries that store the requested scopes.
    asked: usize,
    issuers: KnownIssuers,
}

impl Section {
    pub(crate) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.slots.iter().flatten()
    }

    pub(crate) fn len(&self) -> usize {
        self.live
    }

    /// The entries that are indexed under `name`, in order.
    pub(crate) fn indexed(&self, name: Name) -> impl Iterator<Item = &Entry> + use<'_> {
        self.index.slots(name).filter_map(|slot| self.slots[slot as usize].as_ref())
    }

    /// The access tokens that are indexed under this exact name, in order.
    pub(crate) fn indexed_exactly(&self, what: &str) -> impl Iterator<Item = &Entry> + use<'_> {
        let slots = self.exact.slots(self.exact.name(what));
        slots.filter_map(|slot| self.slots[slot as usize].as_ref())
    }

    /// The only access token under this exact name, if it is certainly good at `now`. Reads only
    /// the index, not the entry.
    pub(crate) fn surely_good(&self, what: &str, now: i64) -> Option<&Option<Entry>> {
        let (slot, good_until) = self.exact.only(what)?;
        let is_good = now < i64::from(good_until) && now >= self.fresh_from;
        is_good.then(|| &self.slots[slot as usize])
    }

    pub(crate) fn count(&self, name: Name) -> usize {
        self.index.count(name)
    }

    /// The access tokens that may have all `scopes`, in order: those that are indexed under the
    /// rarest scope, and those whose scopes are not indexed. Returns `None` if `scopes` is empty.
    pub(crate) fn with_scopes<'c>(
        &'c self,
        context: &Context,
        scopes: &mut dyn Iterator<Item = &str>,
    ) -> Option<impl Iterator<Item = &'c Entry> + use<'c>> {
        let rarest =
            scopes.map(|scope| context.name(scope)).min_by_key(|&name| self.count(name))?;
        let rest = self.index.slots(context.name(UNINDEXED));
        let slots = in_order(self.index.slots(rarest), rest);
        Some(slots.filter_map(|slot| self.slots[slot as usize].as_ref()))
    }

    /// All access tokens of a [`Reach`] whose scopes can be read, in order.
    pub(crate) fn of_reach(&self, context: &Context) -> impl Iterator<Item = &Entry> + use<'_> {
        self.indexed(context.name(ALL))
    }

    /// At least one access token stores the requested scopes.
    pub(crate) fn has_asked(&self) -> bool {
        self.asked > 0
    }

    /// The access tokens of a [`Reach`], of any account, for which scopes with this name were
    /// requested, in order.
    pub(crate) fn asked(
        &self,
        context: &Context,
        name: &str,
    ) -> impl Iterator<Item = &Entry> + use<'_> {
        self.indexed(context.name(&format!("{ALL}{name}")))
    }

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

    /// The issuers that entries at a host name. The host is a canonical token in lower case.
    pub(crate) fn issuers(&self, environment: &str) -> impl Iterator<Item = &str> + use<'_> {
        self.issuers.at(environment)
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

    /// The start of the index names of a [`Reach`]'s access tokens, without the scope.
    pub(crate) fn reach(&self, text: &str) -> Context {
        self.index.context(text)
    }

    /// Adds an entry as it was read. It replaces only an entry with the same spelling of the key.
    pub(crate) fn load(&mut self, entry: Entry) {
        let held = self.index.slots(self.spelled(entry.spelled_key())).next();
        match held {
            Some(slot) => self.set(slot, entry),
            None => self.push(entry),
        }
    }

    /// Stores an entry in place of all entries that it replaces: those with the same key by fields
    /// or by spelling, and those whose fields make one of the keys `also`.
    ///
    /// An entry of another issuer to which msal would give the same key keeps it. The new entry is
    /// then stored under its own key, which includes the issuer.
    pub(crate) fn replace(&mut self, also: [Option<&str>; 2], mut entry: Entry) {
        let own_key = key::own(&entry);
        let mut replaced: Vec<u32> = Vec::new();
        for key in also.into_iter().flatten().chain(own_key.as_deref()) {
            replaced.extend(self.index.slots(self.own(key)));
        }
        let is_kept = |slot: &u32| !replaced.contains(slot);
        let mut same_spelling = self.slot_of(entry.spelled_key());
        if same_spelling.filter(is_kept).is_some_and(|slot| self.is_of_another_issuer(slot, &entry))
        {
            let mut key = own_key.clone().unwrap_or_default();
            loop {
                entry = entry.respelled(&key);
                same_spelling = self.slot_of(entry.spelled_key());
                if same_spelling.filter(is_kept).is_none() {
                    break;
                }
                // Taken by msal's key of the other entry if this one has no issuer.
                key.push('-');
            }
        }
        replaced.extend(same_spelling);
        replaced.sort_unstable();
        replaced.dedup();
        // The entry with this spelling keeps its place, as in a Python dict.
        let Some(first) = same_spelling.or(replaced.first().copied()) else {
            return self.push(entry);
        };
        for slot in replaced.into_iter().filter(|&slot| slot != first) {
            self.clear(slot);
        }
        self.set(first, entry);
    }

    fn slot_of(&self, spelling: &str) -> Option<u32> {
        self.index.slots(self.spelled(spelling)).next()
    }

    /// The entry in a slot and another one differ in the issuer alone, as far as keys go.
    fn is_of_another_issuer(&self, slot: u32, entry: &Entry) -> bool {
        self.slots[slot as usize].as_ref().is_some_and(|held| {
            key::own(held) != key::own(entry) && key::plain(held) == key::plain(entry)
        })
    }

    /// The entries with their slots, in order.
    pub(crate) fn numbered(&self) -> impl Iterator<Item = (u32, &Entry)> {
        (0..).zip(&self.slots).filter_map(|(slot, entry)| Some((slot, entry.as_ref()?)))
    }

    /// The number of slots, including empty ones.
    pub(crate) fn slot_count(&self) -> usize {
        self.slots.len()
    }

    /// The entries that `entry` would replace under a spelling of its key, with their slots. First
    /// come those whose fields make one of `keys`, in order, then the one with this spelling. An
    /// entry may come twice.
    pub(crate) fn rivals<'s>(
        &'s self,
        entry: &Entry,
        keys: &[String],
        spelling: &str,
    ) -> impl Iterator<Item = (u32, &'s Entry)> + use<'s> {
        let names: Vec<Name> = keys.iter().map(|key| self.own(key)).collect();
        let own = names.into_iter().flat_map(|name| self.index.slots(name));
        let spelled =
            self.slot_of(spelling).filter(|&slot| !self.is_of_another_issuer(slot, entry));
        let slots = own.chain(spelled);
        slots.filter_map(|slot| Some((slot, self.slots[slot as usize].as_ref()?)))
    }

    /// Removes the entries with the key and the secret of `entry`. The key is that of its fields,
    /// or if they make none, its spelling. An entry with another secret is another token that took
    /// its place, and stays.
    pub(crate) fn remove(&mut self, entry: &Entry) -> usize {
        let name = match key::own(entry) {
            Some(key) => self.own(&key),
            None => self.spelled(entry.spelled_key()),
        };
        let is_same = |slot: &u32| {
            let held = self.slots[*slot as usize].as_ref();
            held.is_some_and(|held| held.secret() == entry.secret())
        };
        let slots: Vec<u32> = self.index.slots(name).filter(is_same).collect();
        self.clear_all(&slots)
    }

    /// Removes the entries for which `is_gone` returns `true`. Returns their number.
    pub(crate) fn remove_where(&mut self, mut is_gone: impl FnMut(&Entry) -> bool) -> usize {
        let before = self.live;
        let kept: Vec<Entry> = self.entries().filter(|entry| !is_gone(entry)).cloned().collect();
        if kept.len() < before {
            // Built again as a whole: each single removal would leave a tombstone in the index.
            *self = Self::default();
            kept.into_iter().for_each(|entry| self.push(entry));
        }
        before - self.live
    }

    /// Removes the entries under the index name `name` for which `is_gone` returns `true`. Returns
    /// their number.
    pub(crate) fn remove_indexed(&mut self, name: Name, is_gone: impl Fn(&Entry) -> bool) -> usize {
        let gone = |slot: &u32| self.slots[*slot as usize].as_ref().is_some_and(&is_gone);
        let slots: Vec<u32> = self.index.slots(name).filter(gone).collect();
        self.clear_all(&slots)
    }

    fn clear_all(&mut self, slots: &[u32]) -> usize {
        for &slot in slots {
            self.clear(slot);
        }
        // Only now, because it renumbers the slots of the list.
        self.compact();
        slots.len()
    }

    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.live == other.live && self.entries().zip(other.entries()).all(|(a, b)| a.is_same(b))
    }

    fn push(&mut self, entry: Entry) {
        let slot = u32::try_from(self.slots.len()).expect("fewer than 2^31 entries");
        self.slots.push(None);
        self.set(slot, entry);
    }

    fn set(&mut self, slot: u32, entry: Entry) {
        self.clear(slot);
        let names = self.names(&entry);
        for name in names.index {
            self.index.add(name, slot, 0);
        }
        let good_until = entry.good_until();
        // Only a note above zero is used without a look at the entry.
        if good_until > 0 {
            self.fresh_from = self.fresh_from.max(entry.fresh_from());
        }
        if let Some(name) = names.asked {
            // Without a note: these scopes were requested, not granted, so a find has to compare
            // this token with others.
            self.exact.add(name, slot, 0);
        }
        if let Some(name) = names.granted {
            self.exact.add(name, slot, good_until);
        }
        self.asked += usize::from(entry.asked().is_some());
        if let Some((environment, issuer)) = issuer_of(&entry) {
            self.issuers.add(environment, issuer);
        }
        self.slots[slot as usize] = Some(entry);
        self.live += 1;
    }

    fn clear(&mut self, slot: u32) {
        if let Some(old) = self.slots[slot as usize].take() {
            let names = self.names(&old);
            for name in names.index {
                self.index.remove(name, slot);
            }
            for name in names.asked.into_iter().chain(names.granted) {
                self.exact.remove(name, slot);
            }
            self.asked -= usize::from(old.asked().is_some());
            if let Some((environment, issuer)) = issuer_of(&old) {
                self.issuers.remove(environment, issuer);
            }
            self.live -= 1;
        }
    }

    /// All index names of an entry.
    fn names(&self, entry: &Entry) -> Names {
        let mut index = vec![self.spelled(entry.spelled_key())];
        let key = key::own(entry);
        if entry.issuer().is_some() {
            index.extend(key::plain(entry).map(|key| self.plain(&key)));
        }
        index.extend(key.map(|key| self.own(&key)));
        let mut names = Names { index, asked: None, granted: None };
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
        let home = reach.of(lookup_token(entry.home()));
        let contexts = [self.reach(&home), self.reach(&reach.of_anybody())];
        names.index.extend(contexts.iter().map(|context| context.name(ALL)));
        if let Some(asked) = entry.asked() {
            let asked = rule.name(&asked);
            names.asked = Some(self.exact.name(&format!("{home}{asked}")));
            // For any account alone: a find with a named account looks in the exact index.
            names.index.push(contexts[1].name(&format!("{ALL}{asked}")));
        }
        // Bounds the index: a target of many short scopes would need more memory there than in the
        // entry.
        if scopes_in(&target).count() * TEXT_PER_SCOPE > entry.canonical().len() {
            names.index.extend(contexts.iter().map(|context| context.name(UNINDEXED)));
            return;
        }
        names.granted = Some(self.exact.name(&format!("{home}{}", rule.name(&target))));
        let scopes = rule.deciding(&target);
        for context in &contexts {
            names.index.extend(scopes.iter().map(|scope| context.name(scope)));
        }
    }

    /// Renumbers the slots if most of them are empty.
    fn compact(&mut self) {
        // More removals than entries are left come before each renumbering, so it costs little.
        if self.slots.len() > 64 && self.live * 2 < self.slots.len() {
            let kept: Vec<Entry> = self.slots.drain(..).flatten().collect();
            *self = Self::default();
            kept.into_iter().for_each(|entry| self.push(entry));
        }
    }
}

/// The index names of an entry.
struct Names {
    index: Vec<Name>,
    /// In the exact index: by the requested scopes and by the granted scopes.
    asked: Option<Name>,
    granted: Option<Name>,
}

/// The host and the issuer of an entry that names one.
fn issuer_of(entry: &Entry) -> Option<(String, String)> {
    let issuer = entry.issuer_name()?;
    Some((lookup_token(entry.token("environment")).to_ascii_lowercase(), issuer))
}

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
    /// The start of the index names of an account's access tokens. A scope follows it, or in the
    /// exact index all scopes, sorted.
    pub(crate) fn of(&self, home: &str) -> String {
        let Self { client, realm, environment } = self;
        format!("S\n{home}\n{client}\n{realm}\n{environment}\n")
    }

    /// The start of the index names of any account's access tokens. A scope follows it.
    pub(crate) fn of_anybody(&self) -> String {
        let Self { client, realm, environment } = self;
        format!("A\n{client}\n{realm}\n{environment}\n")
    }
}

/// A field as lookups see it: absent, null and empty values are the same.
pub(crate) fn lookup_token(token: Option<&str>) -> &str {
    match token {
        None | Some("\"\"") => "null",
        Some(token) => token,
    }
}

/// Merges two ascending lists of slots.
fn in_order(
    one: impl Iterator<Item = u32>,
    other: impl Iterator<Item = u32>,
) -> impl Iterator<Item = u32> {
    let (mut one, mut other) = (one.peekable(), other.peekable());
    std::iter::from_fn(move || match (one.peek(), other.peek()) {
        (Some(a), Some(b)) if a > b => other.next(),
        (None, _) => other.next(),
        _ => one.next(),
    })
}

/// The scopes of an access token are indexed if it has at least this many bytes of text for each
/// scope, as provider tokens do. A token with more scopes is searched without the index, so that
/// the index is never larger than the cache.
const TEXT_PER_SCOPE: usize = 32;

/// Used instead of a scope: access tokens whose scopes are not indexed.
const UNINDEXED: &str = "";

/// Used instead of a scope: every access token whose scopes can be read. No scope contains a line
/// end.
const ALL: &str = "\n";
