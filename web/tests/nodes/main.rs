//! Nodes as processes of their own, on real engines and at one provider that ends a sign-in whose
//! refresh token is spent twice.

mod acks;
mod callers;
mod canaries;
mod failovers;
mod kills;
mod load;
mod log;
mod node;
mod orders;
mod process;
mod rotation;
mod sign_outs;
mod steps;
mod updates;
mod world;
