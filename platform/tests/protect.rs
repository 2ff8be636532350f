//! The data protection of Windows.
#![allow(clippy::unwrap_used, reason = "tests panic")]

use tokenkeep_platform::protect::{ProtectError, protect, unprotect};

#[cfg(windows)]
#[test]
fn what_is_protected_comes_back_with_its_entropy_alone() {
    let secret: Vec<u8> = (0..=255).collect();
    for entropy in [None, Some(&b"com.example.tests"[..])] {
        let protected = protect(&secret, entropy).unwrap();
        assert!(!protected.windows(16).any(|part| secret.windows(16).any(|own| own == part)));
        assert_eq!(*unprotect(&protected, entropy).unwrap(), secret);
        for other in [None, Some(&b"com.example.others"[..])].iter().filter(|o| **o != entropy) {
            let refused = unprotect(&protected, *other).unwrap_err();
            assert!(matches!(refused, ProtectError::NotData { .. }), "{refused:?}");
        }
    }
    let protected = protect(&secret, Some(b"")).unwrap();
    assert_eq!(*unprotect(&protected, None).unwrap(), secret, "empty entropy is none");
    let nothing = protect(b"", None).unwrap();
    assert_eq!(unprotect(&nothing, None).unwrap().len(), 0);
}

#[cfg(windows)]
#[test]
fn a_flipped_bit_and_garbage_are_not_data() {
    let mut protected = protect(b"a secret of some length", None).unwrap();
    let last = protected.len() - 1;
    protected[last] ^= 1;
    for bytes in [&protected[..], b"garbage", &[0; 300], &protected[..20]] {
        let refused = unprotect(bytes, None).unwrap_err();
        assert!(matches!(refused, ProtectError::NotData { .. }), "{refused:?}");
    }
    assert!(matches!(unprotect(b"", None), Err(ProtectError::Empty)));
}

// Not on Windows: it is not missing there
#[cfg(not(windows))]
#[test]
fn elsewhere_it_is_missing_and_says_so() {
    assert!(matches!(protect(b"x", None), Err(ProtectError::Missing)));
    assert!(matches!(unprotect(b"x", None), Err(ProtectError::Missing)));
}
