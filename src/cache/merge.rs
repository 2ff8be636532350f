//! Taking over what another cache has, without losing anything newer.

use std::cell::OnceCell;

use crate::{
    Error,
    cache::{
        Content, Member, TokenCache,
        entry::key,
        entry::{Entry, inside},
        event::claims::issued_at,
        json::{Names, quoted},
        schema::CredentialType,
        section::Section,
        time,
        unknown::{AllUnknown, Arriving, Unknown},
    },
};

/// What [`TokenCache::merge`] took over, and what it left.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MergeReport {
    entries: [MergedEntries; CredentialType::ALL.len()],
    sections: MergedSections,
}

/// How many entries of one kind the other cache had, by what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MergedEntries {
    /// Taken over: they are new here, or took the place of an older one.
    pub imported: usize,
    /// Left out, because a newer one was here or came from the other cache itself.
    pub outdated: usize,
    /// Here already, with the same fields.
    pub unchanged: usize,
}

/// How many sections that the schema does not know the other cache had, by what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MergedSections {
    /// Taken over: this cache had none of that name.
    pub imported: usize,
    /// Left out, because this cache has another one of that name, or because a section that the
    /// schema knows is no JSON object there.
    pub skipped: usize,
}

impl MergeReport {
    /// What became of the entries of a kind.
    pub fn entries(&self, kind: CredentialType) -> MergedEntries {
        self.entries[kind as usize]
    }

    /// What became of the sections that the schema does not know.
    pub fn sections(&self) -> MergedSections {
        self.sections
    }

    /// Something was taken over.
    pub fn is_change(&self) -> bool {
        self.sections.imported > 0 || self.entries.iter().any(|entries| entries.imported > 0)
    }
}

impl TokenCache {
    /// Takes over what `other` has and this cache has not, or has in an older state. It is
    /// idempotent.
    ///
    /// Entries are taken as they stand, token by token. One whose fields make the same key as
    /// others here, whatever key they stand under, takes the place of all of them, unless one of
    /// them is newer. Newer is
    ///
    /// - of two refresh tokens, accounts or app metadata the one with the later
    ///   `last_modification_time`,
    /// - of two access tokens the one with the later `cached_at`, or where these are equal the
    ///   later `expires_on`,
    /// - of two ID tokens the one whose claim `iat` is later.
    ///
    /// Entries without an `environment` mean nothing to the schema, and are told apart by their
    /// keys alone.
    ///
    /// One without such a time is older than one with it. Where no time decides, the other cache's
    /// is taken. So an old export loses no newer sign-in; but what was signed out since comes back
    /// with it.
    ///
    /// Of the sections that the schema does not know, those are taken that this cache has not.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if `other` has sections and none that the schema knows, so that it is no
    /// token cache;
    /// [`Error::Corrupt`] if a section that entries belong to is not a JSON object here. Nothing is
    /// changed then.
    pub fn merge(&mut self, other: &Self) -> Result<MergeReport, Error> {
        self.check(other)?;
        let mut merged = MergeReport::default();
        for member in &other.members {
            match member {
                Member::Known(kind, Content::Entries(section)) => {
                    merged.entries[*kind as usize] = self.merge_section(*kind, section)?;
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
        if !other.members.is_empty() && kinds.peek().is_none() {
            let names = CredentialType::ALL.map(CredentialType::as_str).join(", ");
            return Err(Error::Invalid {
                detail: format!("this is JSON but no token cache, for it has none of {names}"),
            });
        }
        let of_entries = |kind: &CredentialType| other.section(*kind).is_some_and(|s| s.len() > 0);
        kinds.filter(of_entries).try_for_each(|kind| self.can_write(kind))
    }

    fn merge_section(
        &mut self,
        kind: CredentialType,
        theirs: &Section,
    ) -> Result<MergedEntries, Error> {
        let mut count = MergedEntries::default();
        let mut newest = Newest::of(theirs);
        for (slot, entry) in theirs.numbered() {
            let key = own_key(entry);
            let spelling = key.as_ref().map(|key| quoted(key));
            let spelling = spelling.as_deref().map_or(entry.spelled_key(), inside);
            if key.as_ref().is_some_and(|key| newest.among(key, spelling, slot) != slot) {
                count.outdated += 1;
                continue;
            }
            match self.section(kind).map(|ours| standing(entry, key.as_deref(), spelling, ours)) {
                Some(Standing::Same) => count.unchanged += 1,
                Some(Standing::Older) => count.outdated += 1,
                Some(Standing::Newer) | None => {
                    count.imported += 1;
                    let ours = self.section_mut(kind)?;
                    match &key {
                        Some(key) => ours.replace(None, entry.respelled(key)),
                        None => ours.load(entry.clone()),
                    }
                }
            }
        }
        Ok(count)
    }

    fn merge_unknown(&mut self, theirs: &Unknown, count: &mut MergedSections) -> Result<(), Error> {
        let ours = AllUnknown::of(&self.members);
        let name = |nth| ours.member(nth).0;
        let names = Names::new(ours.count, name);
        let mut came = Arriving::default();
        for (their_name, value) in theirs.members() {
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

/// The key that its fields make. Entries without an environment are foreign, and told apart by
/// their spelling alone.
fn own_key(entry: &Entry) -> Option<String> {
    entry.environment().filter(|environment| !environment.is_empty())?;
    key::own(entry)
}

/// Which entries of a section go before the others that have the same key: the newest, or of
/// equals the last.
struct Newest<'s> {
    section: &'s Section,
    /// By the first slot of those that make a key: the slot of the newest, once it was looked for.
    known: Vec<Option<u32>>,
}

impl<'s> Newest<'s> {
    fn of(section: &'s Section) -> Self {
        Self { section, known: vec![None; section.slot_count()] }
    }

    /// The slot of the newest with a key that the entry in `slot` makes.
    fn among(&mut self, key: &str, spelling: &str, slot: u32) -> u32 {
        let rivals = || self.section.rivals(Some(key), spelling);
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

/// How an entry of the other cache stands to those here whose place it would take.
enum Standing {
    Same,
    Older,
    Newer,
}

fn standing(entry: &Entry, key: Option<&str>, spelling: &str, ours: &Section) -> Standing {
    let time = OnceCell::new();
    let mut standing = Standing::Newer;
    for (_, held) in ours.rivals(key, spelling) {
        if has_same_fields(held, entry) {
            return Standing::Same;
        }
        if *time.get_or_init(|| times(entry)) < times(held) {
            standing = Standing::Older;
        }
    }
    standing
}

/// Whether both have the same fields, in whatever order.
fn has_same_fields(entry: &Entry, other: &Entry) -> bool {
    let (ours, theirs) = (entry.canonical(), other.canonical());
    ours == theirs
        || ours.len() == theirs.len() && {
            let (mut ours, mut theirs): (Vec<_>, Vec<_>) =
                (entry.members().collect(), other.members().collect());
            ours.sort_unstable();
            theirs.sort_unstable();
            !ours.is_empty() && ours == theirs
        }
}

/// What tells of two entries of a kind which one is newer: the first difference counts.
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
