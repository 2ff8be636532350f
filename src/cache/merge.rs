//! Taking over what another cache has, without losing anything newer.

use std::sync::Arc;

use crate::{
    Error,
    cache::{
        Content, Member, TokenCache,
        claims::issued_at,
        credential::CredentialType,
        entry::{Entry, inside},
        key,
        section::Section,
        time,
    },
};

/// What [`TokenCache::merge`] took over, and what it left.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Merged {
    entries: [MergedEntries; CredentialType::ALL.len()],
    sections: MergedSections,
}

/// How many entries of one kind the other cache had, by what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MergedEntries {
    /// Taken over: they are new here, or took the place of an older one.
    pub came: usize,
    /// Left out, because a newer one was here or came from the other cache itself.
    pub newer: usize,
    /// Here already, with the same fields.
    pub same: usize,
}

/// How many sections that the schema does not know the other cache had, by what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MergedSections {
    /// Taken over: this cache had none of that name.
    pub came: usize,
    /// Left out, because this cache has another one of that name, or because a section that the schema knows is no
    /// JSON object there.
    pub left: usize,
}

impl Merged {
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
        self.sections.came > 0 || self.entries.iter().any(|entries| entries.came > 0)
    }
}

impl TokenCache {
    /// Takes over what `other` has and this cache has not, or has in an older state. Twice is as good as once.
    ///
    /// Entries are taken as they stand, token by token. One whose fields make the same key as others here, whatever
    /// key they stand under, takes the place of all of them, unless one of them is newer. Newer is
    ///
    /// - of two refresh tokens, accounts or app metadata the one with the later `last_modification_time`,
    /// - of two access tokens the one with the later `cached_at`, or where these are equal the later `expires_on`,
    /// - of two ID tokens the one whose claim `iat` is later.
    ///
    /// Entries without an `environment` mean nothing to the schema, and are told apart by their keys alone.
    ///
    /// One without such a time is older than one with it. Where no time decides, the other cache's is taken. So an
    /// old export loses no newer sign-in; but what was signed out since comes back with it.
    ///
    /// Of the sections that the schema does not know, those are taken that this cache has not.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if `other` has sections and none that the schema knows, so that it is no token cache;
    /// [`Error::Corrupt`] if a section that entries belong to is not a JSON object here. Nothing is changed then.
    pub fn merge(&mut self, other: &Self) -> Result<Merged, Error> {
        self.check(other)?;
        let mut merged = Merged::default();
        for member in &other.members {
            match (&member.content, CredentialType::from_name(inside(&member.name))) {
                (Content::Entries(section), Some(kind)) => {
                    merged.entries[kind as usize] = self.merge_section(kind, section)?;
                }
                (_, kind) => match self.merge_unknown(member, kind.is_none()) {
                    Some(true) => merged.sections.came += 1,
                    Some(false) => merged.sections.left += 1,
                    None => {}
                },
            }
        }
        Ok(merged)
    }

    fn check(&self, other: &Self) -> Result<(), Error> {
        let kinds = || other.members.iter().map(|m| CredentialType::from_name(inside(&m.name)));
        if !other.members.is_empty() && kinds().all(|kind| kind.is_none()) {
            let names = CredentialType::ALL.map(CredentialType::as_str).join(", ");
            return Err(Error::Invalid {
                detail: format!("this is JSON but no token cache, for it has none of {names}"),
            });
        }
        let of_entries = |kind: &CredentialType| other.section(*kind).is_some_and(|s| s.len() > 0);
        kinds().flatten().filter(of_entries).try_for_each(|kind| self.can_write(kind))
    }

    fn merge_section(
        &mut self,
        kind: CredentialType,
        theirs: &Section,
    ) -> Result<MergedEntries, Error> {
        let mut count = MergedEntries::default();
        for entry in theirs.entries() {
            let key = own_key(entry);
            let candidate = key.as_ref().map_or_else(|| entry.clone(), |key| entry.respelled(key));
            let spelling = candidate.spelled_key();
            if is_outdone(entry, &theirs.rivals(key.as_deref(), spelling)) {
                count.newer += 1;
                continue;
            }
            let ours = self.section(kind);
            let held = ours.map(|ours| ours.rivals(key.as_deref(), spelling)).unwrap_or_default();
            if held.iter().any(|held| has_same_fields(held, &candidate)) {
                count.same += 1;
            } else if held.iter().any(|held| is_older(&candidate, held)) {
                count.newer += 1;
            } else {
                let ours = self.section_mut(kind)?;
                match key {
                    Some(_) => ours.replace(None, candidate),
                    None => ours.load(candidate),
                }
                count.came += 1;
            }
        }
        Ok(count)
    }

    /// Whether it was taken; none if it is here already.
    fn merge_unknown(&mut self, theirs: &Member, may_come: bool) -> Option<bool> {
        let ours = self.members.iter().find(|ours| ours.name == theirs.name);
        match (ours.map(|ours| &ours.content), &theirs.content) {
            (Some(Content::Raw(ours)), Content::Raw(theirs))
                if Arc::ptr_eq(ours, theirs) || ours == theirs =>
            {
                None
            }
            (None, _) if may_come => {
                self.touched = true;
                self.members.push(theirs.clone());
                Some(true)
            }
            _ => Some(false),
        }
    }
}

/// The key that its fields make. Entries without an environment are foreign, and told apart by their spelling alone.
fn own_key(entry: &Entry) -> Option<String> {
    entry.environment().filter(|environment| !environment.is_empty())?;
    key::own(entry)
}

/// Whether another entry of the same cache goes before this one: a newer one, or of equals the last.
fn is_outdone(entry: &Entry, rivals: &[&Entry]) -> bool {
    let here = rivals.iter().position(|rival| rival.is_same(entry)).unwrap_or(rivals.len());
    rivals
        .iter()
        .enumerate()
        .any(|(nth, rival)| is_older(entry, rival) || nth > here && !is_older(rival, entry))
}

/// Whether `entry` is older than `other`, an entry of the same kind.
pub(super) fn is_older(entry: &Entry, other: &Entry) -> bool {
    times(entry) < times(other)
}

/// Whether both have the same fields, in whatever order.
fn has_same_fields(entry: &Entry, other: &Entry) -> bool {
    entry.as_json() == other.as_json() || {
        let (mut ours, mut theirs): (Vec<_>, Vec<_>) =
            (entry.members().collect(), other.members().collect());
        ours.sort_unstable();
        theirs.sort_unstable();
        !ours.is_empty() && ours == theirs
    }
}

/// What tells of two entries of a kind which one is newer: the first difference counts.
fn times(entry: &Entry) -> [Option<i64>; 2] {
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
