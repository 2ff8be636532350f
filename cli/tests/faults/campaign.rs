//! Every fault at every call of every operation, and how often each ended how.

use std::{
    collections::BTreeMap,
    env, fmt, fs,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use tokenkeep_test_support::strace::{self, Fault, Injection};

use crate::{
    keep::temporary_folder,
    operation::Operation,
    verdict::{self, Found},
};

#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) problems: Vec<String>,
    /// By operation and fault: how many runs, and how many found what.
    rows: BTreeMap<(usize, &'static str), Row>,
    calls: BTreeMap<usize, (&'static str, usize)>,
    next_writes: Vec<Duration>,
    slowest: (Duration, String),
    took: Duration,
}

#[derive(Default)]
struct Row {
    runs: usize,
    old: usize,
    new: usize,
    done: usize,
    leftovers: usize,
}

/// One kind of fault at all calls of one name.
struct Series<'a> {
    number: usize,
    operation: &'a Operation,
    call: &'a str,
    first: usize,
    fault: Fault,
}

pub(crate) fn run(operations: &[Operation]) -> Tally {
    let began = Instant::now();
    let series = all_series(operations);
    let (next, tally) = (AtomicUsize::new(0), Mutex::new(Tally::default()));
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(2, usize::from).max(2) {
            scope.spawn(|| {
                while let Some(series) = series.get(next.fetch_add(1, Ordering::Relaxed)) {
                    series.run(&tally);
                }
            });
        }
    });
    let mut tally = tally.into_inner().unwrap();
    for (number, operation) in operations.iter().enumerate() {
        tally.calls.insert(number, (operation.request.name, operation.count));
    }
    tally.next_writes.sort_unstable();
    tally.took = began.elapsed();
    tally
}

fn all_series(operations: &[Operation]) -> Vec<Series<'_>> {
    let mut all = Vec::new();
    for (number, operation) in operations.iter().enumerate() {
        for (call, &first) in &operation.calls {
            let mut faults = vec![Fault::Kill];
            if FILE_CALLS.contains(&call.as_str()) {
                faults.extend(ERRORS.map(Fault::Once));
                faults.extend(LASTING.map(Fault::From));
            }
            let series = |fault| Series { number, operation, call, first, fault };
            all.extend(faults.into_iter().map(series));
        }
    }
    all
}

impl Series<'_> {
    /// From the first call of the name on, until an operation has no more of them. Each is killed.
    /// Of those that fail, with several errors, it is one in `TOKENKEEP_STEP`, or one in two.
    fn run(&self, tally: &Mutex<Tally>) {
        let step = match self.fault {
            Fault::Kill => 1,
            _ => env::var("TOKENKEEP_STEP").map_or(2, |text| text.parse().unwrap()),
        };
        let mut time = self.first;
        while self.run_at(time, tally) {
            time += step;
        }
    }

    /// Whether there was such a call.
    fn run_at(&self, time: usize, tally: &Mutex<Tally>) -> bool {
        let injection = Injection::new(self.call, time, self.fault);
        let folder = temporary_folder();
        let keep = self.operation.start_in(&fs::canonicalize(folder.path()).unwrap());
        let request = &self.operation.request;
        let traced =
            strace::inject(&keep.command(request), &request.input(), &injection, ALSO).unwrap();
        let what = || format!("{}: {:?} at {} {time}", request.name, self.fault, self.call);
        match verdict::judge(self.operation, &injection, &keep, &traced) {
            Ok(None) => return false,
            Ok(Some(found)) => tally.lock().unwrap().add(self, &found, what()),
            Err(problem) => {
                let mut tally = tally.lock().unwrap();
                tally.problems.push(format!("{}: {problem}", what()));
            }
        }
        true
    }
}

impl Tally {
    /// How many kills there were of each operation.
    pub(crate) fn kills(&self) -> impl Iterator<Item = usize> {
        let of = |number: &usize| self.rows.get(&(*number, "KILL")).map_or(0, |row| row.runs);
        self.calls.keys().map(of)
    }

    fn add(&mut self, series: &Series<'_>, found: &Found, what: String) {
        let row = self.rows.entry((series.number, name(series.fault))).or_default();
        row.runs += 1;
        *(if found.new { &mut row.new } else { &mut row.old }) += 1;
        row.done += usize::from(found.done);
        row.leftovers += usize::from(found.leftover);
        self.next_writes.push(found.next_write);
        if found.next_write > self.slowest.0 {
            self.slowest = (found.next_write, what);
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "operation   calls  fault     runs   old   new  exit 0  leftover")?;
        for ((number, fault), row) in &self.rows {
            let (operation, calls) = self.calls[number];
            let Row { runs, old, new, done, leftovers } = row;
            writeln!(
                f,
                "{operation:11} {calls:5}  {fault:8} {runs:5} {old:5} {new:5} {done:7} {leftovers:9}"
            )?;
        }
        let runs: usize = self.rows.values().map(|row| row.runs).sum();
        let (slowest, at) = &self.slowest;
        writeln!(
            f,
            "{runs} faults, {} problems, {:.1} s",
            self.problems.len(),
            self.took.as_secs_f64()
        )?;
        let median = self.next_writes.get(self.next_writes.len() / 2).copied().unwrap_or_default();
        let [median, slowest] = [median, *slowest].map(|time| time.as_secs_f64() * 1e3);
        write!(f, "next write: median {median:.1} ms, slowest {slowest:.1} ms, after {at}")
    }
}

fn name(fault: Fault) -> &'static str {
    match fault {
        Fault::Kill => "KILL",
        Fault::Once(error) => error,
        Fault::From("EIO") => "EIO+",
        Fault::From("ENOSPC") => "ENOSPC+",
        _ => "other",
    }
}

const ERRORS: [&str; 6] = ["EIO", "ENOSPC", "EACCES", "EROFS", "EMFILE", "EINTR"];
const LASTING: [&str; 2] = ["EIO", "ENOSPC"];

/// The calls that reach a file, under each of the names that a C library may choose. What asks only
/// for a descriptor's flags is left out.
const FILE_CALLS: [&str; 44] = [
    "access",
    "chmod",
    "close",
    "copy_file_range",
    "creat",
    "faccessat",
    "faccessat2",
    "fallocate",
    "fchmod",
    "fchmodat",
    "fchown",
    "fdatasync",
    "flock",
    "fstat",
    "fstatfs",
    "fsync",
    "ftruncate",
    "getdents64",
    "link",
    "linkat",
    "lseek",
    "lstat",
    "mkdir",
    "mkdirat",
    "newfstatat",
    "open",
    "openat",
    "pread64",
    "pwrite64",
    "pwritev",
    "read",
    "readlink",
    "readlinkat",
    "readv",
    "rename",
    "renameat",
    "renameat2",
    "stat",
    "statx",
    "sync_file_range",
    "unlink",
    "unlinkat",
    "write",
    "writev",
];

/// What the verdict wants to see beside the call with the fault.
const ALSO: &str = "openat,fsync,fdatasync";
