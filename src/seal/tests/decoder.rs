//! A decoder in Python, written from docs/FORMAT.md, has to agree about every vector.

use std::{
    env,
    io::{self, Write},
    path::{Path, PathBuf},
    process::Command,
};

use super::vectors::{folder, read_all};

#[test]
fn an_independent_decoder_reaches_the_same_verdicts_and_plaintexts() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = python();
    let vectors = read_all();
    let output = Command::new(&python)
        .arg(root.join("tests/decoder/decoder.py"))
        .args(vectors.keys().map(|name| folder().join(name)))
        .output();
    let output = match output {
        Ok(output) => output,
        Err(error) => return skip(&format!("`{}` does not run: {error}", python.display())),
    };
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));

    let mut wrong = Vec::new();
    let mut skipped = 0;
    let mut lines = text.lines();
    for (name, vector) in &vectors {
        let line = lines.next().unwrap_or_default();
        let plaintext = vector.plaintext.as_deref().unwrap_or_default();
        if line == format!("{name}\tskipped\t") {
            skipped += 1;
        } else if line != format!("{name}\t{}\t{plaintext}", vector.expect) {
            wrong.push(format!("{name}: expected {}, the decoder says {line}", vector.expect));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(lines.next(), None, "one line for each vector");
    if skipped > 0 {
        skip(&format!("argon2-cffi is missing, {skipped} vectors were not decoded"));
    }
}

/// The Python that has argon2, if it is there.
pub(super) fn python() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    env::var_os("TOKENKEEP_TEST_PYTHON")
        .map_or_else(|| root.join("target/test-support/venv/bin/python"), PathBuf::from)
}

pub(super) fn skip(why: &str) {
    assert_ne!(env::var("CI").as_deref(), Ok("true"), "{why}");
    // Not `eprintln!`: the test harness would keep that from a run in which all is well.
    writeln!(io::stderr(), "skipped: {why}; install it as root with `cargo xtask test`").unwrap();
}
