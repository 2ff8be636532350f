//! The entries of one kind, in order, with their index.

use crate::cache::{
    entry::{Entry, scopes_in},
    index::Index,
    json::decode,
    key,
};

/// Entries in the order of a Python dict: a replaced entry keeps its place, a new one comes last.
#[derive(Clone, Default)]
pub(crate) struct Section {
    slots: Vec<Option<Entry>>,
    live: usize,
    index: Index,
    /// Access tokens by account, place and exact scopes: what a find looks at first. The note is
    /// [`good_until`].
    exact: Index,
}

impl Section {
    pub(crate) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.slots.iter().flatten()
    }

    pub(crate) fn len(&self) -> usize {
        self.live
    }

    /// The entries that are indexed under `what`, in order.
    pub(crate) fn indexed(&self, what: &str) -> impl Iterator<Item = &Entry> + use<'_> {
        self.index.slots(what).iter().filter_map(|&slot| self.slots[slot as usize].as_ref())
    }

    /// The access tokens that are indexed under this exact name, in order.
    pub(crate) fn indexed_exactly(&self, what: &str) -> impl Iterator<Item = &Entry> + use<'_> {
        self.exact.slots(what).iter().filter_map(|&slot| self.slots[slot as usize].as_ref())
    }

    /// The one access token under this exact name, if it is surely good at `now`. Only the index
    /// is looked at.
    pub(crate) fn surely_good(&self, what: &str, now: i64) -> Option<&Option<Entry>> {
        let (slot, good_until) = self.exact.only(what)?;
        (now < i64::from(good_until)).then(|| &self.slots[slot as usize])
    }

    pub(crate) fn count(&self, what: &str) -> usize {
        self.index.slots(what).len()
    }

    /// Adds an entry as it was read: only the same spelling of the key replaces.
    pub(crate) fn load(&mut self, entry: Entry) {
        match self.index.slots(&spelled(entry.spelled_key())).first() {
            Some(&slot) => self.set(slot, entry),
            None => self.push(entry),
        }
    }

    /// Stores an entry in the place of everything that it replaces: what has the same key by its
    /// fields or by its spelling, and what has the fields of `old`.
    pub(crate) fn replace(&mut self, old: Option<&str>, entry: Entry) {
        let own_key = key::own(&entry);
        let same_spelling = self.index.slots(&spelled(entry.spelled_key())).to_vec();
        let mut replaced = same_spelling.clone();
        for key in [old, own_key.as_deref()].into_iter().flatten() {
            replaced.extend(self.index.slots(&own(key)));
        }
        replaced.sort_unstable();
        replaced.dedup();
        let Some(&first) = same_spelling.first().or(replaced.first()) else {
            return self.push(entry);
        };
        for slot in replaced.into_iter().filter(|&slot| slot != first) {
            self.clear(slot);
        }
        self.set(first, entry);
    }

    /// The entries, in order, whose place a new one with this key would take: those whose fields make it, and the one
    /// that is spelled so.
    pub(crate) fn rivals(&self, key: Option<&str>, spelling: &str) -> Vec<&Entry> {
        let mut slots = key.map_or(Vec::new(), |key| self.index.slots(&own(key)).to_vec());
        slots.extend(self.index.slots(&spelled(spelling)));
        slots.sort_unstable();
        slots.dedup();
        slots.iter().filter_map(|&slot| self.slots[slot as usize].as_ref()).collect()
    }

    /// Removes what has the key of `entry` by its fields; without such a key, by its spelling.
    pub(crate) fn remove(&mut self, entry: &Entry) -> usize {
        let what = key::own(entry).map_or_else(|| spelled(entry.spelled_key()), |key| own(&key));
        let slots = self.index.slots(&what).to_vec();
        for &slot in &slots {
            self.clear(slot);
        }
        self.compact();
        slots.len()
    }

    /// Removes what `is_gone` says, and tells how many there were.
    pub(crate) fn remove_where(&mut self, mut is_gone: impl FnMut(&Entry) -> bool) -> usize {
        let before = self.live;
        let kept: Vec<Entry> = self.entries().filter(|entry| !is_gone(entry)).cloned().collect();
        if kept.len() < before {
            *self = Self::default();
            kept.into_iter().for_each(|entry| self.push(entry));
        }
        before - self.live
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
        for what in names(&entry) {
            if what.starts_with(EXACT) {
                self.exact.add(&what, slot, good_until(&entry));
            } else {
                self.index.add(&what, slot, 0);
            }
        }
        self.slots[slot as usize] = Some(entry);
        self.live += 1;
    }

    fn clear(&mut self, slot: u32) {
        if let Some(old) = self.slots[slot as usize].take() {
            for what in names(&old) {
                if what.starts_with(EXACT) {
                    self.exact.remove(&what, slot);
                } else {
                    self.index.remove(&what, slot);
                }
            }
            self.live -= 1;
        }
    }

    /// Numbers the slots anew when most of them are empty.
    fn compact(&mut self) {
        if self.slots.len() > 64 && self.live * 2 < self.slots.len() {
            let kept: Vec<Entry> = self.slots.drain(..).flatten().collect();
            *self = Self::default();
            kept.into_iter().for_each(|entry| self.push(entry));
        }
    }
}

/// Before this time, in Unix seconds, a find takes the token without a further look: it has its
/// secret, is bound to nothing further, does not expire soon and is not aging. 0 if it never does.
fn good_until(entry: &Entry) -> u32 {
    if entry.secret().is_none() || entry.is_bound_to_key() || entry.is_extended() {
        return 0;
    }
    let end = entry.expires_on().unwrap_or(0).saturating_sub(MARGIN);
    let end = end.min(entry.refresh_on().unwrap_or(end)).max(0);
    u32::try_from(end).unwrap_or(u32::MAX)
}

/// What the entry with this spelling of its key is indexed under.
pub(crate) fn spelled(key: &str) -> String {
    format!("K\n{key}")
}

/// What the entries whose fields make this key are indexed under.
pub(crate) fn own(key: &str) -> String {
    format!("O\n{key}")
}

/// What the entries of an account are indexed under; the argument is a canonical token.
pub(crate) fn account(home: &str) -> String {
    format!("H\n{home}")
}

/// Where an access token applies, as canonical tokens.
#[derive(Clone, Copy)]
pub(crate) struct Reach<'t> {
    pub(crate) client: &'t str,
    pub(crate) realm: &'t str,
    pub(crate) environment: &'t str,
}

impl Reach<'_> {
    /// What an account's access tokens with exactly these scopes are indexed under.
    pub(crate) fn exactly(&self, home: &str, sorted_scopes: &str) -> String {
        let Self { client, realm, environment } = self;
        format!("{EXACT}\n{home}\n{client}\n{realm}\n{environment}\n{sorted_scopes}")
    }

    /// What an account's access tokens with this scope are indexed under.
    pub(crate) fn with_scope(&self, home: &str, scope: &str) -> String {
        let Self { client, realm, environment } = self;
        format!("S\n{home}\n{client}\n{realm}\n{environment}\n{scope}")
    }

    /// What all access tokens with this scope are indexed under.
    pub(crate) fn of_anybody(&self, scope: &str) -> String {
        let Self { client, realm, environment } = self;
        format!("A\n{client}\n{realm}\n{environment}\n{scope}")
    }
}

/// A field as lookups see it: absent, null and empty are the same.
pub(crate) fn lookup_token(token: Option<&str>) -> &str {
    match token {
        None | Some("\"\"") => "null",
        Some(token) => token,
    }
}

/// Everything that an entry is indexed under.
fn names(entry: &Entry) -> Vec<String> {
    let mut names = vec![spelled(entry.spelled_key())];
    names.extend(key::own(entry).map(|key| own(&key)));
    let home = entry.token("home_account_id");
    names.extend(home.map(account));
    if entry.kind() != crate::CredentialType::AccessToken {
        return names;
    }
    let environment = lookup_token(entry.token("environment")).to_ascii_lowercase();
    let reach = Reach {
        client: lookup_token(entry.token("client_id")),
        realm: lookup_token(entry.token("realm")),
        environment: &environment,
    };
    let home = lookup_token(home);
    let Some(target) = entry.token("target").and_then(decode) else { return names };
    let mut scopes: Vec<&str> = scopes_in(&target).collect();
    scopes.sort_unstable();
    scopes.dedup();
    names.push(reach.exactly(home, &scopes.join(" ")));
    for scope in scopes {
        names.push(reach.with_scope(home, scope));
        names.push(reach.of_anybody(scope));
    }
    names
}

/// A token with less than this many seconds left counts as expired, as in the reference.
pub(crate) const MARGIN: i64 = 300;

const EXACT: &str = "E";
