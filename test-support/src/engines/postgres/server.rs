//! One server of PostgreSQL.

use std::env;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::Signal;
use tempfile::TempDir;

use super::{hand_over, run, template, user};
use crate::engines::Certificates;
use crate::engines::daemon::{Daemon, Recipe, folder, run_as, write};
use crate::engines::port::Port;
use crate::engines::process::{children, cpu_time_with_children, freeze, thaw};
use crate::engines::wait::{PATIENCE, within};
use crate::place::postgres_programs;

/// A server of PostgreSQL with the superuser and the database `postgres`.
///
/// It asks nobody for a password but the members of a role `with_password`. What it has written
/// outlives each of its processes, but not the operating system.
#[derive(Debug)]
pub struct Server {
    // Ended before its folder is removed.
    daemon: Daemon,
    port: Port,
    programs: PathBuf,
    folder: TempDir,
}

impl Server {
    /// Starts a server with these further lines of `postgresql.conf`, and waits until it answers.
    ///
    /// # Panics
    /// When it does not.
    pub fn start(config: &[&str]) -> Self {
        Self::start_on(config, |data, _| template::copy(data))
    }

    /// [`start`](Self::start), and the server takes TLS too.
    ///
    /// # Panics
    /// When it does not.
    pub fn start_with_tls(certificates: &Certificates, config: &[&str]) -> Self {
        Self::start_on(&[&["ssl = on"], config].concat(), |data, _| {
            template::copy(data);
            // Only its own user may read the key, or it does not start.
            for (from, to) in certificates.server().iter().zip(["server.crt", "server.key"]) {
                fs::copy(from, data.join(to)).expect("it was made");
            }
        })
    }

    /// Starts a standby that follows this server, and waits until it answers. Its
    /// `application_name` is `standby`.
    ///
    /// # Panics
    /// When it does not.
    #[must_use]
    pub fn standby(&self, config: &[&str]) -> Self {
        Self::start_on(config, |data, programs| copy_of(self.port(), data, programs))
    }

    /// Stops it, makes it a standby that follows `primary`, as [`standby`](Self::standby) does,
    /// and waits until it answers. What it had is lost.
    ///
    /// # Panics
    /// When it does not.
    pub fn follow(&self, primary: &Self) {
        self.stop_immediate();
        let data = self.folder.path().join("data");
        fs::remove_dir_all(&data).expect("it is this server's");
        copy_of(primary.port(), &data, &self.programs);
        hand_over(&data);
        assert!(self.comes_up(), "PostgreSQL does not start; {}", self.daemon.last_lines());
    }

    /// Stops a standby of this server and cuts its connection: it never learns what is written from
    /// now on, unless this server is there when it goes on.
    ///
    /// # Panics
    /// When this server does not answer.
    pub fn freeze_standby(&self, standby: &Self) {
        standby.freeze();
        self.psql("SELECT pg_terminate_backend(pid) FROM pg_stat_replication");
    }

    /// Ends this server at once, lets a standby of it go on if it was frozen, and makes that the
    /// primary.
    ///
    /// # Panics
    /// When the standby is none afterwards.
    pub fn fail_over_to(&self, standby: &Self) {
        self.stop_immediate();
        standby.thaw();
        standby.promote();
    }

    fn start_on(config: &[&str], fill: impl Fn(&Path, &Path)) -> Self {
        for _ in 0..TRIES {
            let server = Self::new(config, &fill);
            if server.comes_up() {
                return server;
            }
            let log = server.daemon.last_lines();
            // Somebody who reserves no ports may have taken it.
            assert!(log.contains("Address already in use"), "PostgreSQL does not start; {log}");
        }
        panic!("PostgreSQL finds its port taken {TRIES} times");
    }

    fn new(config: &[&str], fill: &dyn Fn(&Path, &Path)) -> Self {
        let programs = postgres_programs().expect("PostgreSQL is here");
        let (port, folder) = (Port::reserve(), folder());
        let path = |name: &str| folder.path().join(name);
        hand_over(folder.path());
        fill(&path("data"), &programs);
        let mut text = format!(
            "port = {}\nlisten_addresses = '127.0.0.1'\nunix_socket_directories = '{}'\n\
             hba_file = '{}'\n{SETTINGS}",
            port.number(),
            folder.path().display(),
            path("pg_hba.conf").display(),
        );
        for line in config {
            text += &format!("{line}\n");
        }
        write(&path("postgresql.conf"), &text);
        write(&path("pg_hba.conf"), ACCESS);
        hand_over(folder.path());
        let settings = format!("config_file={}", path("postgresql.conf").display());
        let recipe = Recipe {
            program: programs.join("postgres"),
            arguments: vec!["-D".into(), path("data").into(), "-c".into(), settings.into()],
            user: user(),
            // SIGKILL would leave its shared memory behind.
            end: Signal::QUIT,
        };
        let daemon = Daemon::new(recipe, path("log"));
        Self { daemon, port, programs, folder }
    }

    /// Starts it, and waits until it answers. `false` if it ends before.
    fn comes_up(&self) -> bool {
        let known = self.log().len();
        self.daemon.start();
        let is_up = || match self.log().get(known..)?.contains("ready to accept") {
            true => Some(true),
            false => self.daemon.has_ended().then_some(false),
        };
        within(PATIENCE, is_up).unwrap_or(false)
    }

    /// Its address, over TCP.
    pub fn url(&self) -> String {
        format!("postgresql://postgres@127.0.0.1:{}/postgres", self.port())
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port.number()
    }

    #[cfg(test)]
    pub(super) fn programs(&self) -> &Path {
        &self.programs
    }

    /// The folder of its Unix socket.
    pub fn socket_folder(&self) -> &Path {
        self.folder.path()
    }

    /// Runs statements one after another, each in a transaction of its own. Returns the rows, one a
    /// line, their columns parted by `|`.
    ///
    /// # Panics
    /// When one of them fails.
    pub fn psql(&self, sql: &str) -> String {
        self.try_psql(sql).unwrap_or_else(|said| panic!("{sql}: {said}"))
    }

    /// [`psql`](Self::psql) of statements that may fail.
    ///
    /// # Errors
    /// What `psql` says when one of them fails, or when nobody answers within 5 s.
    ///
    /// # Panics
    /// When `psql` cannot be started.
    pub fn try_psql(&self, sql: &str) -> Result<String, String> {
        let mut command = Command::new(self.programs.join("psql"));
        for (name, _) in env::vars_os() {
            if name.to_string_lossy().starts_with("PG") {
                command.env_remove(name);
            }
        }
        command.args(["-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-U", "postgres", "-h"]);
        command.arg(self.folder.path()).args(["-p", &self.port().to_string(), "postgres"]);
        command.env("PGCONNECT_TIMEOUT", "5");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut psql = command.spawn().expect("PostgreSQL brings psql");
        let sent = psql.stdin.take().map(|mut input| input.write_all(sql.as_bytes()));
        let output = psql.wait_with_output().map_err(|error| error.to_string())?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
        match (output.status.success(), sent) {
            (true, Some(Ok(()))) => Ok(text(&output.stdout)),
            _ => Err(text(&output.stderr)),
        }
    }

    /// Makes a standby a primary, and waits until it is one.
    ///
    /// # Panics
    /// When it is none.
    pub fn promote(&self) {
        assert_eq!(self.psql("SELECT pg_promote()"), "t", "{}", self.daemon.last_lines());
    }

    /// Ends all its processes at once, as `pg_ctl stop -m immediate` does. The next start replays
    /// its log.
    pub fn stop_immediate(&self) {
        self.daemon.end(Signal::QUIT, PATIENCE);
    }

    /// Stops it if it runs, starts it again on the same port, and waits until it answers.
    ///
    /// # Panics
    /// When it does not.
    pub fn restart(&self) {
        self.stop_immediate();
        assert!(self.comes_up(), "PostgreSQL does not start again; {}", self.daemon.last_lines());
    }

    /// Stops all its processes with SIGSTOP: the system accepts its connections, and it answers
    /// nothing.
    ///
    /// # Panics
    /// After [`stop_immediate`](Self::stop_immediate).
    pub fn freeze(&self) {
        // Frozen first, it starts no further ones.
        self.daemon.freeze();
        freeze(&children(self.daemon.pid()));
    }

    /// Lets them go on after [`freeze`](Self::freeze).
    ///
    /// # Panics
    /// After [`stop_immediate`](Self::stop_immediate).
    pub fn thaw(&self) {
        thaw(&children(self.daemon.pid()));
        self.daemon.thaw();
    }

    /// Stops one of its processes, whose id is that of `pg_backend_pid()`.
    ///
    /// # Panics
    /// When it has no such process.
    pub fn freeze_backend(&self, pid: u32) {
        assert!(children(self.daemon.pid()).contains(&pid), "{pid} is no process of this server");
        freeze(&[pid]);
    }

    /// The CPU time that it has used since its last start. That of its processes that have ended is
    /// known to some hundredths of a second.
    ///
    /// # Panics
    /// After [`stop_immediate`](Self::stop_immediate), and while it stands still.
    pub fn cpu_time(&self) -> Duration {
        within(PATIENCE, || cpu_time_with_children(self.daemon.pid()))
            .expect("a server learns which of its processes have ended")
    }

    /// What it has logged since its first start.
    pub fn log(&self) -> String {
        self.daemon.log()
    }
}

/// Fills a folder with a copy of the server on this port, which follows it.
fn copy_of(port: u16, data: &Path, programs: &Path) {
    let mut backup = run_as(user(), &programs.join("pg_basebackup"));
    let from = "host=127.0.0.1 user=postgres application_name=standby";
    backup.arg("-d").arg(format!("{from} port={port}"));
    backup.args(["--write-recovery-conf", "--checkpoint=fast", "--no-sync", "-D"]).arg(data);
    run(&mut backup);
}

impl Drop for Server {
    fn drop(&mut self) {
        // It waits for processes that are frozen.
        if !self.daemon.has_ended() {
            self.thaw();
        }
    }
}

/// Nothing has to outlive the operating system.
const SETTINGS: &str = "fsync = off\nfull_page_writes = off\nshared_buffers = 32MB\njit = off\n\
    log_line_prefix = '%m [%p] '\nmax_wal_senders = 8\n";

const ACCESS: &str = "local all all trust\nlocal replication all trust\n\
    host all +with_password 127.0.0.1/32 scram-sha-256\nhost all all 127.0.0.1/32 trust\n\
    host replication all 127.0.0.1/32 trust\n";

const TRIES: usize = 3;

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::net::TcpStream;
    use std::time::Instant;

    use super::*;
    use crate::engines::process::is_frozen;
    use crate::skip::say;
    use crate::tool::{Tool, need};

    #[test]
    fn a_server_is_frozen_stopped_and_started_again() {
        if !need(Tool::Postgres) {
            return;
        }
        let started = Instant::now();
        let server = Server::start(&["work_mem = '5MB'"]);
        say(&format!("a server of PostgreSQL starts in {:?}", started.elapsed()));
        assert_eq!(server.psql("SHOW work_mem; SELECT 1, 2"), "5MB\n1|2");
        server.psql("CREATE TABLE t (n int); INSERT INTO t VALUES (7)");
        assert!(server.try_psql("SELECT * FROM missing").unwrap_err().contains("missing"));
        let used = server.cpu_time();
        assert!(used > Duration::ZERO);
        server.freeze();
        let family = children(server.daemon.pid());
        assert!(family.len() > 2, "{family:?}");
        assert!(family.iter().all(|pid| is_frozen(*pid)));
        assert!(!answers(&server, Duration::from_millis(100)));
        server.thaw();
        assert!(answers(&server, PATIENCE));
        server.stop_immediate();
        assert!(server.try_psql("SELECT 1").is_err());
        server.restart();
        assert_eq!(server.psql("SELECT n FROM t"), "7");
        assert!(server.log().contains("database system was interrupted"));
    }

    /// Whether the server says in this time if it can encrypt.
    fn answers(server: &Server, within: Duration) -> bool {
        let mut connection = TcpStream::connect(("127.0.0.1", server.port())).unwrap();
        connection.set_read_timeout(Some(within)).unwrap();
        connection.write_all(&[0, 0, 0, 8, 4, 210, 22, 47]).unwrap();
        connection.read_exact(&mut [0]).is_ok()
    }

    #[test]
    fn only_members_of_a_role_need_a_password() {
        if !need(Tool::Postgres) {
            return;
        }
        let server = Server::start(&[]);
        server.psql(
            "CREATE ROLE with_password; CREATE ROLE shop LOGIN PASSWORD 'a' IN ROLE with_password",
        );
        let connect = |user: &str| {
            let mut psql = Command::new(server.programs.join("psql"));
            psql.args(["-X", "-w", "-h", "127.0.0.1", "-p", &server.port().to_string()]);
            psql.args(["-U", user, "-c", "SELECT 1", "postgres"]).output().unwrap().status.success()
        };
        assert!(connect("postgres") && !connect("shop"));
    }

    #[test]
    fn a_standby_follows_until_it_is_promoted() {
        if !need(Tool::Postgres) {
            return;
        }
        let primary = Server::start(&["synchronous_standby_names = 'standby'"]);
        primary.psql("SET synchronous_commit = local; CREATE TABLE t (n int)");
        let started = Instant::now();
        let standby = primary.standby(&[]);
        say(&format!("a standby of PostgreSQL starts in {:?}", started.elapsed()));
        primary.psql("SET synchronous_commit = remote_apply; INSERT INTO t VALUES (7)");
        assert_eq!(standby.psql("SELECT n FROM t"), "7");
        assert!(standby.try_psql("INSERT INTO t VALUES (8)").is_err());
        primary.freeze_standby(&standby);
        primary.psql("SET synchronous_commit = local; INSERT INTO t VALUES (9)");
        primary.fail_over_to(&standby);
        standby.psql("SET synchronous_commit = local; INSERT INTO t VALUES (8)");
        assert_eq!(standby.psql("SELECT sum(n) FROM t"), "15");
        primary.follow(&standby);
        standby.psql("SET synchronous_commit = remote_apply; INSERT INTO t VALUES (1)");
        assert_eq!(primary.psql("SELECT sum(n) FROM t"), "16");
    }
}
