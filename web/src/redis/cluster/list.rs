//! The list of the names of all slots.

use std::collections::BTreeMap;

use redis::{Cmd, Value};
use tokio::time::Instant;

use super::{
    super::{
        failure::{Failure, Stage, unexpected, unreachable},
        keys::absent,
        link::{Link, Manner, Request},
        scan::Part,
    },
    Address, Cluster,
    slot::{SLOTS, tag},
};
use crate::store::{Cursor, StoreError};

/// What a node says of one slot.
struct Slot {
    names: Vec<Vec<u8>>,
    /// Where else names of it are.
    elsewhere: Option<Failure>,
}

impl Cluster {
    /// A part of the list: the names in some slots.
    ///
    /// All names of a slot are at its node, until it moves to another one. Then the node says so
    /// after it has listed its own, and the other one is asked after that. So a name is listed,
    /// whenever it moves.
    pub(in super::super) async fn list(
        &self,
        app: &str,
        from: Option<&Cursor>,
    ) -> Result<Part, StoreError> {
        let first = match from {
            Some(cursor) => parse(cursor).ok_or_else(foreign)?,
            None => 0,
        };
        let end = (first + SLOTS_A_PART).min(SLOTS);
        let mut left: Vec<u16> = (first..end).collect();
        let mut names = Vec::new();
        for _ in 0..MOST_ROUNDS {
            let mut by_node = BTreeMap::<Address, (Link, Vec<u16>)>::new();
            for slot in left.drain(..) {
                let (node, link) = self.node(slot).ok_or_else(|| unreachable(None))?;
                by_node.entry(node).or_insert_with(|| (link, Vec::new())).1.push(slot);
            }
            for (link, slots) in by_node.into_values() {
                let said = said(&link, app, &slots).await;
                // Another node may have the slots of one that does not answer.
                let said = said.inspect_err(|_| self.refresh_later())?;
                for (slot, said) in slots.iter().zip(said) {
                    names.extend(said.names);
                    match said.elsewhere {
                        None => {}
                        Some(Failure::Asked(node)) => {
                            let other = said_of(&self.link_to(&node), app, *slot).await?;
                            names.extend(other.names);
                        }
                        Some(Failure::Moved(node)) => {
                            self.moved(*slot, node);
                            self.refresh_later();
                            left.push(*slot);
                        }
                        Some(failure) => return Err(failure.into_store_error()),
                    }
                }
            }
            if left.is_empty() {
                let next = (end < SLOTS).then(|| end.to_string().into_bytes());
                return Ok(Part { names, next });
            }
        }
        Err(unreachable(None))
    }
}

/// What a node says of slots.
async fn said(link: &Link, app: &str, slots: &[u16]) -> Result<Vec<Slot>, StoreError> {
    let mut commands = redis::pipe();
    for slot in slots {
        let mut names = redis::cmd("CLUSTER");
        names.arg("GETKEYSINSLOT").arg(*slot).arg(i32::MAX);
        // After the names: a node that has no value of this name says where it may be.
        let mut probe = Cmd::new();
        probe.arg("GET").arg(absent(app, tag(*slot)));
        commands.add_command(names).add_command(probe);
    }
    let start = Instant::now();
    let answer = link.run(&Request::Commands(commands), Manner::plain()).await;
    let Value::Array(answers) = answer.map_err(Failure::into_store_error)?.value else {
        return Err(unexpected());
    };
    let failed = |error| Failure::of(error, Stage::Sent(start.elapsed()));
    let mut answers = answers.into_iter().map(Value::extract_error);
    let mut said = Vec::with_capacity(slots.len());
    while let (Some(names), Some(probe)) = (answers.next(), answers.next()) {
        let names = match names.map_err(|error| failed(error).into_store_error())? {
            Value::Array(names) => names,
            _ => return Err(unexpected()),
        };
        let names = names.into_iter().filter_map(|name| match name {
            Value::BulkString(name) => Some(name),
            _ => None,
        });
        said.push(Slot { names: names.collect(), elsewhere: probe.err().map(failed) });
    }
    if said.len() != slots.len() {
        return Err(unexpected());
    }
    Ok(said)
}

/// What the node says of a slot that is about to have it.
async fn said_of(link: &Link, app: &str, slot: u16) -> Result<Slot, StoreError> {
    said(link, app, &[slot]).await?.pop().ok_or_else(unexpected)
}

fn parse(cursor: &Cursor) -> Option<u16> {
    let slot = std::str::from_utf8(cursor.as_bytes()).ok()?.parse().ok()?;
    (slot < SLOTS).then_some(slot)
}

fn foreign() -> StoreError {
    StoreError::Other { what: "the cursor is not of this store".into(), source: None }
}

/// With ten million values a part has some ten thousand names.
const SLOTS_A_PART: u16 = 32;
/// A slot that moves is moved once, or to a third node, in most cases.
const MOST_ROUNDS: u32 = 6;
