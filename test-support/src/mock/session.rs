//! The encrypted session of the mock: `dh-ietf1024-sha256-aes128-cbc-pkcs7` of the
//! [specification](https://specifications.freedesktop.org/secret-service/latest/), under "Transfer
//! of Secrets".

use aes::Aes128;
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockModeDecrypt, BlockModeEncrypt, KeyIvInit};
use hkdf::Hkdf;
use sha2::Sha256;

/// The key that both sides of a session derived.
#[derive(Clone, Copy, Debug)]
pub(super) struct Key([u8; 16]);

/// The public key of the private key 1, which is the generator itself.
pub(super) const PUBLIC: [u8; 1] = [2];

/// The size of the group's prime.
const SIZE: usize = 128;

impl Key {
    /// With the private key 1 the shared secret is the other side's public key. That keeps nothing
    /// secret, and a test has nothing to keep.
    pub(super) fn agreed_with(public: &[u8]) -> Self {
        let mut shared = [0; SIZE];
        shared[SIZE - public.len()..].copy_from_slice(public);
        let mut key = [0; 16];
        Hkdf::<Sha256>::new(None, &shared).expand(&[], &mut key).unwrap();
        Self(key)
    }

    pub(super) fn encrypt(self, secret: &[u8]) -> Vec<u8> {
        cbc::Encryptor::<Aes128>::new(&self.0.into(), &IV.into())
            .encrypt_padded_vec::<Pkcs7>(secret)
    }

    pub(super) fn decrypt(self, iv: &[u8], secret: &[u8]) -> Vec<u8> {
        let iv: [u8; 16] = iv.try_into().unwrap();
        let decryptor = cbc::Decryptor::<Aes128>::new(&self.0.into(), &iv.into());
        decryptor.decrypt_padded_vec::<Pkcs7>(secret).unwrap()
    }
}

/// Any will do, and one makes a test's run the same each time.
pub(super) const IV: [u8; 16] = [7; 16];
