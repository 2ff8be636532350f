//! The list of the names of all primaries.

use super::{
    super::scan::{Part, scan},
    Address, Cluster,
};
use crate::store::{Cursor, StoreError};

/// Where the list goes on: what the Cluster looked like at its start, the node, and its cursor.
struct Place {
    fingerprint: u64,
    node: Address,
    cursor: Option<Vec<u8>>,
}

impl Cluster {
    /// A part of the list. If slots moved since the list began, it begins again: a name may have
    /// gone from a node that is still to be listed to one that was.
    pub(in super::super) async fn scan(
        &self,
        pattern: &str,
        from: Option<&Cursor>,
    ) -> Result<Part, StoreError> {
        if from.is_none() {
            self.refresh_now().await?;
        }
        let now = || self.read(|map| map.layout.fingerprint()).unwrap_or_default();
        let from = from.and_then(Place::parse);
        let fingerprint = from.as_ref().map_or_else(now, |from| from.fingerprint);
        let nodes = self.primaries();
        let at = from.as_ref().map(|from| &from.node);
        let Some(nth) = nodes.iter().position(|(node, _)| at.is_none_or(|at| node >= at)) else {
            return self.end(fingerprint, Vec::new()).await;
        };
        let (node, link) = &nodes[nth];
        let cursor = from.as_ref().filter(|from| from.node == *node);
        let cursor = cursor.and_then(|from| from.cursor.as_deref());
        let part = scan(link, pattern, cursor).await?;
        let next = match (part.next, nodes.get(nth + 1)) {
            (Some(cursor), _) => Place { fingerprint, node: node.clone(), cursor: Some(cursor) },
            (None, Some((node, _))) => Place { fingerprint, node: node.clone(), cursor: None },
            (None, None) => return self.end(fingerprint, part.names).await,
        };
        Ok(Part { names: part.names, next: Some(next.print()) })
    }

    async fn end(&self, fingerprint: u64, names: Vec<Vec<u8>>) -> Result<Part, StoreError> {
        self.refresh_now().await?;
        let now = self.read(|map| map.layout.fingerprint()).unwrap_or_default();
        let first = self.primaries().into_iter().next();
        let next = first
            .filter(|_| now != fingerprint)
            .map(|(node, _)| Place { fingerprint: now, node, cursor: None }.print());
        Ok(Part { names, next })
    }
}

impl Place {
    fn parse(cursor: &Cursor) -> Option<Self> {
        let text = std::str::from_utf8(cursor.as_bytes()).ok()?;
        let mut parts = text.splitn(3, ' ');
        let fingerprint = parts.next()?.parse().ok()?;
        let node = Address::parse(parts.next()?)?;
        let cursor = parts.next().filter(|cursor| !cursor.is_empty());
        Some(Self { fingerprint, node, cursor: cursor.map(|cursor| cursor.as_bytes().to_vec()) })
    }

    fn print(&self) -> Vec<u8> {
        let Self { fingerprint, node, cursor } = self;
        let mut text = format!("{fingerprint} {}:{} ", node.host, node.port).into_bytes();
        text.extend(cursor.iter().flatten());
        text
    }
}
