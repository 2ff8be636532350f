//! Well-formed or foreign files that the reader must not open: another key, another store, too
//! large, something else altogether, or parts that do not belong together.

use super::*;

pub(super) fn add(vectors: &mut Vectors) {
    wrong_key(vectors);
    other_store(vectors);
    too_large(vectors);
    not_sealed(vectors);
    parts_swapped(vectors);
}

fn wrong_key(vectors: &mut Vectors) {
    let sealed = Example::new("wrong key");
    let file = sealed.seal();
    let own: [u8; 32] = array("wrong key key");
    let mut last_bit = own;
    last_bit[31] ^= 1;
    let mut first_bit = own;
    first_bit[0] ^= 0x80;
    for (name, other) in [
        ("another", array("another key")),
        ("last-bit", last_bit),
        ("first-bit", first_bit),
        ("zero", [0; 32]),
    ] {
        let reader = Example { secret: Secret::Key(other), ..sealed.clone() };
        vectors.add(
            format!("wrong-key-{name}"),
            reader.vector("opened with another key", "wrong key", &file),
        );
    }
    let reader = Example { secret: Secret::Passphrase("secret".into()), ..sealed.clone() };
    vectors.add(
        "wrong-key-passphrase-for-a-vault-file",
        reader.vector("the header names no passphrase", "wrong key", &file),
    );

    let sealed = Example::with_passphrase("wrong passphrase");
    let file = sealed.seal();
    for (name, text) in [
        ("another", "incorrect horse battery staple"),
        ("case", "Correct horse battery staple"),
        ("line-end", "correct horse battery staple\n"),
        ("empty", ""),
    ] {
        let reader = Example { secret: Secret::Passphrase(text.into()), ..sealed.clone() };
        vectors.add(
            format!("wrong-passphrase-{name}"),
            reader.vector("opened with another passphrase", "wrong key", &file),
        );
    }
    let reader = Example { secret: Secret::Key([7; 32]), ..sealed.clone() };
    vectors.add(
        "wrong-key-for-a-passphrase-file",
        reader.vector("a key is used as it is", "wrong key", &file),
    );
}

fn other_store(vectors: &mut Vectors) {
    let sealed = Example { store: "\u{dc}bung".into(), ..Example::new("other store") };
    let file = sealed.seal();
    for (name, store) in [
        ("another", "com.example.mytool"),
        ("case", "\u{fc}bung"),
        ("combining", "U\u{308}bung"),
        ("longer", "\u{dc}bung "),
        ("shorter", "\u{dc}bun"),
        ("zero-byte", "\u{dc}bung\0"),
    ] {
        let reader = Example { store: store.into(), ..sealed.clone() };
        vectors.add(
            format!("other-store-{name}"),
            reader.vector("names are compared byte for byte", "other store", &file),
        );
    }
    let reader = Example { store: "b".into(), secret: Secret::Key([7; 32]), ..sealed.clone() };
    vectors.add(
        "other-store-before-wrong-key",
        reader.vector("both are wrong: the name is looked at first", "other store", &file),
    );
    for (name, store) in [("empty", String::new()), ("1025-bytes", "n".repeat(1025))] {
        let mut header = file[..120].to_vec();
        header[48..64].copy_from_slice(&store_tag(&store));
        let forged = forge(&header, &sealed.key(), &store, &sealed.plaintext);
        let reader = Example { store, ..sealed.clone() };
        vectors.add(
            format!("store-name-forged-{name}"),
            reader.vector("no store has a name of this length", "other store", &forged),
        );
    }
    let mut header = file[..120].to_vec();
    header[48..64].copy_from_slice(&store_tag("b"));
    let reader = Example { store: "b".into(), ..sealed.clone() };
    for (name, bound_to) in [("old-name", "\u{dc}bung"), ("no-name", "")] {
        let forged = forge(&header, &sealed.key(), bound_to, &sealed.plaintext);
        vectors.add(
            format!("store-tag-forged-{name}"),
            reader.vector("the tag fits, the associated data does not", "corrupt", &forged),
        );
    }
}

fn too_large(vectors: &mut Vectors) {
    let example = Example::new("too large");
    let file = example.seal();
    let mut add = |name: &str, about: &str, expect: &str, limit: u64, file: &[u8]| {
        let mut vector = example.vector(about, expect, file);
        vector.limit = Some(limit);
        vectors.add(name, vector);
    };
    let one_less = file.len() as u64 - 1;
    add("too-large-by-one", "one byte over the limit", "too large", one_less, &file);
    add("too-large-limit-zero", "nothing fits", "too large", 0, &file);
    add(
        "too-large-plaintext",
        "the size is looked at before the format",
        "too large",
        9,
        b"{\"a\": \"b\"}",
    );
    add("empty-limit-zero", "an empty file is not too large", "not sealed", 0, b"");
}

fn not_sealed(vectors: &mut Vectors) {
    let example = Example::new("not sealed");
    let file = example.seal();
    let key_file =
        KeyFile::new(STORE, b"/a/folder", KeyId::from_bytes(example.key_id), example.key()).print();
    let dpapi = [
        &b"\x01\0\0\0\xD0\x8C\x9D\xDF\x01\x15\xD1\x11\x8C\x7A\0\xC0\x4F\xC2\x97\xEB"[..],
        &[7; 60],
    ]
    .concat();
    for (name, found) in [
        ("empty", Vec::new()),
        ("zero-bytes", vec![0; 200]),
        ("json-object", b"{\"AccessToken\": {}}".to_vec()),
        ("json-array", b"[]".to_vec()),
        ("json-after-bom", b"\xEF\xBB\xBF\r\n {}".to_vec()),
        ("key-file", key_file.to_vec()),
        ("dpapi", dpapi),
        ("random", bytes("random", 300)),
        ("one-byte", vec![b'x']),
        ("base64-of-a-file", b"iVRLRUVQDQoAAQEBAHgAAA==".to_vec()),
        ("hex-of-a-file", b"89544b4545500d0a0001".to_vec()),
        ("without-first-byte", file[1..].to_vec()),
        ("after-a-line-end", [b"\n", &file[..]].concat()),
        ("magic-letter-altered", [b"\x89TKEPP\r\n", &file[8..]].concat()),
    ] {
        vectors.add(
            format!("not-sealed-{name}"),
            example.vector("no sealed file starts like this", "not sealed", &found),
        );
    }
    for (name, start) in [
        ("crlf-to-lf", &b"\x89TKEEP\n"[..]),
        ("crlf-to-cr", b"\x89TKEEP\r"),
        ("high-bit-lost", b"\x09TKEEP\r\n"),
        ("as-latin-1-replaced", b"?TKEEP\r\n"),
    ] {
        vectors.add(
            format!("magic-{name}"),
            example.vector("transferred as text", "corrupt", &[start, &file[8..]].concat()),
        );
    }
}

fn parts_swapped(vectors: &mut Vectors) {
    let one = Example::new("swap");
    let next = Example { generation: 8, nonce: array("next nonce"), ..one.clone() };
    let reset =
        Example { identity: array("other identity"), nonce: array("reset nonce"), ..one.clone() };
    let same_nonce = Example { generation: 8, ..one.clone() };
    let (file, end) = (one.seal(), one.seal().len() - TAG_LEN);
    let other_key = Example { secret: Secret::Key(array("other key")), ..one.clone() };
    let mut header = file[..120].to_vec();
    header[32..48].copy_from_slice(&one.key().check(&KeyId::from_bytes(one.key_id)));
    let key_lie = forge(&header, &other_key.key(), STORE, &one.plaintext);
    for (name, about, forged) in [
        (
            "header-of-the-next-save",
            "the content stays behind",
            [&next.seal()[..120], &file[120..]].concat(),
        ),
        (
            "content-of-the-next-save",
            "the header stays behind",
            [&file[..120], &next.seal()[120..]].concat(),
        ),
        (
            "header-of-a-reset-store",
            "the identity is bound",
            [&reset.seal()[..120], &file[120..]].concat(),
        ),
        ("nonce-of-the-next-save", "the nonce is bound", spliced(&file, &next.seal(), 96..120)),
        (
            "identity-of-a-reset-store",
            "the identity is bound",
            spliced(&file, &reset.seal(), 64..80),
        ),
        (
            "generation-with-one-nonce",
            "the generation is bound",
            spliced(&file, &same_nonce.seal(), 80..88),
        ),
        (
            "tag-of-the-next-save",
            "the tag belongs to one save",
            spliced(&file, &next.seal(), end..file.len()),
        ),
        (
            "content-before-tag-swapped",
            "the tag comes last",
            [&file[..120], &file[end..], &file[120..end]].concat(),
        ),
        ("key-check-of-another-key", "the check fits, the key that encrypted does not", key_lie),
    ] {
        vectors.add(format!("swapped-{name}"), one.vector(about, "corrupt", &forged));
    }
}

fn spliced(file: &[u8], other: &[u8], part: std::ops::Range<usize>) -> Vec<u8> {
    let mut file = file.to_vec();
    file[part.clone()].copy_from_slice(&other[part]);
    file
}
