//! Bytes as texts that a user can read.

/// Two small letters or digits for each byte.
pub fn hexadecimal(bytes: impl AsRef<[u8]>) -> String {
    bytes.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}
