//! Makes tests/vectors: `TOKENKEEP_REGENERATE=1 cargo test -p tokenkeep --lib seal` writes them.

mod accepted;
mod malformed;
mod refused;

use std::{collections::BTreeMap, fs};
use tokenkeep_test_support::hexadecimal;

use super::{
    vectors::{Vector, folder, read_all},
    *,
};

/// A file that opens, from which a vector differs in one thing.
#[derive(Clone)]
struct Example {
    store: String,
    secret: Secret,
    parameters: KeyParameters,
    key_id: [u8; 16],
    identity: [u8; 16],
    generation: u64,
    nonce: [u8; 24],
    plaintext: Vec<u8>,
}

#[derive(Clone)]
enum Secret {
    Key([u8; 32]),
    Passphrase(String),
}

impl Example {
    /// All random parts come from `seed`.
    fn new(seed: &str) -> Self {
        Self {
            store: STORE.into(),
            secret: Secret::Key(array(&format!("{seed} key"))),
            parameters: KeyParameters::Vault,
            key_id: array(&format!("{seed} key id")),
            identity: array(&format!("{seed} identity")),
            generation: 7,
            nonce: array(&format!("{seed} nonce")),
            plaintext: b"{\"AccessToken\":{}}".to_vec(),
        }
    }

    /// With the cheapest passphrase that a reader accepts.
    fn with_passphrase(seed: &str) -> Self {
        Self {
            secret: Secret::Passphrase("correct horse battery staple".into()),
            parameters: passphrase(8192, 1, 1),
            ..Self::new(seed)
        }
    }

    fn key(&self) -> Key {
        match (&self.secret, &self.parameters) {
            (Secret::Key(key), _) => Key::from_slice(key).unwrap(),
            (Secret::Passphrase(text), KeyParameters::Passphrase(parameters)) => {
                derive(text.as_bytes(), parameters).unwrap()
            }
            _ => panic!("a passphrase comes with its parameters"),
        }
    }

    fn seal(&self) -> Vec<u8> {
        let key = self.key();
        let with = Sealing {
            key_id: KeyId::from_bytes(self.key_id),
            key: &key,
            parameters: self.parameters.clone(),
            store: &self.store,
            identity: self.identity,
            generation: self.generation,
        };
        let mut random = |into: &mut [u8]| {
            into.copy_from_slice(&self.nonce);
            Ok(())
        };
        seal(&with, &self.plaintext, u64::MAX, &mut random).unwrap().1
    }

    /// A vector about `file`, opened with this example's name and secret.
    fn vector(&self, about: &str, expect: &str, file: &[u8]) -> Vector {
        let (key, passphrase) = match &self.secret {
            Secret::Key(key) => (Some(hexadecimal(key)), None),
            Secret::Passphrase(text) => (None, Some(text.clone())),
        };
        Vector {
            about: about.into(),
            expect: expect.into(),
            store: self.store.clone(),
            key,
            passphrase,
            limit: None,
            plaintext: (expect == "success").then(|| hexadecimal(&self.plaintext)),
            file: hexadecimal(file),
        }
    }
}

/// Vectors by file name.
#[derive(Default)]
struct Vectors(BTreeMap<String, Vector>);

impl Vectors {
    fn add(&mut self, name: impl Into<String>, vector: Vector) {
        let name = format!("{}.json", name.into());
        assert!(!self.0.contains_key(&name), "{name} is there twice");
        self.0.insert(name, vector);
    }
}

fn passphrase(memory_kib: u32, iterations: u32, lanes: u32) -> KeyParameters {
    KeyParameters::Passphrase(PassphraseParameters {
        salt: array("salt"),
        memory_kib,
        iterations,
        lanes,
    })
}

/// Encrypts under a header that need not be a valid one, so that only strictness can refuse it.
fn forge(header: &[u8], key: &Key, store: &str, plaintext: &[u8]) -> Vec<u8> {
    let nonce: [u8; 24] = header[96..120].try_into().unwrap();
    let name_len = u32::try_from(store.len()).unwrap().to_be_bytes();
    let mut file = [header, plaintext].concat();
    let tag = cipher(key)
        .encrypt_inout_detached(
            &XNonce::from(nonce),
            &[header, &name_len, store.as_bytes()].concat(),
            (&mut file[header.len()..]).into(),
        )
        .unwrap();
    file.extend_from_slice(&tag);
    file
}

fn generate() -> BTreeMap<String, Vector> {
    let mut vectors = Vectors::default();
    accepted::add(&mut vectors);
    refused::add(&mut vectors);
    malformed::add(&mut vectors);
    vectors.0
}

fn write(vectors: &BTreeMap<String, Vector>) {
    for name in read_all().keys().filter(|name| !vectors.contains_key(*name)) {
        fs::remove_file(folder().join(name)).unwrap();
    }
    for (name, vector) in vectors {
        let text = serde_json::to_string_pretty(vector).unwrap() + "\n";
        std::io::Write::write_all(
            &mut fs::File::create(folder().join(name)).unwrap(),
            text.as_bytes(),
        )
        .unwrap();
    }
}

#[test]
fn sealing_the_vectors_again_gives_the_same_files() {
    let generated = generate();
    if std::env::var_os("TOKENKEEP_REGENERATE").is_some() {
        write(&generated);
    }
    for (name, vector) in &read_all() {
        assert_eq!(generated.get(name), Some(vector), "{name}");
    }
    assert_eq!(generated.len(), read_all().len());
}
