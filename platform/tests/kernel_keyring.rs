//! The kernel's keyring, with a session keyring and without one.
// Not on Windows: the kernel keyring of Linux
#![cfg(target_os = "linux")]

use linux_keyutils::{KeyRing, KeyRingIdentifier};
use tokenkeep_lab::say;
use tokenkeep_platform::vault::{Call, Collection, Item, Vault, VaultError};

fn item() -> Item {
    let mut random = [0_u8; 16];
    tokenkeep_platform::random::fill(&mut random).expect("the system has random numbers");
    Item::new("tokenkeep-tests", random.iter().map(|b| format!("{b:02x}")).collect::<String>())
}

#[test]
fn a_key_lives_in_its_keyring_alone_until_it_is_deleted() {
    let call = Call::quiet();
    let (user, session) =
        (Vault::kernel_keyring(Collection::Default), Vault::kernel_keyring(Collection::Session));
    if let Err(VaultError::Missing { reason, .. }) = user.unlock(&call) {
        return say(&format!("skipped: the kernel keyring: {reason}"));
    }
    let links = || {
        let session = KeyRing::from_special_id(KeyRingIdentifier::Session, false).unwrap();
        format!("{:?}", session.get_links(1000).unwrap())
    };
    let before = links();
    for vault in [&user, &session] {
        let item = item();
        assert!(vault.read(&item, &call).unwrap().is_none());
        assert!(!vault.delete(&item, &call, None).unwrap());
        vault.create(&item, b"\0secret\xff", &call).unwrap();
        let others = [&user, &session].map(|v| v.read(&item, &call).unwrap().is_some());
        assert_eq!(others.iter().filter(|found| **found).count(), 1, "it lies in one alone");
        assert!(matches!(vault.create(&item, b"other", &call), Err(VaultError::Exists)));
        assert_eq!(*vault.read(&item, &call).unwrap().unwrap(), b"\0secret\xff");
        vault.write(&item, b"new", &call, None).unwrap();
        assert_eq!(*vault.clone().read(&item, &call).unwrap().unwrap(), b"new");
        assert!(vault.delete(&item, &call, None).unwrap());
        assert!(vault.read(&item, &call).unwrap().is_none());
        assert!(!vault.delete(&item, &call, None).unwrap());
    }
    // Who becomes root in this session must not leave root's keys in it.
    assert_eq!(links(), before, "the session's keyring is as it was");
}
