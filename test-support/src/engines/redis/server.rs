//! One server of Redis.

use std::io;
use std::time::Duration;

use rustix::process::Signal;
use tempfile::TempDir;

use super::client::Client;
use crate::engines::daemon::{Daemon, Recipe, folder, write};
use crate::engines::port::Port;
use crate::engines::process::is_frozen;
use crate::engines::wait::{PATIENCE, within};
use crate::place::executable;

/// A server of Redis. It keeps nothing on disk unless its settings say so.
#[derive(Debug)]
pub struct Server {
    // Ended before its folder is removed.
    daemon: Daemon,
    port: Port,
    tls_port: Option<Port>,
    password: Option<String>,
    _folder: TempDir,
}

impl Server {
    /// Starts a server with these further lines of `redis.conf`, and waits until it answers.
    ///
    /// # Panics
    /// When it does not.
    pub fn start(config: &[&str]) -> Self {
        Self::start_program("redis-server", &[&SETTINGS, config].concat())
    }

    /// Starts a Sentinel with these lines of `sentinel.conf`.
    pub(super) fn start_sentinel(config: &[&str]) -> Self {
        Self::start_program("redis-sentinel", config)
    }

    fn start_program(program: &str, config: &[&str]) -> Self {
        for _ in 0..TRIES {
            let server = Self::new(program, config);
            server.daemon.start();
            if server.is_up() {
                return server;
            }
            let log = server.daemon.last_lines();
            // Somebody who reserves no ports may have taken it.
            assert!(log.contains("Address already in use"), "Redis does not start; {log}");
        }
        panic!("Redis finds its port taken {TRIES} times");
    }

    fn new(program: &str, config: &[&str]) -> Self {
        let (port, folder) = (Port::reserve(), folder());
        let path = folder.path().join("redis.conf");
        let mut text = format!("port {}\nbind 127.0.0.1\n", port.number());
        let has_tls = config.iter().any(|line| line.starts_with("tls-cert-file "));
        let tls_port = has_tls.then(Port::reserve);
        if let Some(port) = &tls_port {
            text += &format!("tls-port {}\n", port.number());
        }
        text += &format!("dir {}\n", folder.path().display());
        for line in config {
            text += &format!("{line}\n");
        }
        write(&path, &text);
        let recipe = Recipe {
            program: executable(program).expect("Redis is here"),
            arguments: vec![path.into_os_string()],
            user: None,
            end: Signal::KILL,
        };
        let daemon = Daemon::new(recipe, folder.path().join("log"));
        Self { daemon, port, tls_port, password: Self::password(config), _folder: folder }
    }

    /// Waits until it answers. `false` if it ends before.
    fn is_up(&self) -> bool {
        let answers = || match self.try_cli(&["PING"]) {
            // It refuses what needs replicas or a disk, or a password, and is up.
            Ok(reply) if !reply.starts_with("LOADING") => Some(true),
            _ => self.daemon.has_ended().then_some(false),
        };
        within(PATIENCE, answers).unwrap_or(false)
    }

    /// Its address, without user and password.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port())
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port.number()
    }

    /// Its address with TLS, if its settings are those of
    /// [`Certificates`](crate::engines::Certificates).
    ///
    /// # Panics
    /// When they are not.
    pub fn tls_url(&self) -> String {
        let port = self.tls_port.as_ref().expect("it has a certificate");
        format!("rediss://localhost:{}", port.number())
    }

    /// The port that replicas and Sentinels use.
    pub(super) fn peer_port(&self) -> u16 {
        self.tls_port.as_ref().unwrap_or(&self.port).number()
    }

    /// Whether its process runs, and is not frozen.
    pub(super) fn is_running(&self) -> bool {
        !self.daemon.has_ended() && !is_frozen(self.daemon.pid())
    }

    /// The password of its user `default`, if that has one.
    pub(super) fn password(config: &[&str]) -> Option<String> {
        let password = config.iter().find_map(|line| line.strip_prefix("requirepass "));
        password.map(|word| word.trim_matches('"').to_owned())
    }

    /// Starts it again if it was killed, and lets it go on if it was frozen.
    pub(super) fn revive(&self) {
        if self.daemon.has_ended() {
            self.restart();
        }
        self.thaw();
    }

    /// The id of its process, which changes with [`restart`](Self::restart).
    ///
    /// # Panics
    /// After [`kill`](Self::kill).
    pub fn pid(&self) -> u32 {
        self.daemon.pid()
    }

    /// Sends a command, as the user `default`. The reply is as `redis-cli` prints it into a pipe,
    /// an error's text too.
    ///
    /// # Panics
    /// When there is no reply within 5 s.
    pub fn cli<T: AsRef<[u8]>>(&self, arguments: &[T]) -> String {
        self.try_cli(arguments).unwrap_or_else(|error| {
            panic!("Redis does not answer: {error}; {}", self.daemon.last_lines())
        })
    }

    /// [`cli`](Self::cli) of a server that may be down.
    ///
    /// # Errors
    /// When there is no reply within 5 s.
    pub fn try_cli<T: AsRef<[u8]>>(&self, arguments: &[T]) -> io::Result<String> {
        Client::connect(self.port(), self.password.as_deref())?.ask(arguments)
    }

    /// Ends it with SIGKILL. What it had not written to disk is lost.
    pub fn kill(&self) {
        self.daemon.kill();
    }

    /// Kills it if it runs, starts it again on the same port, and waits until it answers.
    ///
    /// # Panics
    /// When it does not.
    pub fn restart(&self) {
        self.daemon.kill();
        self.daemon.start();
        assert!(self.is_up(), "Redis does not start again; {}", self.daemon.last_lines());
    }

    /// Stops it with SIGSTOP: the system accepts its connections, and it answers nothing.
    ///
    /// # Panics
    /// After [`kill`](Self::kill).
    pub fn freeze(&self) {
        self.daemon.freeze();
    }

    /// Lets it go on after [`freeze`](Self::freeze).
    ///
    /// # Panics
    /// After [`kill`](Self::kill).
    pub fn thaw(&self) {
        self.daemon.thaw();
    }

    /// The CPU time that it has used since its last start.
    ///
    /// # Panics
    /// After [`kill`](Self::kill).
    pub fn cpu_time(&self) -> Duration {
        self.daemon.cpu_time()
    }

    /// What it has logged since its first start.
    pub fn log(&self) -> String {
        self.daemon.log()
    }
}

/// Tests may ask what the server thinks of itself, and wait for no replica.
const SETTINGS: [&str; 4] =
    ["save \"\"", "appendonly no", "repl-diskless-sync-delay 0", "enable-debug-command local"];

const TRIES: usize = 3;

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader};
    use std::net::TcpStream;
    use std::process::Stdio;
    use std::thread;
    use std::time::Instant;

    use super::*;
    use crate::again::{again, task};
    use crate::skip::say;
    use crate::tool::{Tool, need};

    #[test]
    fn a_server_is_frozen_killed_and_started_again() {
        if !need(Tool::Redis) {
            return;
        }
        let started = Instant::now();
        let server = Server::start(&["requirepass \"a word\"", "appendonly yes"]);
        say(&format!("a server of Redis starts in {:?}", started.elapsed()));
        assert_eq!(server.cli(&["SET", "key", "value"]), "OK");
        assert!(server.cpu_time() > Duration::ZERO);
        server.freeze();
        assert!(Client::connect(server.port(), None).unwrap().is_silent());
        server.thaw();
        assert_eq!(server.cli(&["GET", "key"]), "value");
        let pid = server.pid();
        server.kill();
        assert!(server.try_cli(&["PING"]).is_err());
        server.restart();
        assert_ne!(server.pid(), pid);
        assert_eq!(server.cli(&["GET", "key"]), "value");
        assert_eq!(server.cli(&["LRANGE", "key", "0", "1"]).split(' ').next(), Some("WRONGTYPE"));
        assert!(server.log().contains("Ready to accept connections"));
    }

    #[test]
    #[expect(clippy::print_stdout, reason = "the other process reads it")]
    fn a_server_outlives_the_thread_that_started_it_and_ends_with_the_process() {
        if task().is_some() {
            let server = thread::spawn(|| Server::start(&[])).join().unwrap();
            assert_eq!(server.cli(&["PING"]), "PONG");
            println!("\nport {}", server.port());
            loop {
                thread::park();
            }
        }
        if !need(Tool::Redis) {
            return;
        }
        let test = a_server_outlives_the_thread_that_started_it_and_ends_with_the_process;
        // What a killed process leaves behind.
        let folder = folder();
        let mut command = again(test, "");
        command.env("TMPDIR", folder.path()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let port = lines.find_map(|line| line.unwrap().strip_prefix("port ")?.parse().ok());
        let port: u16 = port.expect("the server starts");
        child.kill().unwrap();
        child.wait().unwrap();
        let refuses = || TcpStream::connect(("127.0.0.1", port)).is_err().then_some(());
        within(PATIENCE, refuses).expect("the server ends");
    }
}
