//! A test that needs more than one process starts itself again.

use std::{any, env, ffi::OsStr, ffi::OsString, process::Command};

/// A command that runs this program again for `test` alone, with something to do that
/// [`task`] tells it.
///
/// A test that uses it begins with what its other processes do:
///
/// ```no_run
/// use tokenkeep_test_support::{again, task};
///
/// fn two_processes_agree() {
///     if let Some(greeting) = task() {
///         return println!("{}", greeting.display());
///     }
///     assert!(again(two_processes_agree, "hello").status().unwrap().success());
/// }
/// ```
pub fn again(test: impl Fn(), task: impl AsRef<OsStr>) -> Command {
    let mut command = rerun(name(&test));
    command.env(TASK, task);
    command
}

/// What [`again`] started this process for; none in the test's own process.
pub fn task() -> Option<OsString> {
    env::var_os(TASK)
}

/// This program again, for the test of that full name.
pub(crate) fn rerun(test: &str) -> Command {
    let mut command = Command::new(env::current_exe().expect("a test knows its own program"));
    command.args([test, "--exact", "--nocapture", "--test-threads=1", "--quiet"]);
    command
}

/// The full name by which the test runner knows a test: its path without the crate.
fn name<T>(test: &T) -> &'static str {
    let path = any::type_name_of_val(test);
    path.split_once("::").map_or(path, |(_, name)| name)
}

const TASK: &str = "TOKENKEEP_TEST_TASK";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_runs_again_as_another_process_and_learns_its_task() {
        if let Some(task) = task() {
            assert_eq!(task, "a task");
            std::process::exit(7);
        }
        let test = a_test_runs_again_as_another_process_and_learns_its_task;
        assert_eq!(again(test, "a task").status().expect("it runs").code(), Some(7));
    }
}
