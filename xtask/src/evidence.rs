//! `cargo xtask evidence`: writes what the tests with real programs of MSAL find into
//! docs/INTEROP.md.

use std::fs;
use std::path::Path;

use tokenkeep_test_support::{Tool, target_dir, workspace_root};

use crate::stage::{self, Failure};
use crate::{adapters, bench, check, tools};

/// Each test leaves its results in a file, and the files in their order are the list. A test that
/// is skipped would be missing in it, so here a missing tool is a failure.
#[expect(clippy::disallowed_methods, reason = "version control has the old document")]
pub(crate) fn run() -> Result<(), Failure> {
    tools::provide(&[
        Tool::SecretService,
        Tool::KWallet,
        Tool::PythonLibsecret,
        Tool::PythonSuites,
        Tool::AzureCli,
        Tool::Strace,
        Tool::OidcProvider,
        Tool::DjangoProvider,
        Tool::MsalNode,
        Tool::Redis,
        Tool::Postgres,
        Tool::PgBouncer,
        Tool::Debugger,
    ])?;
    let folder = target_dir().join("test-support").join("evidence");
    fs::remove_dir_all(&folder).ok();
    fs::create_dir_all(&folder).map_err(|error| failed(&folder, &error))?;
    let mut test = stage::cargo();
    test.args(["test", "--package", "tokenkeep", "--test", "interop"]);
    stage::finish("the tests", test.env("CI", "true").env("TOKENKEEP_EVIDENCE", &folder))?;
    LONG.iter().try_for_each(Long::run)?;
    stage::timed("adapters", adapters::test)?;
    let mut web = bench::bench("tokenkeep-web");
    stage::run("web", web.args(["--bench", "web"]).envs(LARGE_STORES))?;
    let programs = ["secret_service", "secret_service_mock", "vault", "vault_in_tokio"];
    check::zbus_tokio_with(&programs, "true")?;
    let document = workspace_root().join("docs/INTEROP.md");
    let text = fs::read_to_string(&document).map_err(|error| failed(&document, &error))?;
    let table = format!("\n{}\n", rows(&folder)?);
    let text = between_marks(&text, &table)
        .ok_or_else(|| Failure::new(format!("{} has no list", document.display())))?;
    fs::write(&document, text).map_err(|error| failed(&document, &error))
}

/// A test program whose full size has no room in every other run, and the counts of that size.
struct Long {
    package: &'static str,
    program: &'static str,
    counts: &'static [(&'static str, &'static str)],
}

impl Long {
    fn run(&self) -> Result<(), Failure> {
        let mut test = stage::cargo();
        test.args(["test", "--package", self.package, "--test", self.program]);
        // Its stores are features.
        test.args((self.package == "tokenkeep-web").then_some("--all-features"));
        test.args(["--", "--nocapture"]).env("CI", "true");
        stage::run(self.program, test.envs(self.counts.iter().copied()))
    }
}

const LONG: [Long; 18] = [
    Long {
        package: "tokenkeep",
        program: "linear",
        counts: &[
            ("TOKENKEEP_LINEAR_BYTES", "2097152"),
            ("TOKENKEEP_LINEAR_MEMORY", "16777216"),
            ("TOKENKEEP_LINEAR_MILLISECONDS", "200"),
            ("TOKENKEEP_LINEAR_RUNS", "5"),
        ],
    },
    Long {
        package: "tokenkeep",
        program: "msal_extensions_contention",
        counts: &[("TOKENKEEP_UPDATES", "2000")],
    },
    Long {
        package: "tokenkeep",
        program: "msal_extensions_kills",
        counts: &[("TOKENKEEP_STEP", "1")],
    },
    Long { package: "tokenkeep", program: "processes", counts: &[("TOKENKEEP_SECONDS", "20")] },
    Long {
        package: "tokenkeep",
        program: "replace",
        counts: &[("TOKENKEEP_REPLACE_CHANGES", "500")],
    },
    Long {
        package: "tokenkeep",
        program: "silent_kills",
        counts: &[("TOKENKEEP_SILENT_KILLS", "1000")],
    },
    Long {
        package: "tokenkeep",
        program: "silent_processes",
        counts: &[("TOKENKEEP_SILENT_ROUNDS", "200"), ("TOKENKEEP_SILENT_KILLS", "1000")],
    },
    Long {
        package: "tokenkeep",
        program: "silent_providers",
        counts: &[
            ("TOKENKEEP_SILENT_ROUNDS", "200"),
            ("TOKENKEEP_SILENT_KILLS", "1000"),
            ("TOKENKEEP_SILENT_SIGN_OUTS", "1000"),
            ("TOKENKEEP_SILENT_PEERS", "8"),
        ],
    },
    Long { package: "tokenkeep", program: "vault", counts: &[("TOKENKEEP_FIRST_RUNS", "500")] },
    Long {
        package: "tokenkeep-web",
        program: "cache",
        counts: &[
            ("TOKENKEEP_WEB_CALLERS", "10000"),
            ("TOKENKEEP_WEB_EXPIRED", "1000"),
            ("TOKENKEEP_WEB_SIGN_OUTS", "1000"),
            ("TOKENKEEP_WEB_MODEL_DEPTH", "4"),
        ],
    },
    Long {
        package: "tokenkeep-web",
        program: "nodes",
        counts: &[
            ("TOKENKEEP_CALLERS", "10000"),
            ("TOKENKEEP_USERS", "1000"),
            ("TOKENKEEP_SIGN_OUTS", "1000"),
            ("TOKENKEEP_UPDATES", "500"),
            ("TOKENKEEP_NODE_FAULTS", "50"),
        ],
    },
    Long {
        package: "tokenkeep-web",
        program: "postgres",
        counts: &[("TOKENKEEP_TEST_UPDATES", "100000"), ("TOKENKEEP_FAILOVERS", "50")],
    },
    Long { package: "tokenkeep-web", program: "redis", counts: &[("TOKENKEEP_FAILOVERS", "50")] },
    Long {
        package: "tokenkeep-python",
        program: "drop_in",
        counts: &[
            ("TOKENKEEP_PYTHON_AZURE", "1"),
            ("TOKENKEEP_PYTHON_KILLS", "1000"),
            ("TOKENKEEP_PYTHON_UPDATES", "100"),
        ],
    },
    Long {
        package: "tokenkeep-python",
        program: "suites",
        counts: &[("TOKENKEEP_PYTHON_AZURE", "1")],
    },
    Long {
        package: "tokenkeep-python",
        program: "interrupts",
        counts: &[("TOKENKEEP_PYTHON_INTERRUPTS", "50")],
    },
    Long {
        package: "tokenkeep-python",
        program: "native",
        counts: &[("TOKENKEEP_PYTHON_OPENS", "10000"), ("TOKENKEEP_PYTHON_ROUNDS", "100")],
    },
    Long { package: "tokenkeep-cli", program: "faults", counts: &[("TOKENKEEP_STEP", "1")] },
];

/// The sizes of the benchmark of the web cache.
const LARGE_STORES: [(&str, &str); 3] = [
    ("TOKENKEEP_BENCH_PARTITIONS", "10000000"),
    ("TOKENKEEP_BENCH_TABLE", "100000"),
    ("TOKENKEEP_BENCH_UPDATES", "1000000"),
];

fn rows(folder: &Path) -> Result<String, Failure> {
    let entries = fs::read_dir(folder).map_err(|error| failed(folder, &error))?;
    let mut files: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    files.sort();
    files
        .iter()
        .map(|file| fs::read_to_string(file).map_err(|error| failed(file, &error)))
        .collect()
}

fn between_marks(text: &str, table: &str) -> Option<String> {
    let (before, rest) = text.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n{table}{END}{after}"))
}

fn failed(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(format!("{}: {error}", path.display()))
}

const BEGIN: &str = "<!-- results: written by `cargo xtask evidence` -->";
const END: &str = "<!-- end of results -->";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_between_the_marks_is_replaced() {
        let text = format!("before\n{BEGIN}\nold\n{END}\nafter\n");
        let expected = format!("before\n{BEGIN}\nnew\n{END}\nafter\n");
        assert_eq!(between_marks(&text, "new\n"), Some(expected));
        assert_eq!(between_marks("no marks", "new"), None);
    }
}
