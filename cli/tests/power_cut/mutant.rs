//! A save that is wrong in one place. What finds nothing in these proves nothing.

use crate::disk::{Disk, ROOT, Step};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mutant {
    CacheFileNotSynced,
    CacheFolderNotSynced,
    CacheWrittenInPlace,
    KeyFileNotSynced,
    KeyFolderNotSynced,
    FolderAboveNotSynced,
}

impl Mutant {
    pub(crate) const ALL: [Self; 6] = [
        Self::CacheFileNotSynced,
        Self::CacheFolderNotSynced,
        Self::CacheWrittenInPlace,
        Self::KeyFileNotSynced,
        Self::KeyFolderNotSynced,
        Self::FolderAboveNotSynced,
    ];

    pub(crate) fn apply(self, steps: &[Step]) -> Vec<Step> {
        let mut mutated: Vec<Step> = match self {
            Self::CacheWrittenInPlace => in_place(steps),
            _ => steps.iter().filter(|step| !self.removes(step)).cloned().collect(),
        };
        mutated.shrink_to_fit();
        let changed = mutated.len() != steps.len();
        assert!(changed, "{self:?} changes nothing");
        mutated
    }

    fn removes(self, step: &Step) -> bool {
        match step {
            Step::SyncFile { path, .. } => match self {
                Self::CacheFileNotSynced => path.ends_with("store/cache.sealed.tmp"),
                Self::KeyFileNotSynced => path.ends_with("keys/k.key.tmp"),
                _ => false,
            },
            Step::SyncFolder { folder, path } => match self {
                Self::CacheFolderNotSynced => path.ends_with("store"),
                Self::KeyFolderNotSynced => path.ends_with("keys"),
                Self::FolderAboveNotSynced => *folder == ROOT,
                _ => false,
            },
            _ => false,
        }
    }
}

/// The temporary file's bytes are copied over the cache where it would have been renamed.
fn in_place(steps: &[Step]) -> Vec<Step> {
    let mut disk = Disk::new();
    let mut mutated = Vec::new();
    for step in steps {
        let replaced = match step {
            Step::Name { folder, remove, give: Some((name, source)) } if name == "cache.sealed" => {
                let existing = disk.table(*folder).get(name).copied();
                let file = existing.unwrap_or(source + NEW);
                let path = "store/cache.sealed".into();
                vec![
                    match existing {
                        Some(file) => Step::Cut { file, length: 0 },
                        None => Step::Name {
                            folder: *folder,
                            remove: None,
                            give: Some((name.clone(), file)),
                        },
                    },
                    Step::Write { file, offset: 0, bytes: disk.content(*source) },
                    Step::SyncFile { file, path },
                    Step::Name { folder: *folder, remove: remove.clone(), give: None },
                ]
            }
            other => vec![other.clone()],
        };
        replaced.iter().for_each(|step| disk.apply(step));
        mutated.extend(replaced);
    }
    mutated
}

/// Beyond every node of a recording.
const NEW: usize = 1_000_000;
