//! Refresh tokens, each in the family of one sign-in.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::tokens::secret;

/// A sign-in that has not ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Family {
    /// Who signed in.
    pub user: String,
    /// The one refresh token that is valid.
    pub refresh_token: String,
    /// How often it was rotated.
    pub rotations: usize,
}

/// What comes of a refresh.
pub(super) enum Refresh {
    Rotated { user: String, refresh_token: String },
    Repeated { user: String, refresh_token: String },
    Reused,
    Refused,
}

#[derive(Debug, Default)]
pub(super) struct Families {
    pub(super) leeway: Duration,
    all: Vec<Member>,
    /// The family of each refresh token that was ever issued.
    issued: HashMap<String, usize>,
}

#[derive(Debug)]
struct Member {
    family: Family,
    has_ended: bool,
    /// The token spent last, and when.
    spent: Option<(String, Instant)>,
}

impl Families {
    /// A new family's first refresh token.
    pub(super) fn begin(&mut self, user: &str) -> String {
        let refresh_token = secret("refresh");
        self.issued.insert(refresh_token.clone(), self.all.len());
        let family =
            Family { user: user.to_owned(), refresh_token: refresh_token.clone(), rotations: 0 };
        self.all.push(Member { family, has_ended: false, spent: None });
        refresh_token
    }

    pub(super) fn refresh(&mut self, token: &str) -> Refresh {
        let Some(number) = self.issued.get(token).copied() else { return Refresh::Refused };
        let member = &mut self.all[number];
        if member.has_ended {
            return Refresh::Refused;
        }
        if member.family.refresh_token == token {
            let new = secret("refresh");
            member.spent = Some((token.to_owned(), Instant::now()));
            member.family.refresh_token.clone_from(&new);
            member.family.rotations += 1;
            let user = member.family.user.clone();
            self.issued.insert(new.clone(), number);
            return Refresh::Rotated { user, refresh_token: new };
        }
        let is_last = member
            .spent
            .as_ref()
            .is_some_and(|(spent, at)| spent == token && at.elapsed() < self.leeway);
        if is_last {
            let Family { user, refresh_token, .. } = member.family.clone();
            return Refresh::Repeated { user, refresh_token };
        }
        member.has_ended = true;
        Refresh::Reused
    }

    pub(super) fn revoke(&mut self, token: &str) {
        if let Some(number) = self.issued.get(token) {
            self.all[*number].has_ended = true;
        }
    }

    pub(super) fn is_valid(&self, token: &str) -> bool {
        let number = self.issued.get(token);
        let member = number.map(|number| &self.all[*number]);
        member.is_some_and(|member| !member.has_ended && member.family.refresh_token == token)
    }

    pub(super) fn live(&self) -> Vec<Family> {
        let live = self.all.iter().filter(|member| !member.has_ended);
        live.map(|member| member.family.clone()).collect()
    }
}
