//! A Cluster of three primaries, each with a replica.

use std::time::{Duration, Instant};

use super::nodes::{Node, expect_ok, itself, known_to};
use super::{Migration, Server};
use crate::engines::port::Port;
use crate::engines::wait::{PATIENCE, within};

/// Three primaries with a third of the slots each, and a replica of each. A primary that does not
/// answer for a second is replaced by its replica. While a slot has no primary the others go on.
#[derive(Debug)]
pub struct Cluster {
    nodes: Vec<Server>,
    _ports: Vec<Port>,
}

impl Cluster {
    /// Starts a Cluster, its nodes with these further lines of `redis.conf`, and waits until all
    /// nodes agree.
    ///
    /// # Panics
    /// When they do not.
    pub fn start(config: &[&str]) -> Self {
        let ports: Vec<Port> = (0..NODES).map(|_| Port::reserve()).collect();
        let password = Server::password(config);
        let own: Vec<String> = password.iter().map(|word| format!("masterauth {word}")).collect();
        let nodes = ports.iter().map(|port| {
            let bus = format!("cluster-port {}", port.number());
            let mut lines = SETTINGS.to_vec();
            lines.extend([bus.as_str()]);
            lines.extend(own.iter().map(String::as_str));
            lines.extend(config);
            Server::start(&lines)
        });
        let cluster = Self { nodes: nodes.collect(), _ports: ports };
        cluster.join();
        cluster
    }

    fn join(&self) {
        for (nth, range) in SLOTS.iter().enumerate() {
            let node = &self.nodes[nth];
            expect_ok(node, &["CLUSTER", "ADDSLOTSRANGE", range[0], range[1]]);
            expect_ok(node, &["CLUSTER", "SET-CONFIG-EPOCH", &(nth + 1).to_string()]);
        }
        for (node, bus) in self.nodes.iter().zip(&self._ports).skip(1) {
            let (port, bus) = (node.port().to_string(), bus.number().to_string());
            // All at once: what they tell each other by themselves takes seconds to get around.
            for other in self.nodes.iter().filter(|other| other.port() != node.port()) {
                expect_ok(other, &["CLUSTER", "MEET", "127.0.0.1", &port, &bus]);
            }
        }
        for (nth, replica) in self.nodes[SLOTS.len()..].iter().enumerate() {
            let id = self.nodes[nth].cli(&["CLUSTER", "MYID"]);
            let follows = || {
                let reply = replica.cli(&["CLUSTER", "REPLICATE", &id]);
                (reply == "OK").then_some(())
            };
            within(PATIENCE, follows).unwrap_or_else(|| panic!("no replica; {}", replica.log()));
        }
        self.wait_until_whole();
    }

    /// The addresses of all nodes.
    pub fn urls(&self) -> Vec<String> {
        self.nodes.iter().map(Server::url).collect()
    }

    /// The addresses of all nodes with TLS; see [`Server::tls_url`].
    ///
    /// # Panics
    /// When they have no certificates.
    pub fn tls_urls(&self) -> Vec<String> {
        self.nodes.iter().map(Server::tls_url).collect()
    }

    /// All nodes, in no order.
    pub fn nodes(&self) -> &[Server] {
        &self.nodes
    }

    /// The slot of a key.
    ///
    /// # Panics
    /// When no node runs.
    pub fn slot(&self, key: impl AsRef<[u8]>) -> u16 {
        let node = self.nodes.iter().find(|node| node.is_running()).expect("a node runs");
        let slot = node.cli(&[b"CLUSTER".as_slice(), b"KEYSLOT", key.as_ref()]);
        slot.parse().expect("a key has a slot")
    }

    /// The primary of a slot, among the nodes that run.
    ///
    /// # Panics
    /// When it has none within 30 s.
    pub fn primary(&self, slot: u16) -> &Server {
        within(PATIENCE, || self.find_primary(slot))
            .unwrap_or_else(|| panic!("slot {slot} has no primary; {}", self.logs()))
    }

    fn find_primary(&self, slot: u16) -> Option<&Server> {
        let owners = self.nodes.iter().filter_map(|server| {
            let node = itself(server).filter(|node| node.has("master") && node.owns(slot))?;
            Some((node.epoch, server))
        });
        owners.max_by_key(|(epoch, _)| *epoch).map(|(_, server)| server)
    }

    /// The replica of a slot's primary, running or not.
    ///
    /// # Panics
    /// When the slot has no primary, or that no replica.
    pub fn replica(&self, slot: u16) -> &Server {
        let known = known_to(self.primary(slot)).expect("it runs");
        let id = |node: &&Node| node.has("myself");
        let id = known.iter().find(id).map(|node| node.id.as_str());
        let replica = known.iter().find(|node| node.primary.as_deref() == id);
        let port = replica.map(|node| node.port).expect("a primary has a replica");
        self.nodes.iter().find(|node| node.port() == port).expect("it is a node of this Cluster")
    }

    /// Stops the replica of a slot and cuts its connection to the primary: it never learns what is
    /// written from now on, unless the primary is there when it goes on.
    ///
    /// # Panics
    /// When the slot has no primary, or that no replica.
    pub fn freeze_replica(&self, slot: u16) {
        let (primary, replica) = (self.primary(slot), self.replica(slot));
        replica.freeze();
        primary.cli(&["CLIENT", "KILL", "TYPE", "replica"]);
    }

    /// Kills the primary of a slot, lets its replica go on if it was frozen, waits until that has
    /// its place, and repairs all. Returns the time from the kill until the replica served the
    /// slot.
    ///
    /// # Panics
    /// When it does not within 30 s.
    pub fn failover(&self, slot: u16) -> Duration {
        let (old, replica) = (self.primary(slot), self.replica(slot));
        let killed = Instant::now();
        old.kill();
        replica.thaw();
        self.wait_for_failover(slot, old.port());
        let took = killed.elapsed();
        self.repair();
        took
    }

    /// Lets the replica of a slot take the place of its primary, with all that was written, and
    /// waits until it has.
    ///
    /// # Panics
    /// When it does not within 30 s.
    pub fn switch(&self, slot: u16) {
        let old = self.primary(slot).port();
        expect_ok(self.replica(slot), &["CLUSTER", "FAILOVER"]);
        self.wait_for_failover(slot, old);
        self.wait_until_whole();
    }

    /// Waits until the primary of a slot is another one than that on port `old`, and serves it.
    ///
    /// # Panics
    /// When it is not within 30 s.
    pub fn wait_for_failover(&self, slot: u16, old: u16) -> &Server {
        let replaced = || {
            let server = self.find_primary(slot).filter(|server| server.port() != old)?;
            is_up(server).then_some(server)
        };
        within(PATIENCE, replaced).unwrap_or_else(|| panic!("no failover; {}", self.logs()))
    }

    /// Begins to move a slot to the primary of the slot `to`.
    ///
    /// # Panics
    /// When a node refuses.
    pub fn migrate(&self, slot: u16, to: u16) -> Migration<'_> {
        Migration::begin(&self.nodes, slot, self.primary(slot), self.primary(to))
    }

    /// Starts again what was killed and lets go on what was frozen, and waits until all nodes agree
    /// on who is well.
    ///
    /// # Panics
    /// When they do not within 30 s.
    pub fn repair(&self) {
        self.nodes.iter().for_each(Server::revive);
        self.wait_until_whole();
    }

    fn wait_until_whole(&self) {
        let is_whole = || self.nodes.iter().all(|node| is_up(node) && sees_all(node)).then_some(());
        within(PATIENCE, is_whole).unwrap_or_else(|| panic!("not whole; {}", self.logs()));
    }

    fn logs(&self) -> String {
        let said = |node: &Server| {
            let known = node.try_cli(&["CLUSTER", "NODES"]).unwrap_or_default();
            format!("{}\n{known}\n{}\n", node.port(), node.log())
        };
        self.nodes.iter().map(said).collect()
    }
}

fn is_up(node: &Server) -> bool {
    let state = node.try_cli(&["CLUSTER", "INFO"]);
    node.is_running() && state.is_ok_and(|state| state.contains("cluster_state:ok"))
}

/// Whether a node knows all others, each primary with a replica in step and each slot with a
/// primary.
fn sees_all(node: &Server) -> bool {
    let Some(known) = known_to(node) else { return false };
    let primaries: Vec<&Node> = known.iter().filter(|node| node.has("master")).collect();
    let follows = |primary: &Node| {
        known.iter().filter(|node| node.primary.as_ref() == Some(&primary.id)).count() == 1
    };
    known.len() == NODES
        && known.iter().all(Node::is_well)
        && primaries.len() == SLOTS.len()
        && primaries.iter().all(|primary| follows(primary))
        && primaries.iter().map(|primary| primary.slots()).sum::<usize>() == 16384
        && in_step(node)
}

fn in_step(node: &Server) -> bool {
    let Ok(role) = node.try_cli(&["INFO", "replication"]) else { return false };
    role.contains("state=online") || role.contains("master_link_status:up")
}

const NODES: usize = 6;
const SLOTS: [[&str; 2]; 3] = [["0", "5460"], ["5461", "10922"], ["10923", "16383"]];
const SETTINGS: [&str; 5] = [
    "cluster-enabled yes",
    "cluster-node-timeout 1000",
    "cluster-require-full-coverage no",
    "cluster-allow-replica-migration no",
    "cluster-replica-validity-factor 0",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::skip::say;
    use crate::tool::{Tool, need};

    #[test]
    fn a_cluster_loses_a_primary_and_moves_a_slot() {
        if !need(Tool::Redis) {
            return;
        }
        let started = Instant::now();
        let cluster = Cluster::start(&[]);
        say(&format!("a Cluster starts in {:?}", started.elapsed()));
        let slot = cluster.slot("kept");
        let primary = cluster.primary(slot);
        primary.cli(&["SET", "kept", "1"]);
        assert_eq!(primary.cli(&["WAIT", "1", "5000"]), "1");
        cluster.freeze_replica(slot);
        primary.cli(&["SET", "{kept}lost", "1"]);
        say(&format!("a failover takes {:?}", cluster.failover(slot)));
        let replaced = cluster.primary(slot);
        assert_ne!(replaced.port(), primary.port());
        assert_eq!(replaced.cli(&["MGET", "kept", "{kept}lost"]), "1\n");
        cluster.switch(slot);
        assert_eq!(cluster.primary(slot).port(), primary.port());

        let other = [0, 8000, 16000].into_iter().find(|to| !shares(&cluster, slot, *to)).unwrap();
        let migration = cluster.migrate(slot, other);
        assert_eq!(primary.cli(&["GET", "kept"]), "1");
        migration.move_keys();
        assert!(primary.cli(&["GET", "kept"]).starts_with("ASK "));
        migration.finish();
        assert!(primary.cli(&["GET", "kept"]).starts_with("MOVED "));
        assert!(shares(&cluster, slot, other));
        assert_eq!(cluster.primary(slot).cli(&["GET", "kept"]), "1");
    }

    fn shares(cluster: &Cluster, slot: u16, other: u16) -> bool {
        cluster.primary(slot).port() == cluster.primary(other).port()
    }
}
