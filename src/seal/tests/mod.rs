//! Proofs of docs/FORMAT.md.
