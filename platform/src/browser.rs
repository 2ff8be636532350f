//! The browser of this machine.

use std::io;

/// Opens a web address in the user's browser, as the desktop would. The browser does not belong to
/// this process, and its output goes nowhere.
///
/// Success says little: some programs that open a browser report it and do nothing, and others fail
/// after they have opened it. So show the address as well.
///
/// # Errors
///
/// If no program that opens addresses can be started.
pub fn open(address: &str) -> io::Result<()> {
    open::that_detached(address)
}
