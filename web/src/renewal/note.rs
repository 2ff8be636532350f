//! What a failed renewal leaves in place of its lease.

use std::time::Duration;

use crate::{Error, SignInReason, store::Note};

/// A failure, as other nodes read it: without a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) kind: FailureKind,
    /// The status of the provider's response, or 0.
    pub(super) status: u16,
    /// The digest of the refresh token that was spent, or zeros if none was.
    pub(super) spent: [u8; 16],
    /// The digest of the request, if the failure is about the request.
    pub(super) asked: [u8; 16],
    pub(super) code: String,
    pub(super) claims: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FailureKind {
    /// The user has to sign in.
    SignIn,
    /// The provider refuses for another reason.
    Refused,
    /// The provider is overloaded, broken or not there.
    Unavailable,
}

impl Failure {
    /// Whether it stands for a renewal with this refresh token for this request.
    pub(super) fn is_about(&self, spent: [u8; 16], asked: [u8; 16]) -> bool {
        self.spent == spent && (self.asked == [0; 16] || self.asked == asked)
    }

    pub(super) fn error(&self, ends_in: Duration) -> Error {
        let given = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        let status = Some(self.status).filter(|status| *status > 0);
        let provider = |what, retry_after| Error::Provider {
            what,
            status,
            code: given(&self.code),
            retry_after,
            source: None,
        };
        match self.kind {
            FailureKind::SignIn => Error::SignInNeeded {
                reason: SignInReason::Refused,
                code: given(&self.code),
                claims: given(&self.claims),
            },
            FailureKind::Refused => provider("it refuses the request", None),
            FailureKind::Unavailable => {
                provider("it is not available", Some(ends_in.max(LEAST_PAUSE)))
            }
        }
    }

    pub(super) fn to_note(&self) -> Note {
        let kind = match self.kind {
            FailureKind::SignIn => 1,
            FailureKind::Refused => 2,
            FailureKind::Unavailable => 3,
        };
        let mut bytes = vec![VERSION, kind];
        bytes.extend(self.status.to_be_bytes());
        bytes.extend(self.spent);
        bytes.extend(self.asked);
        for text in [&self.code, &self.claims] {
            // Half a claim is none.
            let fits =
                text.len() <= usize::from(u8::MAX) && bytes.len() + text.len() + 2 <= Note::MAX_LEN;
            let text = if fits { text.as_bytes() } else { b"" };
            bytes.push(u8::try_from(text.len()).expect("checked above"));
            bytes.extend(text);
        }
        Note::from_bytes(bytes).expect("it is longer than an owner and shorter than the limit")
    }

    /// `None` if another version of this crate wrote it.
    pub(super) fn read(note: &Note) -> Option<Self> {
        let mut rest = note.as_bytes();
        let mut take = |len: usize| -> Option<&[u8]> {
            let (part, after) = rest.split_at_checked(len)?;
            rest = after;
            Some(part)
        };
        if take(1)? != [VERSION] {
            return None;
        }
        let kind = match take(1)? {
            [1] => FailureKind::SignIn,
            [2] => FailureKind::Refused,
            [3] => FailureKind::Unavailable,
            _ => return None,
        };
        let status = u16::from_be_bytes(take(2)?.try_into().ok()?);
        let spent = take(16)?.try_into().ok()?;
        let asked = take(16)?.try_into().ok()?;
        let mut text = || {
            let len = usize::from(*take(1)?.first()?);
            String::from_utf8(take(len)?.to_vec()).ok()
        };
        let (code, claims) = (text()?, text()?);
        rest.is_empty().then_some(Self { kind, status, spent, asked, code, claims })
    }
}

const VERSION: u8 = 1;
const LEAST_PAUSE: Duration = Duration::from_millis(10);

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(code: &str, claims: &str) -> Failure {
        Failure {
            kind: FailureKind::SignIn,
            status: 400,
            spent: [1; 16],
            asked: [2; 16],
            code: code.into(),
            claims: claims.into(),
        }
    }

    #[test]
    fn a_note_is_read_as_the_same_failure() {
        for (code, claims) in [("", ""), ("invalid_grant", ""), ("x", r#"{"id_token":{}}"#)] {
            let failure = failure(code, claims);
            assert_eq!(Failure::read(&failure.to_note()), Some(failure));
        }
    }

    #[test]
    fn what_is_too_long_is_left_out() {
        let read = Failure::read(&failure("c", &"x".repeat(300)).to_note()).unwrap();
        assert_eq!((read.code.as_str(), read.claims.as_str()), ("c", ""));
        assert!(Failure::read(&failure(&"x".repeat(300), &"y".repeat(300)).to_note()).is_some());
        for len in 200..=256 {
            assert!(Failure::read(&failure(&"x".repeat(len), "{}").to_note()).is_some(), "{len}");
        }
    }

    #[test]
    fn the_note_of_another_version_is_no_failure() {
        let mut bytes = failure("", "").to_note().as_bytes().to_vec();
        bytes[0] = 2;
        assert_eq!(Failure::read(&Note::from_bytes(bytes).unwrap()), None);
        assert_eq!(Failure::read(&Note::from_bytes([1; 17]).unwrap()), None);
    }
}
