//! What any process inside a session can do to its keyring.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs, io, thread};

use super::{INSIDE, PATIENCE, Provider, chosen};

/// The environment of a session, and what can be done to its keyring.
#[derive(Debug)]
pub struct Keyring {
    provider: Provider,
    variables: Vec<(OsString, OsString)>,
}

impl Keyring {
    pub(super) fn new(provider: Provider, variables: Vec<(OsString, OsString)>) -> Self {
        Self { provider, variables }
    }

    /// The session this process runs in, if [`inside`](super::inside) started it.
    pub fn current() -> Option<Self> {
        let provider = chosen()?;
        let names = NAMES.iter().chain([&ADDRESS, &INSIDE]);
        let variables = names.filter_map(|name| Some((name.into(), env::var_os(name)?)));
        Some(Self::new(provider, variables.collect()))
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

    /// Puts a test's own program into this session, where [`current`](Self::current) finds it.
    pub fn enter<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        command.env_remove(ADDRESS).envs(self.envs()).env(INSIDE, self.provider.name())
    }

    /// The address of the session's bus.
    pub fn address(&self) -> &OsStr {
        self.variable(ADDRESS)
    }

    /// The folder that holds the keyring's files.
    pub fn files(&self) -> PathBuf {
        self.provider.files(self)
    }

    /// The path of the default collection.
    pub fn collection(&self) -> &'static str {
        self.provider.collection()
    }

    /// Locks the default collection.
    ///
    /// # Errors
    /// When the daemon does not do it.
    pub fn lock(&self) -> io::Result<()> {
        let collection = format!("array:objpath:{}", self.collection());
        self.send(SECRETS, SERVICE, "org.freedesktop.Secret.Service.Lock", &[&collection])?;
        Ok(())
    }

    /// Unlocks the default collection with its password, as a login does.
    ///
    /// # Errors
    /// When the daemon does not do it.
    pub fn unlock(&self) -> io::Result<()> {
        self.provider.unlock(self)
    }

    /// Ends the daemon with SIGKILL. With gnome-keyring, the bus starts another when it is called,
    /// with the collection locked.
    ///
    /// # Errors
    /// When there is no daemon.
    pub fn kill_daemon(&self) -> io::Result<()> {
        let pid = self.daemon()?;
        let kill = ["-c", "kill -9 \"$1\"", "sh", &pid.to_string()];
        if !Command::new("sh").args(kill).status()?.success() {
            return Err(io::Error::other(format!("no process {pid}")));
        }
        // The bus may have started another by now.
        wait_until(|| Ok(self.daemon().map_or(true, |now| now != pid)))
    }

    /// The id of the daemon's process.
    ///
    /// # Errors
    /// When none is on the bus.
    pub fn daemon(&self) -> io::Result<u32> {
        let reply = self.ask_bus("GetConnectionUnixProcessID", &format!("string:{SECRETS}"))?;
        let pid = reply.split_whitespace().next_back().unwrap_or_default();
        pid.parse().map_err(io::Error::other)
    }

    /// Starts the daemon, its collection unlocked, after [`kill_daemon`](Self::kill_daemon).
    ///
    /// It ends with the session. With gnome-keyring a call over the bus before this starts another,
    /// locked.
    ///
    /// # Errors
    /// When it does not answer within 10 s.
    pub fn start_daemon(&self) -> io::Result<()> {
        self.provider.start(self).map(drop)
    }

    /// Waits until a secret service is on the bus.
    ///
    /// # Errors
    /// When there is none within 10 s.
    pub fn wait_for_daemon(&self) -> io::Result<()> {
        self.wait_for(SECRETS)
    }

    /// Kills the daemon, removes its files and starts it again with an empty, unlocked collection.
    ///
    /// # Errors
    /// When a step fails.
    pub fn replace_by_empty(&self) -> io::Result<()> {
        self.kill_daemon()?;
        fs::remove_dir_all(self.files())?;
        self.start_daemon()
    }

    /// Kills the daemon and lets `provider` take its name on the bus, with an unlocked collection
    /// of its own.
    ///
    /// # Errors
    /// When a step fails.
    pub fn replace_by(&self, provider: Provider) -> io::Result<Self> {
        self.kill_daemon()?;
        let other = Self::new(provider, self.variables.clone());
        other.start_daemon()?;
        Ok(other)
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

    pub(super) fn set(&mut self, name: &str, value: &str) {
        self.variables.push((name.into(), value.into()));
    }

    pub(super) fn variable(&self, name: &str) -> &OsStr {
        self.envs().find(|(theirs, _)| *theirs == name).map_or(OsStr::new(""), |(_, value)| value)
    }

    pub(super) fn wait_for(&self, name: &str) -> io::Result<()> {
        wait_until(|| self.is_on_bus(name))
    }

    fn is_on_bus(&self, name: &str) -> io::Result<bool> {
        Ok(self.ask_bus("NameHasOwner", &format!("string:{name}"))?.contains("true"))
    }

    fn ask_bus(&self, method: &str, argument: &str) -> io::Result<String> {
        let method = format!("org.freedesktop.DBus.{method}");
        self.send("org.freedesktop.DBus", "/org/freedesktop/DBus", &method, &[argument])
    }
}

/// Asks until the answer is yes.
pub(super) fn wait_until(mut done: impl FnMut() -> io::Result<bool>) -> io::Result<()> {
    let end = Instant::now() + PATIENCE;
    while !done()? {
        if Instant::now() > end {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "the keyring did not follow"));
        }
        thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

pub(super) const NAMES: [&str; 4] = ["HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR"];
pub(super) const ADDRESS: &str = "DBUS_SESSION_BUS_ADDRESS";
pub(super) const SECRETS: &str = "org.freedesktop.secrets";
pub(super) const SERVICE: &str = "/org/freedesktop/secrets";
