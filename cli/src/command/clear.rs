//! Removes the cache, its key and temporary files.

use serde_json::json;

use crate::{
    args::Store,
    failure::Failure,
    open::{open, open_unreached},
    output,
};

pub(super) fn run(store: &Store, unreadable: bool, json: bool) -> Result<(), Failure> {
    if unreadable {
        open_unreached(store)?.reset()?;
    } else {
        open(store)?.clear()?;
    }
    if json {
        return output::json(&json!({ "cleared": true }));
    }
    output::note("cleared");
    Ok(())
}
