//! Files with one malformed part. "Patched" ones were altered after sealing; "forged" ones have a
//! tag that fits, so that only a strict reader refuses them.

use super::*;

pub(super) fn add(vectors: &mut Vectors) {
    truncated(vectors);
    extended(vectors);
    fields(vectors);
    patched(vectors);
    passphrase_out_of_bounds(vectors);
}

fn truncated(vectors: &mut Vectors) {
    let example = Example::new("truncated");
    let file = example.seal();
    let content_end = file.len() - TAG_LEN;
    let boundaries =
        [1, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 31, 32, 48, 64, 80, 88, 96, 119, 120, 121];
    for len in boundaries.into_iter().chain([content_end - 1, content_end, file.len() - 1]) {
        vectors.add(
            format!("truncated-{len:03}"),
            example.vector("ends early", "corrupt", &file[..len]),
        );
    }
    let example = Example::with_passphrase("truncated passphrase");
    let file = example.seal();
    for len in [120, 135, 136, 140, 144, 147, 148, file.len() - 1] {
        vectors.add(
            format!("truncated-passphrase-{len:03}"),
            example.vector("ends early", "corrupt", &file[..len]),
        );
    }
}

fn extended(vectors: &mut Vectors) {
    let example = Example::new("extended");
    let file = example.seal();
    for (name, more) in [
        ("zero-byte", vec![0]),
        ("line-end", vec![b'\n']),
        ("block", vec![0; 16]),
        ("tag-again", file[file.len() - TAG_LEN..].to_vec()),
        ("file-again", file.clone()),
    ] {
        let longer = [&file[..], &more].concat();
        vectors.add(
            format!("extended-{name}"),
            example.vector("something follows the tag", "corrupt", &longer),
        );
    }
}

fn fields(vectors: &mut Vectors) {
    let header_length = "the header length is not that of the key source";
    let rows: &[(&str, &str, &str, usize, &[u8])] = &[
        ("version-0", "there is no version 0", "corrupt", 8, &[0, 0]),
        ("version-2", "a newer version", "unsupported version", 8, &[0, 2]),
        ("version-256", "the version has two bytes", "unsupported version", 8, &[1, 0]),
        ("version-257", "the version has two bytes", "unsupported version", 8, &[1, 1]),
        ("version-65535", "the largest version", "unsupported version", 8, &[0xFF, 0xFF]),
        (
            "version-2-all-else-unknown",
            "the version is looked at first",
            "unsupported version",
            8,
            &[0, 2, 9, 9, 9, 9, 9, 9],
        ),
        ("suite-0", "there is no suite 0", "corrupt", 10, &[0]),
        ("suite-2", "another suite", "unsupported suite", 10, &[2]),
        ("suite-255", "another suite", "unsupported suite", 10, &[255]),
        ("source-0", "there is no key source 0", "corrupt", 11, &[0]),
        ("source-8", "the first without a meaning", "unknown key source", 11, &[8]),
        ("source-255", "another key source", "unknown key source", 11, &[255]),
        ("source-passphrase-without-parameters", header_length, "corrupt", 11, &[3]),
        ("header-length-0", header_length, "corrupt", 12, &[0, 0]),
        ("header-length-119", header_length, "corrupt", 12, &[0, 119]),
        ("header-length-121", header_length, "corrupt", 12, &[0, 121]),
        ("header-length-148", header_length, "corrupt", 12, &[0, 148]),
        ("header-length-65535", header_length, "corrupt", 12, &[0xFF, 0xFF]),
        ("reserved-1", "reserved bytes are zero", "corrupt", 14, &[0, 1]),
        ("reserved-256", "reserved bytes are zero", "corrupt", 14, &[1, 0]),
        ("generation-0", "generations are counted from 1", "corrupt", 80, &[0; 8]),
        ("payload-length-0", "shorter than the content", "corrupt", 88, &[0; 8]),
        ("payload-length-17", "one byte less", "corrupt", 88, &[0, 0, 0, 0, 0, 0, 0, 17]),
        ("payload-length-19", "one byte more", "corrupt", 88, &[0, 0, 0, 0, 0, 0, 0, 19]),
        (
            "payload-length-34",
            "the tag counted as content",
            "corrupt",
            88,
            &[0, 0, 0, 0, 0, 0, 0, 34],
        ),
        ("payload-length-2-31", "more than is there", "corrupt", 88, &[0, 0, 0, 0, 0x80, 0, 0, 0]),
        (
            "payload-length-2-32-more",
            "not to be cut to 32 bits",
            "corrupt",
            88,
            &[0, 0, 0, 1, 0, 0, 0, 18],
        ),
        (
            "payload-length-2-63",
            "not to be read as negative",
            "corrupt",
            88,
            &[0x80, 0, 0, 0, 0, 0, 0, 0],
        ),
        (
            "payload-length-wraps",
            "the sum overflows to zero",
            "corrupt",
            88,
            &[0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x78],
        ),
        ("payload-length-most", "the sum overflows", "corrupt", 88, &[0xFF; 8]),
    ];
    let example = Example::new("fields");
    for (name, about, expect, at, value) in rows {
        let mut header = example.seal()[..120].to_vec();
        header[*at..at + value.len()].copy_from_slice(value);
        let forged = forge(&header, &example.key(), STORE, &example.plaintext);
        vectors.add(format!("forged-{name}"), example.vector(about, expect, &forged));
    }
    let example = Example::with_passphrase("fields passphrase");
    for (name, source, length) in
        [("120", 3, 120), ("147", 3, 147), ("149", 3, 149), ("148-vault", 1, 148)]
    {
        let mut header = example.seal()[..148].to_vec();
        (header[11], header[13]) = (source, length);
        let forged = forge(&header, &example.key(), STORE, &example.plaintext);
        vectors.add(
            format!("forged-passphrase-header-length-{name}"),
            example.vector(header_length, "corrupt", &forged),
        );
    }
}

fn patched(vectors: &mut Vectors) {
    let example = Example::new("patched");
    let file = example.seal();
    let last = file.len() - 1;
    for (name, about, expect, at) in [
        ("source", "a key file's now, by the header alone", "corrupt", 11),
        ("key-id-first", "the check is about the id, too", "wrong key", 16),
        ("key-id-last", "the check is about the id, too", "wrong key", 31),
        ("key-check-first", "no key fits", "wrong key", 32),
        ("key-check-last", "no key fits", "wrong key", 47),
        ("store-tag-first", "no name fits", "other store", 48),
        ("store-tag-last", "no name fits", "other store", 63),
        ("identity-first", "authenticated", "corrupt", 64),
        ("identity-last", "authenticated", "corrupt", 79),
        ("generation-first", "authenticated", "corrupt", 80),
        ("generation-last", "authenticated", "corrupt", 87),
        ("nonce-first", "authenticated", "corrupt", 96),
        ("nonce-16", "the first byte that is not part of the subkey", "corrupt", 112),
        ("nonce-last", "authenticated", "corrupt", 119),
        ("content-first", "authenticated", "corrupt", 120),
        ("content-last", "authenticated", "corrupt", last - TAG_LEN),
        ("tag-first", "authenticated", "corrupt", last - TAG_LEN + 1),
        ("tag-last", "authenticated", "corrupt", last),
    ] {
        let mut altered = file.clone();
        altered[at] ^= 3;
        vectors.add(format!("patched-{name}"), example.vector(about, expect, &altered));
    }
    let empty = Example { plaintext: Vec::new(), ..example };
    let mut altered = empty.seal();
    altered[136 - 1] ^= 1;
    vectors.add(
        "patched-tag-without-content",
        empty.vector("a tag guards the header alone, too", "corrupt", &altered),
    );

    let example = Example::with_passphrase("patched passphrase");
    for (name, at, flip) in [
        ("salt-first", 120, 1),
        ("salt-last", 135, 1),
        ("memory", 139, 8),
        ("passes", 143, 3),
        ("lanes", 147, 3),
    ] {
        let mut altered = example.seal();
        altered[at] ^= flip;
        vectors.add(
            format!("patched-passphrase-{name}"),
            example.vector("another key comes out of it", "wrong key", &altered),
        );
    }
}

fn passphrase_out_of_bounds(vectors: &mut Vectors) {
    let example = Example::with_passphrase("bounds");
    for (name, memory, iterations, lanes) in [
        ("memory-0", 0u32, 1u32, 1u32),
        ("memory-too-small", 8191, 1, 1),
        ("memory-too-large", 262_145, 1, 1),
        ("memory-most", u32::MAX, 1, 1),
        ("passes-0", 8192, 0, 1),
        ("passes-65", 8192, 65, 1),
        ("passes-most", 8192, u32::MAX, 1),
        ("lanes-0", 8192, 1, 0),
        ("lanes-17", 8192, 1, 17),
        ("lanes-most", 8192, 1, u32::MAX),
        ("product-large-memory", 262_144, 4, 1),
        ("product-one-more", 12_289, 64, 1),
    ] {
        let mut header = example.seal()[..148].to_vec();
        header[136..140].copy_from_slice(&memory.to_be_bytes());
        header[140..144].copy_from_slice(&iterations.to_be_bytes());
        header[144..148].copy_from_slice(&lanes.to_be_bytes());
        let forged = forge(&header, &example.key(), STORE, &example.plaintext);
        vectors.add(
            format!("forged-passphrase-{name}"),
            example.vector("refused before any memory is taken", "corrupt", &forged),
        );
    }
}
