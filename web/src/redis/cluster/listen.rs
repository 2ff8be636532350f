//! The node that a listener is connected to.

use std::sync::{Mutex, PoisonError};

use redis::{Client, ErrorKind, RedisError};

use super::{super::place::Place, Address, Cluster};
use crate::store::BoxFuture;

/// Any primary of a Cluster: what is published at one node reaches all.
pub(in super::super) struct Member {
    cluster: Cluster,
    node: Mutex<Option<Address>>,
}

impl Member {
    pub(in super::super) fn of(cluster: Cluster) -> Self {
        Self { cluster, node: Mutex::default() }
    }
}

impl Place for Member {
    fn find(&self) -> BoxFuture<'_, Result<Client, RedisError>> {
        Box::pin(async {
            // Silence leaves the nodes as they are known.
            self.cluster.refresh_now().await.ok();
            let mut nodes = self.cluster.primaries();
            if nodes.iter().any(|(_, link)| link.is_up()) {
                nodes.retain(|(_, link)| link.is_up());
            }
            // Listeners of many processes do not all choose the same.
            let nth = getrandom::u32().unwrap_or_default() as usize % nodes.len().max(1);
            let Some((address, _)) = nodes.into_iter().nth(nth) else {
                return Err((ErrorKind::Io, "the Cluster has no node").into());
            };
            let client = Client::open(address.server(&self.cluster.0.way.like))?;
            *self.node.lock().unwrap_or_else(PoisonError::into_inner) = Some(address);
            Ok(client)
        })
    }

    /// A node that left the Cluster hears nothing any more, and keeps the connection.
    fn is_still_right(&self) -> BoxFuture<'_, bool> {
        Box::pin(async {
            self.cluster.refresh_now().await.ok();
            let node = self.node.lock().unwrap_or_else(PoisonError::into_inner).clone();
            node.is_none_or(|node| {
                self.cluster.read(|map| map.layout.has(&node)).unwrap_or_default()
            })
        })
    }
}
