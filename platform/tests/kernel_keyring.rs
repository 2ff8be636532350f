//! The kernel's keyring, in the session of the tests and in a new one.
// Not on Windows: the kernel keyring of Linux
#![cfg(target_os = "linux")]

use std::process::Command;

use linux_keyutils::{KeyRing, KeyRingIdentifier};
use tokenkeep_platform::vault::{Call, Collection, Item, Vault, VaultError};
use tokenkeep_test_support::{Tool, again, hexadecimal, need, python, say, task};

fn item() -> Item {
    let mut random = [0_u8; 16];
    tokenkeep_platform::random::fill(&mut random).expect("the system has random numbers");
    Item::new("tokenkeep-tests", hexadecimal(random))
}

/// The session keyring of somebody who has logged in does not have the user's in it, as the
/// kernel's own default one has.
#[test]
fn the_session_keyring_is_left_as_it_was() {
    if task().is_some() {
        let vault = Vault::kernel_keyring(Collection::Default);
        vault.probe(&Call::quiet()).unwrap();
        let session = KeyRing::from_special_id(KeyRingIdentifier::Session, false).unwrap();
        return assert_eq!(format!("{:?}", session.get_links(1000).unwrap()), "Links([])");
    }
    if let Err(VaultError::Missing { reason, .. }) =
        Vault::kernel_keyring(Collection::Default).unlock(&Call::quiet())
    {
        return say(&format!("skipped: the kernel keyring: {reason}"));
    }
    if !need(Tool::Python) {
        return;
    }
    let this = again(the_session_keyring_is_left_as_it_was, "in a session of its own");
    let mut inside = Command::new(python().unwrap());
    inside.args(["-c", JOIN_NEW_SESSION]).arg(this.get_program()).args(this.get_args());
    inside.envs(this.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let inside = inside.output().unwrap();
    assert!(inside.status.success(), "{}", String::from_utf8_lossy(&inside.stdout));
}

#[test]
fn a_key_lives_in_its_keyring_alone_until_it_is_deleted() {
    let call = Call::quiet();
    let (user, session) =
        (Vault::kernel_keyring(Collection::Default), Vault::kernel_keyring(Collection::Session));
    if let Err(VaultError::Missing { reason, .. }) = user.unlock(&call) {
        return say(&format!("skipped: the kernel keyring: {reason}"));
    }
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
}

/// `KEYCTL_JOIN_SESSION_KEYRING` without a name: keyctl(2). A program run afterwards keeps the
/// session.
const JOIN_NEW_SESSION: &str = "
import ctypes, os, platform, sys
keyctl = {'x86_64': 250, 'aarch64': 219}[platform.machine()]
assert ctypes.CDLL(None).syscall(keyctl, 1, None) > 0
os.execv(sys.argv[1], sys.argv[1:])
";
