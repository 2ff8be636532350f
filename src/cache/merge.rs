//! Merges another cache into this one without losing newer entries.

use std::cell::OnceCell;

use crate::{
    Error,
    cache::{
        Content, Member, TokenCache,
        entry::key,
        entry::{Entry, inside},
        event::claims::issued_at,
        json::{Names, quoted},
        records::SECTION,
        schema::CredentialType,
        section::Section,
        time,
        unknown::{AllUnknown, Arriving, Unknown},
    },
};

/// The result of [`TokenCache::merge`]: what was imported, and what was not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MergeReport {
    entries: [MergedEntries; CredentialType::ALL.len()],
    sections: MergedSections,
}

/// The number of entries of one kind in the other cache, by result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MergedEntries {
    /// Imported: they are new in this cache, or replaced an older entry.
    pub imported: usize,
    /// Not imported, because this cache or the other cache has a newer entry with the same key.
    pub outdated: usize,
    /// Already in this cache, with the same fields.
    pub unchanged: usize,
}

/// The number of sections in the other cache that the schema does not define, by result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MergedSections {
    /// Imported: this cache had no section with that name.
    pub imported: usize,
    /// Not imported, because this cache has a different section with that name. Also counts
    /// sections of the schema that are not JSON objects in the other cache.
    pub skipped: usize,
}

impl MergeReport {
    /// The result for the entries of a kind.
    pub fn entries(&self, kind: CredentialType) -> MergedEntries {
        self.entries[kind as usize]
    }

    /// The result for the sections that the schema does not define.
    pub fn sections(&self) -> MergedSections {
        self.sections
    }

    /// Returns `true` if anything was imported.
    pub fn is_change(&self) -> bool {
        self.sections.imported > 0 || self.entries.iter().any(|entries| entries.imported > 0)
    }
}

impl TokenCache {
    /// Imports the entries of `other` that this cache does not have, or has in an older state.
    /// Idempotent.
    ///
    /// The fields of an entry are imported unchanged. An imported entry replaces all entries whose
    /// fields make the same key, whatever key they are stored under. Outside Microsoft's clouds,
    /// entries of different issuers do not replace each other. If one of them is newer, the entry
    /// is not imported. Newer is
    ///
    /// - of two refresh tokens, accounts or app metadata, the one with the later
    ///   `last_modification_time`,
    /// - of two access tokens, the one with the later `cached_at`, or if these are equal, the later
    ///   `expires_on`,
    /// - of two ID tokens, the one with the later claim `iat`.
    ///
    /// Entries without an `environment` mean nothing to the schema. They are compared only by the
    /// key that they are stored under.
    ///
    /// An entry without such a time is older than one with it. If no time decides, the entry of the
    /// other cache is imported. An old export therefore loses no newer sign-in, but it brings back
    /// accounts that have signed out since.
    ///
    /// Sections that the schema does not define are imported if this cache has none with that name.
    /// The [`records`](Self::records) of sign-ins are not, because they say where tokens are sent.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if `other` has sections but none that the schema defines, so that it is
    /// not a token cache; [`Error::Corrupt`] if a section that entries belong to is not a JSON
    /// object here. Nothing is changed then.
    pub fn merge(&mut self, other: &Self) -> Result<MergeReport, Error> {
        self.check(other)?;
        let mut merged = MergeReport::default();
        for member in &other.members {
            match member {
                Member::Known(kind, Content::Entries(section)) => {
                    merged.entries[*kind as usize] = self.merge_section(*kind, other, section)?;
                }
                Member::Known(kind, theirs) => {
                    let is_here = self.content(*kind).is_some_and(|ours| ours.is_same(theirs));
                    merged.sections.skipped += usize::from(!is_here);
                }
                Member::Unknown(theirs) => self.merge_unknown(theirs, &mut merged.sections)?,
            }
        }
        Ok(merged)
    }

    fn check(&self, other: &Self) -> Result<(), Error> {
        let known = |member: &Member| match member {
            Member::Known(kind, _) => Some(*kind),
            Member::Unknown(_) => None,
        };
        let mut kinds = other.members.iter().filter_map(known).peekable();
        let is_empty = other.members.is_empty() || !other.records().is_empty();
        if kinds.peek().is_none() && !is_empty {
            let names = CredentialType::ALL.map(CredentialType::as_str).join(", ");
            return Err(Error::Invalid {
                detail: format!("this is JSON but no token cache, for it has none of {names}"),
            });
        }
        let of_entries = |kind: &CredentialType| other.section(*kind).is_some_and(|s| s.len() > 0);
        // All sections first, so that an error leaves the cache unchanged.
        kinds.filter(of_entries).try_for_each(|kind| self.can_write(kind))
    }

    fn merge_section(
        &mut self,
        kind: CredentialType,
        other: &Self,
        theirs: &Section,
    ) -> Result<MergedEntries, Error> {
        let mut count = MergedEntries::default();
        let mut newest = Newest::of(other, theirs);
        for (slot, entry) in theirs.numbered() {
            let key = msals_key(entry);
            let spelling = key.as_ref().map(|key| quoted(key));
            let spelling = spelling.as_deref().map_or(entry.spelled_key(), inside);
            // Of several entries of the other cache with one key only the newest can be imported.
            if key.is_some() && newest.among(entry, spelling, slot) != slot {
                count.outdated += 1;
                continue;
            }
            let keys = self.keys(entry);
            match self.section(kind).map(|ours| standing(entry, &keys, spelling, ours)) {
                Some(Standing::Same) => count.unchanged += 1,
                Some(Standing::Older) => count.outdated += 1,
                Some(Standing::Newer) | None => {
                    count.imported += 1;
                    match &key {
                        Some(key) => self.replace(None, entry.respelled(key))?,
                        None => self.section_mut(kind)?.load(entry.clone()),
                    }
                }
            }
        }
        Ok(count)
    }

    /// The keys of the entries that an entry is compared with: its own, and its twin's.
    fn keys(&self, entry: &Entry) -> Vec<String> {
        let own = msals_key(entry).and_then(|_| key::own(entry));
        let twin = own.as_ref().and_then(|_| self.twin(entry));
        own.into_iter().chain(twin).collect()
    }

    fn merge_unknown(&mut self, theirs: &Unknown, count: &mut MergedSections) -> Result<(), Error> {
        let ours = AllUnknown::of(&self.members);
        let name = |nth| ours.member(nth).0;
        let names = Names::new(ours.count, name);
        let mut came = Arriving::default();
        // A record of a sign-in says where tokens are sent, so no import brings one.
        for (their_name, value) in theirs.members().filter(|(name, _)| *name != SECTION) {
            match names.find(their_name, name).map(|nth| ours.member(nth).1) {
                Some(ours) if ours == value => {}
                Some(_) => count.skipped += 1,
                None => {
                    came.push(their_name, value)?;
                    count.imported += 1;
                    self.touched = true;
                }
            }
        }
        came.finish(&mut self.members)
    }
}

/// The key that msal computes from an entry's fields. Entries without an environment are foreign
/// and have only the key that they are stored under.
fn msals_key(entry: &Entry) -> Option<String> {
    entry.environment().filter(|environment| !environment.is_empty())?;
    key::plain(entry)
}

/// Finds the entry that counts among those of a section with the same key: the newest, or of
/// equally new ones the last.
struct Newest<'s> {
    cache: &'s TokenCache,
    section: &'s Section,
    /// Indexed by the first slot of the entries with one key. The value is the slot of the newest
    /// entry, once it has been looked for.
    known: Vec<Option<u32>>,
}

impl<'s> Newest<'s> {
    fn of(cache: &'s TokenCache, section: &'s Section) -> Self {
        Self { cache, section, known: vec![None; section.slot_count()] }
    }

    /// The slot of the newest entry with the key of the entry in `slot`.
    fn among(&mut self, entry: &Entry, spelling: &str, slot: u32) -> u32 {
        let keys = self.cache.keys(entry);
        let rivals = || self.section.rivals(entry, &keys, spelling);
        if rivals().all(|(rival, _)| rival == slot) {
            return slot;
        }
        let first = rivals().next().map_or(slot, |(first, _)| first);
        *self.known[first as usize].get_or_insert_with(|| {
            let newest = rivals().max_by_key(|(s, e)| (times(e), *s));
            newest.map_or(slot, |(newest, _)| newest)
        })
    }
}

/// How an entry of the other cache compares with the entries that it would replace.
enum Standing {
    Same,
    Older,
    Newer,
}

fn standing(entry: &Entry, keys: &[String], spelling: &str, ours: &Section) -> Standing {
    // Computed at most once: for an ID token its payload has to be decoded.
    let time = OnceCell::new();
    let mut standing = Standing::Newer;
    for (_, held) in ours.rivals(entry, keys, spelling) {
        if has_same_fields(held, entry) {
            return Standing::Same;
        }
        if *time.get_or_init(|| times(entry)) < times(held) {
            standing = Standing::Older;
        }
    }
    standing
}

/// Whether both entries have the same fields, in any order.
fn has_same_fields(entry: &Entry, other: &Entry) -> bool {
    let (ours, theirs) = (entry.canonical(), other.canonical());
    // Cheapest first: most entries are equal as text, or differ in length.
    ours == theirs
        || ours.len() == theirs.len() && {
            let (mut ours, mut theirs): (Vec<_>, Vec<_>) =
                (entry.members().collect(), other.members().collect());
            ours.sort_unstable();
            theirs.sort_unstable();
            !ours.is_empty() && ours == theirs
        }
}

/// The times that decide which of two entries of a kind is newer. The first difference counts.
pub(super) fn times(entry: &Entry) -> [Option<i64>; 2] {
    let time = |name: &str| entry.token(name).and_then(time::read);
    match entry.kind() {
        CredentialType::AccessToken => [time("cached_at"), entry.expires_on()],
        CredentialType::IdToken => [entry.secret().and_then(issued_at), None],
        CredentialType::RefreshToken | CredentialType::Account | CredentialType::AppMetadata => {
            [time("last_modification_time"), None]
        }
    }
}

#[cfg(test)]
mod tests;
