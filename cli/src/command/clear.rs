//! Removes the cache, its key and temporary files.

use serde_json::json;
use tokenkeep::PersistedTokenCache;

use crate::{failure::Failure, output};

pub(super) fn run(cache: &PersistedTokenCache, json: bool) -> Result<(), Failure> {
    cache.clear()?;
    if json { output::json(&json!({ "cleared": true })) } else { Ok(()) }
}
