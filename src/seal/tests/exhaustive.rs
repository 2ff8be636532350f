//! Every single-bit flip, every truncation, every short extension.

use super::*;

/// A file of exactly 4 KiB.
fn small_file() -> (Key, Vec<u8>) {
    let key = key("key");
    let plaintext = bytes("plaintext", 4096 - 120 - TAG_LEN);
    let file = seal(&sealing(&key), &plaintext, LIMIT, &mut fixed("nonce")).unwrap().1;
    assert_eq!(file.len(), 4096);
    assert_eq!(*open(file.clone(), &key, STORE, LIMIT).unwrap().1, plaintext);
    (key, file)
}

fn refusal(file: Vec<u8>, key: &Key) -> &'static str {
    match open(file, key, STORE, LIMIT) {
        Ok(_) => "success",
        Err(error) => verdict(&error),
    }
}

/// What the document says of one altered bit in the byte at `offset` of a vault's file.
fn allowed(offset: usize) -> &'static [&'static str] {
    match offset {
        0 | 6 | 7 => &["corrupt"],
        1..6 => &["not sealed"],
        8 => &["unsupported version"],
        9 => &["unsupported version", "corrupt"],
        10 => &["unsupported suite", "corrupt"],
        11 => &["unknown key source", "corrupt"],
        16..48 => &["wrong key"],
        48..64 => &["other store"],
        _ => &["corrupt"],
    }
}

#[test]
fn every_single_bit_flip_of_a_4_kib_file_is_refused_for_the_documented_reason() {
    let (key, file) = small_file();
    let mut refused = 0;
    for offset in 0..file.len() {
        for bit in 0..8 {
            let mut damaged = file.clone();
            damaged[offset] ^= 1 << bit;
            let verdict = refusal(damaged, &key);
            assert!(allowed(offset).contains(&verdict), "bit {bit} of byte {offset}: {verdict}");
            refused += 1;
        }
    }
    assert_eq!(refused, 32_768);
}

#[test]
fn every_truncation_of_a_4_kib_file_is_refused() {
    let (key, file) = small_file();
    assert_eq!(refusal(Vec::new(), &key), "not sealed");
    for len in 1..file.len() {
        assert_eq!(refusal(file[..len].to_vec(), &key), "corrupt", "the first {len} bytes");
    }
}

#[test]
fn one_to_64_bytes_behind_a_4_kib_file_are_refused() {
    let (key, file) = small_file();
    for filler in
        [vec![0; 64], vec![0xFF; 64], b"\n".repeat(64), bytes("filler", 64), file[4032..].to_vec()]
    {
        for len in 1..=64 {
            let longer = [&file[..], &filler[..len]].concat();
            assert_eq!(refusal(longer, &key), "corrupt", "{len} bytes more");
        }
    }
}

#[test]
fn every_single_bit_flip_in_a_passphrase_header_is_refused_even_with_the_right_key() {
    let key = key("key");
    let with = Sealing {
        parameters: KeyParameters::Passphrase(PassphraseParameters {
            salt: array("salt"),
            memory_kib: 64 * 1024,
            iterations: 3,
            lanes: 1,
        }),
        ..sealing(&key)
    };
    let file = seal(&with, b"tokens", LIMIT, &mut fixed("nonce")).unwrap().1;
    assert!(open(file.clone(), &key, STORE, LIMIT).is_ok());
    for bit in 0..file.len() * 8 {
        let mut damaged = file.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        assert_ne!(refusal(damaged, &key), "success", "bit {bit}");
    }
}
