//! What protects this cache, which key sources work here, which do not, why, and the fix.

mod advice;
mod cache;
mod environment;
mod finding;
mod left_over;
mod names;
mod problem;
mod report;
mod sign_in;
mod sources;

use std::time::Duration;

use tokenkeep::{Error, Secret};

pub(super) use self::left_over::remove as remove_key;
use self::{
    finding::{Findings, Limits},
    report::Report,
};
use crate::{
    args::{KeyChoice, Layout, Store},
    failure::Failure,
    key, open, output,
};

pub(super) fn run(store: &Store, json: bool) -> Result<(), Failure> {
    let passphrase = asked_before(store)?;
    let derives = store.keys.contains(&KeyChoice::Passphrase)
        && (passphrase.is_some() || key::has_passphrase());
    let vault = budget(store);
    let cache = if derives { vault.max(DERIVATION) } else { vault };
    let limits = Limits { vault, cache, environment: ENVIRONMENT };
    let found = Findings::gather(store, passphrase, limits);
    let report = Report::of(store, &found);
    // Printed before the result, which only sets the exit code.
    match json {
        true => output::json(&report)?,
        false => report.print()?,
    }
    found.into_result()
}

/// The passphrase of a cache that has one, if asking is allowed. It is asked for before other
/// threads run, because an interrupted prompt leaves the terminal without its echo.
fn asked_before(store: &Store) -> Result<Option<Secret>, Failure> {
    let may_ask = store.layout == Layout::Sealed
        && store.allow_prompt.is_some()
        && store.keys.contains(&KeyChoice::Passphrase)
        && !key::has_passphrase();
    if !may_ask
        || !matches!(open::builder(store).build()?.key_source_in_use(), Ok(Some("passphrase")))
    {
        return Ok(None);
    }
    let asked = key::passphrase(false);
    let what = "asking for the passphrase";
    Ok(Some(asked.map_err(|source| Error::Callback { what, source })?))
}

/// A quiet vault call ends after 3 s, and a probe's item may take one more to be removed.
fn budget(store: &Store) -> Duration {
    match store.allow_prompt {
        Some(seconds) => Duration::from_secs(seconds) + Duration::from_secs(2),
        None => Duration::from_millis(4_500),
    }
}

/// Deriving a key from a passphrase is slow on a busy machine, and does not depend on a vault.
const DERIVATION: Duration = Duration::from_secs(30);

/// How long the look at the environment may take after everything else.
const ENVIRONMENT: Duration = Duration::from_millis(200);
