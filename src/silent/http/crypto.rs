//! The cryptography of TLS.

use std::sync::Arc;

use rustls::crypto::CryptoProvider;

/// The processor lacks what the cryptography needs.
#[derive(Debug, thiserror::Error)]
#[error(
    "this processor lacks `{0}`, which graviola needs; no other provider of rustls is installed"
)]
pub(super) struct Lacks(&'static str);

/// The provider that the program installed, or graviola.
///
/// # Errors
///
/// graviola panics on a processor that lacks what it needs, so this asks first.
pub(super) fn provider() -> Result<Arc<CryptoProvider>, Lacks> {
    match CryptoProvider::get_default() {
        Some(installed) => Ok(Arc::clone(installed)),
        None => graviola(),
    }
}

#[cfg(any(target_arch = "aarch64", target_arch = "x86_64"))]
fn graviola() -> Result<Arc<CryptoProvider>, Lacks> {
    match first_missing(&needed()) {
        Some(feature) => Err(Lacks(feature)),
        None => Ok(Arc::new(rustls_graviola::default_provider())),
    }
}

#[cfg(not(any(target_arch = "aarch64", target_arch = "x86_64")))]
fn graviola() -> Result<Arc<CryptoProvider>, Lacks> {
    Err(Lacks("the instructions of x86_64 or aarch64"))
}

/// As in graviola 0.4, `is_cpu_supported` in `low/x86_64/cpu.rs`.
#[cfg(target_arch = "x86_64")]
fn needed() -> [(&'static str, bool); 6] {
    [
        ("adx", is_x86_feature_detected!("adx")),
        ("aes", is_x86_feature_detected!("aes")),
        ("avx", is_x86_feature_detected!("avx")),
        ("avx2", is_x86_feature_detected!("avx2")),
        ("bmi1", is_x86_feature_detected!("bmi1")),
        ("pclmulqdq", is_x86_feature_detected!("pclmulqdq")),
    ]
}

/// As in graviola 0.4, `is_cpu_supported` in `low/aarch64/cpu.rs`.
#[cfg(target_arch = "aarch64")]
fn needed() -> [(&'static str, bool); 4] {
    use std::arch::is_aarch64_feature_detected;
    [
        ("aes", is_aarch64_feature_detected!("aes")),
        ("neon", is_aarch64_feature_detected!("neon")),
        ("pmull", is_aarch64_feature_detected!("pmull")),
        ("sha2", is_aarch64_feature_detected!("sha2")),
    ]
}

#[cfg(any(target_arch = "aarch64", target_arch = "x86_64"))]
fn first_missing(needed: &[(&'static str, bool)]) -> Option<&'static str> {
    needed.iter().find(|(_, is_there)| !is_there).map(|(feature, _)| *feature)
}

#[cfg(all(test, any(target_arch = "aarch64", target_arch = "x86_64")))]
mod tests {
    use super::{Lacks, first_missing};

    #[test]
    fn what_the_processor_lacks_is_named() {
        assert_eq!(first_missing(&[("aes", true), ("avx", true)]), None);
        let missing = first_missing(&[("aes", true), ("adx", false), ("avx", false)]);
        assert_eq!(missing, Some("adx"));
        assert!(Lacks("adx").to_string().contains("lacks `adx`"));
    }
}
