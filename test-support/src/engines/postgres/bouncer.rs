//! PgBouncer in front of a server.

use std::net::TcpStream;

use rustix::process::Signal;
use tempfile::TempDir;

use super::{Server, hand_over, user};
use crate::engines::daemon::{Daemon, Recipe, folder, write};
use crate::engines::port::Port;
use crate::engines::wait::{PATIENCE, within};
use crate::place::pgbouncer;

/// PgBouncer, which gives a connection of a server to a client for one transaction at a time.
#[derive(Debug)]
pub struct PgBouncer {
    // Ended before its folder is removed.
    daemon: Daemon,
    port: Port,
    _folder: TempDir,
}

impl PgBouncer {
    /// Starts it in front of `server` with these further lines of its section `[pgbouncer]`, and
    /// waits until it listens.
    ///
    /// # Panics
    /// When it does not.
    pub fn start(server: &Server, config: &[&str]) -> Self {
        let (port, folder) = (Port::reserve(), folder());
        let path = folder.path().join("pgbouncer.ini");
        let mut text = format!(
            "[databases]\n* = host=127.0.0.1 port={} user=postgres\n[pgbouncer]\n\
             listen_addr = 127.0.0.1\nlisten_port = {}\nunix_socket_dir =\nauth_type = any\n\
             pool_mode = transaction\nmax_client_conn = 500\n",
            server.port(),
            port.number()
        );
        for line in config {
            text += &format!("{line}\n");
        }
        write(&path, &text);
        hand_over(folder.path());
        let recipe = Recipe {
            program: pgbouncer().expect("PgBouncer is here"),
            arguments: vec![path.into_os_string()],
            user: user(),
            end: Signal::KILL,
        };
        let daemon = Daemon::new(recipe, folder.path().join("log"));
        let bouncer = Self { daemon, port, _folder: folder };
        bouncer.restart();
        bouncer
    }

    /// The address of the server, through it.
    pub fn url(&self) -> String {
        format!("postgresql://postgres@127.0.0.1:{}/postgres", self.port())
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port.number()
    }

    /// Ends it with SIGKILL.
    pub fn kill(&self) {
        self.daemon.kill();
    }

    /// Kills it if it runs, starts it again on the same port, and waits until it listens.
    ///
    /// # Panics
    /// When it does not.
    pub fn restart(&self) {
        self.daemon.kill();
        self.daemon.start();
        let listens = || TcpStream::connect(("127.0.0.1", self.port())).is_ok().then_some(true);
        let is_up = within(PATIENCE, || listens().or(self.daemon.has_ended().then_some(false)));
        assert!(is_up == Some(true), "PgBouncer does not start; {}", self.daemon.last_lines());
    }

    /// What it has logged since its first start.
    pub fn log(&self) -> String {
        self.daemon.log()
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader, Write as _};
    use std::process::{Child, Command, Stdio};

    use super::*;
    use crate::tool::{Tool, need};

    /// A client that stays connected, and the server's process that did its one query.
    fn client(server: &Server, bouncer: &PgBouncer) -> (Child, String) {
        let mut psql = Command::new(server.programs().join("psql"));
        psql.args(["-X", "-A", "-t", &bouncer.url()]);
        let mut client = psql.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        client.stdin.as_mut().unwrap().write_all(b"SELECT pg_backend_pid();\n").unwrap();
        let mut backend = String::new();
        BufReader::new(client.stdout.as_mut().unwrap()).read_line(&mut backend).unwrap();
        (client, backend)
    }

    #[test]
    fn clients_share_one_connection() {
        if !need(Tool::Postgres) || !need(Tool::PgBouncer) {
            return;
        }
        let server = Server::start(&[]);
        let config = ["default_pool_size = 1", "query_wait_timeout = 10"];
        let bouncer = PgBouncer::start(&server, &config);
        let clients = [client(&server, &bouncer), client(&server, &bouncer)];
        assert!(!clients[0].1.is_empty(), "{}", bouncer.log());
        assert_eq!(clients[0].1, clients[1].1, "{}", bouncer.log());
        for (mut client, _) in clients {
            drop(client.stdin.take());
            client.wait().unwrap();
        }
        bouncer.kill();
        assert!(TcpStream::connect(("127.0.0.1", bouncer.port())).is_err());
    }
}
