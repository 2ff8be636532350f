//! A private session bus with a real secret service on it, for one test.

mod gnome_keyring;
mod handle;
mod kwallet;
mod session;

use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::Duration;
use std::{env, io, thread};

use crate::again::rerun;
use crate::place::executable;
use crate::skip::{in_ci, say};
use crate::tool::{Tool, install_line};

pub use handle::Keyring;
pub use session::Session;

/// The program that serves the session's secrets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Provider {
    /// gnome-keyring. The bus starts it again when it is called while none runs.
    #[default]
    GnomeKeyring,
    /// KWallet's kwalletd5. The bus starts none.
    ///
    /// It writes what it stored to its file 5 s later, so a kill before that loses it.
    KWallet,
}

impl Provider {
    /// What the table of prerequisites calls it.
    pub fn tool(self) -> Tool {
        match self {
            Self::GnomeKeyring => Tool::SecretService,
            Self::KWallet => Tool::KWallet,
        }
    }

    fn start(self, keyring: &Keyring) -> io::Result<Child> {
        match self {
            Self::GnomeKeyring => gnome_keyring::start(keyring),
            Self::KWallet => kwallet::start(keyring),
        }
    }

    fn unlock(self, keyring: &Keyring) -> io::Result<()> {
        match self {
            Self::GnomeKeyring => gnome_keyring::unlock(keyring),
            Self::KWallet => kwallet::unlock(keyring),
        }
    }

    fn collection(self) -> &'static str {
        match self {
            Self::GnomeKeyring => gnome_keyring::COLLECTION,
            Self::KWallet => kwallet::COLLECTION,
        }
    }

    fn files(self, keyring: &Keyring) -> PathBuf {
        match self {
            Self::GnomeKeyring => gnome_keyring::files(keyring),
            Self::KWallet => kwallet::files(keyring),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::GnomeKeyring => "gnome-keyring",
            Self::KWallet => "kwallet",
        }
    }
}

/// What the session's keyring is like at the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum State {
    /// A default collection, unlocked.
    Unlocked,
    /// A default collection, locked.
    Locked,
    /// A bus without any secret service and without a way to start one.
    Absent,
}

impl State {
    /// The same with this provider; [`State`] alone means gnome-keyring.
    #[must_use]
    pub fn of(self, provider: Provider) -> Setup {
        Setup { provider, state: self }
    }
}

/// A provider and its state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setup {
    provider: Provider,
    state: State,
}

impl From<State> for Setup {
    fn from(state: State) -> Self {
        state.of(Provider::default())
    }
}

/// Runs `body` in a process of its own inside a new session: the calling test's program is run
/// again for this test alone.
///
/// `test` is the test's full name. A missing program is a printed skip, and a failure where `CI` is
/// set.
///
/// # Panics
/// When the inner run fails; its output is printed.
pub fn inside(test: &str, setup: impl Into<Setup>, body: impl FnOnce(&Keyring)) {
    if let Some(keyring) = Keyring::current() {
        end_after(Duration::from_secs(120));
        return body(&keyring);
    }
    let setup = setup.into();
    for tool in [Tool::SecretService, setup.provider.tool()] {
        if let Some(program) = missing_program(tool) {
            return skip(test, program, tool);
        }
    }
    let session = Session::start(setup).expect("a private session starts");
    let output = session
        .enter(&mut rerun(test))
        .stdin(Stdio::null())
        .output()
        .expect("the test's program runs again");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{test}: {}\n{out}\n{err}", output.status);
    assert!(out.contains("1 passed"), "{test} is not the test's full name\n{out}");
    show(&out);
}

/// The first program missing of those that `tool` consists of.
fn missing_program(tool: Tool) -> Option<&'static str> {
    tool.programs().iter().copied().find(|name| executable(name).is_none())
}

fn skip(test: &str, program: &str, tool: Tool) {
    let line = install_line(&[tool]);
    assert!(!in_ci(), "{test} needs {program}: {line}");
    say(&format!("skipped: {test} needs {program}; install it with: {line}"));
}

/// Passes on what the inner test measured or left out.
fn show(out: &str) {
    out.lines().filter(|line| line.starts_with("measured")).for_each(say);
}

/// A hanging test must not hang the run.
#[expect(clippy::print_stderr, reason = "it says why the run ended")]
fn end_after(limit: Duration) {
    thread::spawn(move || {
        thread::sleep(limit);
        eprintln!("the test did not end within {limit:?}");
        std::process::exit(99);
    });
}

/// The provider that [`inside`] chose for this process.
fn chosen() -> Option<Provider> {
    let name = env::var(INSIDE).ok()?;
    [Provider::GnomeKeyring, Provider::KWallet].into_iter().find(|one| one.name() == name)
}

const INSIDE: &str = "TOKENKEEP_IN_KEYRING";
const PATIENCE: Duration = Duration::from_secs(10);
