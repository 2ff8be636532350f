//! Every entry with its scopes, client and expiry.

use std::collections::HashMap;

use jiff::Timestamp;
use serde::Serialize;
use tokenkeep::{Account, CredentialType, Entry, PersistedTokenCache};

use super::who;
use crate::{
    failure::Failure,
    output::{self, Width},
};

/// Stable field names for `--json`.
#[derive(Serialize)]
struct Row {
    credential_type: &'static str,
    /// The user name, or the home account id if no name is known.
    account: Option<String>,
    home_account_id: Option<String>,
    client_id: Option<String>,
    issuer: Option<String>,
    environment: Option<String>,
    realm: Option<String>,
    scopes: Vec<String>,
    expires_on: Option<i64>,
    /// Only with `--reveal-secrets`.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
}

pub(super) fn run(
    cache: &PersistedTokenCache,
    reveal_secrets: bool,
    json: bool,
) -> Result<(), Failure> {
    let kept = cache.snapshot()?;
    let accounts = kept.accounts();
    // Accounts of several clouds may have the same id.
    let mut by_id: HashMap<&str, Vec<&Account>> = HashMap::new();
    for account in &accounts {
        by_id.entry(account.home_account_id()).or_default().push(account);
    }
    let account = |entry: &Entry| {
        let id = entry.home_account_id().filter(|id| !id.is_empty())?;
        let account = by_id.get(&*id).and_then(|all| all.iter().find(|one| one.owns(entry)));
        Some(account.map_or(id.into_owned(), |account| who::name(account).to_owned()))
    };
    let rows: Vec<Row> = CredentialType::ALL
        .into_iter()
        .flat_map(|kind| kept.entries(kind))
        .map(|entry| Row {
            credential_type: entry.kind().as_str(),
            account: account(entry),
            home_account_id: entry.home_account_id().map(Into::into),
            client_id: entry.client_id().map(Into::into),
            issuer: entry.issuer().map(Into::into),
            environment: entry.environment().map(Into::into),
            realm: entry.realm().map(Into::into),
            scopes: entry.scopes(),
            expires_on: entry.expires_on(),
            // Not even copied unless it is shown.
            secret: reveal_secrets.then(|| entry.secret().map(Into::into)).flatten(),
        })
        .collect();
    if json {
        return output::json(&rows);
    }
    if rows.is_empty() {
        output::note("nothing is kept");
        return Ok(());
    }
    if reveal_secrets { print_with_secrets(rows) } else { print(rows) }
}

fn print(rows: Vec<Row>) -> Result<(), Failure> {
    output::table(
        ["TYPE", "ACCOUNT", "CLIENT", "ISSUER", "TENANT", "SCOPES", "EXPIRES"],
        rows.into_iter().map(Row::cells),
        Width::Fits,
    )
}

fn print_with_secrets(rows: Vec<Row>) -> Result<(), Failure> {
    output::table(
        ["TYPE", "ACCOUNT", "CLIENT", "ISSUER", "TENANT", "SCOPES", "EXPIRES", "SECRET"],
        rows.into_iter().map(|mut row| {
            let secret = row.secret.take().unwrap_or_default();
            let [a, b, c, d, e, f, g] = row.cells();
            [a, b, c, d, e, f, g, secret]
        }),
        Width::AsLongAsItIs,
    )
}

impl Row {
    fn cells(self) -> [String; 7] {
        [
            self.credential_type.into(),
            self.account.unwrap_or_else(|| "-".into()),
            self.client_id.unwrap_or_default(),
            // In Microsoft's clouds the host and the tenant stand for the issuer.
            self.issuer.or(self.environment).unwrap_or_default(),
            self.realm.unwrap_or_default(),
            self.scopes.join(" "),
            self.expires_on.map(date).unwrap_or_default(),
        ]
    }
}

/// In UTC, so that it reads the same everywhere.
pub(super) fn date(seconds: i64) -> String {
    match Timestamp::from_second(seconds) {
        Ok(time) => time.strftime("%Y-%m-%d %H:%M:%SZ").to_string(),
        // A peer may have stored a time that no calendar has.
        Err(_) => seconds.to_string(),
    }
}
