//! The header of a sealed file: its layout, and what a strict reader refuses.

use super::{Key, KeyId, PassphraseParameters, SealError, foreign};

/// Everything that a sealed file says about itself; none of it is secret. A parsed header proves
/// nothing: see [`Authenticated`](super::Authenticated).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) key_id: KeyId,
    pub(crate) parameters: KeyParameters,
    pub(crate) key_check: [u8; 16],
    pub(crate) store_tag: [u8; 16],
    pub(crate) identity: [u8; 16],
    pub(crate) generation: u64,
    /// The length of the plaintext in bytes.
    pub(crate) payload_len: u64,
    /// Random in each save. Equal headers mean the same save.
    pub(crate) nonce: [u8; 24],
}

impl Header {
    /// Long enough for any header.
    pub(crate) const MAX_LEN: usize = FIXED_LEN + PASSPHRASE_LEN;

    /// Reads a header strictly from the start of a file. Returns it with its length.
    ///
    /// `bytes` may be the whole file or its first [`Header::MAX_LEN`] bytes.
    ///
    /// # Errors
    /// In the order of the fields: [`SealError::NotSealed`], [`SealError::UnsupportedVersion`],
    /// [`SealError::UnsupportedSuite`], [`SealError::UnknownKeySource`], and
    /// [`SealError::Corrupt`] for everything else.
    pub(crate) fn parse(bytes: &[u8]) -> Result<(Self, usize), SealError> {
        // In the order of the table in docs/FORMAT.md, so that all readers reach the same verdict.
        check_magic(bytes)?;
        let mut fields = Fields { bytes, at: MAGIC.len() };
        match u16::from_be_bytes(fields.next()?) {
            0 => return Err(SealError::corrupt("its version is 0")),
            VERSION => {}
            version => return Err(SealError::UnsupportedVersion { version }),
        }
        match fields.next()? {
            [0] => return Err(SealError::corrupt("its cipher suite is 0")),
            [SUITE] => {}
            [suite] => return Err(SealError::UnsupportedSuite { suite }),
        }
        let [source] = fields.next()?;
        let parameters_len = match source {
            0 => return Err(SealError::corrupt("its key source is 0")),
            VAULT | KEY_FILE | CALLBACK | KERNEL_KEYRING | DPAPI | CREDENTIAL_STORE => 0,
            PASSPHRASE => PASSPHRASE_LEN,
            tag => return Err(SealError::UnknownKeySource { tag }),
        };
        let header_len = usize::from(u16::from_be_bytes(fields.next()?));
        if header_len != FIXED_LEN + parameters_len {
            return Err(SealError::corrupt(format!(
                "its header is said to have {header_len} bytes, it has {}",
                FIXED_LEN + parameters_len
            )));
        }
        if fields.next()? != [0; 2] {
            return Err(SealError::corrupt("its reserved bytes are not zero"));
        }
        let key_id = KeyId::from_bytes(fields.next()?);
        let key_check = fields.next()?;
        let store_tag = fields.next()?;
        let identity = fields.next()?;
        let generation = u64::from_be_bytes(fields.next()?);
        if generation == 0 {
            return Err(SealError::corrupt("its generation is 0"));
        }
        let payload_len = u64::from_be_bytes(fields.next()?);
        let nonce = fields.next()?;
        let parameters = match source {
            VAULT => KeyParameters::Vault,
            KEY_FILE => KeyParameters::KeyFile,
            CALLBACK => KeyParameters::Callback,
            KERNEL_KEYRING => KeyParameters::KernelKeyring,
            DPAPI => KeyParameters::Dpapi,
            CREDENTIAL_STORE => KeyParameters::CredentialStore,
            _ => KeyParameters::Passphrase(passphrase(&mut fields)?),
        };
        let header = Self {
            key_id,
            parameters,
            key_check,
            store_tag,
            identity,
            generation,
            payload_len,
            nonce,
        };
        Ok((header, header_len))
    }

    /// Appends the bytes that [`Header::parse`] reads.
    pub(crate) fn encode(&self, into: &mut Vec<u8>) {
        let header_len = u16::try_from(self.len()).expect("at most 148");
        into.extend_from_slice(&MAGIC);
        into.extend_from_slice(&VERSION.to_be_bytes());
        into.extend_from_slice(&[SUITE, self.parameters.tag()]);
        into.extend_from_slice(&header_len.to_be_bytes());
        into.extend_from_slice(&[0; 2]);
        into.extend_from_slice(self.key_id.as_bytes());
        into.extend_from_slice(&self.key_check);
        into.extend_from_slice(&self.store_tag);
        into.extend_from_slice(&self.identity);
        into.extend_from_slice(&self.generation.to_be_bytes());
        into.extend_from_slice(&self.payload_len.to_be_bytes());
        into.extend_from_slice(&self.nonce);
        if let KeyParameters::Passphrase(parameters) = &self.parameters {
            into.extend_from_slice(&parameters.salt);
            into.extend_from_slice(&parameters.memory_kib.to_be_bytes());
            into.extend_from_slice(&parameters.iterations.to_be_bytes());
            into.extend_from_slice(&parameters.lanes.to_be_bytes());
        }
    }

    /// Generation, payload length and nonce as they stand in the bytes 80 to 119.
    pub(crate) fn mark(&self) -> [u8; 40] {
        let mut mark = [0; 40];
        mark[..8].copy_from_slice(&self.generation.to_be_bytes());
        mark[8..16].copy_from_slice(&self.payload_len.to_be_bytes());
        mark[16..].copy_from_slice(&self.nonce);
        mark
    }

    /// The length of the header in bytes.
    pub(crate) fn len(&self) -> usize {
        match self.parameters {
            KeyParameters::Passphrase(_) => FIXED_LEN + PASSPHRASE_LEN,
            _ => FIXED_LEN,
        }
    }

    /// Whether both headers name the same key, obtained in the same way.
    pub(crate) fn has_same_key(&self, other: &Self) -> bool {
        self.key_id == other.key_id
            && self.key_check == other.key_check
            && self.parameters == other.parameters
    }

    /// Whether `key` is the key that this header names.
    pub(crate) fn is_of(&self, key: &Key) -> bool {
        // Not in constant time: the check of the right key is in the clear in the file.
        key.check(&self.key_id) == self.key_check
    }

    /// The length of the whole file in bytes. Returns `None` if no file can have the length that
    /// the header gives.
    pub(crate) fn file_len(&self) -> Option<u64> {
        // The length is not authenticated here, and may be any number.
        (self.len() as u64 + TAG_LEN as u64).checked_add(self.payload_len)
    }
}

/// The source of the key, and the parameters that are needed to get it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum KeyParameters {
    Vault,
    KeyFile,
    Passphrase(PassphraseParameters),
    Callback,
    KernelKeyring,
    Dpapi,
    CredentialStore,
}

impl KeyParameters {
    fn tag(&self) -> u8 {
        match self {
            Self::Vault => VAULT,
            Self::KeyFile => KEY_FILE,
            Self::Passphrase(_) => PASSPHRASE,
            Self::Callback => CALLBACK,
            Self::KernelKeyring => KERNEL_KEYRING,
            Self::Dpapi => DPAPI,
            Self::CredentialStore => CREDENTIAL_STORE,
        }
    }
}

/// Takes fields of a fixed size from the front of a header.
struct Fields<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Fields<'_> {
    fn next<const N: usize>(&mut self) -> Result<[u8; N], SealError> {
        let field = self.bytes.get(self.at..self.at + N).ok_or_else(|| {
            SealError::corrupt(format!(
                "it ends within its header, after {} bytes",
                self.bytes.len()
            ))
        })?;
        self.at += N;
        Ok(field.try_into().expect("the slice has the length of the field"))
    }
}

fn check_magic(bytes: &[u8]) -> Result<(), SealError> {
    if bytes.starts_with(&MAGIC) {
        return Ok(());
    }
    if !bytes.is_empty() && MAGIC.starts_with(bytes) {
        return Err(SealError::corrupt(format!("it ends after {} bytes", bytes.len())));
    }
    if bytes.get(1..6) == Some(&MAGIC[1..6]) {
        return Err(SealError::corrupt("its first bytes were altered, as by a transfer as text"));
    }
    Err(SealError::NotSealed { found: foreign::describe(bytes) })
}

fn passphrase(fields: &mut Fields<'_>) -> Result<PassphraseParameters, SealError> {
    let parameters = PassphraseParameters {
        salt: fields.next()?,
        memory_kib: u32::from_be_bytes(fields.next()?),
        iterations: u32::from_be_bytes(fields.next()?),
        lanes: u32::from_be_bytes(fields.next()?),
    };
    parameters.check().map_err(|detail| SealError::Corrupt { detail })?;
    Ok(parameters)
}

/// The length of the authentication tag at the end of a file.
pub(crate) const TAG_LEN: usize = 16;

/// A byte that is not ASCII, a name, and a line end. A transfer as text would change the byte or
/// the line end.
const MAGIC: [u8; 8] = *b"\x89TKEEP\r\n";
const VERSION: u16 = 1;
const SUITE: u8 = 1;
const FIXED_LEN: usize = 120;
const PASSPHRASE_LEN: usize = 16 + 3 * 4;

const VAULT: u8 = 1;
const KEY_FILE: u8 = 2;
const PASSPHRASE: u8 = 3;
const CALLBACK: u8 = 4;
const KERNEL_KEYRING: u8 = 5;
const DPAPI: u8 = 6;
const CREDENTIAL_STORE: u8 = 7;
