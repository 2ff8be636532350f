//! What a node of a Cluster says of the nodes that it knows.

use core::ops::RangeInclusive;

use super::Server;

/// A node, as one line of `CLUSTER NODES` has it.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) id: String,
    pub(super) port: u16,
    pub(super) flags: String,
    /// The node that it replicates.
    pub(super) primary: Option<String>,
    pub(super) epoch: u64,
    is_linked: bool,
    slots: Vec<RangeInclusive<u16>>,
}

impl Node {
    fn parse(line: &str) -> Option<Self> {
        let words: Vec<&str> = line.split(' ').collect();
        let [id, address, flags, primary, _, _, epoch, link, slots @ ..] = words.as_slice() else {
            return None;
        };
        let (address, _) = address.split_once('@')?;
        Some(Self {
            id: (*id).to_owned(),
            port: address.rsplit_once(':')?.1.parse().ok()?,
            flags: (*flags).to_owned(),
            primary: (*primary != "-").then(|| (*primary).to_owned()),
            epoch: epoch.parse().ok()?,
            is_linked: *link == "connected",
            slots: slots.iter().filter_map(|range| parse_range(range)).collect(),
        })
    }

    pub(super) fn has(&self, flag: &str) -> bool {
        self.flags.split(',').any(|one| one == flag)
    }

    pub(super) fn owns(&self, slot: u16) -> bool {
        self.slots.iter().any(|range| range.contains(&slot))
    }

    pub(super) fn slots(&self) -> usize {
        self.slots.iter().map(ExactSizeIterator::len).sum()
    }

    /// Whether the node that says this has no doubt about it.
    pub(super) fn is_well(&self) -> bool {
        self.is_linked && !self.flags.contains("fail") && !self.has("handshake")
    }
}

/// A slot that is being moved stands in brackets; it is one of the others too.
fn parse_range(text: &str) -> Option<RangeInclusive<u16>> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    Some(first.parse().ok()?..=last.parse().ok()?)
}

/// What a node says, if it runs.
pub(super) fn known_to(server: &Server) -> Option<Vec<Node>> {
    if !server.is_running() {
        return None;
    }
    let text = server.try_cli(&["CLUSTER", "NODES"]).ok()?;
    Some(text.lines().filter_map(Node::parse).collect())
}

/// What a node says of itself.
pub(super) fn itself(server: &Server) -> Option<Node> {
    known_to(server)?.into_iter().find(|node| node.has("myself"))
}

/// Sends a command that has nothing to say.
pub(super) fn expect_ok(node: &Server, arguments: &[&str]) {
    assert_eq!(node.cli(arguments), "OK", "{arguments:?}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_all_that_is_known_of_a_node() {
        let line = "a1 127.0.0.1:7000@17000 myself,master - 0 0 3 connected 0-9 12 [13->-b2]";
        let node = Node::parse(line).unwrap();
        assert_eq!((node.port, node.epoch, node.slots()), (7000, 3, 11));
        assert!(node.has("master") && node.is_well() && node.owns(12) && !node.owns(13));
        let line = "b2 127.0.0.1:7001@17001 slave,fail? a1 0 0 3 connected";
        let node = Node::parse(line).unwrap();
        assert!(!node.is_well() && node.primary.as_deref() == Some("a1"));
    }
}
