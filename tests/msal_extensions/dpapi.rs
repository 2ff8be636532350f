//! The cache as a file under DPAPI.
#![cfg(windows)]

use std::{fs, path::Path};

use tokenkeep::{
    Error, PersistedTokenCache, build_encrypted_persistence,
    persistence::{MsalExtensionsLocation, MsalExtensionsPersistence},
};
use tokenkeep_platform::protect::{protect_described, unprotect};
use tokenkeep_test_support::under_wine;

use crate::{
    read_beside_a_writer,
    support::{event, token},
};

#[test]
fn the_file_is_what_python_would_read_and_what_python_wrote_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cache").join("token_cache.bin");
    let open = || PersistedTokenCache::new(build_encrypted_persistence(&path).unwrap());
    assert!(open().accounts().unwrap().is_empty());
    open().add(&event("client", "ours")).unwrap();

    let blob = fs::read(&path).unwrap();
    let parts = Parts::of(&blob);
    // Which Windows keeps with a NUL, as Python passes it.
    let description = "python_data\0".encode_utf16().flat_map(u16::to_le_bytes);
    assert_eq!(parts.description, description.collect::<Vec<u8>>());
    assert_eq!(parts, Parts::of(&protect_described(b"{}", "python_data", None).unwrap()));
    let json = unprotect(&blob, None).unwrap();
    assert_eq!(json[0], b'{');

    let theirs = String::from_utf8(json.to_vec()).unwrap().replace("ours", "theirs");
    fs::write(&path, protect_described(theirs.as_bytes(), "python_data", None).unwrap()).unwrap();
    assert_eq!(token(&open(), "client").as_deref(), Some("theirs"));
    open().clear().unwrap();
    assert!(!path.exists());
}

/// What a blob says of itself in clear. Its parts in order: a version; the provider; the master
/// key's version and its name; flags; the description; the cipher, its key size and two texts of
/// its own; the hash, its size and a text; what is encrypted; a signature. Each text follows its
/// length. Microsoft documents none of it; Wine's crypt32 and the programs that take blobs apart
/// agree on it: <https://gitlab.winehq.org/wine/wine/-/blob/master/dlls/crypt32/protectdata.c>.
#[derive(Debug, PartialEq, Eq)]
struct Parts {
    version: u32,
    provider: [u8; 16],
    master_key_version: u32,
    flags: u32,
    description: Vec<u8>,
    cipher: u32,
    hash: u32,
}

impl Parts {
    /// Panics unless the parts fill the blob to its last byte.
    fn of(blob: &[u8]) -> Self {
        let mut blob = Reader(blob);
        let version = blob.number();
        let provider = blob.array();
        let master_key_version = blob.number();
        let _master_key: [u8; 16] = blob.array();
        let flags = blob.number();
        let description = blob.text().to_vec();
        let cipher = blob.number();
        let _key_size = blob.number();
        let (_salt, _strong) = (blob.text(), blob.text());
        let hash = blob.number();
        let _hash_size = blob.number();
        let (_salt, data, signature) = (blob.text(), blob.text(), blob.text());
        assert!(!data.is_empty() && !signature.is_empty());
        assert!(blob.0.is_empty(), "{} bytes are left", blob.0.len());
        assert_eq!((version, master_key_version), (1, 1));
        if !under_wine() {
            assert_eq!(provider, PROVIDER);
        }
        Self { version, provider, master_key_version, flags, description, cipher, hash }
    }
}

/// Reads a blob from its start; numbers are little-endian.
struct Reader<'b>(&'b [u8]);

impl<'b> Reader<'b> {
    fn array<const N: usize>(&mut self) -> [u8; N] {
        let (array, rest) = self.0.split_first_chunk().unwrap();
        self.0 = rest;
        *array
    }

    fn number(&mut self) -> u32 {
        u32::from_le_bytes(self.array())
    }

    fn text(&mut self) -> &'b [u8] {
        let length = self.number();
        let (text, rest) = self.0.split_at(usize::try_from(length).unwrap());
        self.0 = rest;
        text
    }
}

/// {df9d8cd0-1501-11d1-8c7a-00c04fc297eb}, as it lies in memory. Wine puts a text of its own there.
const PROVIDER: [u8; 16] = *b"\xd0\x8c\x9d\xdf\x01\x15\xd1\x11\x8c\x7a\x00\xc0\x4f\xc2\x97\xeb";

#[test]
fn a_file_that_a_peer_is_writing_is_read_again_when_its_lock_is_free() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token_cache.bin");
    let open = || build_encrypted_persistence(&path).unwrap();
    PersistedTokenCache::new(open()).add(&event("client", "whole")).unwrap();
    let whole = fs::read(&path).unwrap();
    for part in [0, whole.len() / 2] {
        fs::write(&path, &whole[..part]).unwrap();
        let read = read_beside_a_writer(open(), || fs::write(&path, &whole).unwrap());
        assert_eq!(read.as_deref(), Some("whole"), "{part}");
    }
}

/// Python takes entropy as text and gives none where it is empty.
#[test]
fn entropy_is_part_of_the_identity() {
    let folder = tempfile::tempdir().unwrap();
    let open = |path: &Path, entropy: &str| {
        let identity = MsalExtensionsLocation::python("x").entropy(entropy);
        let persistence = MsalExtensionsPersistence::new(path, &identity).unwrap();
        PersistedTokenCache::new(persistence)
    };
    let all = ["", "lorem ipsum", "lorem-ipsum", "<Python>", "na\u{ef}ve"];
    for (number, entropy) in all.into_iter().enumerate() {
        let path = folder.path().join(format!("{number}.bin"));
        open(&path, entropy).add(&event("client", "ours")).unwrap();
        let blob = fs::read(&path).unwrap();
        let given = Some(entropy.as_bytes()).filter(|bytes| !bytes.is_empty());
        let json = unprotect(&blob, given).unwrap();
        let theirs = String::from_utf8(json.to_vec()).unwrap().replace("ours", "theirs");
        let theirs = protect_described(theirs.as_bytes(), "python_data", given).unwrap();
        fs::write(&path, &theirs).unwrap();
        assert_eq!(token(&open(&path, entropy), "client").as_deref(), Some("theirs"), "{entropy}");
        for other in all.into_iter().filter(|other| *other != entropy) {
            let cache = open(&path, other);
            assert!(matches!(cache.accounts(), Err(Error::Corrupt { .. })), "{entropy}: {other}");
            let refused = cache.add(&event("client", "no"));
            assert!(matches!(refused, Err(Error::Corrupt { .. })), "{entropy}: {other}");
        }
        assert!(fs::read(&path).unwrap() == theirs, "{entropy}: nothing was changed");
    }
}

/// .NET and Node give none, and it is no part of what is encrypted.
#[test]
fn a_description_need_not_be_the_same_and_an_update_writes_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token_cache.bin");
    for description in ["", "another's"] {
        fs::write(&path, protect_described(b"{}", description, None).unwrap()).unwrap();
        let cache = || {
            let identity = MsalExtensionsLocation::python("x").description("ours");
            let persistence = MsalExtensionsPersistence::new(&path, &identity).unwrap();
            PersistedTokenCache::new(persistence)
        };
        assert!(cache().accounts().unwrap().is_empty());
        cache().add(&event("client", "kept")).unwrap();
        let own: Vec<u8> = "ours\0".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(Parts::of(&fs::read(&path).unwrap()).description, own);
        assert_eq!(token(&cache(), "client").as_deref(), Some("kept"));
    }
}

#[test]
fn what_is_no_blob_is_an_error_and_stays_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token_cache.bin");
    let half = protect_described(b"{}", "python_data", None).unwrap();
    for bytes in [&b""[..], b"{}", &half[..half.len() / 2]] {
        fs::write(&path, bytes).unwrap();
        let persistence = build_encrypted_persistence(&path).unwrap();
        let cache = PersistedTokenCache::new(persistence);
        assert!(matches!(cache.accounts(), Err(Error::Corrupt { .. })));
        assert!(matches!(cache.add(&event("client", "no")), Err(Error::Corrupt { .. })));
        assert_eq!(fs::read(&path).unwrap(), bytes);
    }
}
