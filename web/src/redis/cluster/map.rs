//! Which node has which slot.

use std::collections::{BTreeSet, HashMap};

use redis::Value;

use super::{
    super::{address::Address, link::Link},
    Way,
    slot::SLOTS,
};

/// Which node has which slot, as a node said.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Layout {
    /// First and last slot, and their primary.
    ranges: Vec<(u16, u16, Address)>,
    nodes: BTreeSet<Address>,
}

impl Layout {
    /// Reads the answer to `CLUSTER SLOTS` of the node at `from`. `None` if it names no slot.
    pub(super) fn parse(answer: &Value, from: &Address) -> Option<Self> {
        let Value::Array(entries) = answer else { return None };
        let mut layout = Self::default();
        for entry in entries {
            let Value::Array(parts) = entry else { return None };
            let [Value::Int(first), Value::Int(last), nodes @ ..] = &parts[..] else { return None };
            let (first, last) = (u16::try_from(*first).ok()?, u16::try_from(*last).ok()?);
            let mut nodes = nodes.iter().filter_map(|node| address(node, from));
            if first > last || last >= SLOTS {
                return None;
            }
            let primary = nodes.next()?;
            layout.nodes.insert(primary.clone());
            layout.nodes.extend(nodes);
            layout.ranges.push((first, last, primary));
        }
        layout.ranges.sort();
        (!layout.ranges.is_empty()).then_some(layout)
    }

    /// Whether the Cluster has this node, as a primary or a replica.
    pub(super) fn has(&self, node: &Address) -> bool {
        self.nodes.contains(node)
    }
}

/// The address of a node. Where Redis knows no host, it is that of the node that was asked.
fn address(node: &Value, from: &Address) -> Option<Address> {
    let Value::Array(parts) = node else { return None };
    let [host, Value::Int(port), ..] = &parts[..] else { return None };
    let host = match host {
        Value::BulkString(host) if !host.is_empty() && host != b"?" => {
            String::from_utf8(host.clone()).ok()?
        }
        Value::BulkString(_) | Value::Nil => from.host.clone(),
        _ => return None,
    };
    Some(Address { host, port: u16::try_from(*port).ok()? })
}

/// A link to each node, and which node has which slot.
#[derive(Clone, Debug)]
pub(super) struct Map {
    pub(super) layout: Layout,
    links: HashMap<Address, Link>,
    /// Slots of which a node said since that another one has them.
    moved: HashMap<u16, Address>,
}

impl Map {
    /// The links of `old` are kept where their node is still there.
    pub(super) fn new(layout: Layout, old: Option<&Self>, way: &Way) -> Self {
        let primaries = layout.ranges.iter().map(|(_, _, primary)| primary.clone());
        let links = primaries.map(|node| {
            let link = old.and_then(|old| old.links.get(&node)).cloned();
            (node.clone(), link.unwrap_or_else(|| way.link(&node)))
        });
        Self { links: links.collect(), layout, moved: HashMap::new() }
    }

    /// The primary of a slot, and the link to it.
    pub(super) fn node(&self, slot: u16) -> Option<(&Address, &Link)> {
        let range = || {
            let has = |(first, last, _): &&(u16, u16, Address)| (*first..=*last).contains(&slot);
            self.layout.ranges.iter().find(has).map(|(_, _, primary)| primary)
        };
        self.links.get_key_value(self.moved.get(&slot).or_else(range)?)
    }

    /// The link to a node.
    pub(super) fn link_to(&mut self, node: &Address, way: &Way) -> Link {
        self.links.entry(node.clone()).or_insert_with(|| way.link(node)).clone()
    }

    /// A node said that another one has the slot.
    pub(super) fn moved(&mut self, slot: u16, node: Address) {
        self.moved.insert(slot, node);
    }

    /// The primaries in the order of their addresses.
    pub(super) fn primaries(&self) -> Vec<(Address, Link)> {
        let primaries: BTreeSet<_> = self.layout.ranges.iter().map(|range| &range.2).collect();
        let link = |node: &Address| self.links.get(node).map(|link| (node.clone(), link.clone()));
        primaries.into_iter().filter_map(link).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(first: i64, last: i64, hosts: &[Value]) -> Value {
        let mut parts = vec![Value::Int(first), Value::Int(last)];
        parts.extend(hosts.iter().map(|host| Value::Array(vec![host.clone(), Value::Int(7)])));
        Value::Array(parts)
    }

    #[test]
    fn an_answer_without_slots_is_no_layout() {
        let from = Address { host: "here".into(), port: 1 };
        assert_eq!(Layout::parse(&Value::Array(vec![]), &from), None);
        assert_eq!(Layout::parse(&Value::Nil, &from), None);
        let bad = Value::Array(vec![entry(0, 16_384, &[Value::Nil])]);
        assert_eq!(Layout::parse(&bad, &from), None);
    }

    #[test]
    fn a_node_without_a_host_is_where_the_answer_came_from() {
        let from = Address { host: "here".into(), port: 1 };
        let host = Value::BulkString(b"there".to_vec());
        let answer = Value::Array(vec![entry(0, 5, &[Value::Nil]), entry(6, 16_383, &[host])]);
        let layout = Layout::parse(&answer, &from).expect("a good answer");
        assert!(layout.has(&Address { host: "here".into(), port: 7 }));
        assert!(layout.has(&Address { host: "there".into(), port: 7 }));
    }
}
