//! The key item is read exactly as the document says, by this crate and by the decoder in Python.

use std::{collections::BTreeMap, fs, path::PathBuf, process::Command};
use tokenkeep_test_support::hexadecimal;

use serde::Deserialize;

use super::{
    decoder::{python, skip},
    vectors::from_hex,
    *,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ItemVector {
    about: String,
    expect: String,
    item: String,
    key: Option<String>,
    store: Option<String>,
    folder: Option<String>,
}

fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/key-items.json")
}

fn read_items() -> Vec<ItemVector> {
    serde_json::from_slice(&fs::read(path()).unwrap()).unwrap()
}

/// Verdict, key, store and folder, as the decoder prints them.
fn line(verdict: &str, key: Option<&str>, store: Option<&str>, folder: Option<&str>) -> String {
    [Some(verdict), key, store, folder].map(Option::unwrap_or_default).join("\t")
}

fn expected(vector: &ItemVector) -> String {
    let ItemVector { expect, key, store, folder, .. } = vector;
    line(expect, key.as_deref(), store.as_deref(), folder.as_deref())
}

#[test]
fn each_key_item_is_read_as_its_vector_says() {
    let mut verdicts = BTreeMap::new();
    for vector in read_items() {
        let item = from_hex(&vector.item);
        let read = match KeyItem::parse(&item) {
            Ok(KeyItem { key, owner: None }) => {
                line("bare", Some(&hexadecimal(key.expose())), None, None)
            }
            Ok(KeyItem { key, owner: Some(owner) }) => {
                assert_eq!(*KeyItem::print(&key, &owner), item, "{}", vector.about);
                let (key, folder) = (hexadecimal(key.expose()), hexadecimal(&owner.folder));
                line("success", Some(&key), Some(&owner.store), Some(&folder))
            }
            Err(error) => line(verdict(&error), None, None, None),
        };
        assert_eq!(read, expected(&vector), "{}", vector.about);
        *verdicts.entry(vector.expect).or_insert(0) += 1;
    }
    assert_eq!(verdicts.len(), 3, "{verdicts:?}");
}

#[test]
fn an_independent_decoder_reads_each_key_item_so_too() {
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/decoder/decoder.py");
    let output = Command::new(python()).arg(script).arg("--key-items").arg(path()).output();
    let Ok(output) = output else { return skip("there is no Python") };
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    let wanted: Vec<String> = read_items().iter().map(expected).collect();
    assert_eq!(text.lines().collect::<Vec<_>>(), wanted);
}

#[test]
fn a_folder_for_which_there_is_no_room_is_left_out_and_the_key_is_nobodys() {
    let store = STORE.to_owned();
    let owner = |length| Owner { store: store.clone(), folder: vec![b'f'; length] };
    let room = KeyItem::MAX_LEN - 37 - STORE.len();
    for (length, is_kept) in [(1, true), (room, true), (room + 1, false), (70_000, false)] {
        let item = KeyItem::print(&key("key"), &owner(length));
        assert!(item.len() <= KeyItem::MAX_LEN);
        let read = KeyItem::parse(&item).unwrap();
        assert_eq!(read.is_of(&owner(length)), is_kept, "{length}");
    }
    let nobodys = KeyItem::parse(&KeyItem::print(&key("key"), &owner(0))).unwrap();
    assert!(!nobodys.is_of(&owner(0)), "two folders that are not known are not the same");
    let bare = KeyItem::parse(key("key").expose()).unwrap();
    assert!(!bare.is_of(&owner(0)) && !bare.is_of(&owner(1)));
}

#[test]
fn every_truncation_of_a_key_item_is_refused_or_a_bare_key() {
    let owner = Owner { store: STORE.into(), folder: b"/a/folder".to_vec() };
    let item = KeyItem::print(&key("key"), &owner);
    for length in 0..item.len() {
        match KeyItem::parse(&item[..length]) {
            Ok(read) => assert!(length == Key::LEN && read.owner.is_none(), "{length}"),
            Err(error) => assert_eq!(verdict(&error), "corrupt", "{length}"),
        }
    }
}
