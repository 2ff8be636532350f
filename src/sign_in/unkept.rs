//! A refresh token that no cache keeps yet.

use std::{
    sync::{Mutex, PoisonError},
    thread,
};

use super::ClientApplication;
use crate::{
    Secret, SignInEvent,
    silent::{HttpEndpoint, Revoked, TokenEndpoint, TokenReply},
};

/// The refresh token of a response that no cache keeps yet. It is revoked when this is dropped: it
/// would live on at the provider, and nobody could use it or sign it out.
pub(super) struct Unkept {
    token: Mutex<Option<Secret>>,
    endpoint: HttpEndpoint,
}

impl ClientApplication {
    /// The refresh token of this response, if it has one.
    pub(super) fn unkept(&self, reply: &TokenReply) -> Unkept {
        let token = SignInEvent::refresh_token_in(reply.body().expose());
        // What is kept of a former sign-in must not end.
        let token = token.filter(|token| !token.is_empty() && !self.known().revokes_all);
        let token = token.map(|token| Secret::new(token.as_bytes()));
        Unkept { token: Mutex::new(token), endpoint: self.endpoint() }
    }
}

impl Unkept {
    /// Somebody keeps it now, so it is not revoked.
    pub(super) fn is_kept(&self) {
        self.take();
    }

    /// Revokes it, which takes at most 5 s. `None` if there is none.
    pub(super) fn revoke(&self) -> Option<Revoked> {
        let token = self.take()?;
        Some(self.endpoint.clone().revoke(&token))
    }

    fn take(&self) -> Option<Secret> {
        self.token.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Drop for Unkept {
    fn drop(&mut self) {
        if !thread::panicking() {
            // It expires by itself if that fails.
            drop(self.revoke());
        }
    }
}
