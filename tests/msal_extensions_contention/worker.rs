//! A process of ours: so many updates, each an entry of its own, and a log of what it reads and
//! writes.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Mutex,
    thread,
    time::Duration,
};

use tokenkeep::{
    CredentialType, Entry, Error, PersistedTokenCache, Protection, build_encrypted_persistence,
    lock::{CrossProcessLock, LockGuard},
    persistence::{Intent, Loaded, MsalExtensionsPersistence, Persistence, Saved, Stamp},
};

use crate::record::{Log, Members, digest};

/// When a process reads under the lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reads {
    Always,
    /// Never again after its first read: what must not happen, and must be seen when it does.
    Once,
}

/// What a process is told in its task.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) number: usize,
    pub(crate) updates: u32,
    pub(crate) reads: Reads,
    /// How long it is busy with other things after each update.
    pub(crate) pause: Duration,
    pub(crate) folder: PathBuf,
}

impl Job {
    pub(crate) fn task(&self) -> String {
        let Self { number, updates, reads, pause, folder } = self;
        format!("{number} {updates} {reads:?} {} {}", pause.as_millis(), folder.display())
    }

    pub(crate) fn parse(task: &str) -> Self {
        let mut words = task.splitn(5, ' ');
        let mut word = || words.next().unwrap();
        Self {
            number: word().parse().unwrap(),
            updates: word().parse().unwrap(),
            reads: if word() == "Once" { Reads::Once } else { Reads::Always },
            pause: Duration::from_millis(word().parse().unwrap()),
            folder: word().into(),
        }
    }

    /// The process's work. Without updates it reads once.
    pub(crate) fn run(&self) {
        let persistence = Logged::new(self);
        if self.updates == 0 {
            wait_for_the_others();
            persistence.load(None).unwrap();
            return;
        }
        let log = Log::open(&self.folder, self.number);
        // The lock is not fair, and what is asked here is whether anything is lost.
        let cache = PersistedTokenCache::new(persistence).lock_timeout(Duration::from_secs(600));
        let update = |number| {
            let entry = entry(self.number, number);
            cache.transaction(|cache| cache.put(&entry)).unwrap();
            log.note(format_args!("ack {number}"));
            thread::sleep(self.pause);
        };
        // A process that reads once does it before the others' turn, or it might read what they had
        // left when all were done.
        let first = u32::from(self.reads == Reads::Once);
        (0..first).for_each(update);
        wait_for_the_others();
        (first..self.updates).for_each(update);
    }
}

/// Says that this process is ready, and waits until all are.
fn wait_for_the_others() {
    println!("ready");
    io::stdin().read_line(&mut String::new()).unwrap();
}

/// The msal-extensions cache at `folder`, with a line in the log before and after each read and
/// write.
#[derive(Debug)]
struct Logged {
    inner: MsalExtensionsPersistence,
    log: Log,
    reads: Reads,
    /// The digest of what was last read or written.
    last: Mutex<String>,
}

impl Logged {
    fn new(job: &Job) -> Self {
        let inner = build_encrypted_persistence(cache(&job.folder)).unwrap();
        let log = Log::open(&job.folder, job.number);
        Self { inner, log, reads: job.reads, last: Mutex::default() }
    }
}

impl Persistence for Logged {
    fn prepare(&self, intent: Intent) -> Result<(), Error> {
        self.inner.prepare(intent)
    }

    fn load(&self, known: Option<&Stamp>) -> Result<Loaded, Error> {
        if let (Reads::Once, Some(known)) = (self.reads, known) {
            return Ok(Loaded::Unchanged(known.clone()));
        }
        self.log.note(format_args!("load"));
        let loaded = self.inner.load(known)?;
        let mut last = self.last.lock().unwrap();
        match &loaded {
            Loaded::Content(content, _) => *last = digest(content.expose()),
            Loaded::Unchanged(_) => {}
            _ => "-".clone_into(&mut last),
        }
        self.log.note(format_args!("loaded {last}"));
        Ok(loaded)
    }

    fn save(
        &self,
        content: &[u8],
        base: Option<&Stamp>,
        guard: &LockGuard,
    ) -> Result<Saved, Error> {
        let digest = digest(content);
        self.log.note(format_args!("save {digest} {}", Members::of(content)));
        let saved = self.inner.save(content, base, guard);
        let word = if matches!(saved, Ok(Saved::Done(_))) { "saved" } else { "not-saved" };
        self.log.note(format_args!("{word}"));
        *self.last.lock().unwrap() = digest;
        saved
    }

    fn delete(&self, base: Option<&Stamp>, guard: &LockGuard) -> Result<(), Error> {
        self.inner.delete(base, guard)
    }

    fn stamp(&self) -> Result<Option<Stamp>, Error> {
        self.inner.stamp()
    }

    fn is_written_in_place(&self) -> bool {
        self.inner.is_written_in_place()
    }

    fn confirm(&self) -> Result<(), Error> {
        self.inner.confirm()
    }

    fn protection(&self) -> Protection {
        self.inner.protection()
    }

    fn lock(&self) -> Option<CrossProcessLock> {
        self.inner.lock()
    }
}

pub(crate) fn cache(folder: &Path) -> PathBuf {
    folder.join("cache")
}

/// As small as an entry can be: the cost of a byte in a build without optimisation is not what is
/// tested here.
fn entry(process: usize, update: u32) -> Entry {
    let json = format!(r#"{{"client_id": "client-{process}-{update}", "environment": "e"}}"#);
    Entry::from_json(CredentialType::AppMetadata, json.as_bytes()).unwrap()
}
