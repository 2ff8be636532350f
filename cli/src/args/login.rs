//! The arguments of `login`.

use std::str::FromStr;

use clap::Args;

use super::Certificates;
use crate::descriptor::Descriptor;

#[derive(Args, Debug)]
pub(crate) struct Login {
    /// Address of the provider's issuer, such as https://login.microsoftonline.com/organizations
    #[arg(value_name = "ISSUER")]
    pub(crate) issuer: String,

    /// Client id of the program, as it is registered at the provider
    #[arg(long, value_name = "ID")]
    pub(crate) client_id: String,

    /// Scope that the program needs; repeat the option for more
    ///
    /// openid and profile are asked for too, and offline_access where the provider has it.
    #[arg(long, value_name = "SCOPE", num_args = 1..)]
    pub(crate) scope: Vec<String>,

    #[command(flatten)]
    pub(crate) way: WayFlags,

    /// Who will sign in; also the account's name if the provider does not say who signed in
    #[arg(long, value_name = "HINT")]
    pub(crate) account: Option<String>,

    /// What the provider asks even if it need not: login, consent or select_account
    ///
    /// A sign-in with a code for another device knows no prompt.
    #[arg(long, value_name = "PROMPT")]
    pub(crate) prompt: Option<String>,

    /// API that the tokens are for, at providers such as Auth0
    #[arg(long, value_name = "AUDIENCE")]
    pub(crate) audience: Option<String>,

    /// Resource that the tokens are for; repeat the option for more
    #[arg(long, value_name = "URL")]
    pub(crate) resource: Vec<String>,

    /// Port of the browser's redirect, for a provider that compares it
    #[arg(long, value_name = "N", conflicts_with = "redirect_uri")]
    pub(crate) port: Option<u16>,

    /// Address of the browser's redirect as it is registered, on this machine and with its port
    #[arg(long, value_name = "URI")]
    pub(crate) redirect_uri: Option<String>,

    /// Open no browser; only show the address
    #[arg(long)]
    pub(crate) no_open: bool,

    /// With --device or --paste, show the address as a QR code, too
    #[arg(long)]
    pub(crate) qr: bool,

    /// Copy the code or the address to the clipboard, through the terminal
    #[arg(long)]
    pub(crate) copy: bool,

    /// Secret of the client: env:NAME or fd:N
    #[arg(long, value_name = "SOURCE")]
    pub(crate) client_secret: Option<SecretSource>,

    /// Use this address; nothing is discovered then
    #[arg(long, value_name = "URL")]
    pub(crate) token_endpoint: Option<String>,

    /// Use this address instead of the announced one
    #[arg(long, value_name = "URL")]
    pub(crate) authorization_endpoint: Option<String>,

    /// Use this address instead of the announced one
    #[arg(long, value_name = "URL")]
    pub(crate) device_endpoint: Option<String>,

    /// Use this address instead of the announced one
    #[arg(long, value_name = "URL")]
    pub(crate) revocation_endpoint: Option<String>,

    #[command(flatten)]
    pub(crate) certificates: Certificates,

    /// How long to wait for the sign-in
    ///
    /// Without it 600 s, or as long as the code for another device lives.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=86400))]
    pub(crate) timeout: Option<u64>,
}

/// The way to sign in, if it was typed.
#[derive(Args, Clone, Copy, Debug, Default)]
#[group(multiple = false)]
pub(crate) struct WayFlags {
    /// Sign in with the browser of this machine
    #[arg(long)]
    pub(crate) browser: bool,

    /// Sign in on any device, with a code
    #[arg(long)]
    pub(crate) device: bool,

    /// Sign in with a browser elsewhere, and paste the address at which it ends
    #[arg(long)]
    pub(crate) paste: bool,
}

/// Where a client's secret comes from.
#[derive(Clone, Debug)]
pub(crate) enum SecretSource {
    Environment(String),
    FileDescriptor(Descriptor),
}

impl FromStr for SecretSource {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once(':') {
            Some(("env", name)) if !name.is_empty() => Ok(Self::Environment(name.to_owned())),
            Some(("fd", number)) => {
                let number = number.parse().map_err(|_| "fd: needs a number".to_owned())?;
                Ok(Self::FileDescriptor(Descriptor::new(number)))
            }
            _ => Err("expected env:NAME or fd:N".to_owned()),
        }
    }
}
