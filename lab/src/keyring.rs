//! A private session bus with a real gnome-keyring on it, for one test.

use std::ffi::{OsStr, OsString};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::ops::Deref;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::again::rerun;

/// What the session's keyring is like at the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum State {
    /// A login collection, unlocked.
    Unlocked,
    /// A login collection, locked.
    Locked,
    /// A bus without any secret service and without a way to start one.
    Absent,
}

/// A bus and a keyring of their own, both ended when this is dropped.
#[derive(Debug)]
pub struct Session {
    keyring: Keyring,
    bus: Child,
    daemon: Option<Child>,
    _folder: TempDir,
}

impl Session {
    /// Starts the bus and the keyring and waits until both answer.
    ///
    /// # Errors
    /// When a program is missing or does not answer within 10 s.
    pub fn start(state: State) -> io::Result<Self> {
        let folder = TempDir::new()?;
        for name in ["run", "data", "config"] {
            std::fs::DirBuilder::new().mode(0o700).create(folder.path().join(name))?;
        }
        let mut keyring = Keyring { variables: variables(folder.path()) };
        let mut bus = keyring
            .command("dbus-daemon")
            .args(["--nofork", "--nopidfile", "--print-address=1"])
            .args(bus_options(state, folder.path())?)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let mut address = String::new();
        if let Some(stdout) = bus.stdout.take() {
            BufReader::new(stdout).read_line(&mut address)?;
        }
        keyring.variables.push((ADDRESS.into(), address.trim().into()));
        let mut session = Self { keyring, bus, daemon: None, _folder: folder };
        if state != State::Absent {
            session.daemon = Some(session.keyring.start_daemon()?);
            session.keyring.wait_for_daemon()?;
        }
        if state == State::Locked {
            session.keyring.lock()?;
        }
        Ok(session)
    }
}

impl Deref for Session {
    type Target = Keyring;

    fn deref(&self) -> &Keyring {
        &self.keyring
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // The bus may have started a second daemon after the first was killed.
        drop(self.keyring.kill_daemon());
        for child in self.daemon.iter_mut().chain([&mut self.bus]) {
            drop(child.kill());
            drop(child.wait());
        }
    }
}

/// The environment of a session, and what can be done to its keyring from any process inside.
#[derive(Debug)]
pub struct Keyring {
    variables: Vec<(OsString, OsString)>,
}

impl Keyring {
    /// The session this process runs in, if [`inside`] started it.
    pub fn current() -> Option<Self> {
        std::env::var_os(INSIDE)?;
        let names = NAMES.iter().chain([&ADDRESS, &INSIDE]);
        let variables = names.filter_map(|name| Some((name.into(), std::env::var_os(name)?)));
        Some(Self { variables: variables.collect() })
    }

    /// The variables that put a process into this session.
    pub fn envs(&self) -> impl Iterator<Item = (&OsStr, &OsStr)> {
        self.variables.iter().map(|(name, value)| (name.as_os_str(), value.as_os_str()))
    }

    /// A command that runs `program` in this session.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.env_remove(ADDRESS).envs(self.envs());
        command
    }

    /// The address of the session's bus.
    pub fn address(&self) -> &OsStr {
        self.variable(ADDRESS)
    }

    /// The folder that holds the keyring's files.
    pub fn files(&self) -> PathBuf {
        Path::new(self.variable("XDG_DATA_HOME")).join("keyrings")
    }

    /// Locks the login collection.
    ///
    /// # Errors
    /// When the daemon does not do it.
    pub fn lock(&self) -> io::Result<()> {
        let collection = "array:objpath:/org/freedesktop/secrets/collection/login";
        let method = "org.freedesktop.Secret.Service.Lock";
        self.send("org.freedesktop.secrets", "/org/freedesktop/secrets", method, &[collection])?;
        Ok(())
    }

    /// Unlocks the login collection with its password, as a login does.
    ///
    /// # Errors
    /// When the daemon does not do it.
    pub fn unlock(&self) -> io::Result<()> {
        // The protocol of gnome-keyring's PAM module: a byte for the credentials; length, operation, password; the result.
        let control = Path::new(self.variable("XDG_RUNTIME_DIR")).join("keyring/control");
        let mut socket = UnixStream::connect(control)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        let password = PASSWORD.as_bytes();
        let size = u32::try_from(password.len()).map_err(io::Error::other)?;
        let mut request = vec![0];
        for number in [12 + size, UNLOCK, size] {
            request.extend(number.to_be_bytes());
        }
        request.extend(password);
        socket.write_all(&request)?;
        let mut reply = [0; 8];
        socket.read_exact(&mut reply)?;
        match reply {
            [.., 0] => Ok(()),
            _ => Err(io::Error::other(format!("gnome-keyring did not unlock: {reply:?}"))),
        }
    }

    /// Ends the daemon with SIGKILL. The bus starts another when it is called, with the collection locked.
    ///
    /// # Errors
    /// When there is no daemon.
    pub fn kill_daemon(&self) -> io::Result<()> {
        let name = "string:org.freedesktop.secrets";
        let reply = self.ask_bus("GetConnectionUnixProcessID", name)?;
        let pid = reply.split_whitespace().next_back().unwrap_or_default();
        let status = Command::new("sh").args(["-c", "kill -9 \"$1\"", "sh", pid]).status()?;
        if !status.success() {
            return Err(io::Error::other(format!("no process {pid}")));
        }
        let gone = || Ok(self.ask_bus("NameHasOwner", name)?.contains("false"));
        wait_until(gone)
    }

    /// Waits until a secret service is on the bus.
    ///
    /// # Errors
    /// When there is none within 10 s.
    pub fn wait_for_daemon(&self) -> io::Result<()> {
        let name = "string:org.freedesktop.secrets";
        wait_until(|| Ok(self.ask_bus("NameHasOwner", name)?.contains("true")))
    }

    /// Calls a method with `dbus-send` and returns what it printed.
    ///
    /// # Errors
    /// When the call fails; the text is what `dbus-send` printed.
    pub fn send(
        &self,
        destination: &str,
        path: &str,
        method: &str,
        arguments: &[&str],
    ) -> io::Result<String> {
        let output = self
            .command("dbus-send")
            .args(["--session", "--print-reply=literal", "--reply-timeout=10000"])
            .arg(format!("--dest={destination}"))
            .args([path, method])
            .args(arguments)
            .stdin(Stdio::null())
            .output()?;
        if !output.status.success() {
            return Err(io::Error::other(String::from_utf8_lossy(&output.stderr).into_owned()));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    fn start_daemon(&self) -> io::Result<Child> {
        let mut daemon = self
            .command("gnome-keyring-daemon")
            .args(["--foreground", "--unlock", "--components=secrets"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        if let Some(mut stdin) = daemon.stdin.take() {
            stdin.write_all(PASSWORD.as_bytes())?;
        }
        Ok(daemon)
    }

    fn ask_bus(&self, method: &str, argument: &str) -> io::Result<String> {
        let method = format!("org.freedesktop.DBus.{method}");
        self.send("org.freedesktop.DBus", "/org/freedesktop/DBus", &method, &[argument])
    }

    fn variable(&self, name: &str) -> &OsStr {
        self.envs().find(|(theirs, _)| *theirs == name).map_or(OsStr::new(""), |(_, value)| value)
    }
}

/// Runs `body` in a process of its own inside a new session: the calling test's program is run again for this test alone.
///
/// `test` is the test's full name. A missing program is a printed skip, and a failure where `CI` is `true`.
///
/// # Panics
/// When the inner run fails; its output is printed.
pub fn inside(test: &str, state: State, body: impl FnOnce(&Keyring)) {
    if let Some(keyring) = Keyring::current() {
        end_after(Duration::from_secs(120));
        return body(&keyring);
    }
    if let Some(program) = missing_program() {
        return skip(test, program);
    }
    let session = Session::start(state).expect("a private session starts");
    let output = rerun(test)
        .env_remove(ADDRESS)
        .envs(session.envs())
        .env(INSIDE, "1")
        .stdin(Stdio::null())
        .output()
        .expect("the test's program runs again");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{test}: {}\n{out}\n{err}", output.status);
    assert!(out.contains("1 passed"), "{test} is not the test's full name\n{out}");
    show(&out);
}

/// The first program missing that a session needs.
pub fn missing_program() -> Option<&'static str> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let is_there =
        |name: &str| std::env::split_paths(&path).any(|folder| folder.join(name).exists());
    PROGRAMS.into_iter().find(|name| !is_there(name))
}

fn skip(test: &str, program: &str) {
    let ci = std::env::var_os("CI").is_some_and(|value| value == "true");
    assert!(!ci, "{test} needs {program}: {INSTALL}");
    crate::say(&format!("skipped: {test} needs {program}; install it with: {INSTALL}"));
}

/// Passes on what the inner test measured.
fn show(out: &str) {
    out.lines().filter(|line| line.starts_with("measured")).for_each(crate::say);
}

/// A hanging test must not hang the run.
#[expect(clippy::print_stderr, reason = "it says why the run ended")]
fn end_after(limit: Duration) {
    std::thread::spawn(move || {
        std::thread::sleep(limit);
        eprintln!("the test did not end within {limit:?}");
        std::process::exit(99);
    });
}

fn variables(folder: &Path) -> Vec<(OsString, OsString)> {
    let folders = ["", "data", "config", "run"].map(|name| folder.join(name).into_os_string());
    NAMES.iter().map(OsString::from).zip(folders).collect()
}

fn bus_options(state: State, folder: &Path) -> io::Result<[OsString; 1]> {
    if state != State::Absent {
        return Ok(["--session".into()]);
    }
    let config = folder.join("bus.conf");
    let listen = folder.join("run/bus");
    let text = format!(
        r#"<busconfig><type>session</type><listen>unix:path={}</listen><policy context="default">
        <allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/>
        </policy>{}</busconfig>"#,
        listen.display(),
        // As on every session bus: what is too large is not the bus's affair.
        ["max_incoming_bytes", "max_outgoing_bytes", "max_message_size"]
            .map(|name| format!(r#"<limit name="{name}">1000000000</limit>"#))
            .concat()
    );
    std::fs::File::create(&config)?.write_all(text.as_bytes())?;
    let mut option = OsString::from("--config-file=");
    option.push(config);
    Ok([option])
}

fn wait_until(mut done: impl FnMut() -> io::Result<bool>) -> io::Result<()> {
    let end = Instant::now() + PATIENCE;
    while !done()? {
        if Instant::now() > end {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "the keyring did not follow"));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

const NAMES: [&str; 4] = ["HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR"];
const ADDRESS: &str = "DBUS_SESSION_BUS_ADDRESS";
const INSIDE: &str = "TOKENKEEP_IN_KEYRING";
const PROGRAMS: [&str; 5] =
    ["dbus-daemon", "dbus-send", "dbus-monitor", "gnome-keyring-daemon", "secret-tool"];
const INSTALL: &str =
    "apt-get install -y --no-install-recommends dbus gnome-keyring libsecret-tools";
const PASSWORD: &str = "a password of the tests";
const PATIENCE: Duration = Duration::from_secs(10);
/// The number of this operation in gnome-keyring's control protocol.
const UNLOCK: u32 = 1;
