//! Members of the root object that the schema does not define. Many of them share one text.

use std::{mem, sync::Arc};

use zeroize::Zeroizing;

use crate::{
    Error,
    cache::{
        Member,
        json::{Buffer, NONE, Printer, check_len, standing, string_end},
    },
};

/// A run of adjacent members.
pub(crate) struct Unknown {
    /// Names and values as canonical tokens, one after another.
    text: Zeroizing<Box<str>>,
    ends: Box<[u32]>,
}

impl Unknown {
    fn len(&self) -> usize {
        self.ends.len()
    }

    /// The name and the value of a member.
    fn member(&self, nth: usize) -> (&str, &str) {
        let from = nth.checked_sub(1).map_or(0, |before| self.ends[before] as usize);
        let text = &self.text[from..self.ends[nth] as usize];
        text.split_at(string_end(text, 0))
    }

    /// The name and the value of each member, as canonical tokens.
    pub(crate) fn members(&self) -> impl Iterator<Item = (&str, &str)> {
        (0..self.len()).map(|nth| self.member(nth))
    }

    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.text == other.text && self.ends == other.ends
    }
}

/// All unknown members of a cache, numbered from 0.
pub(crate) struct AllUnknown<'c> {
    /// The runs, each with the number of its first member.
    runs: Vec<(usize, &'c Unknown)>,
    pub(crate) count: usize,
}

impl<'c> AllUnknown<'c> {
    pub(crate) fn of(members: &'c [Member]) -> Self {
        let (mut runs, mut count) = (Vec::new(), 0);
        for member in members {
            if let Member::Unknown(run) = member {
                runs.push((count, &**run));
                count += run.len();
            }
        }
        Self { runs, count }
    }

    /// The name and the value of a member, as canonical tokens.
    pub(crate) fn member(&self, nth: usize) -> (&'c str, &'c str) {
        let run = self.runs.partition_point(|&(first, _)| first <= nth) - 1;
        let (first, run) = self.runs[run];
        run.member(nth - first)
    }
}

/// Of members with the same name, keeps the last one in the place of the first one.
///
/// # Errors
///
/// [`Error::TooLarge`] if a run has more than 4 GiB.
pub(crate) fn keep_last(members: &mut Vec<Member>) -> Result<(), Error> {
    let all = AllUnknown::of(members);
    let Some(standing) = standing(all.count, |nth| all.member(nth).0) else { return Ok(()) };
    let mut places = standing.iter();
    let mut kept = Vec::with_capacity(members.len());
    for member in members.iter() {
        match member {
            Member::Unknown(run) => {
                let mut kept_here = Arriving::default();
                for &nth in places.by_ref().take(run.len()).filter(|&&nth| nth != NONE) {
                    let (name, value) = all.member(nth as usize);
                    kept_here.push(name, value)?;
                }
                kept_here.finish(&mut kept)?;
            }
            known => kept.push(known.clone()),
        }
    }
    *members = kept;
    Ok(())
}

/// Sets the member with this name, or removes it if `value` is `None`. Both are canonical tokens. A
/// new member comes last.
///
/// # Errors
///
/// [`Error::TooLarge`] if a run would have more than 4 GiB.
pub(crate) fn set(members: &mut Vec<Member>, name: &str, value: Option<&str>) -> Result<(), Error> {
    let mut value = value;
    let mut kept = Vec::with_capacity(members.len() + 1);
    for member in members.iter() {
        let has_it = |run: &Unknown| run.members().any(|(known, _)| known == name);
        match member {
            Member::Unknown(run) if has_it(run) => {
                let mut changed = Arriving::default();
                for (known, old) in run.members() {
                    match known == name {
                        // Only once: there is only one of each name.
                        true => value.take().map(|new| changed.push(name, new)).transpose()?,
                        false => Some(changed.push(known, old)?),
                    };
                }
                changed.finish(&mut kept)?;
            }
            other => kept.push(other.clone()),
        }
    }
    if let Some(value) = value {
        let mut new = Arriving::default();
        new.push(name, value)?;
        new.finish(&mut kept)?;
    }
    *members = kept;
    Ok(())
}

/// A run of members that is being read or imported.
#[derive(Default)]
pub(crate) struct Arriving {
    text: Buffer,
    ends: Vec<u32>,
}

impl Arriving {
    /// Reads the value of the member with this name.
    pub(crate) fn read(&mut self, name: &str, printer: &mut Printer<'_>) -> Result<(), Error> {
        self.text.push_str(name);
        // The printer appends directly to `text`, so that the value is not copied.
        mem::swap(&mut self.text, &mut printer.out);
        printer.value(1)?;
        mem::swap(&mut self.text, &mut printer.out);
        self.ends.push(check_len(self.text.as_str().len())?);
        Ok(())
    }

    pub(crate) fn push(&mut self, name: &str, value: &str) -> Result<(), Error> {
        self.text.push_str(name);
        self.text.push_str(value);
        self.ends.push(check_len(self.text.as_str().len())?);
        Ok(())
    }

    /// Appends the members to `members` and leaves `self` empty.
    pub(crate) fn finish(&mut self, members: &mut Vec<Member>) -> Result<(), Error> {
        if self.ends.is_empty() {
            return Ok(());
        }
        // Two runs must never be adjacent, so this run is appended to the last one.
        if let Some(Member::Unknown(last)) = members.last() {
            let mut joined = Self::default();
            for (name, value) in last.members() {
                joined.push(name, value)?;
            }
            let before = check_len(joined.text.as_str().len())?;
            joined.text.push_str(self.text.as_str());
            check_len(joined.text.as_str().len())?;
            joined.ends.extend(self.ends.iter().map(|end| before + end));
            members.pop();
            *self = joined;
        }
        let draft = mem::take(self);
        let text = Zeroizing::new(draft.text.as_str().into());
        members.push(Member::Unknown(Arc::new(Unknown { text, ends: draft.ends.into() })));
        Ok(())
    }
}
