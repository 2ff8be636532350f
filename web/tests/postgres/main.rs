//! The store on PostgreSQL, against real servers.

mod failovers;
mod faults;
mod inspection;
mod races;
mod refusals;
mod removals;
mod replicated;
mod replies;
mod scene;
mod suite;
mod sweeps;
mod tls;
mod updates;
