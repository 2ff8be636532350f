//! The names of the schema: the kinds of entry, and the kinds of service that issue accounts.

use std::fmt;

/// A kind of entry in the MSAL unified schema. Its name is also the name of its section.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum CredentialType {
    /// `AccessToken`: sent to an API.
    AccessToken,
    /// `RefreshToken`: exchanged for new access tokens.
    RefreshToken,
    /// `IdToken`: the provider's statement of who signed in.
    IdToken,
    /// `Account`: a user who is signed in.
    Account,
    /// `AppMetadata`: the family that a client id belongs to.
    AppMetadata,
}

impl CredentialType {
    /// Every kind, in the order in which the entries of one sign-in are written.
    pub const ALL: [Self; 5] =
        [Self::AccessToken, Self::Account, Self::IdToken, Self::RefreshToken, Self::AppMetadata];

    /// The name of the section in the cache.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AccessToken => "AccessToken",
            Self::RefreshToken => "RefreshToken",
            Self::IdToken => "IdToken",
            Self::Account => "Account",
            Self::AppMetadata => "AppMetadata",
        }
    }

    /// The kind whose section has this name. Letter case matters.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

impl fmt::Display for CredentialType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The kind of service that issued an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AuthorityType {
    /// `ADFS`: Active Directory Federation Services, used directly.
    Adfs,
    /// `CLOUDSHELL`: the identity of an Azure Cloud Shell.
    CloudShell,
    /// `MSSTS`: every other service, including OpenID Connect providers.
    Mssts,
}

impl AuthorityType {
    /// The name in the cache.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Adfs => "ADFS",
            Self::CloudShell => "CLOUDSHELL",
            Self::Mssts => "MSSTS",
        }
    }

    /// The kind with this name. Letter case matters.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Adfs, Self::CloudShell, Self::Mssts].into_iter().find(|kind| kind.as_str() == name)
    }
}

impl fmt::Display for AuthorityType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
