//! Win32 calls that the standard library does not offer.
#![expect(unsafe_code, reason = "Win32 has no safe interface to these")]

use std::{
    fs::File,
    io, mem,
    os::windows::{ffi::OsStrExt as _, io::AsRawHandle as _},
    path::Path,
};

use windows_sys::Win32::Storage::FileSystem::{
    BY_HANDLE_FILE_INFORMATION, FILE_ATTRIBUTE_TAG_INFO, FILE_DISPOSITION_INFO,
    FileAttributeTagInfo, FileDispositionInfo, GetFileInformationByHandle,
    GetFileInformationByHandleEx, MOVEFILE_REPLACE_EXISTING, MOVEFILE_WRITE_THROUGH, MoveFileExW,
    SetFileInformationByHandle,
};

/// The attributes, size, times and identity of an open file, in one call.
pub(super) fn information(file: &File) -> io::Result<BY_HANDLE_FILE_INFORMATION> {
    let mut information = BY_HANDLE_FILE_INFORMATION::default();
    // SAFETY: `file` keeps the handle open during the call, and the structure may be written to.
    let done = unsafe { GetFileInformationByHandle(file.as_raw_handle(), &mut information) };
    if done == 0 { Err(io::Error::last_os_error()) } else { Ok(information) }
}

/// The reparse tag of an open file that has the reparse-point attribute.
pub(super) fn reparse_tag(file: &File) -> io::Result<u32> {
    let mut found = FILE_ATTRIBUTE_TAG_INFO::default();
    let size = mem::size_of::<FILE_ATTRIBUTE_TAG_INFO>() as u32;
    // SAFETY: `file` keeps the handle open during the call; `size` is the structure's, which may be
    // written to.
    let done = unsafe {
        let (handle, place) = (file.as_raw_handle(), (&raw mut found).cast());
        GetFileInformationByHandleEx(handle, FileAttributeTagInfo, place, size)
    };
    if done == 0 { Err(io::Error::last_os_error()) } else { Ok(found.ReparseTag) }
}

/// Makes the system delete an open file when it is closed. It must be open with `DELETE`.
pub(super) fn delete_when_closed(file: &File) -> io::Result<()> {
    let wanted = FILE_DISPOSITION_INFO { DeleteFile: true };
    let size = mem::size_of::<FILE_DISPOSITION_INFO>() as u32;
    // SAFETY: `file` keeps the handle open during the call; `size` is the structure's, which is
    // only read.
    let done = unsafe {
        let (handle, place) = (file.as_raw_handle(), (&raw const wanted).cast());
        SetFileInformationByHandle(handle, FileDispositionInfo, place, size)
    };
    if done == 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Whether a rename may replace an existing target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Replace {
    Yes,
    /// Fails with `AlreadyExists` instead.
    No,
}

/// Renames a file atomically. Returns after the change of names is on the disk.
pub(super) fn rename(from: &Path, to: &Path, replace: Replace) -> io::Result<()> {
    let flags = match replace {
        Replace::Yes => MOVEFILE_WRITE_THROUGH | MOVEFILE_REPLACE_EXISTING,
        Replace::No => MOVEFILE_WRITE_THROUGH,
    };
    let (from, to) = (wide(from)?, wide(to)?);
    // SAFETY: both are texts that end with a zero and live until the call has returned.
    let done = unsafe { MoveFileExW(from.as_ptr(), to.as_ptr(), flags) };
    if done == 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// UTF-16 with a terminating zero. A long path gets the verbatim prefix, because without it Win32
/// stops at 260 units.
pub(super) fn wide(path: &Path) -> io::Result<Vec<u16>> {
    let absolute = std::path::absolute(path)?;
    let mut units: Vec<u16> = absolute.as_os_str().encode_wide().collect();
    if units.contains(&0) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    if units.len() >= LONGEST_PLAIN && !starts_with(&units, r"\\?\") {
        let share = starts_with(&units, r"\\");
        let prefix = if share { r"\\?\UNC" } else { r"\\?\" };
        // `\\server` becomes `\\?\UNC\server`, so one backslash is kept.
        units.splice(..usize::from(share), prefix.encode_utf16());
    }
    units.push(0);
    Ok(units)
}

fn starts_with(units: &[u16], text: &str) -> bool {
    text.encode_utf16().zip(units).filter(|(a, b)| a == *b).count() == text.len()
}

/// Folder paths end at 248 units, so that an 8.3 file name still fits behind them.
const LONGEST_PLAIN: usize = 248;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_path_takes_its_verbatim_form() {
        let text = |path: &str| {
            let mut units = wide(Path::new(path)).unwrap();
            assert_eq!(units.pop(), Some(0));
            String::from_utf16(&units).unwrap()
        };
        let long = "x".repeat(300);
        assert_eq!(text(r"C:\a b\ü"), r"C:\a b\ü");
        assert_eq!(text(&format!(r"C:\{long}")), format!(r"\\?\C:\{long}"));
        assert_eq!(
            text(&format!(r"\\server\share\{long}")),
            format!(r"\\?\UNC\server\share\{long}")
        );
        assert_eq!(text(&format!(r"\\?\C:\{long}")), format!(r"\\?\C:\{long}"));
    }
}
