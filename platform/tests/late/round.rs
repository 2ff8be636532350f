//! One interleaving: a change that outlives its deadline, and later ones of this process and of
//! another.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokenkeep_platform::file::{Folder, Parents};
use tokenkeep_platform::lock::{CrossProcessLock, LockGuard, Wait};
use tokenkeep_platform::vault::{Call, Vault, VaultError};
use tokenkeep_test_support::again;
use tokenkeep_test_support::mock::{Act, Mock};

use super::Random;
use crate::item;

/// The service, which holds every call that writes, and the two processes that call it.
pub(crate) struct Round {
    random: Random,
    mock: Mock,
    here: CrossProcessLock,
    later: Later,
    events: (Sender<Event>, Receiver<Event>),
    pub(crate) outlived: usize,
    refused: usize,
    by: [usize; 2],
    _folder: TempDir,
}

/// A call has ended.
#[derive(Debug)]
enum Event {
    /// The first change.
    First(Result<(), VaultError>),
    /// A later one, of this process or of the other: what it wrote and whether that was confirmed.
    Later { by: usize, text: String, confirmed: bool },
    /// The other process did not get the lock.
    Refused,
}

/// What has been started and has not ended.
#[derive(Default)]
struct Open {
    first: bool,
    here: bool,
    there: bool,
}

impl Round {
    pub(crate) fn new(test: impl Fn(), random: Random) -> Self {
        let temporary = TempDir::new().unwrap();
        let folder = temporary.path().join("store");
        Folder::create(&folder, Parents::Require).unwrap();
        let mock = Mock::start(None, |member| match member {
            "CreateItem" | "SetSecret" | "Delete" => Act::Hold,
            _ => Act::Answer,
        });
        let events = channel();
        let later = Later::start(test, &folder, events.0.clone());
        let here = CrossProcessLock::new(folder, "store");
        let (outlived, refused, by) = (0, 0, [0; 2]);
        Self { random, mock, here, later, events, outlived, refused, by, _folder: temporary }
    }

    pub(crate) fn play(&mut self, number: usize) {
        let before = (self.random.below(2) == 0).then_some(&b"before"[..]);
        self.mock.set_secret(before);
        // The worker may still be about to let go of the round before.
        let guard = self.here.acquire(&Wait::at_most(Duration::from_secs(10))).unwrap();
        let deadline = Duration::from_millis(2 + self.random.below(12) as u64);
        let deletes = self.random.below(3) == 0;
        self.start_first(guard, deadline, deletes);
        let mut open = Open { first: true, ..Open::default() };
        // A creation has two steps that write: the first may be answered in time.
        let mut in_time = if before.is_none() && !deletes { self.random.below(2) } else { 0 };
        let (mut last, mut script, mut tries) = (None, Vec::new(), 0..);
        let end = Instant::now() + Duration::from_secs(30);
        while last.is_none() || open.first || open.here || open.there || self.mock.held() > 0 {
            assert!(Instant::now() < end, "round {number} does not end: {script:?}");
            while let Ok(event) = self.events.1.recv_timeout(Duration::from_micros(100)) {
                script.push(format!("{event:?}"));
                self.note(event, &mut open, &mut last);
            }
            let held = self.mock.held();
            if open.first {
                if held > 0 && in_time > 0 {
                    in_time -= 1;
                    self.mock.release();
                }
                continue;
            }
            match self.random.below(4) {
                0 if !open.there && last.is_none() => {
                    script.push("the other process tries".into());
                    open.there = true;
                    self.later.try_once(&format!("other {number}.{}", tries.next().unwrap()));
                    self.settle(held, &mut open, &mut last, &mut script);
                }
                1 if !open.here && last.is_none() => match self.try_lock() {
                    Some(guard) => {
                        script.push("this process writes".into());
                        open.here = true;
                        self.start_here(guard, format!("same {number}.{}", tries.next().unwrap()));
                        self.settle(held, &mut open, &mut last, &mut script);
                    }
                    None => self.refused += 1,
                },
                2 | 3 if held > 0 => {
                    let place = self.random.below(held);
                    script.push(format!("the service does {place} of {held}"));
                    self.mock.release_at(place);
                }
                _ => {}
            }
        }
        let expected = last.unwrap();
        let stored = self.mock.secret().map(|secret| String::from_utf8(secret).unwrap());
        assert_eq!(stored, Some(expected), "round {number}: {script:#?}");
    }

    /// How often what happened.
    pub(crate) fn figures(&self) -> String {
        let Self { outlived, refused, by: [here, there], .. } = self;
        format!(
            "{outlived} outlived their deadline, the lock was refused {refused} times, then {here} writes of \
             the same process and {there} of another"
        )
    }

    /// Until what was started has reached the service or has ended.
    fn settle(
        &mut self,
        held: usize,
        open: &mut Open,
        last: &mut Option<String>,
        script: &mut Vec<String>,
    ) {
        let end = Instant::now() + Duration::from_secs(10);
        while self.mock.held() <= held && Instant::now() < end {
            if let Ok(event) = self.events.1.recv_timeout(Duration::from_micros(100)) {
                script.push(format!("{event:?}"));
                return self.note(event, open, last);
            }
        }
    }

    fn note(&mut self, event: Event, open: &mut Open, last: &mut Option<String>) {
        match event {
            Event::First(result) => {
                open.first = false;
                self.outlived +=
                    usize::from(matches!(result, Err(VaultError::OutcomeUnknown { .. })));
            }
            Event::Refused => {
                open.there = false;
                self.refused += 1;
            }
            Event::Later { by, text, confirmed } => {
                *(if by == 0 { &mut open.here } else { &mut open.there }) = false;
                if confirmed {
                    self.by[by] += 1;
                    // The order of the tries is that of the lock; that of the events is not.
                    let rank =
                        |text: &String| text.rsplit('.').next().unwrap().parse::<u32>().unwrap();
                    *last = last.take().into_iter().chain([text]).max_by_key(rank);
                }
            }
        }
    }

    fn try_lock(&self) -> Option<LockGuard> {
        self.here.acquire(&Wait::at_most(Duration::ZERO)).ok()
    }

    fn start_first(&mut self, guard: LockGuard, deadline: Duration, deletes: bool) {
        let events = self.events.0.clone();
        std::thread::spawn(move || {
            let (call, hold) =
                (Call::quiet().within(deadline), Some(Box::new(guard) as Box<dyn Send>));
            let result = match deletes {
                true => Vault::os().delete(&item(), &call, hold).map(|_| ()),
                false => Vault::os().write(&item(), b"first", &call, hold),
            };
            events.send(Event::First(result)).unwrap();
        });
    }

    fn start_here(&self, guard: LockGuard, text: String) {
        let events = self.events.0.clone();
        std::thread::spawn(move || {
            let confirmed = write(&text, guard);
            events.send(Event::Later { by: 0, text, confirmed }).unwrap();
        });
    }
}

/// The other process: it tries when it is told to.
pub(crate) struct Later {
    child: Child,
    orders: ChildStdin,
}

impl Later {
    fn start(test: impl Fn(), folder: &Path, events: Sender<Event>) -> Self {
        let mut command = again(test, folder);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap());
        let orders = child.stdin.take().unwrap();
        std::thread::spawn(move || {
            for line in answers.lines() {
                let line = line.unwrap();
                let event = match line.split_once(": ") {
                    Some(("refused", _)) => Event::Refused,
                    Some((word @ ("confirmed" | "failed"), text)) => {
                        let confirmed = word == "confirmed";
                        Event::Later { by: 1, text: text.into(), confirmed }
                    }
                    _ => continue,
                };
                if events.send(event).is_err() {
                    return;
                }
            }
        });
        Self { child, orders }
    }

    fn try_once(&mut self, text: &str) {
        writeln!(self.orders, "{text}").unwrap();
    }

    /// What the other process does: writes what each line says, if nobody holds the lock.
    #[expect(clippy::print_stdout, reason = "its answers")]
    pub(crate) fn serve(folder: &Path) {
        let lock = CrossProcessLock::new(folder, "store");
        for line in std::io::stdin().lines() {
            let text = line.unwrap();
            let answer = match lock.acquire(&Wait::at_most(Duration::ZERO)) {
                Err(_) => "refused",
                Ok(guard) => match write(&text, guard) {
                    true => "confirmed",
                    false => "failed",
                },
            };
            println!("{answer}: {text}");
        }
    }
}

impl Drop for Later {
    fn drop(&mut self) {
        drop((self.child.kill(), self.child.wait()));
    }
}

fn write(text: &str, guard: LockGuard) -> bool {
    let result = Vault::os().write(&item(), text.as_bytes(), &Call::quiet(), Some(Box::new(guard)));
    result.is_ok()
}
