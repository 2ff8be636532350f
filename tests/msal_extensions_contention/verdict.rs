//! What became of every acknowledged update, and who is to blame, by the log alone.

use std::collections::{BTreeMap, HashMap};

use crate::record::{Event, Line, Members};

/// A write of the store. Places are those of lines in the log.
#[derive(Debug)]
struct Write {
    process: usize,
    /// Where what it was made from was begun to be read, and what that held.
    base: (usize, Members),
    began: usize,
    ended: usize,
    members: Members,
}

/// A stretch in which one process had the lock.
#[derive(Clone, Copy, Debug)]
struct Section {
    process: usize,
    began: usize,
    ended: usize,
    /// Where it has also removed the lock file, its own or by then another's.
    left: usize,
    /// Whether it had waited so long that msal-extensions with portalocker no longer asks whether
    /// the file is its own.
    late: bool,
}

/// A stretch of the log in which a Python that had come late was inside the lock, or more than one
/// process, without a gap and until the last of them had removed what it took for its lock file.
#[derive(Clone, Copy, Debug)]
struct Crowd {
    began: usize,
    ended: usize,
    late: bool,
}

/// An acknowledged entry that is not in the last content.
#[derive(Debug)]
pub(crate) struct Loss {
    pub(crate) process: usize,
    pub(crate) update: u32,
    /// The processes that overwrote it: what they wrote lacks it, was written after its write had
    /// begun, and was made from what they had read before its write had ended.
    pub(crate) culprits: Vec<usize>,
    /// Whether it was written, or overwritten, while several were inside the lock because a Python
    /// had come late.
    pub(crate) lock_broken: bool,
}

/// What the log says.
#[derive(Debug)]
pub(crate) struct Verdict {
    pub(crate) acknowledged: BTreeMap<usize, usize>,
    pub(crate) losses: Vec<Loss>,
    pub(crate) refusals: BTreeMap<usize, usize>,
    /// The pairs of processes that were inside the lock at one time, and how often.
    pub(crate) overlaps: BTreeMap<(usize, usize), usize>,
    pub(crate) reads: usize,
    pub(crate) writes: usize,
    /// What no peer can explain: somebody read what was not the newest, or wrote something other
    /// than its base and its own entry.
    pub(crate) wrong: Vec<String>,
}

/// The verdict on a log whose last read is one of what is kept at the end.
pub(crate) fn judge(lines: &[Line]) -> Verdict {
    let Facts { writes, sections, last, mut wrong } = Facts::of(lines);
    let mut verdict = Verdict {
        acknowledged: BTreeMap::new(),
        losses: Vec::new(),
        refusals: BTreeMap::new(),
        overlaps: BTreeMap::new(),
        reads: lines.iter().filter(|line| line.event == Event::Load).count(),
        writes: writes.len(),
        wrong: Vec::new(),
    };
    let crowds = crowds(sections, &mut verdict.overlaps);
    for crowd in crowds.iter().filter(|crowd| !crowd.late) {
        wrong.push(format!("lines {} to {}: several inside the lock", crowd.began, crowd.ended));
    }
    let in_crowd = |write: &Write| {
        let mut late = crowds.iter().filter(|crowd| crowd.late);
        late.any(|crowd| write.began <= crowd.ended && crowd.began <= write.ended)
    };
    let mut added = HashMap::new();
    for write in &writes {
        match write.members.grown_by(write.process, &write.base.1) {
            Some(update) => _ = added.insert((write.process, update), write),
            None => wrong.push(format!("line {}: not its base and one entry more", write.began)),
        }
    }
    for Line { process, event } in lines {
        match event {
            Event::Refused => *verdict.refusals.entry(*process).or_default() += 1,
            Event::Acknowledged(update) => {
                *verdict.acknowledged.entry(*process).or_default() += 1;
                if last.has(*process, *update) {
                    continue;
                }
                let Some(write) = added.get(&(*process, *update)) else {
                    wrong.push(format!("{process} acknowledged {update} and never wrote it"));
                    continue;
                };
                let culprits: Vec<&Write> = writes
                    .iter()
                    .filter(|other| {
                        !other.members.has(*process, *update)
                            && other.ended > write.began
                            && other.base.0 < write.ended
                    })
                    .collect();
                verdict.losses.push(Loss {
                    process: *process,
                    update: *update,
                    lock_broken: in_crowd(write) || culprits.iter().any(|by| in_crowd(by)),
                    culprits: culprits.iter().map(|culprit| culprit.process).collect(),
                });
            }
            _ => {}
        }
    }
    verdict.wrong = wrong;
    verdict
}

struct Facts {
    writes: Vec<Write>,
    sections: Vec<Section>,
    last: Members,
    wrong: Vec<String>,
}

/// What one process is in the middle of.
#[derive(Default)]
struct Under {
    load: usize,
    base: (usize, Members),
    save: Option<(usize, String)>,
    inside: Option<(usize, bool)>,
    leaving: Option<usize>,
    tells_the_lock: bool,
}

impl Facts {
    fn of(lines: &[Line]) -> Self {
        let mut contents: HashMap<&str, &Members> = HashMap::new();
        for line in lines {
            if let Event::Save(digest, members) = &line.event {
                contents.insert(digest, members);
            }
        }
        let mut facts =
            Self { writes: vec![], sections: vec![], last: Members::default(), wrong: vec![] };
        let mut processes: HashMap<usize, Under> = HashMap::new();
        // Every write by its digest, with the end once it is there.
        let mut kept: Vec<(&str, usize, usize)> = Vec::new();
        for (at, Line { process, event }) in lines.iter().enumerate() {
            let under = processes.entry(*process).or_default();
            match event {
                Event::Load => under.load = at,
                Event::Loaded(digest) => {
                    let members = match digest.as_deref() {
                        Some(digest) => contents.get(digest).copied().cloned(),
                        None => Some(Members::default()),
                    };
                    if !is_newest(digest.as_deref(), under.load, &kept) || members.is_none() {
                        facts.wrong.push(format!("line {at}: not the newest"));
                    }
                    facts.last = members.unwrap_or_default();
                    under.base = (under.load, facts.last.clone());
                }
                Event::Save(digest, _) => {
                    under.save = Some((at, digest.clone()));
                    kept.push((digest, at, usize::MAX));
                }
                Event::Saved | Event::NotSaved => {
                    let (began, digest) = under.save.take().unwrap();
                    let mine = kept.iter_mut().rev().find(|write| write.1 == began).unwrap();
                    mine.2 = at;
                    let members = contents[&*digest].clone();
                    let base = std::mem::replace(&mut under.base, (began, members.clone()));
                    if !under.tells_the_lock {
                        // A process of ours reads right after it entered.
                        let section = (*process, base.0, at, false);
                        facts.sections.push(section.into());
                    }
                    facts.writes.push(Write { process: *process, base, began, ended: at, members });
                }
                Event::Enter(waited) => under.inside = Some((at, *waited >= LATE)),
                Event::Leave => {
                    let (began, late) = under.inside.take().unwrap();
                    under.leaving = Some(facts.sections.len());
                    facts.sections.push((*process, began, at, late).into());
                }
                Event::Left => facts.sections[under.leaving.take().unwrap()].left = at,
                Event::Wait => under.tells_the_lock = true,
                Event::Refused | Event::Acknowledged(_) => {}
            }
        }
        facts
    }
}

/// Whether a read that began there may find this: what the last write before it left, or what one
/// beside it wrote.
fn is_newest(digest: Option<&str>, began: usize, writes: &[(&str, usize, usize)]) -> bool {
    let before = writes.iter().filter(|write| write.2 < began).map(|write| write.1).max();
    // Another write may have been under way beside the last one, and its content stayed.
    let since = writes.iter().filter(|write| before.is_none_or(|before| write.2 > before));
    match digest {
        Some(digest) => since.into_iter().any(|write| write.0 == digest),
        None => before.is_none(),
    }
}

impl From<(usize, usize, usize, bool)> for Section {
    fn from((process, began, ended, late): (usize, usize, usize, bool)) -> Self {
        Self { process, began, ended, left: ended, late }
    }
}

/// Counts who was inside beside whom, and returns the stretches.
fn crowds(
    mut sections: Vec<Section>,
    overlaps: &mut BTreeMap<(usize, usize), usize>,
) -> Vec<Crowd> {
    sections.sort_unstable_by_key(|section| section.began);
    let mut crowds: Vec<Crowd> = Vec::new();
    for (at, one) in sections.iter().enumerate() {
        let mut crowd = Crowd { began: one.began, ended: one.left, late: one.late };
        let beside = sections[at + 1..].iter().take_while(|other| other.began < one.ended);
        let mut alone = true;
        for other in beside {
            let pair = (one.process.min(other.process), one.process.max(other.process));
            *overlaps.entry(pair).or_default() += 1;
            alone = false;
            crowd.ended = crowd.ended.max(other.left);
            crowd.late |= other.late;
        }
        if alone && !one.late {
            continue;
        }
        match crowds.last_mut().filter(|last| crowd.began < last.ended) {
            Some(last) => {
                last.ended = last.ended.max(crowd.ended);
                last.late |= crowd.late;
            }
            None => crowds.push(crowd),
        }
    }
    crowds
}

/// For so many milliseconds msal-extensions with portalocker waits until it can create the file.
const LATE: u32 = 5000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::parse;

    /// 0 and 1 write in turn, and 1 has read before 0 wrote.
    const STALE: &str = "1 load\n1 loaded -\n0 load\n0 loaded -\n0 save a 0:0-0\n0 saved\n0 ack 0\n\
        1 wait\n1 enter 0\n1 save b 1:0-0\n1 saved\n1 leave\n1 ack 0\n9 load\n9 loaded b\n";

    #[test]
    fn who_wrote_from_an_older_read_is_to_blame() {
        let verdict = judge(&parse(STALE));
        assert_eq!(verdict.wrong, [""; 0]);
        let [loss] = &verdict.losses[..] else { panic!("{:?}", verdict.losses) };
        assert_eq!((loss.process, loss.update, &loss.culprits[..]), (0, 0, &[1][..]));
        assert!(!loss.lock_broken);
    }

    #[test]
    fn a_loss_that_no_older_read_explains_has_no_culprit() {
        // 1 reads after 0 wrote, finds nothing of it and writes.
        let log = "0 load\n0 loaded -\n0 save a 0:0-0\n0 saved\n0 ack 0\n1 load\n1 loaded -\n\
            1 save b 1:0-0\n1 saved\n1 ack 0\n9 load\n9 loaded b\n";
        let verdict = judge(&parse(log));
        assert!(verdict.losses[0].culprits.is_empty());
        assert_eq!(verdict.wrong, ["line 6: not the newest"]);
    }

    #[test]
    fn who_came_late_is_to_blame_for_the_lock_file_that_it_removes_as_it_leaves() {
        let ours = "0 load\n0 loaded -\n2 load\n2 loaded -\n0 save a 0:0-0\n0 saved\n2 save b 2:0-0\n2 saved\n";
        let log = format!("1 wait\n1 enter 6000\n1 leave\n{ours}1 left\n9 load\n9 loaded b\n");
        assert_eq!(judge(&parse(&log)).wrong, [""; 0]);
        assert_eq!(judge(&parse(&log.replace("6000", "9"))).wrong.len(), 1);
    }

    #[test]
    fn two_inside_at_once_are_counted() {
        let log = "0 wait\n0 enter 9\n1 wait\n1 enter 5001\n0 leave\n0 left\n1 leave\n1 left\n9 load\n9 loaded -\n";
        for (log, wrong) in [(log.to_owned(), 0), (log.replace("5001", "4999"), 1)] {
            let verdict = judge(&parse(&log));
            assert_eq!(verdict.overlaps, BTreeMap::from([((0, 1), 1)]));
            assert_eq!(verdict.wrong.len(), wrong, "only who came late is excused");
        }
    }
}
