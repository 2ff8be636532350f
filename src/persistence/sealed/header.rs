//! The header of the sealed file, and the key that it names.

use tokenkeep_platform::file::OpenFile;

use crate::{
    Error,
    persistence::{SealedPersistence, key_source::Fetched},
    seal::{self, Authenticated, Header, Key, KeyId, KeyParameters},
};

impl SealedPersistence {
    /// The file's header, not authenticated: enough to find a key to try.
    pub(super) fn header_of(&self, file: &OpenFile) -> Result<Header, Error> {
        self.header(&file.read_head(Header::MAX_LEN)?, file.len())
    }

    /// The header in `bytes`, which are the first bytes of a file or all of them.
    pub(super) fn header(&self, bytes: &[u8], file_len: u64) -> Result<Header, Error> {
        let header = seal::inspect(bytes, file_len, &self.store, self.size_limit)
            .map_err(|error| error.at(&self.file, &self.store))?;
        if !self.keys.choose(&header.parameters) {
            return Err(Error::OtherBackend {
                path: self.file.clone(),
                found: format!("a cache sealed under {}", kind(&header.parameters)),
                expected: "one sealed under a key source that was chosen",
            });
        }
        Ok(header)
    }

    /// Whether the file still begins with the header of the save that `known` was authenticated
    /// for.
    pub(super) fn is_same_save(
        &self,
        file: &OpenFile,
        known: &Authenticated,
    ) -> Result<bool, Error> {
        let head = file.read_head(Header::MAX_LEN)?;
        Ok(Header::parse(&head).is_ok_and(|(header, _)| header == **known))
    }

    /// Finds the key that the file names. That the key is gone or wrong is reported only if the
    /// file still names it. Each key is asked for once, however often its cache is saved meanwhile.
    pub(super) fn fetch(&self, first: Header) -> Result<Option<(KeyId, Key)>, Error> {
        let mut tried = vec![first];
        loop {
            let header = &tried[tried.len() - 1];
            let fault = match self.keys.fetch(header)? {
                Fetched::Key(key) if header.is_of(&key) => return Ok(Some((header.key_id, key))),
                Fetched::Key(_) | Fetched::Another => Error::WrongKey { path: self.file.clone() },
                Fetched::Gone => Error::KeyGone {
                    path: self.file.clone(),
                    key_id: header.key_id.to_string(),
                    vault: self.keys.name(),
                },
            };
            // Another process may have replaced or removed the cache while the source was asked.
            let Some(file) = self.open_file()? else { return Ok(None) };
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
