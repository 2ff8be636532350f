//! Prints the cache as MSAL JSON.

use crate::{args::Store, failure::Failure, open::open, output};

pub(super) fn run(store: &Store, reveal_secrets: bool) -> Result<(), Failure> {
    if !reveal_secrets {
        return Err(Failure::Usage(
            "export prints every token in plain text; say --reveal-secrets if you mean it".into(),
        ));
    }
    output::exactly(open(store)?.snapshot()?.without_client_secrets()?.to_json().expose())
}
