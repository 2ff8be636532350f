//! The public face of the sealed format: its verdicts are those of docs/FORMAT.md.
#![allow(clippy::unwrap_used, reason = "a test may")]

use std::{error::Error, fs, path::Path};

use serde_json::Value;
use tokenkeep::envelope::{self, Envelope, EnvelopeError, EnvelopeKey, KeyId};
use tokenkeep_test_support::hexadecimal;

const NAME: &str = "tokenkeep-web/1/shop/000102030405060708090a0b0c0d0e0f";
const LIMIT: u64 = 16 * 1024 * 1024;

fn key() -> EnvelopeKey {
    EnvelopeKey::from_slice(&[0xAB; 32]).unwrap()
}

fn envelope(key: &EnvelopeKey) -> Envelope<'_> {
    Envelope::new(KeyId::from_bytes([1; 16]), key, NAME, [2; 16], 7)
}

fn verdict(error: &EnvelopeError) -> &'static str {
    match error {
        EnvelopeError::Corrupt { .. } => "corrupt",
        EnvelopeError::NotSealed => "not sealed",
        EnvelopeError::OtherStore => "other store",
        EnvelopeError::TooLarge { .. } => "too large",
        EnvelopeError::UnknownKeySource => "unknown key source",
        EnvelopeError::UnsupportedSuite => "unsupported suite",
        EnvelopeError::UnsupportedVersion { .. } => "unsupported version",
        EnvelopeError::WrongKey => "wrong key",
        other => panic!("no verdict about a value: {other}"),
    }
}

fn from_hex(text: &str) -> Vec<u8> {
    let digits = text.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
    digits.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
}

/// Each key source is among the good vectors, so each is opened with a key that fits.
#[test]
fn each_vector_with_a_key_gets_the_verdict_that_it_names() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors");
    let (mut good, mut bad) = (0, 0);
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let vector: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        let text = |member: &str| vector[member].as_str();
        let (Some(key), Some(store), Some(expect)) = (text("key"), text("store"), text("expect"))
        else {
            continue;
        };
        let Some(file) = text("file").map(from_hex) else { continue };
        let key = EnvelopeKey::from_slice(&from_hex(key)).unwrap();
        let limit = vector["limit"].as_u64().unwrap_or(LIMIT);
        let inspected = envelope::inspect(&file, store, limit);
        match envelope::open(file.clone(), &key, store, limit) {
            Ok((header, plaintext)) => {
                assert_eq!(expect, "success", "{}", path.display());
                let plaintext = hexadecimal(plaintext.expose());
                assert_eq!(Some(&*plaintext), text("plaintext"), "{}", path.display());
                assert_eq!(header, inspected.unwrap(), "{}", path.display());
                assert_eq!(header.mark(), file[80..120], "{}", path.display());
                good += 1;
            }
            Err(error) => {
                assert_eq!(verdict(&error), expect, "{}", path.display());
                // What needs no key is found out without one.
                if let Err(first) = inspected {
                    assert_eq!(first.to_string(), error.to_string(), "{}", path.display());
                }
                assert!(!error.to_string().contains("file"), "{error}");
                bad += 1;
            }
        }
    }
    assert!(good >= 40 && bad >= 100, "{good} good and {bad} bad vectors");
}

#[test]
fn a_value_opens_with_its_key_and_name_and_tells_what_it_was_sealed_with() {
    let key = key();
    let (sealed, value) = envelope(&key).seal(b"tokens", LIMIT).unwrap();
    assert_eq!(value.len(), b"tokens".len() + 136);
    // Key source 4, callback.
    assert_eq!(value[11], 4);
    let (header, plaintext) = envelope::open(value.clone(), &key, NAME, LIMIT).unwrap();
    assert_eq!(plaintext.expose(), b"tokens");
    assert_eq!(header, sealed);
    assert_eq!(header.key_id(), KeyId::from_bytes([1; 16]));
    assert_eq!(header.identity(), [2; 16]);
    assert_eq!((header.generation(), header.payload_len()), (7, 6));
    assert_eq!(header.mark(), value[80..120]);

    let other = EnvelopeKey::random().unwrap();
    let error = envelope::open(value.clone(), &other, NAME, LIMIT).unwrap_err();
    assert!(matches!(error, EnvelopeError::WrongKey), "{error}");
    let error = envelope::open(value, &key, "tokenkeep-web/1/other/00", LIMIT).unwrap_err();
    assert!(matches!(error, EnvelopeError::OtherStore), "{error}");
}

#[test]
fn the_same_content_sealed_again_has_another_mark() {
    let key = key();
    let (first, _) = envelope(&key).seal(b"tokens", LIMIT).unwrap();
    let (second, _) = envelope(&key).seal(b"tokens", LIMIT).unwrap();
    assert_ne!(first.mark(), second.mark());
    assert_eq!(first.mark()[..16], second.mark()[..16]);
}

#[test]
fn no_altered_byte_opens() {
    let key = key();
    let (_, value) = envelope(&key).seal(b"tokens", LIMIT).unwrap();
    for at in 0..value.len() {
        let mut altered = value.clone();
        altered[at] ^= 1;
        assert!(envelope::open(altered, &key, NAME, LIMIT).is_err(), "byte {at}");
        assert!(envelope::open(value[..at].to_vec(), &key, NAME, LIMIT).is_err(), "{at} bytes");
    }
}

#[test]
fn the_limit_counts_the_whole_value() {
    let key = key();
    let error = envelope(&key).seal(b"tokens", 141).unwrap_err();
    assert!(matches!(error, EnvelopeError::TooLarge { size: 142, limit: 141 }), "{error}");
    let (_, value) = envelope(&key).seal(b"tokens", 142).unwrap();
    let error = envelope::inspect(&value, NAME, 141).unwrap_err();
    assert!(matches!(error, EnvelopeError::TooLarge { size: 142, limit: 141 }), "{error}");
}

#[test]
fn what_no_reader_accepts_is_not_sealed() {
    let key = key();
    for (name, generation) in [("", 1), (&*"n".repeat(1025), 1), (NAME, 0)] {
        let with = Envelope::new(KeyId::from_bytes([1; 16]), &key, name, [2; 16], generation);
        let error = with.seal(b"tokens", LIMIT).unwrap_err();
        assert!(matches!(error, EnvelopeError::Parameters { .. }), "{error}");
    }
}

#[test]
fn the_nonce_is_what_the_callers_generator_gives_and_its_failure_is_the_source() {
    let key = key();
    let mut fives = |into: &mut [u8]| {
        into.fill(5);
        Ok(())
    };
    let (header, _) = envelope(&key).seal_with(b"tokens", LIMIT, &mut fives).unwrap();
    assert_eq!(header.mark()[16..], [5; 24]);

    let mut none = |_: &mut [u8]| Err("no entropy".into());
    let error = envelope(&key).seal_with(b"tokens", LIMIT, &mut none).unwrap_err();
    assert!(matches!(error, EnvelopeError::Random { .. }), "{error}");
    assert_eq!(error.source().unwrap().to_string(), "no entropy");
}

#[test]
fn a_key_has_32_bytes_and_shows_none_of_them() {
    assert!(EnvelopeKey::from_slice(&[0; 31]).is_none());
    assert!(EnvelopeKey::from_slice(&[0; 33]).is_none());
    let key = key();
    assert_eq!(key.expose(), &[0xAB; 32]);
    let shown = format!("{key:?} {:?}", envelope(&key));
    assert!(shown.contains("EnvelopeKey(..)") && !shown.contains("171"), "{shown}");
    assert_ne!(EnvelopeKey::random().unwrap().expose(), EnvelopeKey::random().unwrap().expose());
}

#[test]
fn a_key_id_is_read_as_it_is_printed() {
    let id = KeyId::random().unwrap();
    assert_ne!(id, KeyId::random().unwrap());
    assert_eq!(id.to_string(), hexadecimal(id.as_bytes()));
    assert_eq!(KeyId::from_hex(&id.to_string()), Some(id));
    assert_eq!(KeyId::from_hex("0"), None);
}
