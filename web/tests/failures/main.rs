//! What the callers see of each failure, on real servers: one row for each failure.

mod client;
mod cluster;
mod engine;
mod leases;
mod postgres;
mod redis;
mod scene;
mod sentinel;
mod shared;
mod table;
mod unavailable;
mod values;
mod writes;
