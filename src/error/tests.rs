//! What an error says, and what it never shows.

use super::*;

#[test]
fn what_main_prints_is_the_text_the_causes_and_what_to_do() {
    let cause = std::io::Error::other("disk on fire");
    let error = Error::NoSpace { path: "/cache".into(), source: cause.into() };
    assert_eq!(
        format!("{error:?}"),
        "no space is left to write `/cache`; the old content is intact: disk on fire \
         (make room, then save again)"
    );
    assert!(!error.to_string().contains("make room"), "the remedy stands in next_step alone");
}

#[test]
fn what_is_left_of_a_cache_is_removed_after_what_kept_it() {
    let locked = Error::VaultLocked { vault: "vault", source: None };
    let error = Error::PartlyRemoved { left: "a key".into(), source: Box::new(locked) };
    assert_eq!(
        error.next_step(),
        "unlock it, or allow prompts, then remove what is left as the error names it"
    );
}

#[test]
fn text_of_others_is_shown_and_not_obeyed() {
    let evil = "a\u{1b}[2J\r\n\u{9b}\u{202e}\u{2066}\u{200b}\u{2028}z";
    let text = || evil.to_owned();
    let path = || PathBuf::from(evil);
    let source = || -> Source { evil.into() };
    let refusal = || Box::new(Refusal { code: text(), ..Refusal::default() });
    for error in [
        Error::Corrupt { what: text(), detail: text(), source: None },
        Error::DurabilityUnknown { path: path(), source: source() },
        Error::Invalid { detail: text() },
        Error::InvalidKeyFile { path: path(), detail: text(), source: None },
        Error::Io { operation: "read", path: path(), source: source() },
        Error::KeyGone { path: path(), key_id: text(), vault: "vault" },
        Error::LockTimeout { path: path(), waited: Duration::ZERO, holder: Some(text()) },
        Error::MissingParent { path: path() },
        Error::Mounted { operation: "read", path: path(), source: source() },
        Error::NoSpace { path: path(), source: source() },
        Error::OtherBackend { path: path(), found: text(), expected: "a cache" },
        Error::OtherStore { path: path(), name: text() },
        Error::PartlyRemoved { left: text(), source: Box::new(Error::Nested) },
        Error::PermissionDenied { what: text(), source: source() },
        Error::ProviderAnswer { detail: text() },
        Error::ReadOnly { path: path(), source: source() },
        Error::Refused { refusal: refusal() },
        Error::RolledBack { path: path(), seen: 2, found: 1 },
        Error::SignInNeeded { refusal: refusal(), is_orphan: false },
        Error::TooLarge { what: text(), size: 2, limit: 1 },
        Error::UnsafePath { path: path(), found: text(), fix: text() },
        Error::UnsupportedVersion { path: path(), version: 2 },
        Error::AlreadyLocked { path: path() },
        Error::VaultMissing { vault: "vault", reason: text(), source: None },
        Error::VaultServiceMissing { vault: "vault", reason: text(), source: None },
        Error::WaitCanceled { what: text() },
        Error::WrongKey { path: path(), source: None },
    ] {
        let said = error.to_string();
        assert!(!said.contains(tokenkeep_platform::text::is_obeyed), "{said:?}");
        assert!(said.contains(r"a\u{1b}[2J\u{d}\u{a}\u{9b}"), "{said}");
        let printed = format!("{error:?}");
        assert!(!printed.contains(tokenkeep_platform::text::is_obeyed), "{printed:?}");
    }
}
