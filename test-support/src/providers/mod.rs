//! OpenID providers on loopback that rotate refresh tokens.
//!
//! They are not the work of this project, so they judge whether a refresh token was spent twice.

mod running;
mod scripted;
mod server;

use std::io;
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use crate::environment::Venv;
use crate::node::{NodeModules, node};
use crate::place::workspace_root;

pub use running::{Answers, Counts, Issued, Provider};
pub use scripted::Scripted;
pub use server::Moment;

/// oidc-provider, for Node.js. It has no leeway: who presents a spent refresh token ends the
/// sign-in, with all its tokens. [`Tool::OidcProvider`](crate::Tool::OidcProvider) has to be here.
#[derive(Clone, Debug)]
pub struct OidcProvider {
    lifetime: Duration,
    code_lifetime: Duration,
}

impl OidcProvider {
    /// With access tokens that live for an hour.
    pub fn new() -> Self {
        Self { lifetime: HOUR, code_lifetime: HOUR }
    }

    /// How long the code of a device sign-in lives, in whole seconds.
    #[must_use]
    pub fn code_lifetime(mut self, lifetime: Duration) -> Self {
        self.code_lifetime = lifetime;
        self
    }

    /// How long an access token lives, in whole seconds.
    #[must_use]
    pub fn lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = lifetime;
        self
    }

    /// Starts it on a free port, and waits until it answers.
    ///
    /// # Errors
    /// When it does not answer within 30 s.
    pub fn start(&self) -> io::Result<Provider> {
        let mut command = Command::new(node().expect("it is here"));
        command.arg(program("oidc/server.mjs")).arg(NodeModules::OIDC.path());
        command.args([self.lifetime, self.code_lifetime].map(|time| time.as_secs().to_string()));
        Provider::start(&mut command, TempDir::new()?)
    }
}

impl Default for OidcProvider {
    fn default() -> Self {
        Self::new()
    }
}

/// django-oauth-toolkit, for Python. Within its leeway a spent refresh token brings the same
/// successor once more; later it ends the sign-in.
/// [`Tool::DjangoProvider`](crate::Tool::DjangoProvider) has to be here.
#[derive(Clone, Debug)]
pub struct DjangoProvider {
    lifetime: Duration,
    leeway: Duration,
}

impl DjangoProvider {
    /// With access tokens that live for an hour, and without a leeway.
    pub fn new() -> Self {
        Self { lifetime: HOUR, leeway: Duration::ZERO }
    }

    /// How long an access token lives, in whole seconds.
    #[must_use]
    pub fn lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = lifetime;
        self
    }

    /// How long a spent refresh token is still accepted, in whole seconds.
    #[must_use]
    pub fn leeway(mut self, leeway: Duration) -> Self {
        self.leeway = leeway;
        self
    }

    /// Starts it on a free port, and waits until it answers.
    ///
    /// # Errors
    /// When it does not answer within 30 s.
    pub fn start(&self) -> io::Result<Provider> {
        let folder = TempDir::new()?;
        let mut command = Command::new(Venv::DJANGO.python());
        command.arg(program("django/server.py")).arg(folder.path());
        command.args([self.lifetime, self.leeway].map(|time| time.as_secs().to_string()));
        Provider::start(&mut command, folder)
    }
}

impl Default for DjangoProvider {
    fn default() -> Self {
        Self::new()
    }
}

fn program(path: &str) -> std::path::PathBuf {
    workspace_root().join("test-support/providers").join(path)
}

const HOUR: Duration = Duration::from_secs(3600);

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader, ErrorKind, Read as _};
    use std::net::TcpStream;
    use std::process::Stdio;
    use std::thread;

    use super::*;
    use crate::again::{again, task};
    use crate::tool::{Tool, need};

    #[test]
    #[expect(clippy::print_stdout, reason = "the other process reads it")]
    fn a_provider_ends_with_the_process_that_has_it() {
        if let Some(task) = task() {
            let provider = match task == OIDC {
                true => OidcProvider::new().start(),
                false => DjangoProvider::new().start(),
            };
            println!("\nissuer {}", provider.as_ref().unwrap().issuer());
            loop {
                thread::park();
            }
        }
        for (name, tool) in [(OIDC, Tool::OidcProvider), ("other", Tool::DjangoProvider)] {
            if !need(tool) {
                continue;
            }
            let mut command = again(a_provider_ends_with_the_process_that_has_it, name);
            let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
            let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
            let issuer = lines
                .find_map(|line| line.unwrap().strip_prefix("issuer http://").map(str::to_owned));
            let issuer = issuer.expect("the provider starts");
            let mut connection = TcpStream::connect(issuer.split('/').next().unwrap()).unwrap();
            child.kill().unwrap();
            child.wait().unwrap();
            // It waits for a request, so only its end ends the connection.
            connection.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
            match connection.read(&mut [0]) {
                Ok(read) => assert_eq!(read, 0, "{name}"),
                Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{name}"),
            }
        }
    }

    const OIDC: &str = "oidc";
}
