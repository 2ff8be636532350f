//! Certificates of an authority that only one test knows.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::daemon::{folder, write};
use crate::certificate::ServerCertificate;

/// The certificates of a server on loopback and of its authority, as files. They are removed when
/// this is dropped.
#[derive(Debug)]
pub struct Certificates {
    folder: TempDir,
}

impl Certificates {
    /// Makes them.
    ///
    /// # Panics
    /// When the system has no random bytes, or no place for files.
    #[expect(clippy::new_without_default, reason = "it writes files")]
    pub fn new() -> Self {
        let made = Self { folder: folder() };
        let server = ServerCertificate::new(&["localhost", "127.0.0.1"]);
        let [certificate, key] = made.server();
        write(&made.path("authority.pem"), server.authority());
        write(&certificate, server.certificate());
        write(&key, server.key());
        // PostgreSQL takes no key that others can read.
        let mode = fs::Permissions::from_mode(0o600);
        fs::set_permissions(&key, mode).expect("it was written");
        made
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
