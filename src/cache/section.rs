//! The entries of one kind, in order, with their index.

mod names;

use std::sync::Arc;

use self::names::{ALL, UNINDEXED};
pub(crate) use self::names::{Reach, Scopes};
use crate::cache::{
    entry::{Entry, key},
    index::{Context, Held, Index, Name},
    known_issuers::KnownIssuers,
    schema::CredentialType,
};

/// Entries in the order of a Python dict: a replaced entry keeps its place, a new one comes last.
#[derive(Clone, Default)]
pub(crate) struct Section {
    slots: Vec<Option<Entry>>,
    live: usize,
    index: Index,
    /// Access tokens by place, all scopes, granted or requested, and account. A find looks here
    /// first. The note of a token that was granted the scopes is [`Entry::good_until`].
    exact: Index,
    /// The notes are valid from this time on, in Unix seconds. Before it, a token would have a
    /// `cached_at` in the future.
    fresh_from: i64,
    /// The number of entries that store the requested scopes.
    asked: usize,
    /// The number of access tokens whose scopes are not indexed.
    unindexed: usize,
    issuers: KnownIssuers,
    owners: Owners,
}

/// Whose access tokens or refresh tokens these are, as far as a find has to know.
#[derive(Clone, Default)]
enum Owners {
    #[default]
    None,
    /// The only account, a canonical token.
    One(Arc<str>),
    /// Perhaps several. It stays so while there is an entry.
    Several,
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

    /// The access tokens of an account that are indexed under [`Reach::exactly`] these scopes, in
    /// order.
    pub(crate) fn indexed_exactly(
        &self,
        scopes: &str,
        home: &str,
    ) -> impl Iterator<Item = &Entry> + use<'_> {
        let slots = self.exact.slots(self.exact.name([scopes, home]));
        slots.filter_map(|slot| self.slots[slot as usize].as_ref())
    }

    /// The access token of an account that is certainly the best one for a request at `now`: the
    /// only one for exactly the scopes, or if there is none, the only one that was granted each of
    /// them. Reads only the index, not the entry.
    pub(crate) fn surely_best(
        &self,
        scopes: Scopes<'_>,
        home: &str,
        now: i64,
    ) -> Option<&Option<Entry>> {
        let is_good = |good_until: u32| now < i64::from(good_until) && now >= self.fresh_from;
        let slot = match self.exact.held([scopes.exactly, home]) {
            Held::One { slot, note } => is_good(note).then_some(slot),
            Held::Several => None,
            Held::Nothing if self.unindexed > 0 => None,
            Held::Nothing => {
                let good = |scope: &String| match self.index.held([
                    scopes.reach,
                    home,
                    "\n",
                    scope.as_str(),
                ]) {
                    Held::One { slot, note } if is_good(note) => Some(slot),
                    _ => None,
                };
                let (first, others) = scopes.each.split_first()?;
                let slot = good(first)?;
                others.iter().all(|scope| good(scope) == Some(slot)).then_some(slot)
            }
        };
        slot.map(|slot| &self.slots[slot as usize])
    }

    /// The account, a canonical token, that has all of these tokens. `None` if that is not
    /// certain.
    pub(crate) fn sole_owner(&self) -> Option<&str> {
        match &self.owners {
            Owners::One(home) => Some(home),
            Owners::None | Owners::Several => None,
        }
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

    /// The issuers that entries at a host name. The host is a canonical token in lower case.
    pub(crate) fn issuers(&self, environment: &str) -> impl Iterator<Item = &str> + use<'_> {
        self.issuers.at(environment)
    }

    /// No entry names an issuer.
    pub(crate) fn has_no_issuer(&self) -> bool {
        self.issuers.is_empty()
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
        for name in names.scopes {
            self.index.add(name, slot, good_until);
        }
        self.unindexed += usize::from(names.is_unindexed);
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
        // A find asks for those of no other kinds.
        if matches!(entry.kind(), CredentialType::AccessToken | CredentialType::RefreshToken) {
            let home = lookup_token(entry.home());
            match &self.owners {
                Owners::None => self.owners = Owners::One(home.into()),
                Owners::One(only) if **only == *home => {}
                Owners::One(_) => self.owners = Owners::Several,
                Owners::Several => {}
            }
        }
        self.slots[slot as usize] = Some(entry);
        self.live += 1;
    }

    fn clear(&mut self, slot: u32) {
        if let Some(old) = self.slots[slot as usize].take() {
            let names = self.names(&old);
            for name in names.index.into_iter().chain(names.scopes) {
                self.index.remove(name, slot);
            }
            self.unindexed -= usize::from(names.is_unindexed);
            for name in names.asked.into_iter().chain(names.granted) {
                self.exact.remove(name, slot);
            }
            self.asked -= usize::from(old.asked().is_some());
            if let Some((environment, issuer)) = issuer_of(&old) {
                self.issuers.remove(environment, issuer);
            }
            self.live -= 1;
            if self.live == 0 {
                self.owners = Owners::None;
            }
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

/// The host and the issuer of an entry that names one.
fn issuer_of(entry: &Entry) -> Option<(String, String)> {
    let issuer = entry.issuer_name()?;
    Some((lookup_token(entry.token("environment")).to_ascii_lowercase(), issuer))
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
