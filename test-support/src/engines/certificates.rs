//! Certificates of an authority that only one test knows.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::daemon::{folder, write};
use crate::place::executable;

/// An authority, and the certificate of a server on loopback. All is made when it is asked for, and
/// removed when this is dropped. [`Tool::OpenSsl`](crate::Tool::OpenSsl) has to be here.
#[derive(Debug)]
pub struct Certificates {
    folder: TempDir,
}

impl Certificates {
    /// Makes them.
    ///
    /// # Panics
    /// When `openssl` does not.
    #[expect(clippy::new_without_default, reason = "it starts a program")]
    pub fn new() -> Self {
        let made = Self { folder: folder() };
        write(&made.path("settings"), SETTINGS);
        made.make("authority", &[]);
        let authority = [made.path("authority.pem"), made.path("authority.key")];
        let [certificate, key] = authority.each_ref().map(|path| path.as_os_str());
        made.make("server", &["-CA".as_ref(), certificate, "-CAkey".as_ref(), key]);
        made
    }

    fn make(&self, name: &str, signer: &[&std::ffi::OsStr]) {
        let mut openssl = Command::new(executable("openssl").expect("openssl is here"));
        openssl.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]);
        openssl.args(["-nodes", "-days", "2", "-extensions", name]).args(signer);
        openssl.arg("-config").arg(self.path("settings"));
        openssl.arg("-keyout").arg(self.path(&format!("{name}.key")));
        openssl.arg("-out").arg(self.path(&format!("{name}.pem")));
        let output = openssl.stdin(Stdio::null()).output().expect("openssl starts");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{openssl:?}: {said}");
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The certificate of the authority (PEM).
    ///
    /// # Panics
    /// When somebody has removed it.
    pub fn authority(&self) -> Vec<u8> {
        fs::read(self.path("authority.pem")).expect("it was made")
    }

    /// The server's certificate, and its key.
    pub(super) fn server(&self) -> [PathBuf; 2] {
        ["server.pem", "server.key"].map(|name| self.path(name))
    }

    /// The lines of `redis.conf` by which a server takes TLS on a port of its own, and replicas and
    /// other nodes use that.
    pub fn of_redis(&self) -> Vec<String> {
        let shown = |path: &Path| path.display().to_string();
        let [certificate, key] = self.server();
        vec![
            format!("tls-cert-file {}", shown(&certificate)),
            format!("tls-key-file {}", shown(&key)),
            format!("tls-ca-cert-file {}", shown(&self.path("authority.pem"))),
            "tls-auth-clients no".into(),
            "tls-replication yes".into(),
            "tls-cluster yes".into(),
        ]
    }
}

const SETTINGS: &str = "\
[req]
distinguished_name = name
prompt = no
[name]
CN = tokenkeep
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign
[server]
basicConstraints = critical, CA:FALSE
subjectAltName = DNS:localhost, IP:127.0.0.1
";
