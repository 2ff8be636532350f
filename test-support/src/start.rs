//! Starting a program where Wine may lose it.

use std::io;

use crate::skip::say;
use crate::tool::under_wine;

/// Starts a program with `start`, again if Wine says that the new process was gone before it ran a
/// line of its own. Under a load that happens once in some thousands of processes, and tells
/// nothing about the program.
///
/// ```no_run
/// # use tokenkeep_test_support::{again, started};
/// # fn a_test() {}
/// let output = started(|| again(a_test, "hello").output()).unwrap();
/// ```
///
/// # Errors
/// What `start` says, the third time what Wine says.
pub fn started<T>(mut start: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    for _ in 0..2 {
        match start() {
            Err(error) if under_wine() && error.raw_os_error() == Some(INTERNAL_ERROR) => {
                say(&format!("started again, because Wine lost the process: {error}"));
            }
            result => return result,
        }
    }
    start()
}

/// `ERROR_INTERNAL_ERROR`, which no call of Windows that makes a process gives otherwise:
/// <https://learn.microsoft.com/windows/win32/debug/system-error-codes--1300-1699->.
const INTERNAL_ERROR: i32 = 1359;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_process_that_wine_lost_is_started_again() {
        for (code, tries) in [(INTERNAL_ERROR, if under_wine() { 3 } else { 1 }), (2, 1)] {
            let mut tried = 0;
            let result = started::<()>(|| {
                tried += 1;
                Err(io::Error::from_raw_os_error(code))
            });
            assert_eq!(result.unwrap_err().raw_os_error(), Some(code));
            assert_eq!(tried, tries);
        }
    }
}
