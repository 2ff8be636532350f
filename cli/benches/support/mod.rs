//! A sign-in kept by the program, and the two processes that are compared.
#![allow(
    dead_code,
    clippy::print_stdout,
    reason = "each bench uses its part, and a process of it prints"
)]

use std::{
    env, fs,
    hint::black_box,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

/// In the environment of the bare process: the file that it reads.
pub(crate) const BARE_FILE: &str = "TOKENKEEP_BENCH_FILE";

/// A sealed cache with one sign-in.
pub(crate) struct Kept<C> {
    folder: PathBuf,
    choose: C,
}

impl<C: Fn(&mut Command)> Kept<C> {
    /// Lets the program keep a sign-in; `choose` says where its key is.
    pub(crate) fn new(place: &Path, choose: C) -> Self {
        let kept = Self { folder: place.join("cache"), choose };
        let mut add = kept.program("add");
        let mut child =
            add.stdin(Stdio::piped()).stderr(Stdio::null()).spawn().expect("the program starts");
        let event = format!(
            r#"{{"client_id": "client", "scope": ["s1"],
                "token_endpoint": "https://login.example.com/contoso/oauth2/v2.0/token",
                "response": {{"access_token": "{}", "expires_in": 360000,
                    "refresh_token": "{}", "id_token_claims": {{"sub": "subject"}}}}}}"#,
            token(),
            "r".repeat(1000)
        );
        child.stdin.take().expect("a pipe").write_all(event.as_bytes()).expect("it reads");
        assert!(child.wait().expect("it ends").success(), "the sign-in is kept");
        kept
    }

    /// The program that prints the token.
    pub(crate) fn token(&self) -> Command {
        let mut command = self.program("token");
        command.args(["--client-id", "client", "--scope", "s1"]);
        command
    }

    /// This benchmark as the bare process.
    pub(crate) fn bare(&self) -> Command {
        let mut command = Command::new(env::current_exe().expect("this program"));
        command.env(BARE_FILE, self.folder.join("cache.sealed"));
        command
    }

    /// Runs to the end; either process has to print the token.
    pub(crate) fn run(&self, command: &mut Command) {
        let Output { status, stdout, stderr } = command.output().expect("it starts");
        assert!(status.success(), "{}", String::from_utf8_lossy(&stderr));
        assert_eq!(stdout.trim_ascii_end(), token().as_bytes(), "the token is printed");
    }

    fn program(&self, command: &str) -> Command {
        let mut program = Command::new(env!("CARGO_BIN_EXE_tokenkeep"));
        program.arg("--cache").arg(&self.folder).arg(command);
        (self.choose)(&mut program);
        program
    }
}

pub(crate) fn read_file() -> Vec<u8> {
    fs::read(env::var_os(BARE_FILE).expect("a file is named")).expect("a file")
}

pub(crate) fn print_token(file: &[u8]) {
    black_box(file);
    println!("{}", token());
}

/// As long as a provider's.
fn token() -> String {
    "t".repeat(1500)
}
