//! A Cluster.

mod list;
mod listen;
mod map;
mod refresh;
mod slot;

use std::{
    fmt,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use redis::ConnectionInfo;

use self::{
    map::{Layout, Map},
    refresh::Refresh,
    slot::slot,
};
use super::{
    address::Address,
    failure::{self, Failure, unreachable},
    link::{Link, Manner, Request},
    opening::Answer,
    place::Fixed,
};
use crate::store::StoreError;

pub(super) use self::listen::Member;

/// A Cluster. Each primary has a link of its own with its own breaker, so that the loss of one does
/// not stop calls to the others.
#[derive(Clone)]
pub(super) struct Cluster(Arc<Shared>);

struct Shared {
    /// The addresses that the program was given.
    seeds: Vec<ConnectionInfo>,
    way: Way,
    map: RwLock<Option<Map>>,
    refresh: Refresh,
}

/// How nodes are reached.
pub(super) struct Way {
    /// All but the address.
    pub(super) like: ConnectionInfo,
    /// The longest call.
    pub(super) call: Duration,
}

impl Way {
    fn link(&self, node: &Address) -> Link {
        Link::new(Fixed(node.server(&self.like)), self.call)
    }
}

impl Cluster {
    /// A Cluster with at least one of these nodes.
    pub(super) async fn connect(seeds: Vec<ConnectionInfo>, way: Way) -> Result<Self, StoreError> {
        let shared = Shared { seeds, way, map: RwLock::default(), refresh: Refresh::default() };
        let cluster = Self(Arc::new(shared));
        cluster.refresh_now().await?;
        for (_, link) in cluster.primaries() {
            // A primary that is away stops only its own slots.
            match link.connected().await {
                Err(error @ StoreError::Refused { .. }) => return Err(error),
                _ => continue,
            }
        }
        Ok(cluster)
    }

    /// A call to the node that has the key.
    pub(super) async fn run(
        &self,
        key: &str,
        request: &Request<'_>,
        manner: Manner,
    ) -> Result<Answer, Failure> {
        let (slot, mut asked) = (slot(key), None);
        let mut last = None;
        for _ in 0..MOST_REDIRECTS {
            if manner.start.elapsed() > self.0.way.call {
                break;
            }
            let (link, asking) = match asked.take() {
                Some(node) => (Some(self.link_to(&node)), true),
                None => (self.link(slot), false),
            };
            let Some(link) = link else { break };
            match link.run(request, Manner { asking, ..manner }).await {
                Err(Failure::Moved(node)) => {
                    self.moved(slot, node);
                    self.refresh_later();
                }
                Err(Failure::Asked(node)) => asked = Some(node),
                Err(error) => {
                    if failure::counts(&error) {
                        self.refresh_later();
                    }
                    return Err(error);
                }
                Ok(answer) => return Ok(answer),
            }
            last = Some(unreachable(None));
        }
        self.refresh_later();
        Err(last.unwrap_or_else(|| unreachable(None)).into())
    }

    /// The primaries in the order of their addresses.
    pub(super) fn primaries(&self) -> Vec<(Address, Link)> {
        self.read(|map| map.primaries()).unwrap_or_default()
    }

    fn link(&self, slot: u16) -> Option<Link> {
        self.node(slot).map(|(_, link)| link)
    }

    /// The node that has a slot.
    fn node(&self, slot: u16) -> Option<(Address, Link)> {
        self.read(|map| map.node(slot).map(|(node, link)| (node.clone(), link.clone()))).flatten()
    }

    fn link_to(&self, node: &Address) -> Link {
        let mut map = self.0.map.write().unwrap_or_else(PoisonError::into_inner);
        map.as_mut().expect("a Cluster that is connected has a map").link_to(node, &self.0.way)
    }

    fn moved(&self, slot: u16, node: Address) {
        self.link_to(&node);
        let mut map = self.0.map.write().unwrap_or_else(PoisonError::into_inner);
        map.as_mut().expect("a Cluster that is connected has a map").moved(slot, node);
    }

    fn adopt(&self, layout: Layout) {
        let mut map = self.0.map.write().unwrap_or_else(PoisonError::into_inner);
        *map = Some(Map::new(layout, map.as_ref(), &self.0.way));
    }

    fn read<T>(&self, read: impl FnOnce(&Map) -> T) -> Option<T> {
        self.0.map.read().unwrap_or_else(PoisonError::into_inner).as_ref().map(read)
    }
}

/// A slot that moves is moved once, or asked for once, in most cases.
const MOST_REDIRECTS: usize = 6;

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.primaries()).finish()
    }
}
