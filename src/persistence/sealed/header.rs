//! The key that the header of the sealed file names.

use tokenkeep_platform::file::OpenFile;

use crate::{
    Error,
    persistence::{SealedPersistence, key_source::Fetched},
    seal::{Header, Key, KeyId, KeyParameters},
};

impl SealedPersistence {
    /// The header of `open`. Takes the source that it names into use.
    pub(super) fn header_of(&self, open: &OpenFile) -> Result<Header, Error> {
        self.choose(self.file.header_of(open)?)
    }

    /// Takes the source that the header names into use.
    pub(super) fn choose(&self, header: Header) -> Result<Header, Error> {
        if !self.keys.choose(&header.parameters) {
            return Err(Error::OtherBackend {
                path: self.file.path().to_owned(),
                found: format!("a cache sealed under {}", kind(&header.parameters)),
                expected: "one sealed under a key source that was chosen",
            });
        }
        Ok(header)
    }

    /// Finds the key that the file names. That the key is gone or wrong is reported only if the
    /// file still names it. Each key is asked for once, however often its cache is saved meanwhile.
    pub(super) fn fetch(&self, first: Header) -> Result<Option<(KeyId, Key)>, Error> {
        let mut tried = vec![first];
        loop {
            let header = &tried[tried.len() - 1];
            let fault = match self.keys.fetch(header)? {
                Fetched::Key(key) if header.is_of(&key) => return Ok(Some((header.key_id, key))),
                Fetched::Key(_) | Fetched::Another => {
                    Error::WrongKey { path: self.file.path().to_owned() }
                }
                Fetched::Gone => Error::KeyGone {
                    path: self.file.path().to_owned(),
                    key_id: header.key_id.to_string(),
                    vault: self.keys.name(),
                },
            };
            // Another process may have replaced or removed the cache while the source was asked.
            let Some(file) = self.file.open()? else { return Ok(None) };
            let again = self.header_of(&file)?;
            // The file still names a key that was tried, so the fault is not a race.
            if tried.len() == ATTEMPTS || tried.iter().any(|header| header.has_same_key(&again)) {
                return Err(fault);
            }
            tried.push(again);
        }
    }
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

/// How often one call tries again after the cache got another key. Each time takes another process
/// a clear and a sign-in.
const ATTEMPTS: usize = 32;
