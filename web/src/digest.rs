//! Short digests, by which nodes recognise a request or a secret without its text.

use sha2::{Digest, Sha256};
use tokenkeep::TokenRequest;

/// Equal for two requests that want the same answer.
pub(crate) fn of_request(request: &TokenRequest) -> [u8; 16] {
    of_secret(request.fingerprint().as_bytes())
}

/// The first half of the SHA-256.
pub(crate) fn of_secret(bytes: &[u8]) -> [u8; 16] {
    *Sha256::digest(bytes).first_chunk().expect("a SHA-256 has 32 bytes")
}
