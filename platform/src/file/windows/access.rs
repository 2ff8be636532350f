//! Windows security descriptors: reading the user's SID and a file's descriptor, and creating files
//! with one.
#![expect(unsafe_code, reason = "Win32 has no safe interface to these")]

use std::{
    fs::File,
    io, mem,
    os::windows::io::{AsRawHandle as _, FromRawHandle as _},
    path::Path,
    ptr, slice,
};

use windows_sys::Win32::{
    Foundation::{ERROR_INSUFFICIENT_BUFFER, HANDLE, INVALID_HANDLE_VALUE},
    Security::{
        DACL_SECURITY_INFORMATION, GetKernelObjectSecurity, GetLengthSid, GetTokenInformation,
        OWNER_SECURITY_INFORMATION, SECURITY_ATTRIBUTES, TOKEN_USER, TokenUser,
    },
    Storage::FileSystem::{CreateDirectoryW, CreateFileW, FILE_CREATION_DISPOSITION},
};

use super::{
    super::access_list::{Descriptor, Sid},
    native::wide,
};

/// The user that this thread acts as, including impersonation.
pub(super) fn user() -> io::Result<Sid> {
    // `TOKEN_USER` and the longest SID, of 68 bytes, fit in; numbers give it the alignment.
    let mut buffer = [0_u64; 32];
    let (mut needed, size) = (0, size_of_val(&buffer) as u32);
    let token = EFFECTIVE_TOKEN as HANDLE;
    // SAFETY: the token is a constant that needs no closing; `size` is the buffer's, which may be
    // written to.
    let done = unsafe {
        GetTokenInformation(token, TokenUser, buffer.as_mut_ptr().cast(), size, &mut needed)
    };
    if done == 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call succeeded, so the buffer, which is aligned for it, begins with this
    // structure.
    let found = unsafe { &*buffer.as_ptr().cast::<TOKEN_USER>() };
    // SAFETY: its identifier is a valid one inside the same buffer, as long as it says.
    let sid = unsafe {
        let sid = found.User.Sid;
        slice::from_raw_parts(sid.cast::<u8>(), GetLengthSid(sid) as usize)
    };
    Sid::parse(sid).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// The owner and the access list of an open file or folder. It must be open with `READ_CONTROL`.
pub(super) fn descriptor(file: &File) -> io::Result<Descriptor> {
    let wanted = OWNER_SECURITY_INFORMATION | DACL_SECURITY_INFORMATION;
    let mut bytes = vec![0_u8; USUAL_SIZE];
    loop {
        let size = u32::try_from(bytes.len()).map_err(io::Error::other)?;
        let mut needed = 0;
        // SAFETY: `file` keeps the handle open during the call; `size` is the buffer's, which may
        // be written to.
        let done = unsafe {
            let (handle, buffer) = (file.as_raw_handle(), bytes.as_mut_ptr().cast());
            GetKernelObjectSecurity(handle, wanted, buffer, size, &mut needed)
        };
        if done != 0 {
            return Descriptor::parse(&bytes).ok_or_else(|| io::ErrorKind::InvalidData.into());
        }
        let error = io::Error::last_os_error();
        let too_small = error.raw_os_error() == Some(ERROR_INSUFFICIENT_BUFFER.cast_signed());
        // Without a larger size the same call would fail for ever.
        if !too_small || needed <= size {
            return Err(error);
        }
        // The list may grow again before the next call, so this loops.
        bytes.resize(needed as usize, 0);
    }
}

/// The parameters of `CreateFileW`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Opening {
    pub(super) access: u32,
    pub(super) share: u32,
    pub(super) disposition: FILE_CREATION_DISPOSITION,
    pub(super) flags: u32,
}

/// Opens a file. If this creates the file, only the user may access it from the first moment.
pub(super) fn open(path: &Path, opening: Opening) -> io::Result<File> {
    let path = wide(path)?;
    let private = Private::of(&user()?, false);
    // SAFETY: the path ends with a zero; path and attributes live until the call has returned.
    let handle = unsafe {
        CreateFileW(
            path.as_ptr(),
            opening.access,
            opening.share,
            &private.attributes(),
            opening.disposition,
            opening.flags,
            ptr::null_mut(),
        )
    };
    if handle == INVALID_HANDLE_VALUE {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call succeeded, and nobody else has the handle.
    Ok(unsafe { File::from_raw_handle(handle) })
}

/// Creates a folder that only the user may access from the first moment.
pub(super) fn create_folder(path: &Path) -> io::Result<()> {
    let path = wide(path)?;
    let private = Private::of(&user()?, true);
    // SAFETY: the path ends with a zero; path and attributes live until the call has returned.
    let done = unsafe { CreateDirectoryW(path.as_ptr(), &private.attributes()) };
    if done == 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// The security descriptor for new objects, with the alignment that the system requires.
struct Private(Vec<u32>);

impl Private {
    fn of(user: &Sid, folder: bool) -> Self {
        let bytes = Descriptor::owner_only(user, folder);
        let units = bytes.chunks(4).map(|unit| {
            let mut whole = [0; 4];
            whole[..unit.len()].copy_from_slice(unit);
            u32::from_ne_bytes(whole)
        });
        Self(units.collect())
    }

    /// Points into `self`. The system only reads it. The handle is not inherited by child
    /// processes.
    fn attributes(&self) -> SECURITY_ATTRIBUTES {
        SECURITY_ATTRIBUTES {
            nLength: mem::size_of::<SECURITY_ATTRIBUTES>() as u32,
            lpSecurityDescriptor: self.0.as_ptr().cast_mut().cast(),
            bInheritHandle: 0,
        }
    }
}

/// `GetCurrentThreadEffectiveToken()` of processthreadsapi.h: the thread's token, or else the
/// process's.
const EFFECTIVE_TOKEN: isize = -6;

/// Enough for an owner and a dozen entries.
const USUAL_SIZE: usize = 512;

#[cfg(test)]
mod tests {
    use windows_sys::Win32::{
        Foundation::{GENERIC_READ, GENERIC_WRITE, LocalFree},
        Security::Authorization::{
            ConvertSecurityDescriptorToStringSecurityDescriptorW, SDDL_REVISION_1,
        },
        Storage::FileSystem::{
            CREATE_NEW, FILE_FLAG_BACKUP_SEMANTICS, OPEN_EXISTING, READ_CONTROL,
        },
    };

    use super::*;
    use crate::file::{
        Trust,
        access_list::{Kind, judge},
    };

    /// A new folder and a new file, checked right after the single call that created each. Their
    /// parent has an inheritable list that grants everybody access.
    fn created() -> [(Descriptor, Kind); 2] {
        let outer = tempfile::tempdir().unwrap();
        tokenkeep_test_support::let_others(outer.path(), tokenkeep_test_support::Others::Write);
        let (folder, file) = (outer.path().join("folder"), outer.path().join("file"));
        let opening = |access, disposition| Opening {
            access,
            share: 0,
            disposition,
            flags: FILE_FLAG_BACKUP_SEMANTICS,
        };
        create_folder(&folder).unwrap();
        let file = open(&file, opening(GENERIC_READ | GENERIC_WRITE, CREATE_NEW)).unwrap();
        let folder = open(&folder, opening(READ_CONTROL, OPEN_EXISTING)).unwrap();
        [(folder, Kind::Folder), (file, Kind::File)]
            .map(|(file, kind)| (descriptor(&file).unwrap(), kind))
    }

    #[test]
    fn what_is_created_is_the_users_alone_whatever_its_folder_hands_down() {
        for (found, kind) in created() {
            let judged = judge(&found, &user().unwrap(), kind, Trust::Private);
            assert_eq!(judged, Ok(false), "{found:?}");
        }
    }

    #[test]
    fn what_is_created_keeps_the_list_that_it_was_given() {
        if tokenkeep_test_support::wine_cannot("keep every entry of an access list") {
            return;
        }
        for (found, kind) in created() {
            let given = Descriptor::owner_only(&user().unwrap(), kind == Kind::Folder);
            assert_eq!(Some(found), Descriptor::parse(&given));
        }
    }

    #[test]
    fn the_system_reads_the_list_that_we_give_as_we_mean_it() {
        let user = Sid::of(5, &[21, 7, 8, 9, 1001]);
        for (folder, inherit) in [(false, ""), (true, "OICI")] {
            assert_eq!(
                text(&Private::of(&user, folder)),
                format!(
                    "O:{user}D:P(A;{inherit};FA;;;{user})(A;{inherit};FA;;;SY)(A;{inherit};FA;;;BA)"
                )
            );
        }
    }

    /// The descriptor in the security descriptor definition language.
    fn text(private: &Private) -> String {
        let wanted = OWNER_SECURITY_INFORMATION | DACL_SECURITY_INFORMATION;
        let (mut text, mut length) = (ptr::null_mut(), 0);
        let descriptor = private.attributes().lpSecurityDescriptor;
        // SAFETY: the descriptor is `private`'s, which outlives the call; both places may be
        // written to.
        let done = unsafe {
            ConvertSecurityDescriptorToStringSecurityDescriptorW(
                descriptor,
                SDDL_REVISION_1,
                wanted,
                &mut text,
                &mut length,
            )
        };
        assert_ne!(done, 0, "{}", io::Error::last_os_error());
        // SAFETY: the call succeeded, so `length` units are at `text`.
        let units = unsafe { slice::from_raw_parts(text, length as usize) };
        let told = String::from_utf16(units).unwrap();
        // SAFETY: the system allocated it with LocalAlloc; it is freed once and not used again.
        unsafe { LocalFree(text.cast()) };
        told.trim_end_matches('\0').to_owned()
    }
}
