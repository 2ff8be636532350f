//! A cell of the table of faults, and what must hold in each.
#![expect(clippy::print_stdout, reason = "figures are for the user who runs the tests")]
#![expect(clippy::unwrap_used, reason = "only tests use it")]

mod child;

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use child::{call, serve};
use tokenkeep_test_support::keyring::{Session as Bus, State, inside};
use tokenkeep_test_support::mock::Act;
use tokenkeep_test_support::{again, task};

/// What is called, what goes wrong at which of its steps, and what the first and the later calls
/// must answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cell {
    pub(crate) operation: Operation,
    pub(crate) at: &'static str,
    pub(crate) fault: Fault,
    pub(crate) first: &'static str,
    pub(crate) later: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Read,
    ReadAbsent,
    Create,
    Write,
    WriteAbsent,
    Delete,
    Unlock,
    UnlockQuietly,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Does(Act),
    /// Its process is ended with SIGKILL during the call.
    Killed,
}

impl Cell {
    pub(crate) fn moves_much(self) -> bool {
        matches!(self.fault, Fault::Does(Act::Large(_) | Act::Refuse(_)))
    }

    /// Long enough that a tenth of it is more than a busy machine's delays, and a build without
    /// optimisation moves what it has to.
    pub(crate) fn deadline(self) -> Duration {
        Duration::from_secs(if self.moves_much() { 20 } else { 2 })
    }
}

/// Runs the cells side by side, says the largest figures, and fails with everything that was wrong.
pub(crate) fn run(test: impl Fn() + Copy + Sync, cells: &[Cell]) {
    if let Some(task) = task() {
        let task = task.into_string().unwrap();
        let (role, number) = task.split_once(' ').unwrap();
        let cell = cells[number.parse::<usize>().unwrap()];
        return if role == "serve" { serve(cell) } else { call(cell) };
    }
    let path = std::any::type_name_of_val(&test);
    inside(path.rsplit("::").next().unwrap(), State::Absent, |_| {
        let (next, all) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
        std::thread::scope(|scope| {
            for _ in 0..SIDE_BY_SIDE {
                scope.spawn(|| {
                    loop {
                        let number = next.fetch_add(1, Ordering::SeqCst);
                        let Some(cell) = cells.get(number) else { break };
                        let figures = examine(test, number, *cell);
                        all.lock().unwrap().push((cell, figures));
                    }
                });
            }
        });
        let all = all.into_inner().unwrap();
        let largest = |figure: fn(&Figures) -> usize| all.iter().map(|(_, all)| figure(all)).max();
        println!(
            "measured: {} cells, slowest call {} ms of {} ms, {} more thread(s), exit {} ms, memory {} MiB",
            all.len(),
            largest(|figures| figures.slowest).unwrap(),
            cells[0].deadline().as_millis(),
            largest(|figures| figures.threads).unwrap(),
            largest(|figures| figures.exit).unwrap(),
            largest(|figures| figures.memory).unwrap() >> 10,
        );
        let wrong: Vec<_> = all.iter().filter(|(_, figures)| !figures.wrong.is_empty()).collect();
        assert!(wrong.is_empty(), "{wrong:#?}");
    });
}

/// What was seen of one calling process: milliseconds, threads and KiB.
#[derive(Debug, Default)]
struct Figures {
    slowest: usize,
    threads: usize,
    memory: usize,
    exit: usize,
    wrong: Vec<String>,
}

fn examine(test: impl Fn(), number: usize, cell: Cell) -> Figures {
    let bus = Bus::start(State::Absent).unwrap();
    let start = |role: &str| {
        let mut command = again(&test, format!("{role} {number}"));
        command.envs(bus.envs()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        (child, out)
    };
    let mut wrong = Vec::new();
    let (mut service, mut service_says) = start("serve");
    wait_for(&mut service_says, "ready", &mut wrong);
    let (mut caller, mut caller_says) = start("call");
    if cell.fault == Fault::Killed {
        wait_for(&mut service_says, "reached", &mut wrong);
        service.kill().unwrap();
    }
    let figures = wait_for(&mut caller_says, "figures", &mut wrong);
    let leaving = Instant::now();
    let left = end(&mut caller, &mut caller_says);
    let exit = usize::try_from(leaving.elapsed().as_millis()).unwrap();
    drop(service.stdin.take());
    if cell.fault != Fault::Killed {
        let calls = wait_for(&mut service_says, "calls", &mut wrong);
        let showed = calls.iter().any(|call| call == "Prompt");
        let reached = calls.iter().any(|call| call == "Unlock");
        let shows = cell.operation == Operation::Unlock
            && reached
            && (cell.at != "Unlock" || cell.fault == Fault::Does(Act::Prompt));
        check(&mut wrong, showed == shows, "the prompt");
        check(
            &mut wrong,
            cell.operation != Operation::UnlockQuietly || !reached,
            "it asked to unlock",
        );
    }
    drop((service.kill(), service.wait()));
    let figure = |at: usize| figures.get(at).map_or(0, |figure| figure.parse().unwrap());
    let (slowest, threads, memory) = (figure(0), figure(1), figure(2));
    check(&mut wrong, left, "it did not end well");
    check(
        &mut wrong,
        slowest as u128 * 10 <= cell.deadline().as_millis() * 11,
        "the time of a call",
    );
    check(&mut wrong, threads <= 1, "the number of threads");
    check(&mut wrong, memory <= MEMORY, "the memory");
    check(&mut wrong, exit < 1000, "the time of the exit");
    Figures { slowest, threads, memory, exit, wrong }
}

fn check(wrong: &mut Vec<String>, holds: bool, what: &str) {
    if !holds {
        wrong.push(what.into());
    }
}

/// The words behind `word` on the first line that has it; what was wrong is said before.
fn wait_for(out: &mut BufReader<ChildStdout>, word: &str, wrong: &mut Vec<String>) -> Vec<String> {
    for line in out.lines() {
        let line = line.unwrap();
        if let Some((_, text)) = line.split_once("wrong: ") {
            wrong.push(text.into());
        }
        if let Some((_, words)) = line.split_once(word) {
            return words.split_whitespace().map(str::to_owned).collect();
        }
    }
    wrong.push(format!("it never said {word:?}"));
    Vec::new()
}

fn end(child: &mut Child, out: &mut BufReader<ChildStdout>) -> bool {
    out.read_to_end(&mut Vec::new()).unwrap();
    child.wait().unwrap().success()
}

const SIDE_BY_SIDE: usize = 6;
/// In KiB: a secret of 16 MiB, and the copies of it that the bus and the caller hold at one time.
const MEMORY: usize = 128 << 10;
