//! The move of a slot from one primary of a Cluster to another.

use super::Server;
use super::nodes::expect_ok;

/// A slot on its way: its old primary has the keys that were not moved, its new one the others.
#[derive(Debug)]
pub struct Migration<'c> {
    nodes: &'c [Server],
    slot: String,
    from: &'c Server,
    to: &'c Server,
}

impl<'c> Migration<'c> {
    pub(super) fn begin(nodes: &'c [Server], slot: u16, from: &'c Server, to: &'c Server) -> Self {
        let slot = slot.to_string();
        let id = |node: &Server| node.cli(&["CLUSTER", "MYID"]);
        expect_ok(to, &["CLUSTER", "SETSLOT", &slot, "IMPORTING", &id(from)]);
        expect_ok(from, &["CLUSTER", "SETSLOT", &slot, "MIGRATING", &id(to)]);
        Self { nodes, slot, from, to }
    }

    /// Moves the keys that the old primary still has.
    ///
    /// # Panics
    /// When a node refuses.
    pub fn move_keys(&self) {
        let port = self.to.port().to_string();
        loop {
            let keys = self.from.cli(&["CLUSTER", "GETKEYSINSLOT", &self.slot, "100"]);
            let keys: Vec<&str> = keys.lines().collect();
            if keys.is_empty() {
                return;
            }
            let head = ["MIGRATE", "127.0.0.1", &port, "", "0", "5000", "KEYS"];
            let reply = self.from.cli(&[&head, keys.as_slice()].concat());
            assert!(reply == "OK" || reply == "NOKEY", "{reply}");
        }
    }

    /// Moves the keys that are left, and tells all primaries whose the slot is.
    ///
    /// # Panics
    /// When a node refuses.
    pub fn finish(self) {
        let id = self.to.cli(&["CLUSTER", "MYID"]);
        self.move_keys();
        let others = self.nodes.iter().filter(|node| {
            let port = node.port();
            port != self.to.port() && port != self.from.port() && node.is_running()
        });
        for node in [self.to, self.from].into_iter().chain(others) {
            let reply = node.cli(&["CLUSTER", "SETSLOT", &self.slot, "NODE", &id]);
            // A replica learns it from its primary.
            assert!(reply == "OK" || reply.contains("only with masters"), "{reply}");
        }
    }
}
