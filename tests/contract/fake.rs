//! Backends that break one promise each: the suite has to name that promise, and no other.

use std::{
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    io::{self, Write},
    path::{Path, PathBuf},
    process, str,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use tempfile::NamedTempFile;
use tokenkeep_test_support::{again, hexadecimal, task};

use super::{
    backend::{AtRest, Backend, Lock},
    checks::CHECKS,
    elsewhere,
    slot::{Kind, Name, Refusal, Slot},
    suite::broken_promises,
};

/// Each fault, and the promise that it breaks.
const FAKES: &[(Fault, &str)] = &[
    (Fault::EmptyBeforeSave, "load before save is none"),
    (Fault::EndsAtNul, "the same bytes come back"),
    (Fault::EmptyRemoves, "an empty payload is kept, or refused and nothing changes"),
    (Fault::CutsAt2560, "every size within the limit comes back whole"),
    (Fault::NamesNoLimit, "what is too large is refused with the limit before anything changes"),
    (
        Fault::RemovesBeforeRefusing,
        "what is too large is refused with the limit before anything changes",
    ),
    (Fault::KeepsTail, "a shorter save leaves no tail"),
    (Fault::CreateReplaces, "create never replaces"),
    (Fault::JoinsNames, "two names never collide"),
    (Fault::FoldsCase, "names that differ by case alone are two"),
    (Fault::RemembersOfThisProcess, "what another handle wrote is seen"),
    (Fault::RemembersOfAnother, "what another process wrote is seen"),
    (Fault::DeletesTwice, "delete is idempotent"),
    (Fault::DeleteOfNothingFails, "delete is idempotent"),
    (Fault::KeepsDeleted, "what was deleted is gone"),
    (Fault::RefusesAfterDelete, "save after delete"),
    (Fault::MixesThreads, "saves by threads at once leave one whole payload"),
    (Fault::MixesProcesses, "saves by processes at once leave one whole payload"),
    (Fault::LockedIsAbsent, "locked is not absent and nothing changes"),
    (Fault::WritesWhileLocked, "locked is not absent and nothing changes"),
    (Fault::ShowsInDebug, "a payload is in no text, error or log line"),
    (Fault::ShowsInError, "a payload is in no text, error or log line"),
    (Fault::Logs, "a payload is in no text, error or log line"),
    (Fault::LiesInClear, "a payload is in no file at rest, unless the backend is in clear"),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    None,
    CreateReplaces,
    CutsAt2560,
    DeleteOfNothingFails,
    DeletesTwice,
    EmptyBeforeSave,
    EmptyRemoves,
    EndsAtNul,
    FoldsCase,
    JoinsNames,
    KeepsDeleted,
    KeepsTail,
    LiesInClear,
    LockedIsAbsent,
    Logs,
    MixesProcesses,
    MixesThreads,
    NamesNoLimit,
    RefusesAfterDelete,
    RemembersOfAnother,
    RemembersOfThisProcess,
    RemovesBeforeRefusing,
    ShowsInDebug,
    ShowsInError,
    WritesWhileLocked,
}

#[test]
fn a_backend_that_breaks_one_promise_fails_by_its_name() {
    if let Some(task) = task() {
        return work(task.to_str().unwrap());
    }
    for (number, (fault, promise)) in FAKES.iter().enumerate() {
        let broken = broken_by(*fault, number);
        assert_eq!(broken, [*promise], "{fault:?}");
    }
}

#[test]
fn a_backend_without_a_fault_keeps_every_promise() {
    if let Some(task) = task() {
        return elsewhere::work(&fake(Fault::None), task.to_str().unwrap());
    }
    let backend = fake(Fault::None);
    assert!(CHECKS.iter().all(|(_, is_made, _)| is_made(&backend)), "it makes every promise");
    let again = |task: &str| again(a_backend_without_a_fault_keeps_every_promise, task);
    let broken = broken_promises(&backend, &again);
    let told: Vec<_> = broken.iter().map(|one| (one.promise, &one.how)).collect();
    assert!(told.is_empty(), "{told:?}");
}

#[test]
fn every_promise_has_a_backend_that_breaks_it() {
    for (promise, ..) in CHECKS {
        assert!(FAKES.iter().any(|(_, broken)| broken == promise), "{promise}");
    }
}

/// The other processes are told by number which fault they have.
fn broken_by(fault: Fault, number: usize) -> Vec<&'static str> {
    let again = |task: &str| {
        let test = a_backend_that_breaks_one_promise_fails_by_its_name;
        again(test, format!("{number}\n{task}"))
    };
    broken_promises(&fake(fault), &again).iter().map(|broken| broken.promise).collect()
}

fn work(task: &str) {
    let (number, task) = task.split_once('\n').unwrap();
    elsewhere::work(&fake(FAKES[number.parse::<usize>().unwrap()].0), task);
}

/// Files, each replaced as a whole, with the bits of their bytes turned over.
fn fake(fault: Fault) -> Backend {
    let backend = Backend::new(move |place, name| Box::new(Fake::new(fault, place, name)));
    let lock = Lock {
        lock: |place| drop(fs::File::create(place.join(LOCKED)).unwrap()),
        unlock: |place| fs::remove_file(place.join(LOCKED)).unwrap(),
        hides_absence: true,
    };
    let at_rest = AtRest::Encrypted(|place| vec![place.to_owned()]);
    Backend { lock: Some(lock), ..backend }.up_to(LIMIT).lying(at_rest)
}

struct Fake {
    fault: Fault,
    folder: PathBuf,
    file: PathBuf,
    /// Exists once something was deleted.
    gone: PathBuf,
    number: u64,
    remembered: Mutex<Option<Option<Vec<u8>>>>,
}

/// What is in a file, who saved it, and the first who did.
#[derive(Clone)]
struct Kept {
    pid: u64,
    thread: u64,
    handle: u64,
    bytes: Vec<u8>,
}

impl Fake {
    fn new(fault: Fault, place: &Path, name: &Name) -> Self {
        static HANDLES: AtomicU64 = AtomicU64::new(0);
        let Name { service, account } = name;
        let file = match fault {
            Fault::JoinsNames => hexadecimal(format!("{service}{account}")),
            Fault::FoldsCase => {
                hexadecimal(service.to_lowercase()) + "-" + &hexadecimal(account.to_lowercase())
            }
            _ => hexadecimal(service) + "-" + &hexadecimal(account),
        };
        let (gone, file) = (place.join(format!("{file}.gone")), place.join(file));
        let number = HANDLES.fetch_add(1, Ordering::SeqCst);
        let folder = place.to_owned();
        Self { fault, folder, file, gone, number, remembered: Mutex::default() }
    }

    fn is(&self, fault: Fault) -> bool {
        self.fault == fault
    }

    fn is_locked(&self) -> bool {
        self.folder.join(LOCKED).exists()
    }

    fn read(&self) -> Option<Kept> {
        let mut file = patiently(|| match fs::read(&self.file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            read => read.map(Some),
        })?;
        let mut number = || {
            let rest = file.split_off(8);
            u64::from_le_bytes(std::mem::replace(&mut file, rest).try_into().unwrap())
        };
        let (pid, thread, handle) = (number(), number(), number());
        let bytes = file.into_iter().map(|byte| byte ^ self.mask()).collect();
        Some(Kept { pid, thread, handle, bytes })
    }

    fn write(&self, payload: &[u8]) {
        let old = self.read();
        let mut bytes = payload.to_vec();
        if let Some(old) = &old {
            let is_ours = old.pid == pid();
            let mixes = self.is(Fault::MixesProcesses) && !is_ours
                || self.is(Fault::MixesThreads) && is_ours && old.thread != this_thread();
            if mixes {
                bytes.truncate(bytes.len() / 2);
                bytes.push(b'?');
            }
            if self.is(Fault::KeepsTail) && bytes.len() < old.bytes.len() / 2 {
                bytes.extend(&old.bytes[bytes.len()..]);
            }
        }
        if self.is(Fault::CutsAt2560) {
            bytes.truncate(2_560);
        }
        // The first who saved stays in the file, so that a mixture does not depend on the moment.
        let (pid, thread) = match old.filter(|_| self.is_mixing()) {
            Some(old) => (old.pid, old.thread),
            None => (pid(), this_thread()),
        };
        let mut file = NamedTempFile::new_in(&self.folder).unwrap();
        for number in [pid, thread, self.number] {
            file.write_all(&number.to_le_bytes()).unwrap();
        }
        let masked: Vec<u8> = bytes.iter().map(|byte| byte ^ self.mask()).collect();
        file.write_all(&masked).unwrap();
        let path = file.into_temp_path();
        patiently(|| fs::rename(&path, &self.file));
        drop(fs::remove_file(&self.gone));
    }

    fn is_mixing(&self) -> bool {
        matches!(self.fault, Fault::MixesProcesses | Fault::MixesThreads)
    }

    fn mask(&self) -> u8 {
        if self.is(Fault::LiesInClear) { 0 } else { 0xff }
    }

    /// Whether what the handle saw before is given for what was saved since.
    fn is_stale(&self, kept: Option<&Kept>) -> bool {
        kept.is_some_and(|kept| match self.fault {
            Fault::RemembersOfThisProcess => kept.pid == pid() && kept.handle != self.number,
            Fault::RemembersOfAnother => kept.pid != pid(),
            _ => false,
        })
    }
}

impl Slot for Fake {
    fn load(&self) -> Result<Option<Vec<u8>>, Refusal> {
        if self.is_locked() {
            return if self.is(Fault::LockedIsAbsent) { Ok(None) } else { Err(locked()) };
        }
        let kept = self.read();
        let mut remembered = self.remembered.lock().unwrap();
        if let Some(remembered) = remembered.as_ref().filter(|_| self.is_stale(kept.as_ref())) {
            return Ok(remembered.clone());
        }
        let mut bytes = kept.map(|kept| kept.bytes);
        if self.is(Fault::EndsAtNul) {
            bytes = bytes.map(|bytes| bytes.split(|byte| *byte == 0).next().unwrap().to_vec());
        }
        if self.is(Fault::EmptyBeforeSave) && bytes.is_none() && !self.gone.exists() {
            bytes = Some(Vec::new());
        }
        remembered.replace(bytes.clone());
        Ok(bytes)
    }

    fn save(&self, payload: &[u8]) -> Result<(), Refusal> {
        if self.is(Fault::Logs) {
            log::trace!("saves {}", String::from_utf8_lossy(payload));
        }
        if self.is_locked() {
            if self.is(Fault::WritesWhileLocked) {
                self.write(payload);
            }
            return Err(locked());
        }
        if payload.is_empty() {
            if self.is(Fault::EmptyRemoves) {
                fs::remove_file(&self.file).unwrap();
                return Ok(());
            }
            return Err(Refusal::new(Kind::Other, "an empty payload is refused"));
        }
        if payload.len() > LIMIT {
            if self.is(Fault::RemovesBeforeRefusing) {
                drop(fs::remove_file(&self.file));
            }
            let limit = if self.is(Fault::NamesNoLimit) { "less" } else { "1048576 bytes" };
            return Err(Refusal::new(Kind::TooLarge, format!("it takes {limit}")));
        }
        if self.is(Fault::RefusesAfterDelete) && self.gone.exists() {
            return Err(Refusal::new(Kind::Other, "it was deleted"));
        }
        self.write(payload);
        Ok(())
    }

    fn create(&self, payload: &[u8]) -> Result<(), Refusal> {
        if !self.is_locked() && self.file.exists() && !self.is(Fault::CreateReplaces) {
            let text = String::from_utf8_lossy(payload);
            let said = if self.is(Fault::ShowsInError) { &text } else { "it is there" };
            return Err(Refusal::new(Kind::Exists, said));
        }
        self.save(payload)
    }

    fn delete(&self) -> Result<bool, Refusal> {
        if self.is_locked() {
            return Err(locked());
        }
        let was_deleted = self.gone.exists();
        let was_there = self.file.exists() && !was_deleted;
        if was_there && !self.is(Fault::KeepsDeleted) {
            fs::remove_file(&self.file).unwrap();
        }
        if was_there {
            drop(fs::File::create(&self.gone).unwrap());
        }
        match self.fault {
            Fault::DeletesTwice => Ok(was_there || was_deleted),
            Fault::DeleteOfNothingFails if !was_there => {
                Err(Refusal::new(Kind::Other, "there is nothing"))
            }
            _ => Ok(was_there),
        }
    }
}

impl std::fmt::Debug for Fake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kept = self.read().filter(|_| self.is(Fault::ShowsInDebug));
        let bytes = kept.map(|kept| kept.bytes).unwrap_or_default();
        write!(f, "Fake({})", str::from_utf8(&bytes).unwrap_or_default())
    }
}

/// Windows refuses what another thread or process does to the same file at that moment.
fn patiently<T>(mut work: impl FnMut() -> io::Result<T>) -> T {
    loop {
        match work() {
            Err(error) if cfg!(windows) && error.kind() == io::ErrorKind::PermissionDenied => {
                thread::yield_now();
            }
            result => return result.unwrap(),
        }
    }
}

fn locked() -> Refusal {
    Refusal::new(Kind::Locked, "it is locked")
}

fn pid() -> u64 {
    process::id().into()
}

fn this_thread() -> u64 {
    let mut hasher = DefaultHasher::new();
    thread::current().id().hash(&mut hasher);
    hasher.finish()
}

const LIMIT: usize = 1 << 20;
const LOCKED: &str = "locked";
