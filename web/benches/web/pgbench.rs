//! pgbench with the statements of the store.

use std::{fs::File, io::Write as _, process::Command};

use tokenkeep_test_support::engines::postgres::Server;
use tokenkeep_web::store::{Mark, Put, Store as _};
use tokio::runtime::Runtime;

use crate::{
    engine::Shared,
    values::{self, KEEP_FOR, characters, key},
};

/// The two statements, and users of their own for them. All of these have the same value.
pub(crate) struct Floor {
    pub(crate) load: Script,
    pub(crate) put: Script,
}

impl Floor {
    pub(crate) fn new(runtime: &Runtime, server: &Server, store: &Shared, users: u64) -> Self {
        let value = characters(values::sealed().len());
        let mark = Mark::of(&value).expect("it is long enough");
        let first = key(FROM);
        log_statements(server, "0");
        runtime.block_on(async {
            store.put(&first, Put::new(None, &value, KEEP_FOR)).await.expect("stored");
            store.put(&first, Put::new(Some(&mark), &value, KEEP_FOR)).await.expect("stored");
        });
        let parameters = [ID, ":mark", ":key_id", "7776000", ":value", ":mark"];
        let put = last_sent(server, "UPDATE tokenkeep_web SET", &parameters);
        runtime.block_on(store.load(&first, None)).expect("loaded");
        let load = last_sent(server, "SELECT CASE WHEN mark", &[ID, "NULL::bytea"]);
        log_statements(server, "-1");
        server.psql(&format!(
            "INSERT INTO tokenkeep_web (id, app, mark, key_id, keep_until, value) SELECT lpad(n::text, 16, '0')::bytea, app, mark, key_id, \
             keep_until, value FROM tokenkeep_web, generate_series({}, {}) AS n \
             WHERE id = lpad({FROM}::text, 16, '0')::bytea",
            FROM + 1,
            FROM + users - 1,
        ));
        let script = |statement| Script::new(statement, users, &value);
        Self { load: script(load), put: script(put) }
    }
}

/// Lets the server log statements from now on, if `from` is 0, or none, if it is -1.
fn log_statements(server: &Server, from: &str) {
    server.psql(&format!(
        "ALTER SYSTEM SET log_min_duration_statement = {from}; \
         ALTER SYSTEM SET log_parameter_max_length = 0; SELECT pg_reload_conf()"
    ));
    crate::until(|| server.psql("SHOW log_min_duration_statement"), |set| set == from);
}

/// The last statement of this kind that the store sent, with these in place of its parameters. It
/// is taken from the server's log.
fn last_sent(server: &Server, kind: &str, parameters: &[&str]) -> String {
    let log = server.log();
    let (_, said) = log.rsplit_once(&format!(": {kind}")).expect("the store has sent it");
    // Lines that go on begin with a tab.
    let end = said.find("\n2").unwrap_or(said.len());
    let mut statement = format!("{kind}{}", said[..end].replace("\n\t", "\n"));
    for (number, parameter) in parameters.iter().enumerate().rev() {
        statement = statement.replace(&format!("${}", number + 1), parameter);
    }
    statement
}

/// A script of pgbench.
pub(crate) struct Script {
    text: tempfile::NamedTempFile,
    value: String,
}

impl Script {
    fn new(statement: String, users: u64, value: &[u8]) -> Self {
        let mut text = tempfile::NamedTempFile::new().expect("a file");
        let last = FROM + users - 1;
        let script = format!("\\set n random({FROM}, {last})\n{statement};\n");
        File::write_all(text.as_file_mut(), script.as_bytes()).expect("written");
        let value = String::from_utf8(value.to_vec()).expect("characters");
        Self { text, value }
    }

    /// Transactions a second of so many clients. `protocol` is `extended`, which sends a statement
    /// each time as the store does, or `prepared`.
    pub(crate) fn rate(&self, server: &Server, protocol: &str, clients: u64, seconds: u64) -> f64 {
        let mut command = Command::new("pgbench");
        command.args(["--no-vacuum", "--protocol", protocol, "--jobs", "2"]);
        command.args(["--host", "127.0.0.1", "--port", &server.port().to_string()]);
        command.args(["--username", "postgres", "--time", &seconds.to_string()]);
        command.args(["--client", &clients.to_string()]);
        for (name, value) in [("value", &*self.value), ("mark", &self.value[..Mark::LEN])] {
            command.arg("--define").arg(format!("{name}={value}"));
        }
        command.arg("--define").arg(format!("key_id={}", &self.value[..16]));
        command.arg("--file").arg(self.text.path()).arg("postgres");
        let output = command.output().expect("pgbench is a part of PostgreSQL");
        let said = String::from_utf8_lossy(&output.stdout);
        let tps = said.lines().find_map(|line| line.strip_prefix("tps = "));
        let tps = tps.and_then(|rest| rest.split(' ').next()?.parse().ok());
        let errors = String::from_utf8_lossy(&output.stderr);
        tps.unwrap_or_else(|| panic!("pgbench says:\n{said}{errors}"))
    }
}

/// The id of the user `:n`, as [`values::id`] has it.
const ID: &str = "lpad(:n, 16, '0')::bytea";
/// The floor's users begin here.
const FROM: u64 = 1_000_000_000;
