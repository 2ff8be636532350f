//! Proofs of docs/FORMAT.md: its vectors, an independent decoder, and every damage of a small file.

mod decoder;
mod exhaustive;
mod key_file;
mod key_item;
mod regenerate;
mod sealing;
mod vectors;

use sha2::{Digest, Sha256};

use super::*;

/// Bytes that only depend on the seed: the same in each run and on each machine.
fn bytes(seed: &str, len: usize) -> Vec<u8> {
    (0u64..)
        .flat_map(|block| {
            Sha256::new().chain_update(seed).chain_update(block.to_be_bytes()).finalize()
        })
        .take(len)
        .collect()
}

fn array<const N: usize>(seed: &str) -> [u8; N] {
    bytes(seed, N).try_into().unwrap()
}

fn key(seed: &str) -> Key {
    Key::from_slice(&bytes(seed, Key::LEN)).unwrap()
}

/// A source of randomness that gives the nonce of `seed` each time.
fn fixed(seed: &str) -> impl FnMut(&mut [u8]) -> Result<(), Source> {
    move |into| {
        into.copy_from_slice(&bytes(seed, into.len()));
        Ok(())
    }
}

fn sealing(key: &Key) -> Sealing<'_> {
    Sealing {
        key_id: KeyId::from_bytes(array("key id")),
        key,
        parameters: KeyParameters::Vault,
        store: STORE,
        identity: array("identity"),
        generation: 7,
    }
}

fn verdict(error: &SealError) -> &'static str {
    match error {
        SealError::Corrupt { .. } => "corrupt",
        SealError::NotSealed { .. } => "not sealed",
        SealError::OtherStore => "other store",
        SealError::TooLarge { .. } => "too large",
        SealError::UnknownKeySource { .. } => "unknown key source",
        SealError::UnsupportedSuite { .. } => "unsupported suite",
        SealError::UnsupportedVersion { .. } => "unsupported version",
        SealError::WrongKey => "wrong key",
        SealError::InvalidKeyFile { .. }
        | SealError::Parameters { .. }
        | SealError::Random { .. } => "no verdict about a sealed file",
    }
}

const STORE: &str = "com.example.mytool";
const LIMIT: u64 = 16 * 1024 * 1024;
