//! Windows: only the existence of a process is known. There is no simple call for the script that
//! an interpreter runs.
#![expect(unsafe_code, reason = "Win32 has no safe interface to these")]

use std::{
    io,
    os::windows::io::{AsRawHandle as _, FromRawHandle as _, OwnedHandle},
};

use windows_sys::Win32::{
    Foundation::{ERROR_INVALID_PARAMETER, STILL_ACTIVE},
    System::Threading::{GetExitCodeProcess, OpenProcess, PROCESS_QUERY_LIMITED_INFORMATION},
};

use super::Process;

pub(in super::super) fn look_up(pid: u32) -> Process {
    // SAFETY: the call takes numbers alone.
    let handle = unsafe { OpenProcess(PROCESS_QUERY_LIMITED_INFORMATION, 0, pid) };
    if handle.is_null() {
        let error = io::Error::last_os_error().raw_os_error();
        let absent = error == Some(ERROR_INVALID_PARAMETER.cast_signed());
        return if absent { Process::Absent } else { Process::Unknown };
    }
    // SAFETY: the call succeeded, and nobody else has the handle.
    let process = unsafe { OwnedHandle::from_raw_handle(handle) };
    let mut code = 0;
    // SAFETY: `process` keeps the handle open during the call, and the code may be written to.
    let done = unsafe { GetExitCodeProcess(process.as_raw_handle(), &mut code) };
    // A program that exits with this very code is taken for a running one, and waited for.
    let ended = done != 0 && code != STILL_ACTIVE.cast_unsigned();
    if ended { Process::Absent } else { Process::Unknown }
}
