//! The Secret Service vault at every step of every operation, against every way in which a service can fail.
//!
//! Each cell of the table has a bus, a service and a calling process of its own.
// Not on Windows: the Secret Service
#![cfg(all(unix, not(any(target_os = "macos", target_os = "ios", target_os = "android"))))]
#![expect(clippy::print_stdout, reason = "figures are for the person who runs the tests")]

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokenkeep_lab::keyring::{Session as Bus, State, inside};
use tokenkeep_lab::mock::{Act, Mock};
use tokenkeep_lab::{again, task};
use tokenkeep_platform::vault::{Call, Item, Place, Session, Vault, VaultError};

/// What is called, what goes wrong at which of its steps, and what the first and the later calls must answer.
#[derive(Clone, Copy, Debug)]
struct Cell {
    operation: Operation,
    at: &'static str,
    fault: Fault,
    first: &'static str,
    later: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operation {
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
enum Fault {
    Does(Act),
    /// Its process is ended with SIGKILL during the call.
    Killed,
}

use Operation::{
    Create, Delete, Read as ReadItem, ReadAbsent, Unlock, UnlockQuietly, Write, WriteAbsent,
};

/// The steps of each operation; those that change something are marked.
const STEPS: [(Operation, &[(&str, bool)]); 6] = [
    (
        ReadItem,
        &[
            ("OpenSession", false),
            ("ReadAlias", false),
            ("SearchItems", false),
            ("GetSecret", false),
        ],
    ),
    (ReadAbsent, &[("SearchItems", false), ("Get", false)]),
    (
        Create,
        &[
            ("OpenSession", false),
            ("ReadAlias", false),
            ("Get", false),
            ("SearchItems", false),
            ("CreateItem", true),
            ("SetSecret", true),
            ("GetSecret", true),
        ],
    ),
    (
        Write,
        &[
            ("OpenSession", false),
            ("ReadAlias", false),
            ("SearchItems", false),
            ("SetSecret", true),
        ],
    ),
    (
        Delete,
        &[
            ("OpenSession", false),
            ("ReadAlias", false),
            ("SearchItems", false),
            ("Get", false),
            ("Delete", true),
        ],
    ),
    (
        Unlock,
        &[
            ("OpenSession", false),
            ("ReadAlias", false),
            ("Get", false),
            ("Unlock", false),
            ("Prompt", false),
        ],
    ),
];

#[test]
fn a_service_that_never_answers_is_a_time_out_or_an_unknown_outcome() {
    let cells = each_step(Fault::Does(Act::Silence), |_, _, writes| match writes {
        true => ("OutcomeUnknown", "TimedOut"),
        false => ("TimedOut", "TimedOut"),
    });
    run(a_service_that_never_answers_is_a_time_out_or_an_unknown_outcome, &cells);
}

#[test]
fn a_service_that_leaves_the_bus_is_missing_or_an_unknown_outcome() {
    let cells = each_step(Fault::Does(Act::Die), |_, _, writes| match writes {
        true => ("OutcomeUnknown", "ServiceMissing"),
        false => ("ServiceMissing", "ServiceMissing"),
    });
    run(a_service_that_leaves_the_bus_is_missing_or_an_unknown_outcome, &cells);
}

#[test]
fn a_service_that_is_killed_is_missing_or_an_unknown_outcome() {
    let cells = each_step(Fault::Killed, |_, _, writes| match writes {
        true => ("OutcomeUnknown", "ServiceMissing"),
        false => ("ServiceMissing", "ServiceMissing"),
    });
    run(a_service_that_is_killed_is_missing_or_an_unknown_outcome, &cells);
}

#[test]
fn an_answer_of_the_wrong_type_is_a_failure_or_an_unknown_outcome() {
    let cells = each_step(Fault::Does(Act::Nonsense), |_, step, writes| match (step, writes) {
        // Nothing is left to look for once it cannot be told whether the item is there.
        ("GetSecret", true) => ("OutcomeUnknown", "Exists"),
        (_, true) => ("OutcomeUnknown", "OutcomeUnknown"),
        (_, false) => ("Failed", "Failed"),
    });
    run(an_answer_of_the_wrong_type_is_a_failure_or_an_unknown_outcome, &cells);
}

#[test]
fn an_answer_of_16_mib_is_the_secret_or_a_failure() {
    let cells =
        each_step(Fault::Does(Act::Large(16 << 20)), |operation, step, writes| match step {
            "GetSecret" if operation == ReadItem => ("16777216 bytes", "16777216 bytes"),
            "GetSecret" => ("Failed", "Exists"),
            "SetSecret" if operation == Create => ("OutcomeUnknown", "Exists"),
            _ if writes => ("OutcomeUnknown", "OutcomeUnknown"),
            _ => ("Failed", "Failed"),
        });
    run(an_answer_of_16_mib_is_the_secret_or_a_failure, &cells);
}

#[test]
fn an_error_of_16_mib_is_a_failure_or_an_unknown_outcome() {
    let cells =
        each_step(Fault::Does(Act::Refuse(16 << 20)), |operation, step, writes| match step {
            "GetSecret" | "SetSecret" if operation == Create => ("OutcomeUnknown", "Exists"),
            _ if writes => ("OutcomeUnknown", "OutcomeUnknown"),
            _ => ("Failed", "Failed"),
        });
    run(an_error_of_16_mib_is_a_failure_or_an_unknown_outcome, &cells);
}

#[test]
fn a_secret_of_64_mib_less_a_little_is_a_failure() {
    let large = Fault::Does(Act::Large((64 << 20) - 4096));
    let cell = Cell {
        operation: ReadItem,
        at: "GetSecret",
        fault: large,
        first: "Failed",
        later: "Failed",
    };
    run(a_secret_of_64_mib_less_a_little_is_a_failure, &[cell]);
}

#[test]
fn what_wants_a_prompt_is_locked_and_only_unlock_shows_it() {
    let prompt = Fault::Does(Act::Prompt);
    let locked = Fault::Does(Act::Locked);
    let cell =
        |operation, at, fault| Cell { operation, at, fault, first: "Locked", later: "Locked" };
    let dismissed = Cell {
        first: "PromptDismissed",
        later: "PromptDismissed",
        ..cell(Unlock, "Unlock", prompt)
    };
    let cells = [
        cell(ReadItem, "GetSecret", locked),
        cell(ReadAbsent, "Get", locked),
        cell(Create, "Get", locked),
        cell(Create, "CreateItem", prompt),
        cell(Create, "CreateItem", locked),
        cell(Create, "SetSecret", locked),
        cell(Write, "SetSecret", locked),
        cell(WriteAbsent, "Get", locked),
        cell(WriteAbsent, "CreateItem", prompt),
        cell(Delete, "Get", locked),
        cell(Delete, "Delete", prompt),
        cell(Delete, "Delete", locked),
        cell(UnlockQuietly, "Unlock", prompt),
        dismissed,
    ];
    run(what_wants_a_prompt_is_locked_and_only_unlock_shows_it, &cells);
}

impl Cell {
    fn moves_much(self) -> bool {
        matches!(self.fault, Fault::Does(Act::Large(_) | Act::Refuse(_)))
    }

    /// Long enough that a tenth of it is more than a busy machine's delays, and a build without optimisation moves what
    /// it has to.
    fn deadline(self) -> Duration {
        Duration::from_secs(if self.moves_much() { 20 } else { 2 })
    }
}

fn each_step(
    fault: Fault,
    answers: impl Fn(Operation, &str, bool) -> (&'static str, &'static str),
) -> Vec<Cell> {
    let steps = STEPS
        .iter()
        .flat_map(|(operation, steps)| steps.iter().map(move |step| (*operation, *step)));
    steps
        .map(|(operation, (at, writes))| {
            let (first, later) = answers(operation, at, writes);
            Cell { operation, at, fault, first, later }
        })
        .collect()
}

/// Runs the cells side by side, says the largest figures, and fails with everything that was wrong.
fn run(test: impl Fn() + Copy + Sync, cells: &[Cell]) {
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
        let shows = cell.operation == Unlock
            && reached
            && (cell.at != "Unlock" || cell.fault == Fault::Does(Act::Prompt));
        check(&mut wrong, showed == shows, "the prompt");
        check(&mut wrong, cell.operation != UnlockQuietly || !reached, "it asked to unlock");
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

/// The service's process: until its input ends.
fn serve(cell: Cell) {
    let there = !matches!(cell.operation, ReadAbsent | Create | WriteAbsent);
    let mock = Mock::start(there.then_some(b"secret"), move |member| match (cell.fault, member) {
        (Fault::Killed, member) if member == cell.at => {
            println!("reached");
            Act::Silence
        }
        (Fault::Does(act), member) if member == cell.at => act,
        (_, "Get") if matches!(cell.operation, Unlock | UnlockQuietly) => Act::Locked,
        (_, "Unlock") => Act::Prompt,
        _ => Act::Answer,
    });
    println!("ready");
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
    println!("calls {}", mock.calls().join(" "));
}

/// The calling process: a hundred calls, then it leaves.
fn call(cell: Cell) {
    let mut place = Place::default();
    // The mock cannot agree on a key.
    place.session = Session::Plain;
    let vault = Vault::os_at(place);
    let item = Item::new("tests", "key");
    let (quiet, prompting) =
        (Call::quiet().within(cell.deadline()), Call::prompting().within(cell.deadline()));
    let ask = || match cell.operation {
        ReadItem | ReadAbsent => vault.read(&item, &quiet).map(|secret| match secret {
            Some(secret) => format!("{} bytes", secret.len()),
            None => "None".into(),
        }),
        // No call but an unlocking shows a prompt, not even where it is allowed.
        Create => vault.create(&item, b"secret", &prompting).map(|()| "done".into()),
        Write | WriteAbsent => vault.write(&item, b"new", &prompting, None).map(|()| "done".into()),
        Delete => vault.delete(&item, &prompting, None).map(|deleted| deleted.to_string()),
        Unlock => vault.unlock(&prompting).map(|()| "done".into()),
        UnlockQuietly => vault.unlock(&quiet).map(|()| "done".into()),
    };
    let before = threads();
    let (mut slowest, mut said) = (Duration::ZERO, false);
    // Each of them moves that much over the bus.
    let calls = if cell.moves_much() { 5 } else { 100 };
    for number in 0..calls {
        let started = Instant::now();
        let result = ask();
        slowest = slowest.max(started.elapsed());
        let answer = match &result {
            Ok(answer) => answer.as_str(),
            Err(error) => kind(error),
        };
        let expected = if number == 0 { cell.first } else { cell.later };
        if answer != expected && !said {
            println!("wrong: call {number} is {answer}, not {expected}: {result:?}");
            said = true;
        }
    }
    let slowest = slowest.as_millis();
    println!("figures {slowest} {} {}", threads().saturating_sub(before), memory());
}

fn kind(error: &VaultError) -> &'static str {
    match error {
        VaultError::Exists => "Exists",
        VaultError::Failed { .. } => "Failed",
        VaultError::Locked { .. } => "Locked",
        VaultError::OutcomeUnknown { .. } => "OutcomeUnknown",
        VaultError::PromptDismissed { .. } => "PromptDismissed",
        VaultError::ServiceMissing { .. } => "ServiceMissing",
        VaultError::TimedOut { .. } => "TimedOut",
        _ => "another error",
    }
}

fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").map_or(0, Iterator::count)
}

/// The most that this process ever had in memory, in KiB.
fn memory() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    peak.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

const SIDE_BY_SIDE: usize = 6;
/// In KiB: a secret of 16 MiB, and the copies of it that the bus and the caller hold at one time.
const MEMORY: usize = 128 << 10;
