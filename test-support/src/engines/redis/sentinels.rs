//! A primary, its replicas, and the Sentinels that watch them.

use std::time::{Duration, Instant};

use super::Server;
use crate::engines::wait::{PATIENCE, within};

/// A primary with two replicas, watched by three Sentinels. A primary that does not answer for half
/// a second is replaced by one of its replicas.
#[derive(Debug)]
pub struct Sentinels {
    sentinels: Vec<Server>,
    servers: Vec<Server>,
}

impl Sentinels {
    /// The name by which the Sentinels know the primary.
    pub const NAME: &str = "tokens";

    /// Starts all of them, the servers with these further lines of `redis.conf`, and waits until
    /// the Sentinels can replace the primary.
    ///
    /// # Panics
    /// When they cannot.
    pub fn start(config: &[&str]) -> Self {
        let password = Server::password(config);
        let own: Vec<String> = password.iter().map(|word| format!("masterauth {word}")).collect();
        let own: Vec<&str> = config.iter().copied().chain(own.iter().map(String::as_str)).collect();
        let primary = Server::start(&own);
        let of = format!("replicaof 127.0.0.1 {}", primary.peer_port());
        let replica = || Server::start(&[&own, [of.as_str()].as_slice()].concat());
        let servers = vec![replica(), replica(), primary];
        let (name, port) = (Self::NAME, servers[2].peer_port());
        let mut lines = vec![
            format!("sentinel monitor {name} 127.0.0.1 {port} 2"),
            format!("sentinel down-after-milliseconds {name} 500"),
            // Twice this lies between two failovers.
            format!("sentinel failover-timeout {name} 1000"),
            format!("sentinel parallel-syncs {name} 2"),
        ];
        lines.extend(password.iter().map(|word| format!("sentinel auth-pass {name} {word}")));
        for replica in &servers[..2] {
            lines.push(format!("sentinel known-replica {name} 127.0.0.1 {}", replica.peer_port()));
        }
        let of_tls = config.iter().filter(|line| line.starts_with("tls-"));
        let lines: Vec<&str> = of_tls.copied().chain(lines.iter().map(String::as_str)).collect();
        let sentinels: Vec<Server> = (0..3).map(|_| Server::start_sentinel(&lines)).collect();
        for sentinel in &sentinels {
            // They find each other by what they publish at the primary.
            sentinel.cli(&[&["SENTINEL", "DEBUG"], QUICK.as_slice()].concat());
        }
        let all = Self { sentinels, servers };
        all.wait_until_ready();
        all
    }

    /// The addresses of the Sentinels.
    pub fn urls(&self) -> Vec<String> {
        self.sentinels.iter().map(Server::url).collect()
    }

    /// The addresses of the Sentinels with TLS; see [`Server::tls_url`].
    ///
    /// # Panics
    /// When they have no certificates.
    pub fn tls_urls(&self) -> Vec<String> {
        self.sentinels.iter().map(Server::tls_url).collect()
    }

    /// The Sentinels.
    pub fn sentinels(&self) -> &[Server] {
        &self.sentinels
    }

    /// The primary and its replicas, in no order.
    pub fn servers(&self) -> &[Server] {
        &self.servers
    }

    /// The port of the primary, as most Sentinels have it: the one with TLS if there is one.
    ///
    /// # Panics
    /// When they do not agree within 30 s.
    pub fn primary_port(&self) -> u16 {
        within(PATIENCE, || self.agreed_port()).expect("the Sentinels agree on a primary")
    }

    /// The primary, as most Sentinels have it.
    ///
    /// # Panics
    /// When they do not agree within 30 s.
    pub fn primary(&self) -> &Server {
        self.server(self.primary_port())
    }

    /// Those that are not the primary.
    pub fn replicas(&self) -> Vec<&Server> {
        let primary = self.primary_port();
        self.servers.iter().filter(|server| server.peer_port() != primary).collect()
    }

    fn server(&self, port: u16) -> &Server {
        let server = self.servers.iter().find(|server| server.peer_port() == port);
        server.expect("a Sentinel knows no other servers")
    }

    fn agreed_port(&self) -> Option<u16> {
        let ports: Vec<u16> = self.sentinels.iter().filter_map(told_port).collect();
        let most = self.sentinels.len() / 2 + 1;
        let agreed = |port: &&u16| ports.iter().filter(|other| other == port).count() >= most;
        ports.iter().find(agreed).copied()
    }

    /// Stops the replicas and cuts their connections to the primary: they never learn what is
    /// written from now on, unless the primary is there when they go on.
    ///
    /// # Panics
    /// When the primary does not answer.
    pub fn freeze_replicas(&self) {
        self.replicas().into_iter().for_each(Server::freeze);
        self.primary().cli(&["CLIENT", "KILL", "TYPE", "replica"]);
    }

    /// Lets the replicas go on after [`freeze_replicas`](Self::freeze_replicas).
    pub fn thaw_replicas(&self) {
        self.replicas().into_iter().for_each(Server::thaw);
    }

    /// Kills the primary, lets the replicas go on if they were frozen, waits until one of them has
    /// its place, and repairs all. Returns the time from the kill until the Sentinels agreed.
    ///
    /// # Panics
    /// When the Sentinels do not replace it within 30 s.
    pub fn failover(&self) -> Duration {
        let (old, replicas) = (self.primary(), self.replicas());
        let killed = Instant::now();
        old.kill();
        replicas.into_iter().for_each(Server::thaw);
        self.wait_for_failover(old.peer_port());
        let took = killed.elapsed();
        self.repair();
        took
    }

    /// Waits until the primary is another one than that on port `old`.
    ///
    /// # Panics
    /// When it is not within 30 s.
    pub fn wait_for_failover(&self, old: u16) -> &Server {
        let replaced = || {
            let server = self.server(self.agreed_port().filter(|port| *port != old)?);
            is_primary(server).then_some(server)
        };
        within(PATIENCE, replaced).unwrap_or_else(|| panic!("no failover; {}", self.logs()))
    }

    /// Starts again what was killed and lets go on what was frozen, and waits until the Sentinels
    /// can replace the primary.
    ///
    /// # Panics
    /// When they cannot within 30 s.
    pub fn repair(&self) {
        self.sentinels.iter().for_each(Server::revive);
        let primary = self.primary();
        primary.revive();
        for server in self.replicas() {
            server.revive();
            // The Sentinels would do it, some seconds later.
            server.cli(&["REPLICAOF", "127.0.0.1", &primary.peer_port().to_string()]);
        }
        self.wait_until_ready();
    }

    fn wait_until_ready(&self) {
        let is_ready = || {
            let primary = self.server(self.agreed_port()?);
            let replicas = primary.try_cli(&["INFO", "replication"]).ok()?;
            let in_sync = replicas.matches("state=online").count() == self.servers.len() - 1;
            let agree = self.sentinels.iter().all(|one| sees_all(one, self.servers.len() - 1));
            (in_sync && is_primary(primary) && agree).then_some(())
        };
        within(PATIENCE, is_ready).unwrap_or_else(|| panic!("not ready; {}", self.logs()));
    }

    fn logs(&self) -> String {
        self.sentinels.iter().map(|one| one.log() + "\n").collect()
    }
}

fn told_port(sentinel: &Server) -> Option<u16> {
    if !sentinel.is_running() {
        return None;
    }
    let address = sentinel.try_cli(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", Sentinels::NAME]);
    address.ok()?.lines().nth(1)?.parse().ok()
}

fn is_primary(server: &Server) -> bool {
    server.try_cli(&["ROLE"]).is_ok_and(|role| role.starts_with("master"))
}

/// Whether a Sentinel can replace the primary, by any of this many replicas.
fn sees_all(sentinel: &Server, replicas: usize) -> bool {
    let ask = |what: &str| sentinel.try_cli(&["SENTINEL", what, Sentinels::NAME]);
    let (Ok(quorum), Ok(primary), Ok(seen)) = (ask("CKQUORUM"), ask("MASTER"), ask("REPLICAS"))
    else {
        return false;
    };
    let count = |text: &str, name: &str, value: &str| {
        let lines: Vec<&str> = text.lines().collect();
        lines.windows(2).filter(|pair| **pair == [name, value]).count()
    };
    quorum.starts_with("OK 3 ")
        && count(&primary, "flags", "master") == 1
        && count(&seen, "flags", "slave") == replicas
        && count(&seen, "master-link-status", "ok") == replicas
}

/// What Sentinels do from time to time they do more often, for the sake of tests. But where they
/// ask more often for a sign of life, they choose no replica that was silent for a moment.
const QUICK: [&str; 6] = ["info-period", "200", "publish-period", "200", "ask-period", "100"];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::skip::say;
    use crate::tool::{Tool, need};

    #[test]
    fn a_replica_takes_the_place_of_a_killed_primary() {
        if !need(Tool::Redis) {
            return;
        }
        let started = Instant::now();
        let all = Sentinels::start(&["requirepass word"]);
        say(&format!("Sentinels start in {:?}", started.elapsed()));
        let old = all.primary_port();
        all.primary().cli(&["SET", "kept", "1"]);
        assert_eq!(all.primary().cli(&["WAIT", "2", "5000"]), "2");
        all.freeze_replicas();
        all.primary().cli(&["SET", "lost", "1"]);
        assert_eq!(all.primary().cli(&["WAIT", "1", "50"]), "0");
        say(&format!("a failover takes {:?}", all.failover()));
        assert_ne!(all.primary_port(), old);
        assert_eq!(all.primary().cli(&["MGET", "kept", "lost"]), "1\n");
        let repaired = Instant::now();
        say(&format!("the next failover takes {:?}", all.failover()));
        say(&format!("with all repaired {:?}", repaired.elapsed()));
        assert_eq!(all.primary().cli(&["GET", "kept"]), "1");
    }
}
