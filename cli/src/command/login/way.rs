//! How this machine can sign a user in.

use std::env;

use tokenkeep::sign_in::ProviderMetadata;
use tokenkeep_platform::environment::Environment;

use crate::{args::WayFlags, failure::Failure};

/// A way to sign in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::command) enum Way {
    Browser,
    Device,
    Paste,
}

/// What a choice depends on.
pub(in crate::command) struct Here {
    pub(in crate::command) has_browser: bool,
    pub(in crate::command) is_terminal: bool,
    /// The variable `TOKENKEEP_LOGIN`.
    pub(in crate::command) setting: Option<String>,
}

impl Way {
    /// The way that was typed or set, else the best one that both sides can go.
    pub(in crate::command) fn choose(
        flags: WayFlags,
        here: &Here,
        provider: &ProviderMetadata,
    ) -> Result<Self, Failure> {
        let has_page = provider.authorization_endpoint.is_some();
        let typed = match flags {
            WayFlags { browser: true, .. } => Some(Self::Browser),
            WayFlags { device: true, .. } => Some(Self::Device),
            WayFlags { paste: true, .. } => Some(Self::Paste),
            _ => here.setting.as_deref().map(Self::from_setting).transpose()?,
        };
        match typed {
            Some(Self::Paste) if !here.is_terminal => Err(Failure::Usage(
                "the address cannot be pasted without a terminal; choose --device or --browser"
                    .into(),
            )),
            Some(way) => Ok(way),
            None if here.has_browser && has_page => Ok(Self::Browser),
            None if provider.device_authorization_endpoint.is_some() => Ok(Self::Device),
            None if here.is_terminal && has_page => Ok(Self::Paste),
            None => Err(Failure::Usage(
                "no way to sign in is left here: a browser needs a desktop (--browser), a code \
                 needs a provider that has it (--device), and a pasted address needs a terminal \
                 (--paste)"
                    .into(),
            )),
        }
    }

    /// The way at a provider that offers all of them.
    pub(in crate::command) fn usual(here: &Here) -> Result<Self, Failure> {
        let mut provider = ProviderMetadata::default();
        provider.authorization_endpoint = Some(String::new());
        provider.device_authorization_endpoint = Some(String::new());
        Self::choose(WayFlags::default(), here, &provider)
    }

    /// The word of a setting and of a report.
    pub(in crate::command) fn word(self) -> &'static str {
        match self {
            Self::Browser => "browser",
            Self::Device => "device",
            Self::Paste => "paste",
        }
    }

    fn from_setting(word: &str) -> Result<Self, Failure> {
        let all = [Self::Browser, Self::Device, Self::Paste];
        all.into_iter().find(|way| way.word() == word).ok_or_else(|| {
            Failure::Usage(format!("{SETTING} is `{word}`; expected is browser, device or paste"))
        })
    }
}

impl Here {
    pub(in crate::command) fn new(is_terminal: bool) -> Self {
        Self {
            has_browser: Environment::here().has_browser(),
            is_terminal,
            setting: env::var(SETTING).ok().filter(|setting| !setting.is_empty()),
        }
    }
}

const SETTING: &str = "TOKENKEEP_LOGIN";

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: WayFlags = WayFlags { browser: false, device: false, paste: false };

    fn provider(has_page: bool, has_device: bool) -> ProviderMetadata {
        let mut metadata = ProviderMetadata::new("https://id.example");
        metadata.authorization_endpoint = has_page.then(|| "https://id.example/auth".into());
        metadata.device_authorization_endpoint = has_device.then(|| "https://id.example/d".into());
        metadata
    }

    fn chosen(flags: WayFlags, here: (bool, bool, Option<&str>), at: (bool, bool)) -> Option<Way> {
        let (has_browser, is_terminal, setting) = here;
        let here = Here { has_browser, is_terminal, setting: setting.map(str::to_owned) };
        Way::choose(flags, &here, &provider(at.0, at.1)).ok()
    }

    #[test]
    fn a_browser_then_a_code_then_a_pasted_address() {
        let desktop = (true, true, None);
        let remote = (false, true, None);
        let script = (false, false, None);
        assert_eq!(chosen(NONE, desktop, (true, true)), Some(Way::Browser));
        assert_eq!(chosen(NONE, desktop, (false, true)), Some(Way::Device));
        assert_eq!(chosen(NONE, remote, (true, true)), Some(Way::Device));
        assert_eq!(chosen(NONE, remote, (true, false)), Some(Way::Paste));
        assert_eq!(chosen(NONE, script, (true, true)), Some(Way::Device));
        assert_eq!(chosen(NONE, script, (true, false)), None);
        assert_eq!(chosen(NONE, remote, (false, false)), None);
    }

    #[test]
    fn a_flag_wins_over_the_setting_and_the_setting_over_the_machine() {
        let set = (true, true, Some("device"));
        assert_eq!(chosen(NONE, set, (true, true)), Some(Way::Device));
        let paste = WayFlags { paste: true, ..NONE };
        assert_eq!(chosen(paste, set, (true, true)), Some(Way::Paste));
        assert_eq!(chosen(paste, (true, false, None), (true, true)), None);
        assert_eq!(chosen(NONE, (true, true, Some("Device")), (true, true)), None);
    }

    #[test]
    fn the_usual_way_is_that_of_this_machine() {
        let here = |has_browser, setting: Option<&str>| {
            let setting = setting.map(str::to_owned);
            Way::usual(&Here { has_browser, is_terminal: true, setting }).ok()
        };
        assert_eq!(here(true, None), Some(Way::Browser));
        assert_eq!(here(false, None), Some(Way::Device));
        assert_eq!(here(true, Some("paste")), Some(Way::Paste));
        assert_eq!(here(true, Some("x")), None);
    }
}
