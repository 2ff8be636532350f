//! The node that a listener is connected to.

use redis::{Client, ErrorKind, RedisError};

use super::{super::place::Place, Address, Cluster};
use crate::store::BoxFuture;

/// Any primary of a Cluster: what is published at one node reaches all.
pub(in super::super) struct Member(pub(in super::super) Cluster);

impl Place for Member {
    fn find(&self) -> BoxFuture<'_, Result<Client, RedisError>> {
        Box::pin(async {
            // Silence leaves the nodes as they are known.
            self.0.refresh_now().await.ok();
            let mut nodes = self.0.primaries();
            if nodes.iter().any(|(_, link)| link.is_up()) {
                nodes.retain(|(_, link)| link.is_up());
            }
            // Listeners of many processes do not all choose the same.
            let nth = getrandom::u32().unwrap_or_default() as usize % nodes.len().max(1);
            let Some((address, _)) = nodes.into_iter().nth(nth) else {
                return Err((ErrorKind::Io, "the Cluster has no node").into());
            };
            Client::open(address.server(&self.0.0.way.like))
        })
    }

    /// A node that left the Cluster hears nothing any more, and keeps the connection.
    fn is_still_right<'a>(&'a self, found: &'a Client) -> BoxFuture<'a, bool> {
        Box::pin(async {
            self.0.refresh_now().await.ok();
            let node = Address::of(found.get_connection_info());
            node.is_none_or(|node| self.0.read(|map| map.layout.has(&node)).unwrap_or_default())
        })
    }
}
