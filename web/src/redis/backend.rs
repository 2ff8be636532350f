//! One server, or a Cluster.

use std::sync::Arc;

use super::{
    cluster::{Cluster, Member},
    failure::Failure,
    keys::pattern,
    link::{Link, Manner, Request},
    opening::Answer,
    place::Place,
    scan::{Part, scan},
};
use crate::store::{Cursor, StoreError};

/// Where calls go.
#[derive(Debug)]
pub(super) enum Backend {
    /// One server, which Sentinels may change.
    Server(Link),
    Cluster(Cluster),
}

impl Backend {
    /// A call to the server that has this key.
    pub(super) async fn run(
        &self,
        key: &str,
        request: &Request<'_>,
        manner: Manner,
    ) -> Result<Answer, Failure> {
        match self {
            Self::Server(link) => link.run(request, manner).await,
            Self::Cluster(cluster) => cluster.run(key, request, manner).await,
        }
    }

    /// All servers that take writes.
    pub(super) fn links(&self) -> Vec<Link> {
        match self {
            Self::Server(link) => vec![link.clone()],
            Self::Cluster(cluster) => {
                cluster.primaries().into_iter().map(|(_, link)| link).collect()
            }
        }
    }

    /// A part of the list of names, in which there may be others than of this application, and
    /// where it goes on.
    pub(super) async fn list(&self, app: &str, from: Option<&Cursor>) -> Result<Part, StoreError> {
        match self {
            Self::Server(link) => scan(link, &pattern(app), from.map(Cursor::as_bytes)).await,
            Self::Cluster(cluster) => cluster.list(app, from).await,
        }
    }

    /// Where a listener connects to.
    pub(super) fn place(&self) -> Arc<dyn Place> {
        match self {
            Self::Server(link) => link.place(),
            Self::Cluster(cluster) => Arc::new(Member(cluster.clone())),
        }
    }
}
