//! The key file is read exactly as it is printed.

use super::*;

fn example() -> KeyFile {
    KeyFile::new(STORE, b"/a/folder", KeyId::from_bytes(array("key id")), key("key"))
}

fn refusal(text: &[u8]) -> String {
    match KeyFile::parse(text) {
        Err(SealError::InvalidKeyFile { detail }) => detail,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_key_file_is_the_five_lines_that_the_document_shows() {
    let file = KeyFile {
        store_tag: [0x01; 16],
        place_tag: [0x7B; 16],
        key_id: KeyId::from_bytes([0xA2; 16]),
        key: Key::from_slice(&[0x3F; 32]).unwrap(),
    };
    let expected = format!(
        "tokenkeep-key-file-v1\nstore: {}\nplace: {}\nkey-id: {}\nkey: {}\n",
        "01".repeat(16),
        "7b".repeat(16),
        "a2".repeat(16),
        "3f".repeat(32)
    );
    assert_eq!(*file.print(), expected.into_bytes());
    assert_eq!(file.print().len(), KeyFile::LEN);
}

#[test]
fn a_printed_key_file_is_read_again() {
    let read = KeyFile::parse(&example().print()).unwrap();
    assert_eq!(read.key.expose(), key("key").expose());
    assert_eq!(read.key_id, example().key_id);
    assert!(read.belongs_to(STORE));
    assert!(!read.belongs_to("com.example.other"));
    assert!(read.lies_for(b"/a/folder"));
    assert!(!read.lies_for(b"/another"));
}

#[test]
fn the_first_wrong_line_of_a_key_file_is_named_and_no_key_is_shown() {
    let good = String::from_utf8(example().print().to_vec()).unwrap();
    let secret = good[good.len() - 65..].trim_end().to_owned();
    let cases = [
        (String::new(), "empty"),
        ("{}\n".into(), "line 1"),
        (good.replace("v1", "v2"), "version"),
        (good.replace("v1", "v1 "), "version"),
        (format!("\u{feff}{good}"), "line 1"),
        (format!("\n{good}"), "line 1"),
        (good.replace('\n', "\r\n"), "version"),
        (good.replace("store: ", "store:"), "line 2"),
        (good.replace("store: ", "Store: "), "line 2"),
        (good.replace("place: ", "place:"), "line 3"),
        (good.replace("key-id: ", "key-id: 0"), "line 4"),
        (good.replace("key-id: ", "key: "), "line 4"),
        (good.replace(&secret, &secret.to_uppercase()), "line 5"),
        (good.replace(&secret, &secret[1..]), "line 5"),
        (good.replace(&secret, &format!("{}g", &secret[1..])), "line 5"),
        (good.replace(&secret, &format!("{secret} ")), "line 5"),
        (good.trim_end().into(), "line 5"),
        (format!("{good}\n"), "follows"),
        (format!("{good}{good}"), "follows"),
    ];
    for (text, expected) in cases {
        let detail = refusal(text.as_bytes());
        assert!(detail.contains(expected), "{detail}");
        assert!(!detail.contains(&secret[..8]), "{detail}");
    }
}

#[test]
fn every_truncation_and_every_flipped_bit_of_a_key_file_is_refused_or_another_key_file() {
    let good = example().print();
    for len in 0..good.len() {
        refusal(&good[..len]);
    }
    for bit in 0..good.len() * 8 {
        let mut damaged = good.to_vec();
        damaged[bit / 8] ^= 1 << (bit % 8);
        if let Ok(read) = KeyFile::parse(&damaged) {
            assert_eq!(*read.print(), damaged, "read as it is printed");
        }
    }
}
