//! Who signed in, where no ID token says it.

use std::time::Duration;

use serde_json::Value;

use super::{ClientApplication, SignInFailure};
use crate::Error;

impl ClientApplication {
    /// Who has this access token: as the provider says, else as the program does.
    pub(super) fn user(&self, access_token: &str) -> Result<(String, String), Error> {
        let hint = self.settings.login_hint.as_ref().map(|name| (name.clone(), name.clone()));
        let unknown = || Error::from(SignInFailure::UserUnknown);
        let Some(address) = &self.metadata.userinfo_endpoint else {
            return hint.ok_or_else(unknown);
        };
        let asked = self.endpoint().get_with(address, access_token, USERINFO);
        let said = asked.ok().filter(|reply| reply.status() == 200);
        let said: Option<Value> =
            said.and_then(|reply| serde_json::from_slice(reply.body().expose()).ok());
        let text = |name: &str| match said.as_ref()?.get(name)? {
            Value::String(text) if !text.is_empty() => Some(text.clone()),
            // GitHub's id.
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        };
        let Some(id) = text("sub").or_else(|| text("id")) else { return hint.ok_or_else(unknown) };
        let names = ["preferred_username", "email", "login", "name"];
        let name = names.iter().find_map(|name| text(name)).unwrap_or_else(|| id.clone());
        Ok((id, name))
    }
}

const USERINFO: Duration = Duration::from_secs(10);
