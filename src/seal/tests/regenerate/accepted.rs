//! Files that open.

use super::*;

pub(super) fn add(vectors: &mut Vectors) {
    let mut good = |name: String, about: &str, example: Example| {
        vectors.add(format!("good-{name}"), example.vector(about, "success", &example.seal()));
    };
    for len in [0, 1, 15, 16, 17, 63, 64, 65, 127, 128, 129, 255, 256, 1000, 4096] {
        let seed = format!("size {len}");
        let example = Example { plaintext: bytes(&seed, len), ..Example::new(&seed) };
        good(format!("size-{len:04}"), "around the blocks of the cipher and of its tag", example);
    }
    for (name, store) in [
        ("one-letter", "a"),
        ("umlaut-composed", "\u{dc}bung"),
        ("umlaut-combining", "U\u{308}bung"),
        ("japanese", "\u{540d}\u{524d}"),
        ("key-sign", "\u{1f511}"),
        ("slashes", "../../etc/name"),
        ("spaces", " a name "),
        ("line-end", "two\r\nlines"),
        ("zero-byte", "a\0b"),
        ("255-bytes", &"n".repeat(255)),
        ("1024-bytes", &"n".repeat(1024)),
    ] {
        let example = Example { store: store.into(), ..Example::new(name) };
        good(format!("name-{name}"), "a name is its UTF-8 bytes, whatever they are", example);
    }
    for (name, parameters) in [
        ("key-file", KeyParameters::KeyFile),
        ("callback", KeyParameters::Callback),
        ("kernel-keyring", KeyParameters::KernelKeyring),
        ("dpapi", KeyParameters::Dpapi),
        ("credential-store", KeyParameters::CredentialStore),
    ] {
        let example = Example { parameters, ..Example::new(name) };
        good(format!("source-{name}"), "another source of the key", example);
    }
    for (name, text, parameters) in [
        ("least-cost", "correct horse battery staple", passphrase(8192, 1, 1)),
        ("default-cost", "correct horse battery staple", passphrase(65536, 3, 1)),
        ("most-passes", "correct horse battery staple", passphrase(8192, 64, 1)),
        ("most-lanes", "correct horse battery staple", passphrase(8192, 1, 16)),
        ("odd-memory", "correct horse battery staple", passphrase(8199, 2, 3)),
        ("empty", "", passphrase(8192, 1, 1)),
        ("not-ascii", "p\u{e4}ssw\u{f6}rd \u{1f511}", passphrase(8192, 1, 1)),
        ("long", &"all work and no play ".repeat(50), passphrase(8192, 1, 1)),
    ] {
        let secret = Secret::Passphrase(text.into());
        let example = Example { secret, parameters, ..Example::new(name) };
        good(format!("passphrase-{name}"), "argon2id within its bounds", example);
    }
    for generation in [1, 2, 1 << 32, 1 << 63, u64::MAX] {
        let seed = format!("generation {generation}");
        let example = Example { generation, ..Example::new(&seed) };
        good(format!("generation-{generation}"), "generations have 64 bits", example);
    }
    let plain = Example::new("plain");
    for (name, example) in [
        ("nonce-zero", Example { nonce: [0; 24], ..plain.clone() }),
        ("nonce-ones", Example { nonce: [0xFF; 24], ..plain.clone() }),
        ("key-zero", Example { secret: Secret::Key([0; 32]), ..plain.clone() }),
        ("key-ones", Example { secret: Secret::Key([0xFF; 32]), ..plain.clone() }),
        ("key-id-zero", Example { key_id: [0; 16], ..plain.clone() }),
        ("identity-zero", Example { identity: [0; 16], ..plain.clone() }),
        ("plaintext-not-json", Example { plaintext: vec![0xFF; 40], ..plain.clone() }),
    ] {
        good(name.into(), "no value of a random field is special", example);
    }
    let file = plain.seal();
    let mut vector = plain.vector("a file as long as the limit", "success", &file);
    vector.limit = Some(file.len() as u64);
    vectors.add("good-limit-reached", vector);
}
