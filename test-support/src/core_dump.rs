//! Core dumps of a program, taken by gdb where the program stands at a system call.
//!
//! gdb may read what the kernel would not dump: the memory of a program that refuses core dumps, if
//! the user who runs the tests is root.

use std::{
    ffi::OsStr,
    fmt::Write as _,
    fs,
    io::{self, Write as _},
    os::unix::fs::MetadataExt as _,
    path::Path,
    process::{Command, Stdio},
};

/// Where a program is stopped and its core dumped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stop {
    call: &'static str,
    descriptor: Option<u32>,
}

/// What was dumped, and what the program had printed by then.
#[derive(Debug)]
#[non_exhaustive]
pub struct Dumped {
    /// One core for each stop: all memory that can be read, and the registers of every thread.
    pub cores: Vec<Vec<u8>>,
    /// What it printed.
    pub stdout: Vec<u8>,
    /// What it printed as errors.
    pub stderr: Vec<u8>,
}

impl Stop {
    /// At the first call of that name.
    pub const fn at(call: &'static str) -> Self {
        Self { call, descriptor: None }
    }

    /// At the first write to a descriptor.
    pub const fn writing_to(descriptor: u32) -> Self {
        Self { call: "write", descriptor: Some(descriptor) }
    }
}

/// Whether the memory of a program that refuses core dumps can be read here.
pub fn may_read_all() -> bool {
    fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

/// Runs `program` with `input`, dumps its core at each stop in turn, and ends it at the last.
///
/// # Errors
///
/// Where gdb could not be started, or the program did not come to a stop.
pub fn dump(program: &Command, input: &[u8], stops: &[Stop]) -> io::Result<Dumped> {
    let folder = tempfile::tempdir()?;
    let place = folder.path();
    fs::File::create(place.join("input"))?.write_all(input)?;
    let script = script(program, place, stops)?;
    fs::File::create(place.join("script"))?.write_all(script.as_bytes())?;
    let mut gdb = Command::new("gdb");
    gdb.args(["-nx", "-batch", "-readnever", "-x"]).arg(place.join("script"));
    gdb.arg(program.get_program()).stdin(Stdio::null()).env("SHELL", "/bin/sh");
    for (name, value) in program.get_envs() {
        match value {
            Some(value) => gdb.env(name, value),
            None => gdb.env_remove(name),
        };
    }
    let output = gdb.output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    if said.contains("received signal") {
        return Err(io::Error::other(format!("the program came to no stop\n{said}")));
    }
    let stdout = fs::read(place.join("stdout")).unwrap_or_default();
    let stderr = fs::read(place.join("stderr")).unwrap_or_default();
    let cores = (0..stops.len()).map(|nth| fs::read(place.join(format!("core.{nth}"))));
    let cores = cores.collect::<io::Result<Vec<_>>>().map_err(|error| {
        let (gdb, program) =
            (String::from_utf8_lossy(&output.stderr), String::from_utf8_lossy(&stderr));
        io::Error::other(format!("no core: {error}\n{gdb}\n{program}"))
    })?;
    Ok(Dumped { cores, stdout, stderr })
}

fn script(program: &Command, place: &Path, stops: &[Stop]) -> io::Result<String> {
    // The last two: what a process asks not to be dumped is dumped as well.
    let mut script = String::from(
        "set confirm off\nset pagination off\nset debuginfod enabled off\n\
         set use-coredump-filter off\nset dump-excluded-mappings on\n",
    );
    let mut line = |text: String| writeln!(script, "{text}").map_err(io::Error::other);
    let file = |name: &str| quoted(place.join(name).as_os_str());
    for (nth, Stop { call, descriptor }) in stops.iter().enumerate() {
        line(format!("tcatch syscall {call}"))?;
        if let Some(descriptor) = descriptor {
            line(format!("condition {} {FIRST_ARGUMENT} == {descriptor}", nth + 1))?;
        }
        let go = if nth == 0 {
            let arguments: Vec<_> = program.get_args().map(quoted).collect::<Result<_, _>>()?;
            let [input, stdout, stderr] = ["input", "stdout", "stderr"].map(file);
            format!("run {} < {} > {} 2> {}", arguments.join(" "), input?, stdout?, stderr?)
        } else {
            "continue".to_owned()
        };
        line(go)?;
        line(format!("gcore {}", place.join(format!("core.{nth}")).display()))?;
    }
    line("kill".to_owned())?;
    Ok(script)
}

/// For a shell.
fn quoted(text: &OsStr) -> io::Result<String> {
    let text = text.to_str().filter(|text| !text.contains(['\'', '\n']));
    let text = text.ok_or_else(|| io::Error::other("an argument that cannot be handed to gdb"))?;
    Ok(format!("'{text}'"))
}

/// The register that holds it.
const FIRST_ARGUMENT: &str = if cfg!(target_arch = "aarch64") { "$x0" } else { "$rdi" };
