//! The line that fixes a trouble in an environment.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    Dismissed,
    /// The test item of a probe may have been left behind.
    Left,
    Locked,
    /// DPAPI and Credential Manager in a logon over the network.
    NetworkLogon,
    NoBus,
    NoCollection,
    NoKernelKeyring,
    NoService,
    NoVaultSvc,
    Silent,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Where {
    Container,
    /// gnome-keyring answers, or is what the bus would start.
    Gnome,
    KWallet,
    MacOs,
    NoDisplay,
    NoProvider,
    /// The process that answers is known.
    Process,
    Ssh,
    Windows,
    Wsl,
}

/// The first row that matches counts.
pub(super) const TABLE: &[(Trouble, &[Where], &str)] = &[
    (Trouble::Dismissed, &[Where::Ssh, Where::Gnome], UNLOCK),
    (Trouble::Dismissed, &[], "tokenkeep --allow-prompt 120 doctor  # and answer the prompt"),
    (
        Trouble::Left,
        &[Where::MacOs],
        "security delete-generic-password -s tokenkeep-probe  # the test item may be left",
    ),
    (
        Trouble::Left,
        &[Where::Windows],
        "cmdkey /list | findstr tokenkeep-probe  # the test item may be left; cmdkey /delete:NAME",
    ),
    (
        Trouble::Left,
        &[],
        "secret-tool clear service tokenkeep-probe  # the test item may be left; then try again",
    ),
    (Trouble::Locked, &[Where::MacOs], "security unlock-keychain"),
    (Trouble::Locked, &[Where::Gnome, Where::Ssh], UNLOCK),
    (Trouble::Locked, &[Where::Gnome, Where::NoDisplay], UNLOCK),
    (Trouble::Locked, &[], "tokenkeep --allow-prompt 120 doctor"),
    (
        Trouble::NetworkLogon,
        &[],
        "tokenkeep --key passphrase doctor  # or sign in at the machine or over Remote Desktop: \
         a logon over the network has no credentials",
    ),
    (Trouble::NoBus, &[Where::Container, Where::NoProvider], OF_A_CONTAINER),
    (
        Trouble::NoBus,
        &[Where::Wsl],
        "{install} && wsl.exe --shutdown  # with systemd=true under [boot] in /etc/wsl.conf; \
         or: tokenkeep --key passphrase doctor",
    ),
    (Trouble::NoBus, &[Where::NoProvider], "{install}  # then log in again"),
    (Trouble::NoBus, &[Where::Gnome], NEW_SESSION),
    (Trouble::NoBus, &[], "dbus-run-session -- bash  # and start the secret service in it"),
    (Trouble::NoCollection, &[Where::Gnome], UNLOCK),
    (Trouble::NoCollection, &[Where::KWallet], "create a wallet in KWalletManager"),
    (
        Trouble::NoCollection,
        &[],
        "seahorse  # File, New, Password Keyring; then make it the default",
    ),
    (
        Trouble::NoKernelKeyring,
        &[Where::Container],
        "docker run --security-opt seccomp=PROFILE …  # one that allows add_key, keyctl and \
         request_key; or: tokenkeep --key env:TOKENKEEP_KEY doctor",
    ),
    (Trouble::NoKernelKeyring, &[], "tokenkeep --key passphrase doctor"),
    (Trouble::NoService, &[Where::Container, Where::NoProvider], OF_A_CONTAINER),
    (Trouble::NoService, &[Where::NoProvider], "{install}"),
    (Trouble::NoService, &[Where::Gnome], UNLOCK),
    (Trouble::NoService, &[Where::KWallet], "kwalletd6 &  # on Plasma 5: kwalletd5 &"),
    (Trouble::NoService, &[], "start {provider}"),
    (Trouble::NoVaultSvc, &[], "sc.exe start VaultSvc"),
    (Trouble::Silent, &[Where::MacOs], "look for a dialogue behind other windows, then try again"),
    (
        Trouble::Silent,
        &[Where::Process],
        "kill {pid}  # {provider}, if no prompt of it is open; then start it again",
    ),
];

/// With `--unlock`, gnome-keyring reads the password of the login keyring from its input, up to the
/// end. It creates that keyring if there is none. Without `--replace`, an instance that already
/// runs goes on unchanged.
const UNLOCK: &str =
    "read -rsp 'Keyring password: ' P; printf %s \"$P\" | gnome-keyring-daemon --replace --unlock";

const NEW_SESSION: &str = "dbus-run-session -- bash -c 'read -rsp \"Keyring password: \" P; \
     printf %s \"$P\" | gnome-keyring-daemon --unlock >/dev/null; exec bash'";

const OF_A_CONTAINER: &str = "export TOKENKEEP_KEY=\"$(openssl rand -hex 32)\"; \
     tokenkeep --key env:TOKENKEEP_KEY doctor  # keep the key outside the container; or \
     --key kernel, where seccomp allows add_key and keyctl";
