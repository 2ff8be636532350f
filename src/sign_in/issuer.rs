//! Whether an issuer that a provider names is the one of the sign-in.

use super::known::TENANT;
use crate::{
    cache::{Address, is_of_customers},
    silent::without_slash,
};

/// Whether an ID token's `iss` is the issuer of the metadata. For an authority of several tenants
/// that is the issuer with the token's own tenant in its place.
pub(super) fn is_token_issuer(announced: &str, tenant: &str, expected: &str) -> bool {
    if expected.contains(TENANT) {
        return !tenant.is_empty() && announced == expected.replace(TENANT, tenant);
    }
    let host = |address: &str| Address::parse(address).map(|read| read.host).unwrap_or_default();
    // An authority of customers (Azure AD B2C, External ID) has several spellings of its tenant.
    let is_alias = is_of_customers(&host(expected)) && host(announced) == host(expected);
    is_alias || without_slash(announced) == without_slash(expected)
}

/// Whether a redirect's `iss` is the issuer of the metadata. An authority of several tenants cannot
/// know which one answers, so any tenant stands in its place there, and all else is the same.
pub(super) fn is_redirect_issuer(announced: &str, expected: &str) -> bool {
    let (announced, expected) = (without_slash(announced), without_slash(expected));
    let Some((start, end)) = expected.split_once(TENANT) else { return announced == expected };
    let tenant = announced.strip_prefix(start).and_then(|rest| rest.strip_suffix(end));
    tenant.is_some_and(|tenant| {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
        !tenant.is_empty() && tenant.chars().all(is_plain)
    })
}

#[cfg(test)]
mod tests {
    use super::{is_redirect_issuer, is_token_issuer};

    const SEVERAL: &str = "https://login.microsoftonline.com/{tenantid}/v2.0";

    #[test]
    fn an_authority_of_several_tenants_is_that_of_the_token() {
        let one = "https://login.microsoftonline.com/t1/v2.0";
        assert!(is_token_issuer(one, "t1", SEVERAL));
        assert!(!is_token_issuer(one, "t2", SEVERAL));
        assert!(!is_token_issuer("https://login.microsoftonline.com//v2.0", "", SEVERAL));
        assert!(!is_token_issuer("https://evil.example/t1/v2.0", "t1", SEVERAL));
    }

    #[test]
    fn another_tenant_than_the_metadata_name_is_not_the_issuer() {
        let mine = "https://login.microsoftonline.com/t1/v2.0";
        assert!(is_token_issuer(mine, "t1", mine));
        assert!(!is_token_issuer("https://login.microsoftonline.com/t2/v2.0", "t2", mine));
        for host in ["contoso.b2clogin.com", "contoso.ciamlogin.com"] {
            let (one, other) = (format!("https://{host}/t/v2.0"), format!("https://{host}/x/v2.0"));
            assert!(is_token_issuer(&one, "", &other), "{host}");
            assert!(!is_token_issuer("https://evil.b2clogin.com/x/v2.0", "", &other), "{host}");
        }
    }

    #[test]
    fn in_a_redirect_only_the_tenant_may_be_another() {
        let another = "https://login.microsoftonline.com/9188040d-6c67/v2.0";
        assert!(is_redirect_issuer(another, SEVERAL));
        for announced in [
            "https://evil.example/t1/v2.0",
            "https://login.microsoftonline.com/t1/v1.0",
            "https://login.microsoftonline.com//v2.0",
            "https://login.microsoftonline.com/v2.0",
            "https://login.microsoftonline.com/a/b/v2.0",
            "https://login.microsoftonline.com/t1/v2.0/more",
            "",
        ] {
            assert!(!is_redirect_issuer(announced, SEVERAL), "{announced}");
        }
        let one = "https://id.example/t";
        assert!(is_redirect_issuer("https://id.example/t/", one));
        assert!(!is_redirect_issuer("https://id.example/t//", one));
    }
}
