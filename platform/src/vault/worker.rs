//! Runs all calls of a vault on one thread per process, so that no caller waits longer than its
//! deadline.
//!
//! A stuck thread is never replaced: calls fail immediately until it returns. The thread is
//! detached, so the process can exit while its vault is stuck.

use std::mem;
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::{Backend, Call, Turn, VaultError};
use crate::interrupt;
use crate::sync::ForkLock;

/// The thread of a vault, started by the first call.
pub(super) struct Worker {
    open: Open,
    running: ForkLock<Option<Running>>,
}

/// Creates the vault on its own thread.
#[derive(Clone)]
enum Open {
    System(fn() -> Box<dyn Backend>),
    Brought(Arc<dyn Fn() -> Box<dyn Backend> + Send + Sync>),
}

impl Open {
    fn open(&self) -> Box<dyn Backend> {
        match self {
            Self::System(open) => open(),
            Self::Brought(open) => open(),
        }
    }
}

impl Worker {
    pub(super) fn new(open: impl Fn() -> Box<dyn Backend> + Send + Sync + 'static) -> Self {
        Self { open: Open::Brought(Arc::new(open)), running: ForkLock::new(None) }
    }

    /// The worker of a process-wide vault. Creates nothing before the first call.
    pub(super) const fn of(open: fn() -> Box<dyn Backend>) -> Self {
        Self { open: Open::System(open), running: ForkLock::new(None) }
    }

    /// A new worker for the same vault.
    pub(super) fn another(&self) -> Self {
        Self { open: self.open.clone(), running: ForkLock::new(None) }
    }

    /// Runs `job` on the worker and waits for it, at most slightly longer than its deadline.
    ///
    /// `hold` is dropped when the job has returned, even if the caller gave up long before.
    pub(super) fn call<T: Send + 'static>(
        &self,
        call: &Call,
        hold: Option<Box<dyn Send>>,
        job: impl FnOnce(&mut dyn Backend, &Turn) -> Result<T, VaultError> + Send + 'static,
    ) -> Result<T, VaultError> {
        let turn = Arc::new(Turn::new(call));
        let (reply, answer) = mpsc::sync_channel(1);
        let theirs = Arc::clone(&turn);
        let (state, number) = self.submit(turn.deadline, move |backend| {
            let late = theirs.remaining().err();
            let was_asked = late.is_none();
            let run = || late.map_or_else(|| job(backend, &theirs), Err);
            let (result, sound) = match contained(run) {
                Some(result) => (result, true),
                None => (Err(theirs.broken_off(PANICKED.into())), false),
            };
            // Released before the reply, so that the caller can take the lock again immediately.
            drop(hold);
            let no_answer = matches!(
                result,
                Err(VaultError::TimedOut { .. } | VaultError::OutcomeUnknown { .. })
            );
            let silent = was_asked.then(|| no_answer && theirs.heard_nothing());
            let reply = Box::new(move || drop(reply.send(result)));
            Done { silent, reply, sound }
        })?;
        let grace = (call.deadline / 20).clamp(MIN_GRACE, MAX_GRACE);
        let end = turn.until + grace;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let may_stop = interrupt::is_set();
            let wait = if may_stop { left.min(interrupt::BETWEEN_QUESTIONS) } else { left };
            match answer.recv_timeout(wait) {
                Ok(result) => return result,
                // Not counted as a call without an answer: the vault may be well.
                Err(RecvTimeoutError::Timeout) if may_stop && interrupt::is_requested() => {
                    // An answer that came meanwhile is better than an unknown outcome.
                    return answer.try_recv().unwrap_or_else(|_| Err(turn.stop()));
                }
                Err(RecvTimeoutError::Timeout) if Instant::now() < end => {}
                Err(RecvTimeoutError::Timeout) => {
                    state.abandoned.fetch_max(number, Ordering::SeqCst);
                    return Err(turn.abandon());
                }
                Err(RecvTimeoutError::Disconnected) => {
                    let ended = "the thread that serves the vault has ended";
                    return Err(VaultError::failed(ended));
                }
            }
        }
    }

    fn submit(
        &self,
        deadline: Duration,
        run: impl FnOnce(&mut dyn Backend) -> Done + Send + 'static,
    ) -> Result<(Arc<WorkerState>, u64), VaultError> {
        let mut running = self.running.write();
        if running.as_ref().is_some_and(|worker| !worker.is_there()) {
            *running = None;
        }
        let worker = match &mut *running {
            Some(worker) => worker,
            none => none.insert(Running::start(self.open.clone())?),
        };
        if worker.state.is_silent() {
            return Err(VaultError::TimedOut { waited: Duration::ZERO });
        }
        worker.sent += 1;
        let (number, state) = (worker.sent, Arc::clone(&worker.state));
        let theirs = Arc::clone(&state);
        let job: Job = Box::new(move |backend| {
            let Done { silent, reply, sound } = run(backend);
            // Before the reply: the caller's next call must see this state.
            theirs.finished(number, silent.map(|silent| silent.then_some(deadline)));
            reply();
            sound
        });
        worker.send(job)?;
        Ok((state, number))
    }
}

struct Running {
    pid: u32,
    thread: Option<Thread>,
    state: Arc<WorkerState>,
    sent: u64,
}

struct Thread {
    jobs: mpsc::Sender<Job>,
    handle: std::thread::JoinHandle<()>,
}

/// A job returns whether the vault can still be used.
type Job = Box<dyn FnOnce(&mut dyn Backend) -> bool + Send>;

/// The result of a job.
struct Done {
    /// Whether the vault was unresponsive. `None` if it was not asked.
    silent: Option<bool>,
    reply: Box<dyn FnOnce()>,
    sound: bool,
}

/// Runs `call` on the calling thread. A panic becomes an error.
#[cfg(any(
    test,
    all(unix, not(any(target_os = "macos", target_os = "ios", target_os = "android")))
))]
pub(super) fn contained_here<T>(
    call: impl FnOnce() -> Result<T, VaultError>,
) -> Result<T, VaultError> {
    contained(call).unwrap_or_else(|| Err(VaultError::failed(PANICKED)))
}

/// Runs `call`. Returns `None` if it panicked. Data from a vault must not end the thread that all
/// other calls wait for.
fn contained<T>(call: impl FnOnce() -> T) -> Option<T> {
    match panic::catch_unwind(AssertUnwindSafe(call)) {
        Ok(value) => Some(value),
        Err(payload) => {
            // The payload may contain a secret, so it is not looked at. Dropping it may panic too.
            drop(panic::catch_unwind(AssertUnwindSafe(move || drop(payload))));
            None
        }
    }
}

impl Running {
    fn start(open: Open) -> Result<Self, VaultError> {
        let (jobs, queue) = mpsc::channel::<Job>();
        let handle = std::thread::Builder::new()
            .name("vault".into())
            .spawn(move || {
                let mut backend = open.open();
                for job in queue {
                    if !job(&mut *backend) {
                        // The panic may have left it, and its connection, in any state.
                        let broken = mem::replace(&mut backend, open.open());
                        contained(move || drop(broken));
                    }
                }
            })
            .map_err(VaultError::failed)?;
        let thread = Some(Thread { jobs, handle });
        Ok(Self { pid: std::process::id(), thread, state: Arc::default(), sent: 0 })
    }

    /// Whether this process has the thread, and the thread has not ended.
    fn is_there(&self) -> bool {
        let runs = |thread: &Thread| !thread.handle.is_finished();
        self.pid == std::process::id() && self.thread.as_ref().is_some_and(runs)
    }

    fn send(&self, job: Job) -> Result<(), VaultError> {
        let sent = self.thread.as_ref().is_some_and(|thread| thread.jobs.send(job).is_ok());
        sent.then_some(()).ok_or_else(|| VaultError::failed("the vault's thread has ended"))
    }
}

impl Drop for Running {
    /// In a forked child, leaks the channel, whose lock may be held forever, and the handle of a
    /// thread that the child does not have.
    fn drop(&mut self) {
        if self.pid != std::process::id() {
            mem::forget(self.thread.take());
        }
    }
}

/// The state that callers check before they queue another call.
#[derive(Default)]
struct WorkerState {
    /// The newest call whose caller has given up.
    abandoned: AtomicU64,
    /// The newest call that has returned.
    done: AtomicU64,
    silent_until: Mutex<Option<Instant>>,
}

impl WorkerState {
    fn is_silent(&self) -> bool {
        let stuck = self.abandoned.load(Ordering::SeqCst) > self.done.load(Ordering::SeqCst);
        let silent = self.silent_until.lock().map_or(None, |until| *until);
        stuck || silent.is_some_and(|until| Instant::now() < until)
    }

    /// `silent_for` is `None` if the vault was not asked.
    fn finished(&self, number: u64, silent_for: Option<Option<Duration>>) {
        if let (Some(silent_for), Ok(mut until)) = (silent_for, self.silent_until.lock()) {
            *until = silent_for.map(|deadline| Instant::now() + deadline.min(MAX_SILENCE));
        }
        self.done.store(number, Ordering::SeqCst);
    }
}

/// A vault ends its call at the deadline itself. The grace period lets its own error arrive.
const MIN_GRACE: Duration = Duration::from_millis(5);
const MAX_GRACE: Duration = Duration::from_millis(250);
/// How long calls fail immediately after one without an answer.
const MAX_SILENCE: Duration = Duration::from_secs(3);
const PANICKED: &str = "the code that speaks with the vault failed; this is a defect of the program, or \
                        what answers is no vault";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vault::memory::Items;

    #[test]
    fn a_panic_on_the_calling_thread_is_an_error() {
        let failed = contained_here(|| -> Result<(), VaultError> { panic!("while it asks") });
        assert!(matches!(failed, Err(VaultError::Failed { .. })), "{failed:?}");
        assert_eq!(contained_here(|| Ok(7)).unwrap(), 7);
    }

    #[test]
    fn a_panic_is_an_error_of_its_call_alone_and_the_next_one_gets_a_new_vault() {
        let opened = Arc::new(AtomicU64::new(0));
        let theirs = Arc::clone(&opened);
        let worker = Worker::new(move || {
            theirs.fetch_add(1, Ordering::SeqCst);
            Box::new(Items::default())
        });
        let call = Call::quiet();
        let (hold, released) = mpsc::channel::<()>();
        let failed = worker.call(&call, Some(Box::new(hold)), |_, _| -> Result<(), _> {
            panic!("while it reads")
        });
        assert!(matches!(failed, Err(VaultError::Failed { .. })), "{failed:?}");
        assert!(released.recv().is_err(), "the guard is released");
        let unknown = worker.call(&call, None, |_, turn| {
            turn.write(|| -> Result<(), VaultError> { panic!("while it writes") })
        });
        assert!(matches!(unknown, Err(VaultError::OutcomeUnknown { .. })), "{unknown:?}");
        worker.call(&call, None, |_, _| Ok(())).unwrap();
        assert_eq!(opened.load(Ordering::SeqCst), 3);
    }
}
