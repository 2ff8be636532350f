//! Calls `CryptProtectData` and `CryptUnprotectData` for the current user, without any dialog.
#![expect(unsafe_code, reason = "Win32 has no safe interface to these")]

use std::{io, ptr, slice};

use windows_sys::Win32::{
    Foundation::LocalFree,
    Security::Cryptography::{
        CRYPT_INTEGER_BLOB, CRYPTPROTECT_UI_FORBIDDEN, CryptProtectData, CryptUnprotectData,
    },
};
use zeroize::{Zeroize as _, Zeroizing};

use super::ProtectError;

pub(super) const IS_BUILT: bool = true;

pub(super) fn protect(
    bytes: &[u8],
    description: &str,
    entropy: Option<&[u8]>,
) -> Result<Vec<u8>, ProtectError> {
    let (input, entropy) = (blob(bytes)?, entropy.map(blob).transpose()?);
    let entropy = entropy.as_ref().map_or(ptr::null(), ptr::from_ref);
    let text: Vec<u16> = description.encode_utf16().chain([0]).collect();
    let description = if description.is_empty() { ptr::null() } else { text.as_ptr() };
    let mut output = Allocated::default();
    // SAFETY: input and entropy describe slices, and the description is null or a text that ends
    // with a NUL, which all live until the call has returned and are only read; the reserved
    // pointer and the prompt may be null; the output may be written to.
    let done = unsafe {
        CryptProtectData(
            &input,
            description,
            entropy,
            ptr::null(),
            ptr::null(),
            // A dialog could wait for an answer for ever.
            CRYPTPROTECT_UI_FORBIDDEN,
            &mut output.0,
        )
    };
    // Copied, because the system's buffer must be freed by the system.
    if done == 0 { Err(last_error()) } else { Ok(output.bytes().to_vec()) }
}

pub(super) fn unprotect(
    bytes: &[u8],
    entropy: Option<&[u8]>,
) -> Result<Zeroizing<Vec<u8>>, ProtectError> {
    let (input, entropy) = (blob(bytes)?, entropy.map(blob).transpose()?);
    let entropy = entropy.as_ref().map_or(ptr::null(), ptr::from_ref);
    let mut output = Allocated::default();
    // SAFETY: as in `protect`; a null place for the description means that it is not wanted.
    let done = unsafe {
        CryptUnprotectData(
            &input,
            ptr::null_mut(),
            entropy,
            ptr::null(),
            ptr::null(),
            CRYPTPROTECT_UI_FORBIDDEN,
            &mut output.0,
        )
    };
    if done == 0 { Err(last_error()) } else { Ok(Zeroizing::new(output.bytes().to_vec())) }
}

/// A result that the system allocated. Wiped and freed on drop.
struct Allocated(CRYPT_INTEGER_BLOB);

impl Default for Allocated {
    fn default() -> Self {
        Self(CRYPT_INTEGER_BLOB { cbData: 0, pbData: ptr::null_mut() })
    }
}

impl Allocated {
    fn bytes(&mut self) -> &mut [u8] {
        if self.0.pbData.is_null() {
            return &mut [];
        }
        // SAFETY: a call that succeeded points to `cbData` initialised bytes, which are this
        // value's until it is dropped; the exclusive borrow keeps them from being seen twice.
        unsafe { slice::from_raw_parts_mut(self.0.pbData, self.0.cbData as usize) }
    }
}

impl Drop for Allocated {
    fn drop(&mut self) {
        self.bytes().zeroize();
        // SAFETY: the pointer is null or what the system allocated with LocalAlloc, freed once,
        // here.
        unsafe { LocalFree(self.0.pbData.cast()) };
    }
}

/// The API takes a mutable pointer but only reads the input.
fn blob(bytes: &[u8]) -> Result<CRYPT_INTEGER_BLOB, ProtectError> {
    let size = u32::try_from(bytes.len())
        .map_err(|error| ProtectError::Failed { source: io::Error::other(error) })?;
    Ok(CRYPT_INTEGER_BLOB { cbData: size, pbData: bytes.as_ptr().cast_mut() })
}

fn last_error() -> ProtectError {
    ProtectError::from_code(io::Error::last_os_error().raw_os_error().unwrap_or(0))
}
