//! Where a sign-in belongs: host and tenant of an authority, and the names of one cloud.

use crate::Error;

/// The host and the tenant of an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Authority {
    pub(crate) environment: String,
    pub(crate) realm: Option<String>,
}

impl Authority {
    /// Reads `https://host/tenant/…`; the host becomes lower case, the tenant may be missing.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if it is no https address with a host.
    pub(crate) fn parse(address: &str) -> Result<Self, Error> {
        let cleaned: String = address
            .trim_start_matches(|c: char| c <= ' ')
            .chars()
            .filter(|c| !matches!(c, '\t' | '\r' | '\n'))
            .collect();
        let invalid = || Error::Invalid {
            detail: "the endpoint or authority is not an https address with a host and a tenant, \
                     such as https://login.microsoftonline.com/TENANT"
                .to_owned(),
        };
        let (scheme, rest) = cleaned.split_once("://").ok_or_else(invalid)?;
        if !scheme.eq_ignore_ascii_case("https") {
            return Err(invalid());
        }
        let rest = &rest[..rest.find(['?', '#']).unwrap_or(rest.len())];
        let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let environment = hostname(host).filter(|host| !host.is_empty()).ok_or_else(invalid)?;
        let mut segments = path.split('/').skip(1);
        let first = segments.next().unwrap_or_default();
        // A parameter behind `;` belongs to the last segment and is no part of it.
        let first = match segments.next() {
            None => first.split(';').next().unwrap_or_default(),
            Some(_) => first,
        };
        let realm = if !first.is_empty() {
            Some(first.to_owned())
        } else {
            environment.strip_suffix(CIAM).map(|name| format!("{name}.onmicrosoft.com"))
        };
        Ok(Self { environment, realm })
    }

    /// As [`parse`](Self::parse), but the tenant must be there.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] also if there is no tenant.
    pub(crate) fn parse_endpoint(address: &str) -> Result<Self, Error> {
        let endpoint = Self::parse(address)?;
        if endpoint.realm.is_some() {
            return Ok(endpoint);
        }
        let detail = "the token endpoint has no tenant; expected is an address such as \
                      https://login.microsoftonline.com/TENANT/oauth2/v2.0/token";
        Err(Error::Invalid { detail: detail.to_owned() })
    }
}

/// All names of the cloud that a host belongs to, the host itself first.
pub(crate) fn aliases(environment: &str) -> impl Iterator<Item = &str> {
    let group = CLOUDS.iter().copied().find(|names| names.contains(&environment)).unwrap_or(&[]);
    std::iter::once(environment)
        .chain(group.iter().copied().filter(move |&name| name != environment))
}

fn hostname(host: &str) -> Option<String> {
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    let name = match host.strip_prefix('[') {
        Some(inside) => inside.split_once(']')?.0,
        None if host.contains(['[', ']']) => return None,
        None => host.split_once(':').map_or(host, |(name, _)| name),
    };
    Some(name.to_lowercase())
}

const CIAM: &str = ".ciamlogin.com";

/// The hosts of each cloud, as MSAL.NET's `KnownMetadataProvider` lists them.
const CLOUDS: &[&[&str]] = &[
    &["login.microsoftonline.com", "login.windows.net", "login.microsoft.com", "sts.windows.net"],
    &["login.partner.microsoftonline.cn", "login.chinacloudapi.cn"],
    &["login.microsoftonline.de"],
    &["login.microsoftonline.us", "login.usgovcloudapi.net"],
    &["login-us.microsoftonline.com"],
    &["login.windows-ppe.net", "sts.windows-ppe.net", "login.microsoft-ppe.com"],
    &["login.sovcloud-identity.fr"],
    &["login.sovcloud-identity.de"],
    &["login.sovcloud-identity.sg"],
];

#[cfg(test)]
mod tests {
    use super::{Authority, aliases};

    #[test]
    fn host_and_tenant_are_read_as_the_reference_reads_them() {
        let cases = [
            (
                "https://Login.Example.com:8443/Contoso/v2/token",
                Some(("login.example.com", "Contoso")),
            ),
            ("HTTPS://u:p@h.example/t;x?y#z", Some(("h.example", "t"))),
            ("https://h.example/t;x/y", Some(("h.example", "t;x"))),
            (
                "https://fabrikam.ciamlogin.com",
                Some(("fabrikam.ciamlogin.com", "fabrikam.onmicrosoft.com")),
            ),
            ("https://fabrikam.ciamlogin.com/other/", Some(("fabrikam.ciamlogin.com", "other"))),
            ("https://login.example.com", None),
            ("https://login.example.com//x", None),
            ("http://login.example.com/contoso", None),
            ("https:///contoso", None),
            ("login.example.com/contoso", None),
            ("", None),
        ];
        for (address, expected) in cases {
            let found = Authority::parse_endpoint(address).ok();
            let found =
                found.as_ref().map(|a| (a.environment.as_str(), a.realm.as_deref().unwrap()));
            assert_eq!(found, expected, "{address}");
        }
    }

    #[test]
    fn a_host_is_its_own_first_alias() {
        let names: Vec<_> = aliases("sts.windows.net").collect();
        assert_eq!(names[0], "sts.windows.net");
        assert_eq!(names.len(), 4);
        assert_eq!(aliases("idp.example").collect::<Vec<_>>(), ["idp.example"]);
    }
}
