//! What the program does to the disk, from the system calls that it makes.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fs,
    path::{Path, PathBuf},
};

use tokenkeep_test_support::strace::{self, Call, Fault, Injection};

use crate::{
    disk::{Node, ROOT, Step},
    keep::{Contents, Keep, Request, temporary_folder},
};

pub(crate) struct Recording {
    pub(crate) steps: Vec<Step>,
    /// The first step after which the power is cut.
    pub(crate) from: usize,
    /// What the cache holds before the first request and after each.
    pub(crate) contents: Vec<Contents>,
}

/// Follows descriptors and names from call to call.
struct Follower {
    root: PathBuf,
    nodes: BTreeMap<PathBuf, Node>,
    count: usize,
    descriptors: HashMap<i64, (Node, usize)>,
    steps: Vec<Step>,
}

impl Recording {
    /// Runs the requests one after the other, each in a process of its own.
    pub(crate) fn of(requests: &[Request]) -> Self {
        let folder = temporary_folder();
        let keep = Keep::new(&fs::canonicalize(folder.path()).unwrap());
        let mut follower = Follower::new(keep.root());
        let mut contents = vec![keep.contents().unwrap()];
        for request in requests {
            let traced = strace::record(&keep.command(request), &request.input()).unwrap();
            assert!(traced.status.success(), "{}: {}", request.name, traced.status);
            follower.steps.push(Step::Begin);
            follower.follow(&traced.calls);
            follower.steps.push(Step::Done);
            contents.push(keep.contents().unwrap());
        }
        Self { steps: follower.steps, from: 0, contents }
    }

    /// One recording for each change that `first` makes: it is killed before that, and `second`
    /// runs.
    pub(crate) fn of_killed(first: &Request, second: &Request) -> Vec<Self> {
        let mut recordings = Vec::new();
        // The program does the same in each run, so the number of its steps tells where it was
        // killed.
        let mut seen = BTreeSet::new();
        for call in CHANGES {
            for time in 1.. {
                let folder = temporary_folder();
                let keep = Keep::new(&fs::canonicalize(folder.path()).unwrap());
                let mut follower = Follower::new(keep.root());
                let empty = keep.contents().unwrap();
                let kill = Injection::new(call, time, Fault::Kill);
                let killed =
                    strace::inject(&keep.command(first), &first.input(), &kill, FILE_CALLS)
                        .unwrap();
                if killed.status.success() {
                    break;
                }
                follower.steps.push(Step::Begin);
                follower.follow(&killed.calls);
                let from = follower.steps.len();
                if !seen.insert(from) {
                    continue;
                }
                // What it left unsynced may still be lost while the next one works.
                let left = keep.contents().unwrap();
                follower.steps.push(Step::Begin);
                let traced = strace::record(&keep.command(second), &second.input()).unwrap();
                assert!(traced.status.success(), "{}: {}", second.name, traced.status);
                follower.follow(&traced.calls);
                follower.steps.extend([Step::Done, Step::Done]);
                let contents = vec![empty, left, keep.contents().unwrap()];
                recordings.push(Self { steps: follower.steps, from, contents });
            }
        }
        recordings
    }
}

impl Follower {
    fn new(root: &Path) -> Self {
        let nodes = BTreeMap::from([(root.to_owned(), ROOT)]);
        Self { root: root.to_owned(), nodes, count: 1, descriptors: HashMap::new(), steps: vec![] }
    }

    /// All calls of one process.
    fn follow(&mut self, calls: &[Call]) {
        self.descriptors.clear();
        for call in calls {
            let here = call.paths().iter().any(|path| path.starts_with(&self.root));
            // One that failed, or was never made, changed nothing.
            if here && call.result.is_some_and(|result| result >= 0) {
                self.follow_one(call);
            }
        }
    }

    fn follow_one(&mut self, call: &Call) {
        let result = usize::try_from(call.result.unwrap_or_default()).unwrap_or_default();
        match call.name.as_str() {
            "open" => self.open(call, call.path(0), 1),
            "openat" => self.open(call, at(call, 0), 2),
            "mkdir" => self.make_folder(&call.path(0)),
            "mkdirat" => self.make_folder(&at(call, 0)),
            "read" => drop(self.advance(call, result)),
            "write" => {
                if let Some((file, position)) = self.advance(call, result) {
                    self.write(file, position, &call.bytes(1)[..result]);
                }
            }
            "pwrite64" => {
                let offset = call.number(3).and_then(|offset| usize::try_from(offset).ok());
                let (file, _) = self.of(call).expect("an open file");
                self.write(file, offset.expect("an offset"), &call.bytes(1)[..result]);
            }
            "lseek" => {
                let position = result;
                self.descriptor(call).expect("an open file").1 = position;
            }
            "ftruncate" => {
                let length = call.number(1).and_then(|length| usize::try_from(length).ok());
                let (file, _) = self.of(call).expect("an open file");
                self.steps.push(Step::Cut { file, length: length.expect("a length") });
            }
            "fsync" | "fdatasync" => self.sync(call),
            "rename" => self.rename(&call.path(0), &call.path(1)),
            "renameat" | "renameat2" => self.rename(&at(call, 0), &at(call, 2)),
            "unlink" => self.unlink(&call.path(0)),
            "unlinkat" => self.unlink(&at(call, 0)),
            "close" => drop(call.descriptor(0).map(|(number, _)| self.descriptors.remove(&number))),
            name => assert!(HARMLESS.contains(&name), "{name} is not modelled: {call:?}"),
        }
    }

    fn open(&mut self, call: &Call, path: PathBuf, flags: usize) {
        let (number, _) = call.returned_descriptor().expect("an opened file has a descriptor");
        assert!(!call.has_flag(flags, "O_APPEND"), "O_APPEND is not modelled");
        let node = match self.nodes.get(&path) {
            Some(&node) => {
                if call.has_flag(flags, "O_TRUNC") {
                    self.steps.push(Step::Cut { file: node, length: 0 });
                }
                node
            }
            None => {
                assert!(call.has_flag(flags, "O_CREAT"), "an unknown file is open: {call:?}");
                self.give(&path)
            }
        };
        self.descriptors.insert(number, (node, 0));
    }

    fn make_folder(&mut self, path: &Path) {
        self.steps.push(Step::MakeFolder { folder: self.count });
        self.give(path);
    }

    /// A new node with this name.
    fn give(&mut self, path: &Path) -> Node {
        let node = self.count;
        self.count += 1;
        self.nodes.insert(path.to_owned(), node);
        let (folder, name) = self.place(path);
        self.steps.push(Step::Name { folder, remove: None, give: Some((name, node)) });
        node
    }

    fn write(&mut self, file: Node, offset: usize, bytes: &[u8]) {
        self.steps.push(Step::Write { file, offset, bytes: bytes.to_vec() });
    }

    fn sync(&mut self, call: &Call) {
        let (node, _) = self.of(call).expect("an open file");
        let (_, path) = call.descriptor(0).expect("a descriptor");
        self.steps.push(match path.is_dir() {
            true => Step::SyncFolder { folder: node, path },
            false => Step::SyncFile { file: node, path },
        });
    }

    fn rename(&mut self, from: &Path, to: &Path) {
        let node = self.nodes.remove(from).expect("a known file is renamed");
        self.nodes.insert(to.to_owned(), node);
        let ((folder, old), (target, new)) = (self.place(from), self.place(to));
        assert_eq!(folder, target, "a rename into another folder is not modelled");
        self.steps.push(Step::Name { folder, remove: Some(old), give: Some((new, node)) });
    }

    fn unlink(&mut self, path: &Path) {
        self.nodes.remove(path).expect("a known file is removed");
        let (folder, name) = self.place(path);
        self.steps.push(Step::Name { folder, remove: Some(name), give: None });
    }

    /// Returns where the file stood before.
    fn advance(&mut self, call: &Call, by: usize) -> Option<(Node, usize)> {
        let descriptor = self.descriptor(call)?;
        let before = *descriptor;
        descriptor.1 += by;
        Some(before)
    }

    fn of(&mut self, call: &Call) -> Option<(Node, usize)> {
        self.descriptor(call).copied()
    }

    fn descriptor(&mut self, call: &Call) -> Option<&mut (Node, usize)> {
        self.descriptors.get_mut(&call.descriptor(0)?.0)
    }

    fn place(&self, path: &Path) -> (Node, String) {
        let folder = self.nodes[path.parent().expect("a file lies in a folder")];
        (folder, path.file_name().unwrap_or_default().to_string_lossy().into_owned())
    }
}

/// The path of an argument that follows the descriptor of its folder.
fn at(call: &Call, descriptor: usize) -> PathBuf {
    let (_, folder) = call.descriptor(descriptor).expect("a folder");
    folder.join(call.path(descriptor + 1))
}

/// Calls on the store that change neither bytes nor names. A new file's mode is taken as certain.
const HARMLESS: [&str; 21] = [
    "access",
    "chdir",
    "chmod",
    "execve",
    "faccessat2",
    "fchmod",
    "fchmodat",
    "fcntl",
    "flock",
    "fstat",
    "fstatfs",
    "getcwd",
    "getdents64",
    "lstat",
    "newfstatat",
    "pread64",
    "readlink",
    "stat",
    "statfs",
    "statx",
    "umask",
];
/// What the program changes the disk with; it is killed before each, and before it ends.
const CHANGES: [&str; 13] = [
    "exit_group",
    "fdatasync",
    "fsync",
    "ftruncate",
    "mkdir",
    "mkdirat",
    "openat",
    "pwrite64",
    "rename",
    "renameat",
    "renameat2",
    "unlinkat",
    "write",
];
const FILE_CALLS: &str = "%file,%desc";
