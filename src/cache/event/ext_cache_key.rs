//! The digest that separates access tokens with different further request parameters.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest as _, Sha256};

/// Computes the extended cache key of request parameters as msal 1.38 and later do.
///
/// OAuth's standard parameters and parameters without a value do not count. Returns `None` if no
/// other parameter is left. Other versions and languages of MSAL compute the key differently, so a
/// stored key is only compared and never recomputed.
pub fn ext_cache_key<'d>(data: impl IntoIterator<Item = (&'d str, &'d str)>) -> Option<String> {
    let mut counted: Vec<(&str, &str)> = data
        .into_iter()
        .filter(|(name, value)| !value.is_empty() && !STANDARD.contains(name))
        .collect();
    if counted.is_empty() {
        return None;
    }
    counted.sort_unstable();
    let mut digest = Sha256::new();
    for text in counted.iter().flat_map(|&(name, value)| [name, value]) {
        // The length keeps apart pairs that are equal when joined, such as `a`, `bc` and `ab`, `c`.
        digest.update(text.len().to_string());
        digest.update(":");
        digest.update(text);
    }
    // As msal does, because its keys of entries are in lower case as a whole.
    Some(URL_SAFE_NO_PAD.encode(digest.finalize()).to_ascii_lowercase())
}

/// The parameters that do not count, from `_EXT_CACHE_KEY_EXCLUDED_FIELDS` of msal 1.39.
const STANDARD: [&str; 22] = [
    "assertion",
    "claims",
    "client_assertion",
    "client_assertion_type",
    "client_id",
    "client_info",
    "client_secret",
    "code",
    "code_verifier",
    "device_code",
    "grant_type",
    "key_id",
    "password",
    "redirect_uri",
    "refresh_token",
    "req_cnf",
    "requested_token_use",
    "scope",
    "token_type",
    "user_federated_identity_credential",
    "user_id",
    "username",
];

#[cfg(test)]
mod tests {
    use super::ext_cache_key;

    #[test]
    fn the_reference_computes_the_same_keys() {
        let cases: [(&[(&str, &str)], &str); 8] = [
            (
                &[("key2", "value2"), ("key1", "value1")],
                "latlwkpewb_a0rcsmjvkecqt0_huumkw4sflzociike",
            ),
            (&[("fmi_path", "Some/Path")], "aoqrbmrcxptjshsjlje8ixymwv7j9i5i-7oeadpiqo4"),
            (&[("fmi_path", "value")], "n_lucewkadzv_nybtg-2wtorgf2nrns6ihlfa7vbuzg"),
            (&[("fmi_pat", "hvalue")], "tjtm16m-suk2_bkniblr25lyuki40qyceco7knuyu0k"),
            (&[("fmi_path", "path/a")], "fy1tny3ppnjd2intmlxvqy8r-x6kitijlm_t6iag9l4"),
            (&[("fmi_path", "path/b")], "-mq_cz7rccby_amvifn4eoucneqpllk-frv14s8fug4"),
            (&[("x", "1"), ("scope", "s")], "p-g2v6jpksbz9f04zllk3-z9avbno9k9ksmgp7cqxfq"),
            (&[("é", "ü")], "oozvczrwl0wg8rezlcktfipuz1ewmffxeqbrcvro2hs"),
        ];
        for (data, key) in cases {
            assert_eq!(ext_cache_key(data.iter().copied()).as_deref(), Some(key), "{data:?}");
        }
        assert_eq!(ext_cache_key([("x", ""), ("client_id", "c"), ("key_id", "k")]), None);
    }
}
