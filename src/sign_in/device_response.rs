//! Reads the response that begins a sign-in on another device (RFC 8628, section 3.2).

use std::time::{Duration, Instant};

use serde_json::Value;
use tokenkeep_platform::text::is_obeyed;

use super::DeviceFlow;
use crate::{Error, Secret, cache::Address};

impl DeviceFlow {
    /// Reads the response. `asked` is when it was asked for, by both clocks. `is_loopback`: the
    /// provider is on this machine.
    pub(super) fn read(
        response: &Value,
        asked: (Instant, u64),
        is_loopback: bool,
    ) -> Result<Self, Error> {
        let answer = |detail: &str| Error::ProviderAnswer { detail: detail.into() };
        let text = |name: &str| {
            let value = response.get(name).and_then(Value::as_str);
            value.filter(|text| !text.is_empty())
        };
        let user_code = text("user_code");
        // A program prints it.
        if user_code.is_some_and(|code| !is_shown_whole(code, LONGEST_CODE)) {
            return Err(answer("its user code is too long or has characters that are not shown"));
        }
        // Google says `verification_url`.
        let address = text("verification_uri").or_else(|| text("verification_url"));
        let (address, complete) = (address.map(str::trim), text("verification_uri_complete"));
        let complete = complete.map(str::trim);
        if [address, complete].into_iter().flatten().any(|at| !is_shown_whole(at, LONGEST_ADDRESS))
        {
            let detail = "an address of it is too long or has characters that are not shown";
            return Err(answer(detail));
        }
        let owned = |text: &str| text.to_owned();
        let (Some(device_code), Some(user_code), Some(verification_uri)) =
            (text("device_code"), user_code, address.filter(|address| is_of_the_web(address)))
        else {
            return Err(answer("it has no device code, user code or address to enter it at"));
        };
        let lifetime = seconds(response.get("expires_in"), LIFETIME);
        let shortest = if is_loopback { Duration::ZERO } else { SHORTEST };
        Ok(Self {
            device_code: Secret::new(device_code),
            user_code: owned(user_code),
            verification_uri: owned(verification_uri),
            verification_uri_complete: complete.filter(|at| is_of_the_web(at)).map(owned),
            lifetime,
            interval: seconds(response.get("interval"), INTERVAL).max(shortest),
            end: (asked.0 + lifetime, asked.1.saturating_add(lifetime.as_secs())),
        })
    }
}

/// A number of seconds, which some providers write as text. The default for what is no number.
fn seconds(value: Option<&Value>, default: f64) -> Duration {
    let value = match value {
        Some(Value::String(text)) => text.trim().parse().ok(),
        value => value.and_then(Value::as_f64),
    };
    let value: Option<f64> = value.filter(|seconds: &f64| !seconds.is_nan());
    Duration::from_secs_f64(value.unwrap_or(default).clamp(0.0, LONGEST))
}

/// Whether a text can be shown to a user as it is.
fn is_shown_whole(text: &str, longest: usize) -> bool {
    !text.contains(is_obeyed) && text.chars().count() <= longest
}

/// A browser may open it, so it is no other program's address. Only on this machine nobody else can
/// read a code that is entered over `http`.
fn is_of_the_web(address: &str) -> bool {
    Address::parse(address).is_ok_and(|read| read.is_https || read.is_loopback())
}

/// The seconds that a code lives if the provider does not say; it must (section 3.2).
const LIFETIME: f64 = 600.0;
/// The seconds between two questions if the provider does not say (section 3.2).
const INTERVAL: f64 = 5.0;
/// No provider's code lives longer than a day.
const LONGEST: f64 = 86_400.0;
/// A provider on the network is not asked more often.
const SHORTEST: Duration = Duration::from_secs(1);
/// In characters. A user types it.
const LONGEST_CODE: usize = 64;
/// In characters. Browsers take at least as many.
const LONGEST_ADDRESS: usize = 2_048;

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(changes: &[(&str, Value)], is_loopback: bool) -> Result<DeviceFlow, Error> {
        let mut response = json!({
            "device_code": "d", "user_code": "WDJB-MJHT", "expires_in": 600, "interval": 5,
            "verification_uri": "https://id.example/d",
        });
        for (name, value) in changes {
            response[*name] = value.clone();
        }
        DeviceFlow::read(&response, (Instant::now(), 1_000), is_loopback)
    }

    #[test]
    fn a_time_that_is_no_number_or_an_odd_one_is_read_without_a_panic() {
        for (value, lifetime, interval) in [
            (json!("NaN"), 600, 5),
            (json!("nan"), 600, 5),
            (json!("soon"), 600, 5),
            (json!([7]), 600, 5),
            (json!(null), 600, 5),
            (json!("inf"), 86_400, 86_400),
            (json!("1e400"), 86_400, 86_400),
            (json!(1e300), 86_400, 86_400),
            (json!(u64::MAX), 86_400, 86_400),
            (json!("-inf"), 0, 1),
            (json!(-1), 0, 1),
            (json!("-7"), 0, 1),
            (json!(" 7 "), 7, 7),
        ] {
            let changes = [("expires_in", value.clone()), ("interval", value.clone())];
            let flow = read(&changes, false).unwrap();
            assert_eq!(flow.lifetime().as_secs(), lifetime, "{value}");
            assert_eq!(flow.interval().as_secs(), interval, "{value}");
            assert_eq!(flow.expires_on(), 1_000 + lifetime, "{value}");
        }
    }

    #[test]
    fn a_provider_is_asked_once_a_second_at_most_but_on_this_machine() {
        assert_eq!(read(&[("interval", json!(0))], false).unwrap().interval(), SHORTEST);
        assert!(read(&[("interval", json!(0))], true).unwrap().interval().is_zero());
    }

    #[test]
    fn a_text_that_a_terminal_would_obey_or_that_is_too_long_is_refused() {
        let long = |length: usize| format!("https://id.example/{}", "x".repeat(length - 19));
        for (name, value) in [
            ("user_code", "AB\u{1b}]0;x\u{7}CD".to_owned()),
            ("user_code", "AB\nCD".to_owned()),
            ("user_code", "AB\u{202e}CD".to_owned()),
            ("user_code", "A".repeat(LONGEST_CODE + 1)),
            ("verification_uri", "https://id.example/\u{1b}[2J".to_owned()),
            ("verification_uri", "https://id.example/a\nb".to_owned()),
            ("verification_uri", long(LONGEST_ADDRESS + 1)),
            ("verification_uri_complete", "https://id.example/\u{1b}[2J".to_owned()),
            ("verification_uri_complete", long(LONGEST_ADDRESS + 1)),
        ] {
            let error = read(&[(name, json!(value))], false).unwrap_err();
            assert!(matches!(error, Error::ProviderAnswer { .. }), "{name} {value:?}: {error:?}");
        }
        let code = "é".repeat(LONGEST_CODE);
        assert_eq!(read(&[("user_code", json!(code))], false).unwrap().user_code(), code);
        let longest = long(LONGEST_ADDRESS);
        let flow = read(&[("verification_uri_complete", json!(longest))], false).unwrap();
        assert_eq!(flow.verification_uri_complete(), Some(&*longest));
    }

    #[test]
    fn an_address_over_http_is_one_of_this_machine() {
        for (address, is_good) in [
            ("https://id.example/#/device", true),
            ("http://127.0.0.1:7/d", true),
            ("http://id.example/d", false),
            ("https://ada@id.example/d", false),
            ("javascript:alert(1)", false),
        ] {
            let flow = read(&[("verification_uri", json!(address))], false);
            assert_eq!(flow.is_ok(), is_good, "{address}");
            let flow = read(&[("verification_uri_complete", json!(address))], false).unwrap();
            assert_eq!(flow.verification_uri_complete().is_some(), is_good, "{address}");
        }
    }
}
