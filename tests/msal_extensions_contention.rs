//! Processes of ours and of msal-extensions on one item of a real gnome-keyring, and a log of every
//! read and write of it.
//!
//! msal-extensions reads again only if the signal file is newer than its own last read, so it may
//! write from an older read and lose what others wrote since. The log tells that from a loss of
//! ours.
// Not on Windows: the Secret Service
#![cfg(target_os = "linux")]
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a test may, and its workers talk")]
#![allow(clippy::disallowed_methods, reason = "the log is the test's own file")]

#[path = "msal_extensions_contention/record.rs"]
mod record;
#[path = "msal_extensions_contention/verdict.rs"]
mod verdict;
#[path = "msal_extensions_contention/worker.rs"]
mod worker;

use std::{
    env, fs,
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tempfile::TempDir;
use tokenkeep_test_support::{
    Tool, again,
    keyring::{Session, State},
    need, python_with_libsecret, say, task,
};

use self::{
    verdict::{Loss, Verdict, judge},
    worker::{Job, Reads},
};

/// One at a time: each of these tests wants the whole machine.
static MACHINE: Mutex<()> = Mutex::new(());

#[test]
fn a_lost_update_of_ours_is_one_that_python_wrote_over_from_an_older_read() {
    let test = a_lost_update_of_ours_is_one_that_python_wrote_over_from_an_older_read;
    let Some(run) = beside_python(test, "by-time", Duration::ZERO) else { return };
    run.say("beside msal-extensions as it is");
    let Verdict { losses, wrong, .. } = &run.verdict;
    assert!(wrong.is_empty(), "{wrong:#?}");
    let unexplained: Vec<_> = losses.iter().filter(|loss| run.is_unexplained(loss)).collect();
    assert!(unexplained.is_empty(), "{unexplained:#?}");
}

#[test]
fn nothing_is_lost_beside_a_python_that_reads_again_under_the_lock() {
    let test = nothing_is_lost_beside_a_python_that_reads_again_under_the_lock;
    let Some(run) = beside_python(test, "always", PAUSE) else { return };
    run.say("beside msal-extensions that always reads again");
    let Verdict { losses, wrong, .. } = &run.verdict;
    assert!(wrong.is_empty(), "{wrong:#?}");
    let lost: Vec<_> = losses.iter().filter(|loss| !loss.lock_broken).collect();
    assert!(lost.is_empty(), "{lost:#?}");
}

#[test]
fn sixty_four_processes_on_one_msal_extensions_cache_lose_no_update() {
    let test = sixty_four_processes_on_one_msal_extensions_cache_lose_no_update;
    let Some(run) = ours_alone(test, 64, updates(1280) / 64, Reads::Always) else { return };
    run.say("64 processes alone");
    let Verdict { losses, wrong, overlaps, .. } = &run.verdict;
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(losses.is_empty(), "{losses:#?}");
    assert!(overlaps.is_empty(), "{overlaps:?}");
}

/// The same check on processes that do what it is there to find.
#[test]
fn processes_of_ours_that_did_not_read_again_would_be_found_out() {
    let test = processes_of_ours_that_did_not_read_again_would_be_found_out;
    let Some(run) = ours_alone(test, 4, 25, Reads::Once) else { return };
    run.say("4 processes that read once");
    let unexplained = run.verdict.losses.iter().filter(|loss| run.is_unexplained(loss));
    // The last writer has nothing of the others but what each wrote in its first update.
    assert!(unexplained.count() >= 3 * 24);
}

/// What happened in a run of processes of which the first so many are ours.
struct Run {
    ours: usize,
    took: Duration,
    verdict: Verdict,
}

impl Run {
    /// Whether Python did not cause a loss of ours, neither by writing from an older read nor by
    /// entering the lock beside its holder.
    fn is_unexplained(&self, loss: &Loss) -> bool {
        loss.process < self.ours && !self.was_read_before(loss) && !loss.lock_broken
    }

    /// Whether all that overwrote it are Pythons that had read before it was written.
    fn was_read_before(&self, loss: &Loss) -> bool {
        !loss.culprits.is_empty() && loss.culprits.iter().all(|by| *by >= self.ours)
    }

    fn say(&self, what: &str) {
        let Verdict { acknowledged, losses, refusals, overlaps, reads, writes, .. } = &self.verdict;
        let is_ours = |process: &usize| *process < self.ours;
        let count = |ours: bool| -> usize {
            let of = acknowledged.iter().filter(|(process, _)| is_ours(process) == ours);
            of.map(|(_, count)| count).sum()
        };
        let (ours, pythons): (Vec<_>, Vec<_>) =
            losses.iter().partition(|loss| is_ours(&loss.process));
        let broken = |losses: &[&Loss]| losses.iter().filter(|loss| loss.lock_broken).count();
        let unexplained = ours.iter().filter(|loss| self.is_unexplained(loss)).count();
        say(&format!(
            "measured: {what}: {writes} writes and {reads} reads in {:.1?}; ours: {} updates, {} lost, of these {} \
             to a Python that had read before, {} beside a broken lock, {unexplained} unexplained; Python: {} updates, {} lost, of these {} beside a broken lock; \
             {} refused by the lock, {} times two inside it",
            self.took,
            count(true),
            ours.len(),
            ours.iter().filter(|loss| self.was_read_before(loss)).count(),
            broken(&ours),
            count(false),
            pythons.len(),
            broken(&pythons),
            refusals.values().sum::<usize>(),
            overlaps.values().sum::<usize>(),
        ));
    }
}

/// 8 processes of ours and 2 of each kind of Python, that many updates in all.
fn beside_python(test: impl Fn() + Copy, reads: &str, pause: Duration) -> Option<Run> {
    let mut scene = Scene::new(test)?;
    let updates = updates(600);
    let each_python = updates / 50;
    let each = (updates - 4 * each_python).div_ceil(8);
    scene.start_ours(8, each, Reads::Always, pause);
    for (number, kind) in (8..).zip(["created", "created", "locked", "locked"]) {
        scene.start_python(number, kind, reads, each_python);
    }
    Some(scene.run())
}

fn ours_alone(test: impl Fn() + Copy, processes: usize, each: u32, reads: Reads) -> Option<Run> {
    let mut scene = Scene::new(test)?;
    scene.start_ours(processes, each, reads, Duration::ZERO);
    Some(scene.run())
}

fn updates(usually: u32) -> u32 {
    env::var("TOKENKEEP_UPDATES").map_or(usually, |text| text.parse().unwrap())
}

/// A keyring, a folder with the cache's files and the log, and the processes that work on it.
struct Scene<T> {
    test: T,
    session: Session,
    folder: TempDir,
    processes: Vec<Child>,
    ours: usize,
    _machine: MutexGuard<'static, ()>,
}

impl<T: Fn() + Copy> Scene<T> {
    /// None in a process of the test's own, whose work is done here, and where a tool is missing.
    fn new(test: T) -> Option<Self> {
        if let Some(task) = task() {
            Job::parse(&task.into_string().unwrap()).run();
            return None;
        }
        if !need(Tool::SecretService) || !need(Tool::PythonLibsecret) {
            return None;
        }
        let _machine = MACHINE.lock().unwrap_or_else(PoisonError::into_inner);
        let session = Session::start(State::Unlocked).unwrap();
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("log"), "").unwrap();
        Some(Self { test, session, folder, processes: Vec::new(), ours: 0, _machine })
    }

    fn start_ours(&mut self, processes: usize, updates: u32, reads: Reads, pause: Duration) {
        for number in 0..processes {
            self.start_one(number, updates, reads, pause);
        }
        self.ours = processes;
    }

    fn start_one(&mut self, number: usize, updates: u32, reads: Reads, pause: Duration) {
        let folder = self.folder.path().to_owned();
        let job = Job { number, updates, reads, pause, folder };
        let mut command = again(self.test, job.task());
        command.envs(self.session.envs());
        self.start(&mut command);
    }

    fn start_python(&mut self, number: usize, kind: &str, reads: &str, updates: u32) {
        let script =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/msal_extensions_contention/peer.py");
        let mut command = python_with_libsecret();
        command.arg(script).args([&number.to_string(), kind, reads]).arg(self.folder.path());
        command.arg(updates.to_string()).envs(self.session.envs());
        self.start(&mut command);
    }

    /// Starts a process and waits until it is ready: two of msal-extensions disturb each other when
    /// they start.
    fn start(&mut self, command: &mut Command) {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let mut lines = output.lines().map_while(Result::ok);
        assert!(lines.any(|line| line.contains("ready")), "it ended before it was ready");
        // The runner in the process says something at its end.
        std::thread::spawn(move || lines.for_each(drop));
        self.processes.push(child);
    }

    fn run(mut self) -> Run {
        let began = Instant::now();
        self.finish();
        let took = began.elapsed();
        self.start_one(usize::from(u16::MAX), 0, Reads::Always, Duration::ZERO);
        self.finish();
        let log = fs::read_to_string(self.folder.path().join("log")).unwrap();
        if let Some(path) = env::var_os("TOKENKEEP_KEEP_LOG") {
            fs::write(PathBuf::from(path), &log).unwrap();
        }
        Run { ours: self.ours, took, verdict: judge(&record::parse(&log)) }
    }

    /// Lets all go and waits for them; none may fail.
    fn finish(&mut self) {
        for process in &mut self.processes {
            process.stdin.take().unwrap().write_all(b"\n").unwrap();
        }
        for mut process in self.processes.drain(..) {
            assert!(process.wait().unwrap().success());
        }
    }
}

impl<T> Drop for Scene<T> {
    fn drop(&mut self) {
        for process in &mut self.processes {
            drop((process.kill(), process.wait()));
        }
    }
}

/// As long as a program is busy with other things. If the lock is hardly ever free, msal-extensions
/// with portalocker waits for 5 s and then enters beside its holder.
const PAUSE: Duration = Duration::from_millis(100);
