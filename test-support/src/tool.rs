//! The table of tools, and what a test says when one is missing.

use std::env;
use std::path::Path;

use crate::environment::{Suites, Venv, python};
use crate::node::{NodeModules, has_npm};
use crate::place;
use crate::skip::{caller, say, skip};

/// Something that a test needs and that cargo does not build.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Tool {
    /// A D-Bus daemon, gnome-keyring and `secret-tool`.
    SecretService,
    /// KWallet's daemon, a second provider of the Secret Service.
    KWallet,
    /// Kills or fails a program at any of its system calls.
    Strace,
    /// Stops a program at a system call and dumps its core.
    Debugger,
    /// Python with the peers that the tests compare with; see [`crate::python`].
    Python,
    /// libsecret for the system's own Python, as msal-extensions uses it; see
    /// [`crate::python_with_libsecret`].
    PythonLibsecret,
    /// The test suites of the peers in Python; see [`Suites`].
    PythonSuites,
    /// What the command-line program of Azure uses.
    AzureCli,
    /// Node.js with oidc-provider, an OpenID provider.
    OidcProvider,
    /// Python with django-oauth-toolkit, an OpenID provider.
    DjangoProvider,
    /// Node.js with MSAL and a client of Redis, which benchmarks compare with.
    MsalNode,
    /// Node.js with pyright, which checks the types of Python programs.
    Pyright,
    /// Redis with its Sentinel and its Cluster.
    Redis,
    /// PostgreSQL.
    Postgres,
    /// PgBouncer, a pool of connections in front of PostgreSQL.
    PgBouncer,
    /// Chromium or Chrome, with the driver of its version.
    Browser,
    /// A compiler with the source of its standard library, for type-checking Windows and macOS.
    OtherTargets,
    /// Runs programs of Windows, with the linker that makes them.
    Wine,
}

impl Tool {
    /// Every tool, in the order of installation.
    pub const ALL: &[Self] = &[
        Self::SecretService,
        Self::KWallet,
        Self::Strace,
        Self::Debugger,
        Self::Python,
        Self::PythonLibsecret,
        Self::PythonSuites,
        Self::AzureCli,
        Self::OidcProvider,
        Self::DjangoProvider,
        Self::MsalNode,
        Self::Pyright,
        Self::Redis,
        Self::Postgres,
        Self::PgBouncer,
        Self::Browser,
        Self::OtherTargets,
        Self::Wine,
    ];

    /// What people call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::SecretService => "a Secret Service (dbus, gnome-keyring, secret-tool)",
            Self::KWallet => "KWallet's daemon",
            Self::Strace => "strace",
            Self::Debugger => "gdb",
            Self::Python => "Python with msal, msal-extensions and redis",
            Self::PythonLibsecret => "libsecret for Python",
            Self::PythonSuites => "the test suites of msal, msal-extensions and azure-identity",
            Self::AzureCli => "Python with azure-cli-core",
            Self::OidcProvider => "Node.js 20 or newer with oidc-provider",
            Self::DjangoProvider => "Python with django-oauth-toolkit",
            Self::MsalNode => "Node.js 20 or newer with msal-node",
            Self::Pyright => "Node.js 20 or newer with pyright",
            Self::Redis => "Redis (redis-server, redis-sentinel, redis-cli)",
            Self::Postgres => "PostgreSQL",
            Self::PgBouncer => "PgBouncer",
            Self::Browser => "Chromium with its driver",
            Self::OtherTargets => "a compiler with the standard library's source",
            Self::Wine => "Wine and mingw's linker",
        }
    }

    /// Whether it is here.
    pub fn is_here(self) -> bool {
        let programs = self.programs().iter().all(|name| place::executable(name).is_some());
        match self {
            Self::SecretService | Self::KWallet | Self::Debugger | Self::Redis => programs,
            Self::Postgres => place::postgres_programs().is_some(),
            Self::PgBouncer => place::pgbouncer().is_some(),
            Self::Browser => programs && place::browser().is_some(),
            Self::Strace => place::strace().is_some(),
            Self::Python => python().is_some(),
            Self::PythonSuites => Self::Python.is_here() && Suites::PEERS.is_complete(),
            Self::AzureCli => Venv::AZURE_CLI.is_complete(),
            Self::OidcProvider => NodeModules::OIDC.can_run(),
            Self::DjangoProvider => Venv::DJANGO.is_complete(),
            Self::MsalNode => NodeModules::MSAL.can_run(),
            Self::Pyright => NodeModules::PYRIGHT.can_run(),
            Self::Wine => programs && Self::OtherTargets.is_here(),
            Self::PythonLibsecret => {
                Self::Python.is_here() && place::has_typelib("Secret-1") && place::has_gi()
            }
            Self::OtherTargets => {
                Path::new(DEBIAN_RUSTC).is_file()
                    && Path::new(DEBIAN_STD).join("std/Cargo.toml").is_file()
            }
        }
    }

    /// The programs it consists of that are found by their name alone.
    pub fn programs(self) -> &'static [&'static str] {
        match self {
            Self::SecretService => {
                &["dbus-daemon", "dbus-send", "dbus-monitor", "gnome-keyring-daemon", "secret-tool"]
            }
            Self::KWallet => &["kwalletd5"],
            Self::Debugger => &["gdb"],
            Self::Redis => &["redis-server", "redis-sentinel", "redis-cli"],
            Self::Browser => &["chromedriver"],
            Self::Wine => &["wine", MINGW_GCC],
            _ => &[],
        }
    }

    /// Whether this operating system can have it at all.
    pub fn fits_this_system(self) -> bool {
        cfg!(target_os = "linux") || self == Self::Python
    }

    /// The packages of Debian and Ubuntu that have it.
    pub fn packages(self) -> &'static [&'static str] {
        match self {
            Self::SecretService => &["dbus", "gnome-keyring", "libsecret-tools"],
            Self::KWallet => &["libkf5wallet-bin", "libqca-qt5-2-plugins"],
            Self::Strace => &["strace"],
            Self::Debugger => &["gdb"],
            Self::Redis => &["redis-server", "redis-sentinel", "redis-tools"],
            Self::Postgres => &["postgresql"],
            Self::PgBouncer => &["pgbouncer"],
            Self::Browser => &["chromium", "chromium-driver"],
            // Where Node.js is not Debian's, its npm is no package.
            Self::OidcProvider | Self::MsalNode | Self::Pyright if has_npm() => &[],
            Self::OidcProvider | Self::MsalNode | Self::Pyright => &["nodejs", "npm"],
            Self::Python | Self::PythonSuites | Self::AzureCli | Self::DjangoProvider => {
                &["python3", "python3-venv"]
            }
            Self::PythonLibsecret => &["python3", "python3-venv", "python3-gi", "gir1.2-secret-1"],
            Self::OtherTargets => &["rustc-web", "rust-web-src"],
            Self::Wine => {
                &["rustc-web", "rust-web-src", "gcc-mingw-w64-x86-64-win32", "wine", "wine64"]
            }
        }
    }

    /// The virtual environment that it needs. Two tools may share one.
    pub fn venv(self) -> Option<Venv> {
        match self {
            Self::Python | Self::PythonLibsecret | Self::PythonSuites => Some(Venv::PEERS),
            Self::AzureCli => Some(Venv::AZURE_CLI),
            Self::DjangoProvider => Some(Venv::DJANGO),
            _ => None,
        }
    }

    /// The test suites that it needs.
    pub fn suites(self) -> Option<Suites> {
        (self == Self::PythonSuites).then_some(Suites::PEERS)
    }

    /// The packages of Node.js that it needs. Two tools may share some.
    pub fn node_modules(self) -> Vec<NodeModules> {
        match self {
            Self::OidcProvider => NodeModules::OIDC.with_node(),
            Self::MsalNode => NodeModules::MSAL.with_node(),
            Self::Pyright => NodeModules::PYRIGHT.with_node(),
            _ => Vec::new(),
        }
    }
}

/// Whether `tool` is here. If not, says on stderr that the calling test is skipped and what
/// installs the tool.
///
/// # Panics
///
/// When `CI` is set: there a missing tool is a failure, unless the operating system cannot have it.
#[track_caller]
pub fn need(tool: Tool) -> bool {
    if !tool.fits_this_system() {
        say(&format!("skipped: {} needs {}, which this system cannot have", caller(), tool.name()));
        return false;
    }
    let here = tool.is_here();
    if !here {
        skip(tool.name(), &install_line(&[tool]));
    }
    here
}

/// Whether the calling test runs under Wine, which cannot do `what` as Windows can. Then it says so
/// on stderr.
#[track_caller]
pub fn wine_cannot(what: &str) -> bool {
    let wine = under_wine();
    if wine {
        say(&format!("skipped: {} needs more than Wine, which cannot {what}", caller()));
    }
    wine
}

/// Whether this process runs under Wine.
pub fn under_wine() -> bool {
    env::var_os(UNDER_WINE).is_some()
}

/// Set by who runs tests under Wine.
pub const UNDER_WINE: &str = "TOKENKEEP_UNDER_WINE";

/// The one line that installs all of `tools` on Debian and Ubuntu, run as root in the workspace.
pub fn install_line(tools: &[Tool]) -> String {
    let mut parts = Vec::new();
    let packages: Vec<_> = tools.iter().flat_map(|tool| tool.packages()).copied().collect();
    if !packages.is_empty() {
        parts.push(format!("apt-get install -y --no-install-recommends {}", packages.join(" ")));
    }
    for venv in different(tools.iter().filter_map(|tool| tool.venv())) {
        let (folder, wheels) = (shown(&venv.path()), venv.wheels().join(" "));
        parts.push(format!("/usr/bin/python3 -m venv {folder}"));
        parts.push(format!("{folder}/bin/pip install {wheels}"));
    }
    for suites in different(tools.iter().filter_map(|tool| tool.suites())) {
        let (folder, pip) = (shown(&suites.path()), shown(&Venv::PEERS.path().join("bin/pip")));
        let requirements = suites.source().join(Suites::REQUIREMENTS);
        let (requirements, options) = (shown(&requirements), Suites::DOWNLOAD.join(" "));
        parts.push(format!("{pip} {options} --dest {folder} --requirement {requirements}"));
        parts.push(format!("for f in {folder}/*.tar.gz; do tar -xzf $f -C {folder}; done"));
        parts.push(format!("cp {requirements} {folder}"));
    }
    for modules in different(tools.iter().flat_map(|tool| tool.node_modules())) {
        let (source, folder) = (shown(&modules.source()), shown(&modules.path()));
        let files = NodeModules::MANIFEST.map(|file| format!("{source}/{file}")).join(" ");
        parts.push(format!("mkdir -p {folder}"));
        parts.push(format!("cp {files} {folder}"));
        parts.push(format!("npm ci --ignore-scripts --prefix {folder}"));
    }
    parts.join(" && ")
}

fn different<T: PartialEq>(all: impl Iterator<Item = T>) -> Vec<T> {
    let mut different = Vec::new();
    for one in all {
        if !different.contains(&one) {
            different.push(one);
        }
    }
    different
}

/// A path as it is written in the workspace.
fn shown(path: &Path) -> String {
    path.strip_prefix(place::workspace_root()).unwrap_or(path).display().to_string()
}

/// Where Debian's package `rustc-web` puts its compiler.
pub const DEBIAN_RUSTC: &str = "/usr/bin/rustc";

/// The compiler and linker of Debian's package `gcc-mingw-w64-x86-64-win32`.
pub const MINGW_GCC: &str = "x86_64-w64-mingw32-gcc";

/// Where Debian's package `rust-web-src` makes the standard library's source visible to cargo.
const DEBIAN_STD: &str = "/usr/lib/rustlib/src/rust/library";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_installs_several_tools_at_once() {
        let line = install_line(&[Tool::SecretService, Tool::Strace]);
        let packages = "dbus gnome-keyring libsecret-tools strace";
        assert_eq!(line, format!("apt-get install -y --no-install-recommends {packages}"));
    }

    #[test]
    fn a_line_has_what_pip_and_npm_install_once() {
        let line = install_line(&[Tool::Python, Tool::PythonLibsecret, Tool::OidcProvider]);
        for once in ["-m venv ", "/bin/pip install msal==", "npm ci --ignore-scripts --prefix "] {
            assert_eq!(line.matches(once).count(), 1, "{once}: {line}");
        }
    }
}
