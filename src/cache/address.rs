//! Reads a web address so strictly that every other reader finds the same host in it.
//!
//! The tokens of a sign-in go to the host that an HTTP client reads. Readers differ in how they
//! treat `\`, user names, invisible characters, and hosts in other alphabets or number systems. An
//! address with any of these is refused.

use std::net::{Ipv4Addr, Ipv6Addr};

use tokenkeep_platform::text::is_obeyed;

/// A web address, without the parts after its path.
#[derive(Debug)]
pub(crate) struct Address<'a> {
    pub(crate) is_https: bool,
    /// In lower case. An IPv6 address has no brackets.
    pub(crate) host: String,
    /// The port, if the address has one.
    pub(crate) port: Option<u16>,
    /// Includes the first `/`, or is empty.
    pub(crate) path: &'a str,
}

impl<'a> Address<'a> {
    /// Reads `https://host[:port][/path]`, or the same with `http`. White space around the address
    /// is ignored.
    ///
    /// # Errors
    ///
    /// Says what is wrong, as the rest of a sentence that begins with the address.
    pub(crate) fn parse(address: &'a str) -> Result<Self, &'static str> {
        let address = address.trim_matches([' ', '\t', '\r', '\n']);
        if address.contains(|c: char| c == '\\' || c.is_whitespace() || is_obeyed(c)) {
            return Err("has a backslash, a space or a character that is not shown in it");
        }
        let (scheme, rest) = address.split_once("://").ok_or("does not begin with https://")?;
        let is_https = scheme.eq_ignore_ascii_case("https");
        if !is_https && !scheme.eq_ignore_ascii_case("http") {
            return Err("does not begin with https://");
        }
        let rest = &rest[..rest.find(['?', '#']).unwrap_or(rest.len())];
        let (place, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        if place.contains('@') {
            return Err("has a user name before its host");
        }
        if path.split('/').any(is_dots) {
            return Err("has `.` or `..` for a folder in its path");
        }
        let (host, port) = match place.strip_prefix('[') {
            Some(inside) => {
                let (host, port) = inside.split_once(']').ok_or("has a [ without a ]")?;
                host.parse::<Ipv6Addr>().map_err(|_| "has no IPv6 address in its brackets")?;
                (host.to_ascii_lowercase(), port)
            }
            None => {
                let (name, port) = place.split_at(place.find(':').unwrap_or(place.len()));
                (host_name(name)?, port)
            }
        };
        Ok(Self { is_https, host, port: read_port(port)?, path })
    }

    /// The host is this machine.
    pub(crate) fn is_loopback(&self) -> bool {
        self.host == "localhost"
            || self.host.parse::<Ipv4Addr>().is_ok_and(|host| host.is_loopback())
            || self.host.parse::<Ipv6Addr>().is_ok_and(|host| host.is_loopback())
    }
}

/// The host as a name or an IPv4 address.
fn host_name(name: &str) -> Result<String, &'static str> {
    if name.is_empty() {
        return Err("has no host");
    }
    if !name.is_ascii() {
        return Err("has a host that is not in ASCII; write its `xn--` form");
    }
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    let labels = name.strip_suffix('.').unwrap_or(name);
    if !name.chars().all(is_plain) || labels.split('.').any(str::is_empty) {
        return Err("has a host with characters that no host has");
    }
    // Browsers read the numbers in `0x7f.1`, `127.1` and `2130706433` as 127.0.0.1.
    let last = labels.rsplit('.').next().unwrap_or_default();
    let is_number = last.bytes().all(|b| b.is_ascii_digit())
        || last.get(..2).is_some_and(|start| start.eq_ignore_ascii_case("0x"))
            && last[2..].bytes().all(|b| b.is_ascii_hexdigit());
    if is_number && name.parse::<Ipv4Addr>().is_err() {
        return Err("has a number for a host; write it as four decimal numbers");
    }
    Ok(name.to_ascii_lowercase())
}

/// The port after a host: empty, `:` or `:number`.
fn read_port(text: &str) -> Result<Option<u16>, &'static str> {
    const WRONG: &str = "has no number from 1 to 65535 for a port";
    let Some(digits) = text.strip_prefix(':') else {
        return if text.is_empty() { Ok(None) } else { Err(WRONG) };
    };
    // RFC 3986, 3.2.3: a colon without a number means the default port.
    if digits.is_empty() {
        return Ok(None);
    }
    match digits.parse() {
        // `parse` alone would take a leading `+`.
        Ok(port) if port > 0 && digits.bytes().all(|b| b.is_ascii_digit()) => Ok(Some(port)),
        _ => Err(WRONG),
    }
}

/// Some readers remove `.`, `..` and their spellings with `%2e` from a path, together with the
/// segment before `..`.
fn is_dots(segment: &str) -> bool {
    // With a parameter after `;` the segment is an ordinary name.
    let plain = segment.to_ascii_lowercase().replace("%2e", ".");
    plain == "." || plain == ".."
}

#[cfg(test)]
mod tests {
    use super::Address;

    #[test]
    fn an_address_that_another_reader_takes_for_another_host_is_refused() {
        for address in [
            r"https://evil.example\@login.example.com/t",
            r"https://login.example.com\evil/t",
            r"https:\\login.example.com/t",
            "https://user@login.example.com/t",
            "https://user:word@login.example.com/t",
            "https://@login.example.com/t",
            "https://login.example.com%2f@evil.example/t",
            "https://login.\texample.com/t",
            "https://login.example.com/\nt",
            "ht\ntps://login.example.com/t",
            "https://login.example.com/a b",
            "https://login.example.com/a\u{a0}b",
            "https://login.example.com/\u{202e}t",
            "https://login.exam\u{ad}ple.com/t",
            "https://login.example.com\0/t",
            "https://login.example.com\u{7f}/t",
            "https://lo%67in.example.com/t",
            "https://login%2eexample.com/t",
            "https://login.example\u{3002}com/t",
            "https://login.example\u{ff0e}com/t",
            "https://\u{ff4c}ogin.example.com/t",
            "https://login.\u{212a}elvin.example/t",
            "https://\u{fc}nder.example/t",
            "https:login.example.com/t",
            "https:/login.example.com/t",
            "https:///login.example.com/t",
            "https:////login.example.com/t",
            "https://",
            "https://?x",
            "https://#x",
            "https://:443/t",
            "https://.example.com/t",
            "https://login..example.com/t",
            "https://./t",
            "https://login.example.com:x/t",
            "https://login.example.com:65536/t",
            "https://login.example.com:0/t",
            "https://login.example.com:+443/t",
            "https://login.example.com:443:443/t",
            "https://login.example.com:443@evil.example/t",
            "https://login.example.com<evil/t",
            "https://login.example.com;evil/t",
            "https://127.1/t",
            "https://2130706433/t",
            "https://0x7f.0.0.1/t",
            "https://0x7f000001/t",
            "https://127.0.0.0x/t",
            "https://127.0.0.01/t",
            "https://127.0.0.1./t",
            "https://1.2.3.256/t",
            "https://::1/t",
            "https://[::1/t",
            "https://[::1]x/t",
            "https://[fe80::1%25eth0]/t",
            "https://[login.example.com]/t",
            "https://x[::1]/t",
            "https://login.example.com/a/../t",
            "https://login.example.com/./t",
            "https://login.example.com/a/%2E%2e/t",
            "wss://login.example.com/t",
            "//login.example.com/t",
            "login.example.com/t",
            "javascript://login.example.com/t",
            "",
        ] {
            assert!(Address::parse(address).is_err(), "{address:?}");
        }
    }

    #[test]
    fn an_ordinary_address_is_read() {
        for (address, host, port, path) in [
            ("https://Login.Example.com", "login.example.com", None, ""),
            (
                "HTTPS://login.example.com:8443/T/x?y@z#\u{fc}",
                "login.example.com",
                Some(8443),
                "/T/x",
            ),
            (" https://login.example.com:/\r\n", "login.example.com", None, "/"),
            ("https://login.example.com./t", "login.example.com.", None, "/t"),
            (
                "https://my_idp-1.example/t@x;y/.well-known/",
                "my_idp-1.example",
                None,
                "/t@x;y/.well-known/",
            ),
            ("https://xn--nder-0ra.example/\u{fc}", "xn--nder-0ra.example", None, "/\u{fc}"),
            ("https://10.0.0.7:00443/t", "10.0.0.7", Some(443), "/t"),
            ("https://3com.example/t", "3com.example", None, "/t"),
            ("https://a.0xg/t", "a.0xg", None, "/t"),
            ("https://[2001:DB8::1]:8443/t", "2001:db8::1", Some(8443), "/t"),
        ] {
            let found = Address::parse(address).unwrap();
            assert_eq!((&*found.host, found.port, found.path), (host, port, path), "{address:?}");
            assert!(found.is_https && !found.is_loopback());
        }
    }

    #[test]
    fn loopback_is_this_machine_alone() {
        for (host, is_loopback) in [
            ("localhost", true),
            ("LOCALHOST", true),
            ("127.0.0.1", true),
            ("127.255.0.3", true),
            ("[::1]", true),
            ("[0:0:0:0:0:0:0:1]", true),
            ("128.0.0.1", false),
            ("[::2]", false),
            ("[::ffff:127.0.0.1]", false),
            ("0.0.0.0", false),
            ("localhost.example", false),
            ("127.0.0.1.example", false),
        ] {
            let address = format!("http://{host}:8080/t");
            assert_eq!(Address::parse(&address).unwrap().is_loopback(), is_loopback, "{host}");
        }
    }
}
