//! Servers that keep values, as processes of their own on loopback, and what a test does to them.
//!
//! Each ends when its handle is dropped, and when the test's process ends. Its ports and its folder
//! are its own. Where a server does not do what a test asks, the call panics and says what the
//! server's log says.

mod certificates;
mod daemon;
mod port;
pub mod postgres;
mod process;
pub mod provider;
pub mod proxy;
pub mod redis;
mod wait;

pub use certificates::Certificates;
