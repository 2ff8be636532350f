//! A model of a disk that may fall behind: what is certain, and what is not yet.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    path::PathBuf,
    rc::Rc,
};

/// A file or a folder, whatever its names are.
pub(crate) type Node = usize;

/// The folder that everything lies in; it is there from the beginning.
pub(crate) const ROOT: Node = 0;

/// One thing that a program did to the disk, or that is known at this point.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    MakeFolder {
        folder: Node,
    },
    /// A name is taken away, another is given, or both at once.
    Name {
        folder: Node,
        remove: Option<String>,
        give: Option<(String, Node)>,
    },
    Write {
        file: Node,
        offset: usize,
        bytes: Vec<u8>,
    },
    Cut {
        file: Node,
        length: usize,
    },
    SyncFile {
        file: Node,
        path: PathBuf,
    },
    SyncFolder {
        folder: Node,
        path: PathBuf,
    },
    /// A request begins.
    Begin,
    /// The request has returned, and said that it was done.
    Done,
}

/// Files by their paths in the root, `None` for folders.
pub(crate) type State = BTreeMap<String, Option<Rc<[u8]>>>;

#[derive(Clone, Debug, Default)]
pub(crate) struct Disk {
    folders: BTreeMap<Node, Pending<Table, NameChange>>,
    files: BTreeMap<Node, Pending<Vec<u8>, DataChange>>,
}

#[derive(Clone, Debug)]
struct Pending<T, C> {
    certain: T,
    changes: Vec<C>,
}

type Table = BTreeMap<String, Node>;

#[derive(Clone, Debug)]
struct NameChange {
    remove: Option<String>,
    give: Option<(String, Node)>,
}

#[derive(Clone, Debug)]
enum DataChange {
    Write { offset: usize, bytes: Vec<u8> },
    Cut { length: usize },
}

impl Disk {
    pub(crate) fn new() -> Self {
        let mut disk = Self::default();
        disk.folders.insert(ROOT, Pending::default());
        disk
    }

    pub(crate) fn apply(&mut self, step: &Step) {
        match step.clone() {
            Step::MakeFolder { folder } => {
                self.folders.insert(folder, Pending::default());
            }
            Step::Name { folder, remove, give } => {
                self.folder(folder).changes.push(NameChange { remove, give });
            }
            Step::Write { file, offset, bytes } => {
                self.file(file).changes.push(DataChange::Write { offset, bytes });
            }
            Step::Cut { file, length } => {
                self.file(file).changes.push(DataChange::Cut { length });
            }
            Step::SyncFile { file, .. } => {
                let content = self.content(file);
                *self.file(file) = Pending { certain: content, changes: Vec::new() };
            }
            Step::SyncFolder { folder, .. } => {
                let certain = self.table(folder);
                *self.folder(folder) = Pending { certain, changes: Vec::new() };
            }
            Step::Begin | Step::Done => {}
        }
    }

    /// The names in a folder as running programs see them.
    pub(crate) fn table(&self, folder: Node) -> Table {
        let Some(Pending { certain, changes }) = self.folders.get(&folder) else {
            return Table::new();
        };
        let mut table = certain.clone();
        changes.iter().for_each(|change| change.apply(&mut table));
        table
    }

    /// The bytes of a file as running programs see them.
    pub(crate) fn content(&self, file: Node) -> Vec<u8> {
        let Some(Pending { certain, changes }) = self.files.get(&file) else { return Vec::new() };
        let mut content = certain.clone();
        changes.iter().for_each(|change| change.apply(&mut content));
        content
    }

    /// Every state that a power cut may leave now.
    pub(crate) fn states(&self) -> HashSet<State> {
        let files = self.files.iter().map(|(file, pending)| (*file, pending.variants())).collect();
        self.expand(ROOT, "", &files).into_iter().collect()
    }

    fn expand(&self, folder: Node, path: &str, files: &BTreeMap<Node, Variants>) -> Vec<State> {
        let mut states = Vec::new();
        for table in self.folders[&folder].variants() {
            let mut partial = vec![State::new()];
            for (name, node) in table {
                let path = format!("{path}{name}");
                let choices: Vec<State> = if self.folders.contains_key(&node) {
                    let mut inside = self.expand(node, &format!("{path}/"), files);
                    inside.iter_mut().for_each(|state| drop(state.insert(path.clone(), None)));
                    inside
                } else if let Some(contents) = files.get(&node) {
                    let state =
                        |bytes: &Rc<[u8]>| State::from([(path.clone(), Some(bytes.clone()))]);
                    contents.iter().map(state).collect()
                } else {
                    vec![State::from([(path, Some(Rc::default()))])]
                };
                partial = product(&partial, &choices);
            }
            states.extend(partial);
        }
        states
    }

    fn folder(&mut self, folder: Node) -> &mut Pending<Table, NameChange> {
        self.folders.get_mut(&folder).expect("a folder was made before it is used")
    }

    fn file(&mut self, file: Node) -> &mut Pending<Vec<u8>, DataChange> {
        self.files.entry(file).or_default()
    }
}

type Variants = Vec<Rc<[u8]>>;

impl Pending<Table, NameChange> {
    fn variants(&self) -> BTreeSet<Table> {
        let count = self.changes.len();
        assert!(count <= 12, "{count} names are not synced; too many subsets");
        let mut variants = BTreeSet::new();
        for subset in 0..1_u32 << count {
            let mut table = self.certain.clone();
            for (bit, change) in self.changes.iter().enumerate() {
                if subset >> bit & 1 == 1 {
                    change.apply(&mut table);
                }
            }
            variants.insert(table);
        }
        variants
    }
}

impl Pending<Vec<u8>, DataChange> {
    fn variants(&self) -> Variants {
        let (early, late) = self.changes.split_at(self.changes.len().saturating_sub(LATE));
        let mut content = self.certain.clone();
        early.iter().for_each(|change| change.apply(&mut content));
        let mut variants = BTreeSet::from([content]);
        for change in late {
            variants = variants.iter().flat_map(|content| change.outcomes(content)).collect();
        }
        variants.into_iter().map(Rc::from).collect()
    }
}

impl NameChange {
    fn apply(&self, table: &mut Table) {
        if let Some(name) = &self.remove {
            table.remove(name);
        }
        if let Some((name, node)) = &self.give {
            table.insert(name.clone(), *node);
        }
    }
}

impl<T: Default, C> Default for Pending<T, C> {
    fn default() -> Self {
        Self { certain: T::default(), changes: Vec::new() }
    }
}

impl DataChange {
    fn apply(&self, content: &mut Vec<u8>) {
        match self {
            Self::Write { offset, bytes } => {
                let end = offset + bytes.len();
                content.resize(content.len().max(end), 0);
                content[*offset..end].copy_from_slice(bytes);
            }
            Self::Cut { length } => content.resize(*length, 0),
        }
    }

    /// What a power cut may make of this change: nothing, all, or a part.
    fn outcomes(&self, content: &[u8]) -> Vec<Vec<u8>> {
        let mut whole = content.to_vec();
        self.apply(&mut whole);
        let mut outcomes = vec![content.to_vec()];
        if let Self::Write { offset, bytes } = self {
            let end = offset + bytes.len();
            let sectors = offset / SECTOR..end.div_ceil(SECTOR);
            let half = offset + bytes.len() / 2;
            for cut in sectors.clone().map(|sector| sector * SECTOR).chain([half]) {
                if *offset < cut && cut < end {
                    let bytes = bytes[..cut - offset].to_vec();
                    let mut content = content.to_vec();
                    Self::Write { offset: *offset, bytes }.apply(&mut content);
                    outcomes.push(content);
                }
            }
            for present in subsets(sectors.len()) {
                let mut torn = content.to_vec();
                torn.resize(whole.len(), 0);
                for sector in present {
                    let from = ((sectors.start + sector) * SECTOR).max(*offset);
                    let to = ((sectors.start + sector + 1) * SECTOR).min(end);
                    torn[from..to].copy_from_slice(&whole[from..to]);
                }
                outcomes.push(torn);
            }
        }
        outcomes.push(whole);
        outcomes
    }
}

/// All subsets of a few sectors; of many, those that miss one and those that have but one.
fn subsets(count: usize) -> Vec<Vec<usize>> {
    if count <= 5 {
        let subset = |bits: u32| (0..count).filter(|at| bits >> at & 1 == 1).collect();
        return (0..1_u32 << count).map(subset).collect();
    }
    let missing = (0..count).map(|gone| (0..count).filter(|at| *at != gone).collect());
    missing.chain((0..count).map(|only| vec![only])).collect()
}

fn product(left: &[State], right: &[State]) -> Vec<State> {
    let mut all = Vec::with_capacity(left.len() * right.len());
    for left in left {
        for right in right {
            let mut state = left.clone();
            state.extend(right.clone());
            all.push(state);
        }
    }
    all
}

const SECTOR: usize = 512;
/// How many writes to one file may be missing or torn; those before them are taken as there.
const LATE: usize = 3;
