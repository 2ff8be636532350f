//! Compares two paths to lock files.

use std::path::{Path, PathBuf};

use crate::file::Identity;

/// Whether both paths lead to one file. Neither the file nor its folder need exist.
pub(super) fn file(one: &Path, two: &Path) -> bool {
    if one == two || exists_as_one(one, two) {
        return true;
    }
    let (Some(one_folder), Some(two_folder)) = (one.parent(), two.parent()) else { return false };
    let (one_folder, two_folder) = (real(one_folder), real(two_folder));
    one.file_name() == two.file_name()
        && (one_folder == two_folder || exists_as_one(&one_folder, &two_folder))
}

fn exists_as_one(one: &Path, two: &Path) -> bool {
    let identity = |path: &Path| Identity::at(path).ok().flatten();
    identity(one).is_some_and(|one| identity(two) == Some(one))
}

/// Resolves the existing part of the path without links.
fn real(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let found = path.ancestors().find_map(|part| Some((part, part.canonicalize().ok()?)));
    match found.map(|(part, real)| (path.strip_prefix(part), real)) {
        Some((Ok(rest), real)) if rest.as_os_str().is_empty() => real,
        Some((Ok(rest), real)) => real.join(rest),
        _ => path,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_the_same_by_every_path_to_its_folder_whether_it_is_there_or_not() {
        let place = tempfile::tempdir().unwrap();
        let path = |text: &str| place.path().join(text);
        std::fs::create_dir_all(path("store/inner")).unwrap();
        for there in [false, true] {
            if there {
                std::fs::File::create(path("store/s.lock")).unwrap();
            }
            let spelled = path("store/inner/../s.lock");
            assert!(file(&path("store/s.lock"), &spelled), "there: {there}");
            assert!(!file(&path("store/s.lock"), &path("store/inner/s.lock")), "there: {there}");
            assert!(!file(&path("store/s.lock"), &path("store/t.lock")), "there: {there}");
        }
    }

    // Not on Windows: creating links there needs a privilege.
    #[cfg(unix)]
    #[test]
    fn a_link_to_the_folder_or_to_one_above_it_leads_to_the_same_file() {
        let place = tempfile::tempdir().unwrap();
        let path = |text: &str| place.path().join(text);
        std::fs::create_dir_all(path("above/store")).unwrap();
        std::os::unix::fs::symlink(path("above"), path("link")).unwrap();
        assert!(file(&path("above/store/s.lock"), &path("link/store/s.lock")));
        assert!(file(&path("above/none/s.lock"), &path("link/none/s.lock")), "not there yet");
        assert!(!file(&path("above/store/s.lock"), &path("link/s.lock")));
    }
}
