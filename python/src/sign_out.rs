//! The core's sign-out, on the text of a cache.

use pyo3::{prelude::*, types::PyBytes};
use tokenkeep::{Account, Error, TokenCache};

use crate::error::raised;

/// Signs an account out in the text of a cache, and returns the new text and how many entries were
/// removed.
///
/// The account is found by its home account id, and by its environment if that is given.
/// `client_id` is the client to sign out of; `None` means every client.
#[pyfunction]
#[pyo3(signature = (text, *, home_account_id, environment = None, client_id = None))]
pub(crate) fn sign_out<'py>(
    py: Python<'py>,
    text: &Bound<'py, PyBytes>,
    home_account_id: &str,
    environment: Option<&str>,
    client_id: Option<&str>,
) -> PyResult<(Bound<'py, PyBytes>, usize)> {
    let bytes = text.as_bytes();
    let outcome = py.detach(|| {
        let mut cache = TokenCache::from_json(bytes)?;
        let mut removed = 0;
        for account in named(&cache, home_account_id, environment)? {
            removed += match client_id {
                Some(client_id) => cache.sign_out(&account, client_id)?,
                None => cache.sign_out_everywhere(&account)?,
            };
        }
        Ok((cache.to_json(), removed))
    });
    let (json, removed) = outcome.map_err(|error: Error| raised(py, &error))?;
    // The bytes of a cache that was not changed stay as they were.
    match removed {
        0 => Ok((text.clone(), 0)),
        _ => Ok((PyBytes::new(py, json.expose()), removed)),
    }
}

/// The accounts with this id, in this cloud.
fn named(cache: &TokenCache, id: &str, environment: Option<&str>) -> Result<Vec<Account>, Error> {
    let mut accounts = cache.owners();
    accounts.retain(|account| account.home_account_id() == id);
    if let Some(host) = environment {
        let authority = format!("https://{host}/common");
        let mut found = Vec::new();
        for account in accounts {
            // Outside Microsoft's clouds an account has an issuer, whose path is not known here.
            if account.environment() == host || account.is_at(&authority)? {
                found.push(account);
            }
        }
        return Ok(found);
    }
    Ok(accounts)
}
