//! The cache as a file under DPAPI.
#![cfg(windows)]

use std::fs;

use tokenkeep::{
    Error, FamilyIdentity, FamilyPersistence, PersistedTokenCache, build_encrypted_persistence,
};
use tokenkeep_platform::protect::{protect_described, unprotect};

use crate::{
    read_beside_a_writer,
    support::{event, token},
};

#[test]
fn the_file_is_what_python_would_read_and_what_python_wrote_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cache").join("token_cache.bin");
    let open =
        || PersistedTokenCache::with_persistence(build_encrypted_persistence(&path).unwrap(), None);
    assert!(open().accounts().unwrap().is_empty());
    open().add(&event("client", "ours")).unwrap();

    let blob = fs::read(&path).unwrap();
    let description: Vec<u8> = "python_data".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert!(blob.windows(description.len()).any(|part| part == description), "python_data");
    assert_eq!(blob[..4], [1, 0, 0, 0], "a blob begins with its version");
    let json = unprotect(&blob, None).unwrap();
    assert_eq!(json[0], b'{');

    let theirs = String::from_utf8(json.to_vec()).unwrap().replace("ours", "theirs");
    fs::write(&path, protect_described(theirs.as_bytes(), "python_data", None).unwrap()).unwrap();
    assert_eq!(token(&open(), "client").as_deref(), Some("theirs"));
    open().clear().unwrap();
    assert!(!path.exists());
}

#[test]
fn a_file_that_a_peer_is_writing_is_read_again_when_its_lock_is_free() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token_cache.bin");
    let open = || build_encrypted_persistence(&path).unwrap();
    PersistedTokenCache::with_persistence(open(), None).add(&event("client", "whole")).unwrap();
    let whole = fs::read(&path).unwrap();
    for part in [0, whole.len() / 2] {
        fs::write(&path, &whole[..part]).unwrap();
        let read = read_beside_a_writer(open(), || fs::write(&path, &whole).unwrap());
        assert_eq!(read.as_deref(), Some("whole"), "{part}");
    }
}

#[test]
fn entropy_is_part_of_the_identity() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token_cache.bin");
    let open = |entropy: &str| {
        let identity = FamilyIdentity::python("x").entropy(entropy);
        let persistence = FamilyPersistence::new(&path, &identity).unwrap();
        PersistedTokenCache::with_persistence(persistence, None)
    };
    open("lorem ipsum").add(&event("client", "kept")).unwrap();
    assert!(unprotect(&fs::read(&path).unwrap(), Some(b"lorem ipsum")).is_ok());
    assert_eq!(token(&open("lorem ipsum"), "client").as_deref(), Some("kept"));
    assert!(matches!(open("").accounts(), Err(Error::Corrupt { .. })));
}

#[test]
fn what_is_no_blob_is_an_error_and_stays_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token_cache.bin");
    let half = protect_described(b"{}", "python_data", None).unwrap();
    for bytes in [&b""[..], b"{}", &half[..half.len() / 2]] {
        fs::write(&path, bytes).unwrap();
        let persistence = build_encrypted_persistence(&path).unwrap();
        let cache = PersistedTokenCache::with_persistence(persistence, None);
        assert!(matches!(cache.accounts(), Err(Error::Corrupt { .. })));
        assert!(matches!(cache.add(&event("client", "no")), Err(Error::Corrupt { .. })));
        assert_eq!(fs::read(&path).unwrap(), bytes);
    }
}
