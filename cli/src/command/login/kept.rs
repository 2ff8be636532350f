//! What a user may want to know of a sign-in that was kept.

use tokenkeep::{
    AccessToken, Account, Error, PersistedTokenCache, SignInRecord, TokenCache, TokenRequest,
    sign_in::{ClientApplication, SignedIn},
};
use tokenkeep_platform::text::command_word;

use super::super::who;

/// A sign-in that was kept.
pub(super) struct Kept {
    pub(super) token: AccessToken,
    pub(super) account: Option<Account>,
    pub(super) record: SignInRecord,
    /// The account has a refresh token, of this sign-in or of a former one.
    pub(super) can_renew: bool,
    /// How many seconds this machine's clock is ahead of the provider's.
    pub(super) clock_ahead: i64,
    /// The options of `token` that find it.
    pub(super) options: String,
}

impl Kept {
    pub(super) fn new(
        cache: &PersistedTokenCache,
        app: &ClientApplication,
        scopes: &[String],
        signed_in: &SignedIn,
        token: AccessToken,
    ) -> Self {
        let account = token.account();
        let record = signed_in.record().clone();
        // It is kept. If the cache cannot be read any more, less is said.
        let kept = cache.snapshot().unwrap_or_default();
        let request = app.request();
        let own = account.as_ref().map(|account| request.clone().for_account(account));
        let tokens = kept.refresh_tokens(own.as_ref().unwrap_or(&request)).unwrap_or_default();
        let can_renew = signed_in.has_refresh_token() || !tokens.is_empty();
        let options = options(&kept, &record, account.as_ref(), scopes);
        Self { token, account, record, can_renew, clock_ahead: signed_in.clock_ahead(), options }
    }

    /// The name of the account.
    pub(super) fn name(&self) -> &str {
        self.account.as_ref().map(who::name).unwrap_or_default()
    }
}

/// Client and scopes, and the account where the command could not choose between several.
fn options(
    kept: &TokenCache,
    record: &SignInRecord,
    account: Option<&Account>,
    scopes: &[String],
) -> String {
    let client = record.client_id();
    let request = TokenRequest::new(client, record.issuer(), scopes);
    let is_ambiguous = kept.authorities(client, None).len() > 1
        || matches!(kept.find_access_token(&request, 0), Err(Error::AccountAmbiguous { .. }));
    let mut options = format!("--client-id {}", command_word(client));
    for scope in scopes {
        options.push_str(&format!(" --scope {}", command_word(scope)));
    }
    if let Some(account) = account.filter(|_| is_ambiguous) {
        options.push(' ');
        options.push_str(&who::options(kept, account, record.authority().into_owned()));
    }
    options
}
