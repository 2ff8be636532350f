//! Resolves paths, and converts paths to bytes.

use std::{
    ffi::OsString,
    io::{self, ErrorKind},
    path::{Component, Path, PathBuf},
};

/// Resolves `path` without links, `.` and `..`, so that two paths to one place compare equal.
///
/// The part that does not exist yet is appended as written to the resolved existing part.
///
/// # Errors
///
/// If the existing part cannot be looked at.
pub fn real_path(path: &Path) -> io::Result<PathBuf> {
    let path = std::path::absolute(path)?;
    let components: Vec<Component<'_>> = path.components().collect();
    // The longest existing prefix comes first: each step drops one component from the end.
    for existing in (1..=components.len()).rev() {
        let (there, missing) = components.split_at(existing);
        let mut real = match std::fs::canonicalize(there.iter().collect::<PathBuf>()) {
            Ok(real) => real,
            Err(error) if error.kind() == ErrorKind::NotFound && existing > 1 => continue,
            Err(error) => return Err(error),
        };
        for component in missing {
            match component {
                // What is missing is no link, so its parent is the component before it.
                Component::ParentDir => drop(real.pop()),
                Component::Normal(name) => real.push(name),
                _ => {}
            }
        }
        return Ok(real);
    }
    Ok(path)
}

/// Converts a path to bytes that [`path_from_bytes`] reads on the same system. Returns `None` if
/// the path has no such form.
///
/// On Unix they are the bytes of the system, elsewhere the path's text in UTF-8.
#[must_use]
pub fn path_to_bytes(path: &Path) -> Option<Vec<u8>> {
    let bytes = path.as_os_str().as_encoded_bytes();
    (cfg!(unix) || std::str::from_utf8(bytes).is_ok()).then(|| bytes.to_vec())
}

/// Converts the bytes of [`path_to_bytes`] back. Returns `None` if they are not a path on this
/// system.
#[must_use]
pub fn path_from_bytes(bytes: &[u8]) -> Option<PathBuf> {
    let text = text_from_bytes(bytes)?;
    let is_path = !text.is_empty() && !bytes.contains(&0);
    is_path.then(|| PathBuf::from(text))
}

#[cfg(unix)]
fn text_from_bytes(bytes: &[u8]) -> Option<OsString> {
    Some(std::os::unix::ffi::OsStringExt::from_vec(bytes.to_vec()))
}

#[cfg(not(unix))]
fn text_from_bytes(bytes: &[u8]) -> Option<OsString> {
    std::str::from_utf8(bytes).ok().map(OsString::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_is_not_there_is_taken_behind_the_part_that_is() {
        let place = tempfile::tempdir().unwrap();
        let real = std::fs::canonicalize(place.path()).unwrap();
        let of = |path: &str| real_path(&place.path().join(path)).unwrap();
        assert_eq!(of("not/there"), real.join("not").join("there"));
        assert_eq!(of("not/../there/./now"), real.join("there").join("now"));
        assert_eq!(of("not/../../x"), real.parent().unwrap().join("x"));
    }

    // Not on Windows: creating links there needs a privilege.
    #[cfg(unix)]
    #[test]
    fn a_link_leads_where_it_leads() {
        let place = tempfile::tempdir().unwrap();
        let real = std::fs::canonicalize(place.path()).unwrap();
        std::fs::create_dir(real.join("a")).unwrap();
        std::os::unix::fs::symlink(real.join("a"), real.join("link")).unwrap();
        let of = |path: &str| real_path(&place.path().join(path)).unwrap();
        assert_eq!(of("link/x/y"), real.join("a").join("x").join("y"));
        assert_eq!(of("link/../z"), real.join("z"));
    }

    #[test]
    fn a_path_comes_back_from_its_bytes() {
        let path = Path::new("/a folder/é");
        assert_eq!(path_from_bytes(&path_to_bytes(path).unwrap()).as_deref(), Some(path));
        assert_eq!(path_from_bytes(b""), None);
        assert_eq!(path_from_bytes(b"/a\0b"), None);
    }
}
