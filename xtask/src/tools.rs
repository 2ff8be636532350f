//! Installs what the table of prerequisites lists, where that is allowed; elsewhere says what a
//! user would run.

use std::fs;
use std::process::{Command, Stdio};

use tokenkeep_test_support::{NodeModules, Suites, Tool, Venv, in_ci, install_line};

use crate::stage::{self, Failure};

/// Makes `wanted` available, or prints the one line that does. Only with `CI` set is a tool that
/// stays missing a failure.
pub(crate) fn provide(wanted: &[Tool]) -> Result<(), Failure> {
    let missing: Vec<Tool> =
        wanted.iter().copied().filter(|tool| tool.fits_this_system() && !tool.is_here()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    if !may_install() {
        println!(
            "not everything is here; as root, this installs it:\n  {}",
            install_line(&missing)
        );
        return Ok(());
    }
    let outcome = stage::timed("install", || install(&missing));
    match outcome {
        Err(failure) if !in_ci() => {
            println!("{failure}; what needs it is skipped");
            Ok(())
        }
        outcome => outcome,
    }
}

fn install(missing: &[Tool]) -> Result<(), Failure> {
    let packages: Vec<&str> = missing.iter().flat_map(|tool| tool.packages()).copied().collect();
    if cfg!(target_os = "linux") && !packages.is_empty() {
        println!("apt-get install {}", packages.join(" "));
        install_packages(&packages)?;
    }
    for tool in missing {
        // Two tools may share one environment.
        if let Some(venv) = tool.venv().filter(|venv| !venv.is_complete()) {
            install_wheels(venv)?;
        }
        if let Some(suites) = tool.suites() {
            install_suites(suites)?;
        }
        for modules in tool.node_modules() {
            if !modules.is_complete() {
                install_node_modules(modules)?;
            }
        }
        if !tool.is_here() {
            return Err(Failure::new(format!(
                "{} is still missing after its installation",
                tool.name()
            )));
        }
    }
    Ok(())
}

/// A fresh machine has no package lists, an old one outdated lists: both show as a first try that
/// fails.
fn install_packages(packages: &[&str]) -> Result<(), Failure> {
    let options = ["-qq", "install", "-y", "--no-install-recommends"];
    let quietly = apt_get().args(options).args(packages).output();
    if quietly.is_ok_and(|output| output.status.success()) {
        return Ok(());
    }
    if let Err(failure) = stage::finish("apt-get update", apt_get().args(["-qq", "update"])) {
        println!("{failure}; trying with the lists there are");
    }
    stage::finish("apt-get install", apt_get().args(options).args(packages).stdout(Stdio::null()))
}

/// A new environment each time: one that an interrupted run left behind may be anything.
fn install_wheels(venv: Venv) -> Result<(), Failure> {
    let (folder, wheels) = (venv.path(), venv.wheels());
    println!("{}: pip install {}", folder.display(), wheels.join(" "));
    stage::finish(
        "python -m venv",
        Command::new(base_python()).args(["-m", "venv", "--clear"]).arg(&folder),
    )?;
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
    stage::finish("pip install", Command::new(venv.python()).args(pip).args(wheels))
}

/// A new folder each time, as above. The requirements are copied last.
fn install_suites(suites: Suites) -> Result<(), Failure> {
    let (folder, requirements) = (suites.path(), suites.source().join(Suites::REQUIREMENTS));
    println!("{}: pip download", folder.display());
    let failed = |error| Failure::new(format!("{}: {error}", folder.display()));
    if folder.exists() {
        fs::remove_dir_all(&folder).map_err(failed)?;
    }
    fs::create_dir_all(&folder).map_err(failed)?;
    let mut pip = Command::new(Venv::PEERS.python());
    pip.args(["-m", "pip", "--disable-pip-version-check"]).args(Suites::DOWNLOAD);
    pip.arg("--dest").arg(&folder).arg("--requirement").arg(&requirements);
    stage::finish("pip download", &mut pip)?;
    for entry in fs::read_dir(&folder).map_err(failed)?.flatten() {
        let mut unpack = Command::new(Venv::PEERS.python());
        unpack.args(["-m", "tarfile", "--extract"]).arg(entry.path()).arg(&folder);
        stage::finish("unpack", &mut unpack)?;
    }
    fs::copy(&requirements, folder.join(Suites::REQUIREMENTS)).map_err(failed)?;
    Ok(())
}

/// A new folder each time, as above.
fn install_node_modules(modules: NodeModules) -> Result<(), Failure> {
    let (source, folder) = (modules.source(), modules.path());
    println!("{}: npm ci", folder.display());
    let failed = |error| Failure::new(format!("{}: {error}", folder.display()));
    if folder.exists() {
        fs::remove_dir_all(&folder).map_err(failed)?;
    }
    fs::create_dir_all(&folder).map_err(failed)?;
    for file in NodeModules::MANIFEST {
        fs::copy(source.join(file), folder.join(file)).map_err(failed)?;
    }
    let mut npm = Command::new("npm");
    npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]);
    stage::finish("npm ci", npm.current_dir(&folder).stdout(Stdio::null()))
}

/// On Linux the system's own, which the package `python3-venv` belongs to, whatever comes first in
/// `PATH`.
pub(crate) fn base_python() -> &'static str {
    if cfg!(target_os = "linux") {
        "/usr/bin/python3"
    } else if cfg!(windows) {
        "python"
    } else {
        "python3"
    }
}

/// As root on Linux; with `CI` set everywhere, and there through `sudo` when it is not root's run.
fn may_install() -> bool {
    in_ci() || is_root()
}

fn apt_get() -> Command {
    let mut command = if is_root() {
        Command::new("apt-get")
    } else {
        let mut sudo = Command::new("sudo");
        sudo.args(["--non-interactive", "--preserve-env=DEBIAN_FRONTEND", "apt-get"]);
        sudo
    };
    command.env("DEBIAN_FRONTEND", "noninteractive").stdin(Stdio::null());
    command
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").stderr(Stdio::null()).output();
    id.is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}
