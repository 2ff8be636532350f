//! The drop-in beside msal-extensions, in turns: a silent call that finds its token, and a sign-in
//! in plain text and in a vault.
#![allow(clippy::print_stdout, reason = "it prints its rows")]
#![allow(clippy::unwrap_used, reason = "a benchmark may")]

#[cfg(target_os = "linux")]
mod linux {
    use std::{
        env,
        path::{Path, PathBuf},
        process::Command,
    };

    use tokenkeep_test_support::{
        Tool, Venv,
        keyring::{Session, State},
        native_library, need, python_package, python_with_libsecret, workspace_root,
    };

    /// Rounds of each kind; the best of each counts.
    const ROUNDS: usize = 9;

    /// µs of a silent call, of a sign-in, and of a sign-in with all that it waits for.
    type Figures = [f64; 3];

    pub(super) fn main() {
        if !need(Tool::PythonLibsecret) || !need(Tool::SecretService) {
            return;
        }
        let program = env::current_exe().unwrap();
        let library = native_library(program.parent().unwrap());
        let package = python_package("bench", &library).unwrap();
        let session = Session::start(State::Unlocked).unwrap();
        for place in ["file", "vault"] {
            let folder = tempfile::tempdir_in(PathBuf::from(env!("CARGO_TARGET_TMPDIR"))).unwrap();
            let mut best = [[f64::MAX; 3]; 2];
            let mut size = 0.0;
            for _ in 0..ROUNDS {
                let mut ours = Command::new(Venv::PEERS.python());
                ours.env("PYTHONPATH", &package);
                let commands = [
                    (ours, "tokenkeep.msal_extensions"),
                    (python_with_libsecret(), "msal_extensions"),
                ];
                for ((mut command, name), best) in commands.into_iter().zip(&mut best) {
                    command.envs(session.envs());
                    let (figures, content) = run(&mut command, name, place, folder.path());
                    size = content;
                    for (best, figure) in best.iter_mut().zip(figures) {
                        *best = best.min(figure);
                    }
                }
            }
            show(place, &best, size);
        }
    }

    fn run(command: &mut Command, name: &str, place: &str, folder: &Path) -> (Figures, f64) {
        let script = workspace_root().join("python/benches/programs/drop_in.py");
        command.arg(script).args([name, place]).arg(folder);
        let output = command.env("PYTHONDONTWRITEBYTECODE", "1").output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8_lossy(&output.stdout);
        let numbers = text.split_whitespace().map(|number| number.parse().unwrap());
        let numbers: Vec<f64> = numbers.collect();
        (numbers[..3].try_into().unwrap(), numbers[3])
    }

    fn show(place: &str, [ours, theirs]: &[Figures; 2], size: f64) {
        let rows = match place {
            "file" => vec![
                ("a silent call that finds its token", 0, "of CPU", 1.1),
                ("a sign-in into a file", 1, "of CPU", 0.6),
                ("a sign-in into a file", 2, "in all, durable", f64::NAN),
            ],
            _ => vec![("a sign-in into a vault", 2, "in all", 0.4)],
        };
        for (what, at, of, bar) in rows {
            let bar = if bar.is_nan() { String::new() } else { format!(", bar {bar}") };
            println!(
                "{what}, {:.0} kB: {:.0} µs {of}, msal-extensions {:.0} µs, ratio {:.2}{bar}",
                size / 1000.0,
                ours[at],
                theirs[at],
                ours[at] / theirs[at]
            );
        }
    }
}

fn main() {
    #[cfg(target_os = "linux")]
    linux::main();
}
