//! Bounded reads of text from standard input and from files.

use std::io::{self, Read};

use zeroize::Zeroizing;

use crate::failure::Failure;

/// Everything on standard input.
///
/// # Errors
///
/// [`Failure::Usage`] if it is longer than `limit` bytes.
pub(crate) fn standard(limit: u64, too_long: &str) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let text = read(io::stdin().lock(), limit).map_err(Failure::Input)?;
    if text.len() as u64 > limit {
        return Err(Failure::Usage(format!("standard input {too_long}")));
    }
    Ok(text)
}

/// Reads up to `limit` bytes and one more, which tells that there is more.
pub(crate) fn read(from: impl Read, limit: u64) -> io::Result<Zeroizing<Vec<u8>>> {
    // Most inputs fit. Of a larger one the wiping allocator erases the buffers that were too small.
    let mut text = Zeroizing::new(Vec::with_capacity(64 * 1024));
    from.take(limit + 1).read_to_end(&mut text)?;
    Ok(text)
}

/// Whether the text is UTF-16, which PowerShell writes.
pub(crate) fn is_utf16(text: &[u8]) -> bool {
    matches!(text, [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] | [b'{', 0, ..] | [0, b'{', ..])
}

/// Some editors and shells begin a text in UTF-8 with this byte order mark.
pub(crate) const BOM: &[u8] = b"\xEF\xBB\xBF";

/// The message for UTF-16, with the fix.
pub(crate) const UTF16: &str = "is UTF-16, not UTF-8; in PowerShell, write it with \
     `Set-Content -Encoding utf8` or let cmd.exe do the piping";
