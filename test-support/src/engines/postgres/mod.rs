//! PostgreSQL: a server, its standby, and PgBouncer in front of it.
//! [`Tool::Postgres`](crate::Tool::Postgres) has to be here, and
//! [`Tool::PgBouncer`](crate::Tool::PgBouncer) for that.

mod bouncer;
mod server;
mod template;

pub use bouncer::PgBouncer;
pub use server::Server;

use std::path::Path;
use std::process::{Command, Stdio};

/// Whom the servers run as: they refuse to run as root.
fn user() -> Option<&'static str> {
    rustix::process::geteuid().is_root().then_some("postgres")
}

/// Gives a folder with all its content to the user that servers run as.
fn hand_over(folder: &Path) {
    if let Some(user) = user() {
        run(Command::new("chown").args(["-R", &format!("{user}:")]).arg(folder));
    }
}

/// Runs a program to its end.
fn run(command: &mut Command) {
    let output = command.stdin(Stdio::null()).output();
    let output = output.unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}\n{said}", output.status);
}
