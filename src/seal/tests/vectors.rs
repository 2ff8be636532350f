//! The vectors of tests/vectors: each file names the verdict that this crate has to reach.

use std::{collections::BTreeMap, fs, path::PathBuf};
use tokenkeep_test_support::hexadecimal;

use serde::{Deserialize, Serialize};

use super::*;

/// One vector, as docs/FORMAT.md describes it.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Vector {
    pub(super) about: String,
    pub(super) expect: String,
    pub(super) store: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) passphrase: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) limit: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) plaintext: Option<String>,
    pub(super) file: String,
}

impl Vector {
    /// What this crate makes of the file.
    pub(super) fn open(&self) -> Result<Vec<u8>, SealError> {
        let file = from_hex(&self.file);
        let limit = self.limit.unwrap_or(LIMIT);
        let header = inspect(&file, file.len() as u64, &self.store, limit)?;
        let key = match (&self.key, &self.passphrase, &header.parameters) {
            (Some(key), None, _) => Key::from_slice(&from_hex(key)).unwrap(),
            (None, Some(passphrase), KeyParameters::Passphrase(parameters)) => {
                derive(passphrase.as_bytes(), parameters)?
            }
            (None, Some(_), _) => return Err(SealError::WrongKey),
            _ => panic!("{}: a vector has a key or a passphrase", self.about),
        };
        open(file, &key, &self.store, limit).map(|(_, plaintext)| plaintext.to_vec())
    }
}

pub(super) fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vectors")
}

/// All vectors by file name.
pub(super) fn read_all() -> BTreeMap<String, Vector> {
    fs::read_dir(folder())
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            let vector = serde_json::from_slice(&fs::read(entry.path()).unwrap())
                .unwrap_or_else(|error| panic!("{name}: {error}"));
            (name, vector)
        })
        .collect()
}

pub(super) fn from_hex(text: &str) -> Vec<u8> {
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
        .collect()
}

#[test]
fn each_vector_gets_the_verdict_that_it_names() {
    let vectors = read_all();
    assert!(vectors.len() >= 110, "{} vectors", vectors.len());
    let mut wrong = Vec::new();
    for (name, vector) in &vectors {
        let (reached, plaintext) = match vector.open() {
            Ok(plaintext) => ("success", Some(hexadecimal(&plaintext))),
            Err(error) => (verdict(&error), None),
        };
        if reached != vector.expect || plaintext != vector.plaintext {
            wrong.push(format!("{name}: expected {}, got {reached}", vector.expect));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_verdict_of_the_document_has_a_vector() {
    let vectors = read_all();
    for verdict in [
        "success",
        "too large",
        "corrupt",
        "not sealed",
        "unsupported version",
        "unsupported suite",
        "unknown key source",
        "other store",
        "wrong key",
    ] {
        assert!(vectors.values().any(|vector| vector.expect == verdict), "none is {verdict}");
    }
}
