//! Redis: one server, a primary that Sentinels watch, and a Cluster.
//! [`Tool::Redis`](crate::Tool::Redis) has to be here.

mod client;
mod server;

pub use server::Server;
