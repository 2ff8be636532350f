//! Decides which owners and which entries are safe, by the kind of place.

use std::path::Path;

use super::{Descriptor, Sid, entry::Entry};
use crate::{file::Trust, text::cmd_word};

/// What is being judged: a folder or a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Folder,
    File,
}

/// What is wrong, and how to fix it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) found: String,
    fix: Fix,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Fix {
    /// Run as the owner.
    BeOwner,
    /// Grant access only to the user, the system and administrators, and remove the grants of the
    /// others.
    Narrow(Sid, Kind, Vec<Sid>),
    NameAnother,
}

impl Fault {
    /// Says how to fix the object at `path`. A command is named only if `is_own` says that the
    /// object was made for a store.
    pub(crate) fn fix(&self, path: &Path, is_own: impl FnOnce(&Path) -> bool) -> String {
        match &self.fix {
            Fix::BeOwner => "run as that user, or name another place".to_owned(),
            Fix::Narrow(user, kind, others) => match cmd_word(path).filter(|_| is_own(path)) {
                Some(word) => format!("run `{}`", narrowing(&word, user, *kind, others)),
                None if *kind == Kind::Folder => {
                    "name a folder of its own below it, or another place".to_owned()
                }
                None => "name another place".to_owned(),
            },
            Fix::NameAnother => "name another place".to_owned(),
        }
    }
}

fn narrowing(path: &str, user: &Sid, kind: Kind, others: &[Sid]) -> String {
    let inherit = if kind == Kind::Folder { "(OI)(CI)" } else { "" };
    let mut line = format!("icacls {path} /inheritance:r");
    if !others.is_empty() {
        line.push_str(" /remove:g");
        // `*` begins an identifier for icacls. Names of groups differ by the language of Windows.
        others.iter().for_each(|who| line.push_str(&format!(" \"*{who}\"")));
    }
    line.push_str(" /grant:r");
    for who in [user, &Sid::system(), &Sid::administrators()] {
        line.push_str(&format!(" \"*{who}:{inherit}F\""));
    }
    line
}

/// Judges the owner and the access list by the rules of `place`. Returns whether others can read
/// the object.
///
/// The rules match Unix. In a private place only the user, the system and administrators may have
/// any right. In a shared place others may read. Denying entries are not counted, so a list may be
/// refused although it effectively grants nothing.
pub(crate) fn judge(
    found: &Descriptor,
    user: &Sid,
    kind: Kind,
    place: Trust,
) -> Result<bool, Fault> {
    ours(found, user)?;
    let narrow = |others: Vec<Sid>| Fix::Narrow(user.clone(), kind, others);
    let Some(entries) = &found.entries else {
        let found = "has no access list, so everybody may change it".to_owned();
        return Err(Fault { found, fix: narrow(vec![]) });
    };
    let (mut readers, mut writers) = (Vec::new(), Vec::new());
    for entry in entries {
        match entry {
            // "Owner rights" applies to the owner, which `ours` has checked above.
            Entry::Allow { who, .. } if is_trusted(who, user) || *who == Sid::owner_rights() => {}
            Entry::Allow { who, mask } => {
                if mask & WRITING != 0 {
                    add(&mut writers, who);
                }
                // Generic-all is a writing right that also reads.
                if mask & !HARMLESS & !WRITING != 0 || mask & GENERIC_ALL != 0 {
                    add(&mut readers, who);
                }
            }
            Entry::Idle => {}
            Entry::Unknown(number) => {
                let found = format!("has an access entry of the unknown kind {number}");
                return Err(Fault { found, fix: Fix::NameAnother });
            }
        }
    }
    let readable_by_others = !readers.is_empty();
    let others = match place {
        Trust::Private => {
            let mut all = readers;
            writers.iter().for_each(|who| add(&mut all, who));
            all
        }
        Trust::Shared => writers,
    };
    if others.is_empty() {
        return Ok(readable_by_others);
    }
    let what = match (kind, place) {
        (Kind::Folder, Trust::Private) => "can be entered or changed by others",
        (Kind::Folder, Trust::Shared) => "can be changed by others",
        (Kind::File, Trust::Private) => "can be read or written by others",
        (Kind::File, Trust::Shared) => "can be written by others",
    };
    let names: Vec<_> = others.iter().map(Sid::name).collect();
    Err(Fault { found: format!("{what} ({})", names.join(", ")), fix: narrow(others) })
}

/// Checks that the object belongs to the user. Administrators or the system also pass: they own
/// what an elevated shell or a service creates, and they can read everything anyway.
pub(crate) fn ours(found: &Descriptor, user: &Sid) -> Result<(), Fault> {
    let found = match &found.owner {
        Some(owner) if is_trusted(owner, user) => return Ok(()),
        Some(owner) => format!("belongs to {}, not to {user}", owner.name()),
        None => "belongs to nobody".to_owned(),
    };
    Err(Fault { found, fix: Fix::BeOwner })
}

fn is_trusted(who: &Sid, user: &Sid) -> bool {
    who == user || *who == Sid::system() || *who == Sid::administrators()
}

fn add(list: &mut Vec<Sid>, who: &Sid) {
    if !list.contains(who) {
        list.push(who.clone());
    }
}

/// The rights of winnt.h that change a file, a folder, its content, or the list itself.
const WRITING: u32 = WRITE_DATA
    | APPEND_DATA
    | WRITE_EA
    | DELETE_CHILD
    | WRITE_ATTRIBUTES
    | DELETE
    | WRITE_DAC
    | WRITE_OWNER
    | GENERIC_WRITE
    | GENERIC_ALL;

/// Rights that reveal neither content nor names. A right in neither list counts as reading.
const HARMLESS: u32 = READ_EA | READ_ATTRIBUTES | READ_CONTROL | SYNCHRONIZE;

const WRITE_DATA: u32 = 0x2;
const APPEND_DATA: u32 = 0x4;
const READ_EA: u32 = 0x8;
const WRITE_EA: u32 = 0x10;
const DELETE_CHILD: u32 = 0x40;
const READ_ATTRIBUTES: u32 = 0x80;
const WRITE_ATTRIBUTES: u32 = 0x100;
const DELETE: u32 = 0x1_0000;
const READ_CONTROL: u32 = 0x2_0000;
const WRITE_DAC: u32 = 0x4_0000;
const WRITE_OWNER: u32 = 0x8_0000;
const SYNCHRONIZE: u32 = 0x10_0000;
const GENERIC_ALL: u32 = 0x1000_0000;
const GENERIC_WRITE: u32 = 0x4000_0000;

#[cfg(test)]
mod tests {
    use super::*;

    const READ: u32 = 0x0012_0089;
    const EXECUTE: u32 = 0x0012_00A0;
    const MODIFY: u32 = 0x0013_01BF;
    const FULL: u32 = super::super::entry::FULL;

    fn user() -> Sid {
        Sid::of(5, &[21, 7, 8, 9, 1001])
    }

    fn found(owner: Sid, granted: &[(Sid, u32)]) -> Descriptor {
        let allow = |(who, mask): &(Sid, u32)| Entry::Allow { who: who.clone(), mask: *mask };
        Descriptor { owner: Some(owner), entries: Some(granted.iter().map(allow).collect()) }
    }

    /// What each place says of one grant added to those of the user, the system and administrators:
    /// whether others can read, or `None` for refused.
    #[test]
    fn a_grant_to_others_is_refused_as_a_mode_is_on_unix() {
        let everyone = || Sid::of(1, &[0]);
        let users = || Sid::of(5, &[32, 545]);
        let authenticated = || Sid::of(5, &[11]);
        let colleague = || Sid::of(5, &[21, 7, 8, 9, 1002]);
        let (plain, readable, refused) = (Some(false), Some(true), None);
        for (who, mask, private, shared) in [
            (user(), FULL, plain, plain),
            (Sid::system(), FULL, plain, plain),
            (Sid::administrators(), FULL, plain, plain),
            (Sid::owner_rights(), FULL, plain, plain),
            (everyone(), READ, refused, readable),
            (users(), READ, refused, readable),
            (authenticated(), READ, refused, readable),
            (colleague(), READ, refused, readable),
            (colleague(), 1, refused, readable),
            (Sid::of(15, &[2, 1]), READ, refused, readable),
            (everyone(), EXECUTE, refused, readable),
            (everyone(), 0x8000_0000, refused, readable),
            (everyone(), 0x0200_0000, refused, readable),
            (everyone(), GENERIC_ALL, refused, refused),
            (everyone(), GENERIC_WRITE, refused, refused),
            (authenticated(), MODIFY, refused, refused),
            (users(), WRITE_DATA, refused, refused),
            (users(), APPEND_DATA, refused, refused),
            (users(), DELETE_CHILD, refused, refused),
            (users(), DELETE, refused, refused),
            (users(), WRITE_DAC, refused, refused),
            (users(), WRITE_OWNER, refused, refused),
            (users(), WRITE_ATTRIBUTES, refused, refused),
            (everyone(), HARMLESS, plain, plain),
            (everyone(), 0, plain, plain),
        ] {
            let found =
                found(user(), &[(user(), FULL), (Sid::system(), FULL), (who.clone(), mask)]);
            for kind in [Kind::Folder, Kind::File] {
                for (place, expected) in [(Trust::Private, private), (Trust::Shared, shared)] {
                    let judged = judge(&found, &user(), kind, place);
                    let told = judged.as_ref().ok().copied();
                    assert_eq!(told, expected, "{who} {mask:#x} {kind:?} {place:?}: {judged:?}");
                }
            }
        }
    }

    #[test]
    fn the_owner_is_the_user_or_who_may_do_everything_anyway() {
        for (owner, expected) in [
            (user(), Ok(())),
            (Sid::system(), Ok(())),
            (Sid::administrators(), Ok(())),
            (
                Sid::of(5, &[21, 7, 8, 9, 1002]),
                Err("belongs to S-1-5-21-7-8-9-1002, not to S-1-5-21-7-8-9-1001"),
            ),
            (Sid::of(1, &[0]), Err("belongs to Everyone, not to S-1-5-21-7-8-9-1001")),
            (Sid::owner_rights(), Err("belongs to S-1-3-4, not to S-1-5-21-7-8-9-1001")),
        ] {
            let found = found(owner, &[(user(), FULL)]);
            let told = ours(&found, &user()).map_err(|fault| fault.found);
            assert_eq!(told, expected.map_err(str::to_owned));
            let judged = judge(&found, &user(), Kind::File, Trust::Shared);
            assert_eq!(judged.is_ok(), expected.is_ok());
        }
        let nobody = Descriptor { owner: None, entries: Some(vec![]) };
        assert_eq!(ours(&nobody, &user()).unwrap_err().found, "belongs to nobody");
    }

    #[test]
    fn no_list_and_an_entry_that_nobody_understands_are_refused_everywhere() {
        for place in [Trust::Private, Trust::Shared] {
            let none = Descriptor { owner: Some(user()), entries: None };
            let fault = judge(&none, &user(), Kind::File, place).unwrap_err();
            assert_eq!(fault.found, "has no access list, so everybody may change it");
            let strange =
                Descriptor { owner: Some(user()), entries: Some(vec![Entry::Unknown(5)]) };
            let fault = judge(&strange, &user(), Kind::File, place).unwrap_err();
            assert_eq!(fault.found, "has an access entry of the unknown kind 5");
        }
    }

    #[test]
    fn a_refusal_names_who_may_and_a_command_for_what_is_ours_alone() {
        let others = [
            (Sid::of(1, &[0]), READ),
            (Sid::of(5, &[21, 7, 8, 9, 1002]), MODIFY),
            (Sid::of(1, &[0]), EXECUTE),
        ];
        let fault = judge(&found(user(), &others), &user(), Kind::Folder, Trust::Private);
        let fault = fault.unwrap_err();
        assert_eq!(
            fault.found,
            "can be entered or changed by others (Everyone, S-1-5-21-7-8-9-1002)"
        );
        let fix = |path: &str, is_own| fault.fix(Path::new(path), |_| is_own);
        assert_eq!(
            fix(r"C:\a b", true),
            "run `icacls \"C:\\a b\" /inheritance:r \
             /remove:g \"*S-1-1-0\" \"*S-1-5-21-7-8-9-1002\" \
             /grant:r \"*S-1-5-21-7-8-9-1001:(OI)(CI)F\" \"*S-1-5-18:(OI)(CI)F\" \
             \"*S-1-5-32-544:(OI)(CI)F\"`"
        );
        let in_words = "name a folder of its own below it, or another place";
        assert_eq!(fix(r"C:\Windows", false), in_words);
        for odd in ["C:\\%TEMP%", "C:\\a\"b", "C:\\a$(b)", "C:\\a`b", "C:\\a\nb"] {
            assert_eq!(fix(odd, true), in_words, "{odd:?}");
        }
        let fault = judge(&found(user(), &others), &user(), Kind::File, Trust::Shared).unwrap_err();
        assert_eq!(fault.found, "can be written by others (S-1-5-21-7-8-9-1002)");
        assert!(fault.fix(Path::new("x"), |_| true).contains("\"*S-1-5-18:F\""));
        let foreign = ours(&found(Sid::of(1, &[0]), &[]), &user()).unwrap_err();
        let fix = foreign.fix(Path::new("x"), |_| true);
        assert_eq!(fix, "run as that user, or name another place");
    }
}
