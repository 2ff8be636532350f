//! The authority of a sign-in: its host, its tenant, its issuer, and the aliases of its host.

use std::net::{Ipv6Addr, SocketAddr};

use crate::{Error, cache::address::Address};

/// The host, the tenant and the issuer of an authority's address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Authority {
    pub(crate) environment: String,
    pub(crate) realm: Option<String>,
    /// The [`issuer_name`] of the address. `None` in Microsoft's clouds, where the cloud and not
    /// the address tells sign-ins apart.
    pub(crate) issuer: Option<String>,
}

impl Authority {
    /// Reads `https://host/tenant/…`. The host becomes lower case. The tenant may be absent.
    ///
    /// The address may use `http` if the host is this machine. Then the port is part of the
    /// environment, because several providers may run here. With `https` the port is not part of
    /// it, as in msal.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if it is not such an address, or if other readers would find another host
    /// in it.
    pub(crate) fn parse(address: &str) -> Result<Self, Error> {
        let invalid = |reason: &str| Error::Invalid {
            detail: format!(
                "the address of the authority or token endpoint {reason}; expected is one such as \
                 https://login.microsoftonline.com/TENANT or https://accounts.example.com"
            ),
        };
        let address = Address::parse(address).map_err(invalid)?;
        let issuer = name_of(&address);
        let environment = if address.is_https {
            address.host
        } else if address.is_loopback() {
            with_port(&address.host, address.port.unwrap_or(HTTP))
        } else {
            return Err(invalid("begins with http://, which is for this machine only"));
        };
        let mut segments = address.path.split('/').skip(1);
        let first = segments.next().unwrap_or_default();
        // A parameter after `;` belongs to the last segment of the address, but is not part of the
        // tenant.
        let first = match segments.next() {
            None => first.split(';').next().unwrap_or_default(),
            Some(_) => first,
        };
        let realm = if !first.is_empty() {
            Some(first.to_owned())
        } else {
            environment.strip_suffix(CIAM).map(|name| format!("{name}.onmicrosoft.com"))
        };
        let issuer = Some(issuer).filter(|_| !is_microsoft(&environment));
        Ok(Self { environment, realm, issuer })
    }

    /// The address that [`parse`](Self::parse) reads as this host and tenant. Returns `None` if
    /// there is none.
    pub(crate) fn address(environment: &str, realm: Option<&str>) -> Option<String> {
        let realm = realm.filter(|realm| !realm.is_empty());
        let start = match environment.parse::<Ipv6Addr>() {
            Ok(_) => format!("https://[{environment}]"),
            Err(_) if environment.contains(':') => format!("http://{environment}"),
            Err(_) => format!("https://{environment}"),
        };
        let address = realm.map_or(start.clone(), |realm| format!("{start}/{realm}"));
        let means_the_same = |address: &String| {
            Self::parse(address).is_ok_and(|read| {
                read.environment.eq_ignore_ascii_case(environment) && read.realm.as_deref() == realm
            })
        };
        // Without a `/` at the end, a `;` would cut the tenant off.
        [address.clone(), format!("{address}/")].into_iter().find(means_the_same)
    }
}

/// A text that is equal for two addresses of the same issuer: scheme, host, port and path. The
/// default port and one `/` at the end do not count, nor does the letter case of scheme and host.
/// Returns `None` if it is not the address of an issuer.
pub(crate) fn issuer_name(address: &str) -> Option<String> {
    let address = Address::parse(address).ok()?;
    (address.is_https || address.is_loopback()).then(|| name_of(&address))
}

fn name_of(address: &Address<'_>) -> String {
    let (scheme, default) = if address.is_https { ("https", HTTPS) } else { ("http", HTTP) };
    let host = match address.port.filter(|&port| port != default) {
        Some(port) => with_port(&address.host, port),
        None => match address.host.parse::<Ipv6Addr>() {
            Ok(host) => format!("[{host}]"),
            Err(_) => address.host.clone(),
        },
    };
    let path = address.path.strip_suffix('/').unwrap_or(address.path);
    format!("{scheme}://{host}{path}")
}

fn with_port(host: &str, port: u16) -> String {
    match host.parse::<Ipv6Addr>() {
        Ok(host) => SocketAddr::from((host, port)).to_string(),
        Err(_) => format!("{host}:{port}"),
    }
}

const HTTP: u16 = 80;
const HTTPS: u16 = 443;

/// The host, followed by its aliases in the same cloud.
pub(crate) fn aliases(environment: &str) -> impl Iterator<Item = &str> {
    let group = CLOUDS.iter().copied().find(|names| names.contains(&environment)).unwrap_or(&[]);
    std::iter::once(environment)
        .chain(group.iter().copied().filter(move |&name| name != environment))
}

/// The name by which all aliases of a host are known.
pub(crate) fn canonical_host(environment: &str) -> &str {
    CLOUDS.iter().find(|names| names.contains(&environment)).map_or(environment, |names| names[0])
}

/// The smallest alias of a host in lower case, which names its cloud. Stores outside keep it in
/// their keys, so it must not change.
pub(crate) fn cloud_name(environment: &str) -> &str {
    aliases(environment).min().unwrap_or(environment)
}

/// The host belongs to Microsoft: to Entra ID in any of its clouds, or to its services for
/// customers (Azure AD B2C, External ID). ADFS hosts and customers' own domains do not count.
pub(crate) fn is_microsoft(environment: &str) -> bool {
    let host = environment.to_ascii_lowercase();
    CLOUDS.iter().any(|names| names.contains(&host.as_str())) || is_of_customers(&host)
}

/// The host, in lower case, is one of Microsoft's at which it signs in customers of other companies
/// (Azure AD B2C, External ID).
pub(crate) fn is_of_customers(host: &str) -> bool {
    CUSTOMERS.iter().any(|suffix| host.ends_with(suffix))
}

const CIAM: &str = ".ciamlogin.com";

/// The suffixes of the hosts at which Microsoft signs in customers of other companies.
const CUSTOMERS: [&str; 5] =
    [".b2clogin.com", ".b2clogin.cn", ".b2clogin.us", ".b2clogin.de", CIAM];

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
    use super::{Authority, CLOUDS, aliases, cloud_name, issuer_name};

    #[test]
    fn host_and_tenant_are_read_as_the_reference_reads_them() {
        let cases = [
            (
                "https://Login.Example.com:8443/Contoso/v2/token",
                Some(("login.example.com", Some("Contoso"))),
            ),
            ("HTTPS://h.example/t;x?y#z", Some(("h.example", Some("t")))),
            ("https://h.example/t;x/y", Some(("h.example", Some("t;x")))),
            (
                "https://fabrikam.ciamlogin.com",
                Some(("fabrikam.ciamlogin.com", Some("fabrikam.onmicrosoft.com"))),
            ),
            (
                "https://fabrikam.ciamlogin.com/other/",
                Some(("fabrikam.ciamlogin.com", Some("other"))),
            ),
            ("https://login.example.com", Some(("login.example.com", None))),
            ("https://login.example.com//x", Some(("login.example.com", None))),
            ("https://localhost:8443/t", Some(("localhost", Some("t")))),
            ("https://[::1]:8443/t", Some(("::1", Some("t")))),
            ("http://login.example.com/contoso", None),
            ("https:///contoso", None),
            ("login.example.com/contoso", None),
            ("", None),
        ];
        for (address, expected) in cases {
            let found = Authority::parse(address).ok();
            let found = found.as_ref().map(|a| (a.environment.as_str(), a.realm.as_deref()));
            assert_eq!(found, expected, "{address}");
        }
    }

    #[test]
    fn http_is_for_this_machine_and_its_port_tells_providers_apart() {
        for (address, environment) in [
            ("http://127.0.0.1:43121/t", "127.0.0.1:43121"),
            ("HTTP://LocalHost:8080/t", "localhost:8080"),
            ("http://localhost/t", "localhost:80"),
            ("http://[::1]:8080/t", "[::1]:8080"),
            ("http://[0:0::1]/t", "[::1]:80"),
        ] {
            assert_eq!(Authority::parse(address).unwrap().environment, environment, "{address}");
        }
        for address in ["http://10.0.0.1/t", "http://localhost.example/t", "http://[::2]/t"] {
            let error = Authority::parse(address).unwrap_err().to_string();
            assert!(error.contains("this machine only"), "{error}");
        }
    }

    #[test]
    fn an_authority_makes_the_address_that_it_was_read_from() {
        for address in [
            "https://login.microsoftonline.com/organizations",
            "https://h.example/t;x/",
            "https://accounts.example.com",
            "https://[::1]/t",
            "https://[2001:db8::1]",
            "http://[::1]:8080/t",
            "http://127.0.0.1:43121",
            "http://localhost:80/t",
            "https://fabrikam.ciamlogin.com/fabrikam.onmicrosoft.com",
        ] {
            let read = Authority::parse(address).unwrap();
            let found = Authority::address(&read.environment, read.realm.as_deref());
            assert_eq!(found.as_deref(), Some(address));
        }
        assert_eq!(Authority::address("h.example", Some("")).as_deref(), Some("https://h.example"));
        for (environment, realm) in
            [("", None), ("a b", None), ("h.example:1", None), ("h.example", Some("a/b"))]
        {
            assert_eq!(Authority::address(environment, realm), None, "{environment}");
        }
    }

    #[test]
    fn an_issuer_is_its_whole_address() {
        for (address, name) in [
            ("https://h.example/realms/a", "https://h.example/realms/a"),
            (" HTTPS://H.Example:443/realms/A/\n", "https://h.example/realms/A"),
            ("https://h.example:8443/realms/a", "https://h.example:8443/realms/a"),
            ("https://h.example/", "https://h.example"),
            ("https://h.example//", "https://h.example/"),
            ("http://127.0.0.1:43121/t", "http://127.0.0.1:43121/t"),
            ("http://localhost:80", "http://localhost"),
            ("https://[::1]/t", "https://[::1]/t"),
            ("https://[0::1]:8443/t", "https://[::1]:8443/t"),
        ] {
            assert_eq!(issuer_name(address).as_deref(), Some(name), "{address}");
            assert_eq!(Authority::parse(address).unwrap().issuer.as_deref(), Some(name));
        }
        for address in ["http://h.example/t", "h.example", "https://h.example/a/../b"] {
            assert_eq!(issuer_name(address), None, "{address}");
        }
        for address in ["https://login.microsoftonline.com/t", "https://t.b2clogin.com/t/p"] {
            assert_eq!(Authority::parse(address).unwrap().issuer, None, "{address}");
        }
    }

    #[test]
    fn an_error_says_what_is_wrong_and_asks_for_no_tenant() {
        for (address, part) in [
            ("login.example.com", "does not begin with https://"),
            ("https://user:word@h.example/", "has a user name before its host"),
            (r"https://h.example\x", "has a backslash"),
        ] {
            let error = Authority::parse(address).unwrap_err().to_string();
            assert!(error.contains(part) && !error.contains("word"), "{error}");
            assert!(error.contains("such as") && !error.contains("host and a tenant"), "{error}");
        }
    }

    /// Keys of web stores contain these names: a change would sign everybody out.
    #[test]
    fn each_cloud_keeps_its_name() {
        let names = CLOUDS.iter().map(|hosts| {
            let name = cloud_name(hosts[0]);
            assert!(hosts.iter().all(|host| cloud_name(host) == name), "{name}");
            name
        });
        let expected = [
            "login.microsoft.com",
            "login.chinacloudapi.cn",
            "login.microsoftonline.de",
            "login.microsoftonline.us",
            "login-us.microsoftonline.com",
            "login.microsoft-ppe.com",
            "login.sovcloud-identity.fr",
            "login.sovcloud-identity.de",
            "login.sovcloud-identity.sg",
        ];
        assert_eq!(names.collect::<Vec<_>>(), expected);
        assert_eq!(cloud_name("idp.example"), "idp.example");
    }

    #[test]
    fn a_host_is_its_own_first_alias() {
        let names: Vec<_> = aliases("sts.windows.net").collect();
        assert_eq!(names[0], "sts.windows.net");
        assert_eq!(names.len(), 4);
        assert_eq!(aliases("idp.example").collect::<Vec<_>>(), ["idp.example"]);
    }
}
