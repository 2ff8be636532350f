//! `cargo xtask check`: what can be said about the code without running it, on every operating
//! system.

use std::process::Command;

use tokenkeep_test_support::{DEBIAN_RUSTC, Tool, target_dir};

use crate::stage::{self, Failure};
use crate::{adapters, everything, floors, msrv, packages, threats, tools, wine};

/// Runs the named stages, or all of them.
pub(crate) fn run(names: &[String]) -> Result<(), Failure> {
    if let Some(unknown) =
        names.iter().find(|name| !STAGES.iter().any(|stage| stage.name == **name))
    {
        let known: Vec<_> = STAGES.iter().map(|stage| stage.name).collect();
        return Err(Failure::new(format!("no stage {unknown}; there are: {}", known.join(", "))));
    }
    let chosen = || {
        STAGES
            .iter()
            .filter(|stage| names.is_empty() || names.iter().any(|name| name == stage.name))
    };
    let mut needed: Vec<Tool> = Vec::new();
    for tool in chosen().filter_map(|stage| stage.needs) {
        if !needed.contains(&tool) {
            needed.push(tool);
        }
    }
    if !needed.is_empty() {
        tools::provide(&needed)?;
    }
    for stage in chosen() {
        match stage.needs.filter(|tool| !tool.is_here()) {
            Some(tool) => println!("== {}: skipped, needs {}", stage.name, tool.name()),
            None => stage::timed(stage.name, stage.check)?,
        }
    }
    Ok(())
}

struct Stage {
    name: &'static str,
    needs: Option<Tool>,
    check: fn() -> Result<(), Failure>,
}

/// Quick verdicts first.
const STAGES: &[Stage] = &[
    Stage { name: "fmt", needs: None, check: || cargo("fmt", &["fmt", "--all", "--check"]) },
    Stage { name: "floors", needs: None, check: floors::check },
    Stage { name: "threats", needs: None, check: threats::check },
    Stage { name: "packages", needs: None, check: packages::check },
    Stage { name: "msrv", needs: None, check: msrv::check },
    Stage { name: "clippy", needs: None, check: clippy },
    Stage { name: "docs", needs: None, check: docs },
    Stage { name: "adapters", needs: None, check: adapters::check },
    Stage { name: "macos", needs: Some(Tool::OtherTargets), check: macos },
    Stage { name: "zbus-tokio", needs: Some(Tool::SecretService), check: zbus_tokio },
    Stage { name: "wine", needs: Some(Tool::Wine), check: wine::test },
];

/// The library as most people build it, and with everything it can have.
const FEATURES: [&[&str]; 2] = [&[], &["--features", everything::DESKTOP]];

fn clippy() -> Result<(), Failure> {
    // What most people build is type-checked for macOS with warnings as errors.
    let mut everything = everything::arguments().to_vec();
    everything.push("--all-targets");
    let in_memory = vec!["--package", "tokenkeep", "--lib", "--no-default-features"];
    // The store in memory alone, on the library without its stores.
    let in_memory_web = vec!["--package", "tokenkeep-web", "--lib"];
    [everything, in_memory, in_memory_web].iter().try_for_each(|what| {
        let mut clippy = stage::cargo();
        clippy.args(["clippy", "--quiet"]).args(what).args(["--", "-D", "warnings"]);
        stage::finish("clippy", &mut clippy)
    })
}

fn docs() -> Result<(), Failure> {
    let desktop: &[&str] =
        &["--workspace", "--exclude", "tokenkeep-web", "--exclude", "tokenkeep-python"];
    [desktop, everything::arguments()].iter().try_for_each(|what| {
        let mut doc = stage::cargo();
        doc.args(["doc", "--quiet", "--no-deps"]).args(*what);
        stage::finish("docs", doc.env("RUSTDOCFLAGS", "-D warnings"))
    })
}

/// Tests that reach a vault, in a program where another crate has turned on zbus's feature `tokio`:
/// its blocking calls panic on a worker of tokio then.
fn zbus_tokio() -> Result<(), Failure> {
    let ci = std::env::var("CI").unwrap_or_default();
    zbus_tokio_with(&["vault_in_tokio"], &ci)
}

/// The same for each of these test programs. With `ci` set to `true` a missing tool is a failure.
pub(crate) fn zbus_tokio_with(programs: &[&str], ci: &str) -> Result<(), Failure> {
    let mut test = stage::cargo();
    test.args(["test", "--quiet", "--package", "tokenkeep-platform", "--package", "tokenkeep"]);
    // What the feature makes cargo build once more is built quickly.
    for package in ["secret-service", "tokenkeep", "tokenkeep-platform"] {
        test.arg("--config").arg(format!("profile.dev.package.{package}.opt-level=0"));
    }
    test.args(["--features", "tokenkeep-test-support/zbus-tokio,tokenkeep/tokio"]);
    for program in programs {
        test.args(["--test", program]);
    }
    stage::finish("zbus-tokio", test.env("TOKENKEEP_FIRST_RUNS", "20").env("CI", ci))
}

/// Type-checks what people run on macOS, with the standard library built from its source, because
/// that of the other systems is not part of a Linux installation.
fn macos() -> Result<(), Failure> {
    FEATURES.iter().try_for_each(|features| {
        let mut check: Command = stage::cargo();
        check.args(["check", "--quiet", "--lib", "--bins", "--examples", "--target"]);
        check.arg("aarch64-apple-darwin").args(*features);
        for package in ["tokenkeep", "tokenkeep-platform", "tokenkeep-cli"] {
            check.args(["--package", package]);
        }
        check.args(["-Zbuild-std=std,panic_unwind", "-Zwarnings", "--target-dir"]);
        check.arg(target_dir().join("other"));
        check.env("RUSTC", DEBIAN_RUSTC).env("RUSTC_BOOTSTRAP", "1");
        check.env("CARGO_BUILD_WARNINGS", "deny");
        stage::finish("macos", &mut check)
    })
}

fn cargo(name: &str, arguments: &[&str]) -> Result<(), Failure> {
    stage::finish(name, stage::cargo().args(arguments))
}
