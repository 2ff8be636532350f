//! The header of the sealed file, and the key that it names.

use tokenkeep_platform::file::OpenFile;

use crate::{
    Error,
    persistence::{SealedPersistence, key::Fetched},
    seal::{self, Header, Key, KeyId, KeyParameters, SealError},
};

impl SealedPersistence {
    pub(super) fn header(&self, file: &OpenFile) -> Result<Header, Error> {
        let header = self.parse(&file.read_head(Header::MAX_LEN)?)?;
        if header.store_tag != seal::store_tag(&self.store) {
            return Err(SealError::OtherStore.at(&self.file, &self.store));
        }
        if !self.keys.choose(&header.parameters) {
            return Err(Error::OtherBackend {
                path: self.file.clone(),
                found: format!("a cache sealed under {}", kind(&header.parameters)),
                expected: "one sealed under a key source that was chosen",
            });
        }
        Ok(header)
    }

    pub(super) fn parse(&self, bytes: &[u8]) -> Result<Header, Error> {
        match Header::parse(bytes) {
            Ok((header, _)) => Ok(header),
            Err(error) => Err(error.at(&self.file, &self.store)),
        }
    }

    /// Finds the key that the file names. Gone is said only if the same bytes still name it.
    pub(super) fn fetch(&self, first: Header) -> Result<Option<(KeyId, Key)>, Error> {
        let mut header = first;
        loop {
            let fault = match self.keys.fetch(&header)? {
                Fetched::Key(key) if key.check(&header.key_id) == header.key_check => {
                    return Ok(Some((header.key_id, key)));
                }
                Fetched::Key(_) | Fetched::Another => Error::WrongKey { path: self.file.clone() },
                Fetched::Gone => Error::KeyGone {
                    path: self.file.clone(),
                    key_id: header.key_id.to_string(),
                    vault: self.keys.name(),
                },
            };
            let Some(file) = self.open_file()? else { return Ok(None) };
            let again = self.header(&file)?;
            if again == header {
                return Err(fault);
            }
            header = again;
        }
    }
}

/// The header whole: its random nonce makes equal headers mean the same save.
pub(super) fn mark(header: &Header) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(header.len());
    header.encode(&mut bytes);
    bytes
}

fn kind(parameters: &KeyParameters) -> &'static str {
    match parameters {
        KeyParameters::Vault => "a key in the operating system's vault",
        KeyParameters::KeyFile => "a key file",
        KeyParameters::Passphrase(_) => "a passphrase",
        KeyParameters::Callback => "a key that the program supplies",
        KeyParameters::KernelKeyring => "a key in the kernel keyring",
        KeyParameters::Dpapi => "a key under DPAPI",
        KeyParameters::CredentialStore => "a key in a credential store of the program",
    }
}
