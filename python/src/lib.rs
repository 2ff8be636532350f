//! The native module of the Python package `tokenkeep`: stores, locks and token caches of the crate
//! of that name, for Python 3.9 and newer.
//!
//! Programs import the package, not this module.
#![forbid(unsafe_code)]

mod cache;
mod detached;
mod error;
mod key_source;
mod lock;
mod sign_out;
mod store;
mod wait;

use pyo3::prelude::*;

/// The native part of tokenkeep. Programs import `tokenkeep` instead.
#[pymodule(name = "_native", gil_used = false)]
mod native {
    #[pymodule_export]
    use crate::{
        cache::{AccessToken, Account, Cache, RefreshLease, Spend, TokenCache, TokenRequest},
        key_source::KeySource,
        lock::{Lock, LockGuard},
        sign_out::sign_out,
        store::{Stamp, Store, Transaction},
    };

    #[pymodule_export]
    const VERSION: &str = env!("CARGO_PKG_VERSION");
}
