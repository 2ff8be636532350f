//! The cache in memory: what it keeps, finds and writes, by itself and beside the reference.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::unwrap_used,
    missing_docs,
    reason = "it is a test"
)]

mod accounts;
mod addresses;
mod answer_differences;
mod anybody;
mod differences;
mod differential;
mod expiry;
mod fingerprints;
mod issuers;
mod layout;
mod mutated_answers;
mod named_accounts;
mod oracle;
mod provider_answers;
mod record;
mod restore;
mod rules;
mod scopes;
mod stores;
mod token_endpoint;
mod whose_token;
