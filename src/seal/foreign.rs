//! Names the kind of a file that was found instead of a sealed file, without its content.

/// Names the format of bytes that do not start as a sealed file does.
pub(crate) fn describe(bytes: &[u8]) -> &'static str {
    if bytes.is_empty() {
        return "an empty file";
    }
    if bytes.iter().all(|byte| *byte == 0) {
        return "only zero bytes";
    }
    if bytes.starts_with(&DPAPI_BLOB) {
        return "a DPAPI blob";
    }
    if bytes.starts_with(b"tokenkeep-key-file-") {
        return "a key file";
    }
    let text = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    match text.trim_ascii_start().first() {
        Some(b'{' | b'[') => "plaintext JSON",
        _ => "bytes of another format",
    }
}

/// Version 1 and the provider {df9d8cd0-1501-11d1-8c7a-00c04fc297eb}, as every blob of
/// `CryptProtectData` starts.
const DPAPI_BLOB: [u8; 20] = [
    0x01, 0x00, 0x00, 0x00, 0xD0, 0x8C, 0x9D, 0xDF, 0x01, 0x15, 0xD1, 0x11, 0x8C, 0x7A, 0x00, 0xC0,
    0x4F, 0xC2, 0x97, 0xEB,
];
