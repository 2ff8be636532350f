//! A provider's answer is stored, and its token returned.

use std::{thread, time::Duration};

use super::{
    lease::Lease,
    note::{Failure, Notes},
    renewal::{Candidate, Renewal},
    unsaved::Received,
};
use crate::{
    AccessToken, CredentialType, Error, Secret, TokenCache, TokenRequest, silent::Refreshed,
};

impl Renewal<'_> {
    /// `answer` is the request as it was sent, the body that came back, and the time right before
    /// it was sent.
    pub(super) fn keep(
        &mut self,
        lease: &Lease,
        mut notes: Notes,
        candidate: &Candidate,
        answer: (TokenRequest, Secret, u64),
    ) -> Result<Option<AccessToken>, Error> {
        let (sent, body, at) = answer;
        let (request, spent) = (self.request.clone(), candidate.token.clone());
        let received = Received { request, sent, spent, root: None, body, at };
        let stored = self.store(&received);
        notes.remove(&candidate.secret);
        match stored {
            Ok(Refreshed::Stored(token)) => {
                if self.request.requested_claims().is_some() {
                    notes.answered(&candidate.secret, token.secret(), &self.asked);
                }
                lease.write(&notes);
                Ok(Some(token))
            }
            // A program without a lease renewed. Its token is the account's by now.
            Ok(Refreshed::Replaced(token)) => {
                lease.write(&notes);
                if self.has(&token) {
                    // An earlier try stored it, and could not tell.
                    return Ok(Some(token));
                }
                let found = self.answer(Some(&notes)).ok().flatten();
                Ok(Some(found.unwrap_or_else(|| token.unstored(Error::RefreshTokenGone))))
            }
            Ok(Refreshed::SignedOut(_, renewed)) => {
                lease.write(&notes);
                self.revoke(renewed);
                Ok(None)
            }
            Ok(Refreshed::AnotherUser(renewed)) => {
                self.revoke(renewed);
                let detail = "it is for another user than the refresh token".to_owned();
                self.is_unusable(lease, notes, candidate, detail)
            }
            Err(Error::ProviderAnswer { detail }) => {
                // The provider may have rotated, whatever else is wrong with its answer.
                self.keep_renewed_token(candidate, &received.body, at);
                self.is_unusable(lease, notes, candidate, detail)
            }
            Err(error) => {
                if received.renewed().is_some() {
                    // Only this process has the successor.
                    let (now, failure) =
                        (self.cache.clock.now(), Failure::Unavailable { status: None });
                    let asked = (&self.asked, false);
                    notes.failed(&candidate.secret, now, failure, UNTIL_SAVED, asked);
                }
                lease.write(&notes);
                let token = received.unkept();
                self.cache.shared.renewals.unsaved.push(received);
                Ok(Some(token?.unstored(error)))
            }
        }
    }

    /// Stores the refresh token of an answer that cannot be used otherwise, if it has one.
    pub(super) fn keep_renewed_token(&self, candidate: &Candidate, body: &Secret, at: u64) {
        if let Some(spent) = &candidate.token {
            let add = |cache: &mut TokenCache| cache.add_renewed_token(spent, body.expose(), at);
            self.cache.transaction(add).ok();
        }
    }

    /// Whether the cache has the access token.
    fn has(&self, token: &AccessToken) -> bool {
        self.cache.current().is_ok_and(|cache| {
            let mut tokens = cache.entries(CredentialType::AccessToken);
            tokens.any(|entry| entry.secret() == Some(token.secret()))
        })
    }

    /// Stores it. Tries again where that may help.
    fn store(&self, received: &Received) -> Result<Refreshed, Error> {
        // Bounded, because nobody else can renew meanwhile.
        let cache = self.cache.clone().lock_timeout(self.cache.wait.timeout.min(LONGEST_SAVE));
        let mut pauses = [100, 500, 2000].into_iter();
        loop {
            match cache.transaction(|cache| received.add_to(cache)) {
                Err(error) if error.is_retryable() => match pauses.next() {
                    Some(pause) => thread::sleep(Duration::from_millis(pause)),
                    None => return Err(error),
                },
                stored => return stored,
            }
        }
    }

    fn is_unusable(
        &self,
        lease: &Lease,
        mut notes: Notes,
        candidate: &Candidate,
        detail: String,
    ) -> Result<Option<AccessToken>, Error> {
        let (now, failure) = (self.cache.clock.now(), Failure::Unusable { detail: detail.clone() });
        let asked = (&self.asked, false);
        notes.failed(&candidate.secret, now, failure, Duration::from_secs(5), asked);
        lease.write(&notes);
        Err(Error::ProviderAnswer { detail })
    }

    /// Revokes a refresh token that nobody will use. It expires by itself if that fails.
    fn revoke(&mut self, token: Option<Secret>) {
        if let Some(token) = token {
            drop(self.endpoint.revoke(&token));
        }
    }
}

const LONGEST_SAVE: Duration = Duration::from_secs(5);
/// How long others leave a refresh token alone whose successor is not saved yet.
const UNTIL_SAVED: Duration = Duration::from_secs(60);
