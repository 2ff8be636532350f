//! What sealing and opening promise beyond the vectors.

use std::path::Path;

use super::*;
use crate::Error;

#[test]
fn a_file_opens_with_its_key_and_name_and_tells_what_it_was_sealed_with() {
    let key = key("key");
    let (sealed, file) = seal(&sealing(&key), b"tokens", LIMIT, &mut fixed("nonce")).unwrap();
    let (header, plaintext) = open(file.clone(), &key, STORE, LIMIT).unwrap();
    assert_eq!(header, sealed);
    assert_eq!(plaintext[..], *b"tokens");
    assert_eq!(header.generation, 7);
    assert_eq!(header.identity, array("identity"));
    assert_eq!(header.key_id, KeyId::from_bytes(array("key id")));
    assert_eq!(header.parameters, KeyParameters::Vault);
    assert_eq!(inspect(&file, file.len() as u64, STORE, LIMIT).unwrap(), *header);
}

#[test]
fn the_first_148_bytes_of_a_large_file_give_its_whole_header() {
    let key = key("key");
    let parameters = PassphraseParameters::random(&mut fixed("salt")).unwrap();
    for parameters in [KeyParameters::Callback, KeyParameters::Passphrase(parameters)] {
        let with = Sealing { parameters, ..sealing(&key) };
        let file = seal(&with, &vec![0; 1 << 20], LIMIT, &mut fixed("nonce")).unwrap().1;
        let (header, len) = Header::parse(&file[..Header::MAX_LEN]).unwrap();
        assert_eq!(header, inspect(&file, file.len() as u64, STORE, LIMIT).unwrap());
        assert_eq!(header.len(), len);
        assert_eq!(header.file_len(), Some(file.len() as u64));
    }
}

#[test]
fn no_part_of_the_plaintext_or_the_key_is_in_the_file() {
    let key = key("key");
    let plaintext = bytes("plaintext", 4096);
    let file = seal(&sealing(&key), &plaintext, LIMIT, &mut fixed("nonce")).unwrap().1;
    let holds = |part: &[u8]| file.windows(part.len()).any(|window| window == part);
    assert!(!plaintext.chunks(8).any(holds));
    assert!(!key.expose().chunks(8).any(holds));
}

#[test]
fn each_save_draws_a_nonce_so_that_the_same_content_never_looks_the_same() {
    let key = key("key");
    let mut counter = 0u8;
    let mut random = |into: &mut [u8]| {
        counter += 1;
        into.fill(counter);
        Ok(())
    };
    let first = seal(&sealing(&key), b"tokens", LIMIT, &mut random).unwrap().1;
    let second = seal(&sealing(&key), b"tokens", LIMIT, &mut random).unwrap().1;
    assert_eq!(first[..96], second[..96]);
    assert_ne!(first[96..120], second[96..120]);
    assert_ne!(first[120..126], second[120..126]);
}

#[test]
fn a_plaintext_over_the_limit_is_refused_before_any_randomness_is_drawn() {
    let key = key("key");
    let mut random = |_: &mut [u8]| -> Result<(), Source> { panic!("the limit comes first") };
    let error = seal(&sealing(&key), b"tokens", 141, &mut random).unwrap_err();
    assert!(matches!(error, SealError::TooLarge { size: 142, limit: 141 }));
    assert!(seal(&sealing(&key), b"tokens", 142, &mut fixed("nonce")).is_ok());
}

#[test]
fn without_randomness_nothing_is_sealed() {
    let key = key("key");
    let mut random = |_: &mut [u8]| Err(Source::from("no entropy"));
    let error = seal(&sealing(&key), b"tokens", LIMIT, &mut random).unwrap_err();
    assert!(matches!(error, SealError::Random { .. }));
}

#[test]
fn what_no_reader_accepts_is_not_written() {
    let key = key("key");
    let cheap = PassphraseParameters { salt: [0; 16], memory_kib: 8191, iterations: 1, lanes: 1 };
    assert!(matches!(derive(b"", &cheap), Err(SealError::Parameters { .. })));
    for with in [
        Sealing { store: "", ..sealing(&key) },
        Sealing { store: &"n".repeat(1025), ..sealing(&key) },
        Sealing { generation: 0, ..sealing(&key) },
        Sealing { parameters: KeyParameters::Passphrase(cheap), ..sealing(&key) },
    ] {
        let error = seal(&with, b"tokens", LIMIT, &mut fixed("nonce")).unwrap_err();
        assert!(matches!(error, SealError::Parameters { .. }), "{error:?}");
    }
}

#[test]
fn the_cost_of_a_new_passphrase_is_one_that_readers_accept() {
    assert_eq!(PassphraseParameters::random(&mut fixed("salt")).unwrap().check(), Ok(()));
}

#[test]
fn a_key_has_32_bytes_and_shows_none_of_them() {
    assert!(Key::from_slice(&[0; 31]).is_none());
    assert!(Key::from_slice(&[0; 33]).is_none());
    let key = Key::from_slice(&[0xAB; 32]).unwrap();
    assert_eq!(format!("{key:?}"), "Key(..)");
    assert!(!format!("{:?}", sealing(&key)).contains("171, 171"));
}

#[test]
fn a_key_id_is_read_only_as_it_is_printed() {
    let id = KeyId::from_bytes(array("key id"));
    let text = id.to_string();
    assert_eq!(text.len(), 32);
    assert_eq!(KeyId::from_hex(&text), Some(id));
    assert_eq!(KeyId::from_hex(&text.to_uppercase()), None);
    assert_eq!(KeyId::from_hex(&text[1..]), None);
    assert_eq!(KeyId::from_hex(&format!("{text} ")), None);
}

#[test]
fn what_lies_in_a_sealed_files_place_is_named_without_its_content() {
    for (bytes, expected) in [
        (&b""[..], "an empty file"),
        (&[0; 40], "only zero bytes"),
        (b"{}", "plaintext JSON"),
        (b"\r\n [", "plaintext JSON"),
        (b"\xEF\xBB\xBF {", "plaintext JSON"),
        (b"tokenkeep-key-file-v1\n", "a key file"),
        (
            b"\x01\0\0\0\xD0\x8C\x9D\xDF\x01\x15\xD1\x11\x8C\x7A\0\xC0\x4F\xC2\x97\xEB\x01",
            "a DPAPI blob",
        ),
        (b"eyJhIjoxfQ==", "bytes of another format"),
    ] {
        match Header::parse(bytes) {
            Err(SealError::NotSealed { found }) => assert_eq!(found, expected),
            other => panic!("{expected}: {other:?}"),
        }
    }
}

#[test]
fn each_verdict_becomes_an_error_that_names_the_file() {
    let name_of = |error: SealError| error.at(Path::new("/data/cache"), STORE);
    let texts = [
        (SealError::corrupt("it ends early"), "`/data/cache` is corrupt: it ends early;"),
        (
            SealError::NotSealed { found: "plaintext JSON" },
            "`/data/cache` holds plaintext JSON, not",
        ),
        (SealError::OtherStore, "another name than `com.example.mytool`"),
        (SealError::TooLarge { size: 2, limit: 1 }, "`/data/cache` has 2 bytes, the limit is 1"),
        (SealError::UnknownKeySource { tag: 8 }, "holds a sealed cache with key source 8"),
        (SealError::UnsupportedSuite { suite: 2 }, "holds a sealed cache of cipher suite 2"),
        (SealError::UnsupportedVersion { version: 2 }, "`/data/cache` has format version 2"),
        (SealError::WrongKey, "`/data/cache` was sealed with another key"),
    ];
    for (error, expected) in texts {
        let text = name_of(error).to_string();
        assert!(text.contains(expected), "{text}");
    }
    assert!(matches!(
        name_of(SealError::Parameters { detail: "empty".into() }),
        Error::Invalid { .. }
    ));
}
