//! Redis: one server, a primary that Sentinels watch, and a Cluster.
//! [`Tool::Redis`](crate::Tool::Redis) has to be here.

mod client;
mod cluster;
mod migration;
mod nodes;
mod sentinels;
mod server;

pub use cluster::Cluster;
pub use migration::Migration;
pub use sentinels::Sentinels;
pub use server::Server;
