//! The kind of file system that a path lies on, for a report.

use std::path::Path;

/// The name of the network file system that holds the path, such as `nfs4`, or of one whose locks
/// may not reach every program that uses it, such as `9p`. `None` elsewhere, and where it cannot be
/// told.
///
/// The list of mounts is read, and the path is not touched: a server that is gone would block that.
/// So a symbolic link in the path is not followed.
///
/// # Platform differences
///
/// Known on Linux, and on Windows for a path that names a server (`\\server\share`). `None`
/// elsewhere.
#[must_use]
pub fn network_file_system(path: &Path) -> Option<String> {
    if cfg!(windows) {
        let path = path.to_string_lossy();
        return names_a_server(&path).then(|| "smb".into());
    }
    let mounts = std::fs::read("/proc/self/mountinfo").ok()?;
    let mounts = String::from_utf8_lossy(&mounts);
    let kind = kind_in(&mounts, path)?;
    is_shared(kind).then(|| kind.to_owned())
}

/// Whether a path of Windows is one of a server: `\\server\share`, also with other slashes or as
/// `\\?\UNC\server\share`.
fn names_a_server(path: &str) -> bool {
    let path = path.replace('/', r"\");
    match path.strip_prefix(r"\\") {
        Some(rest) if rest.starts_with(['?', '.']) => {
            rest.get(1..5).is_some_and(|unc| unc.eq_ignore_ascii_case(r"\UNC"))
        }
        rest => rest.is_some(),
    }
}

/// The type of the mount that holds the path (proc_pid_mountinfo(5)).
fn kind_in<'m>(mounts: &'m str, path: &Path) -> Option<&'m str> {
    let mount = |line: &'m str| {
        let (before, after) = line.split_once(" - ")?;
        let point = unescaped(before.split(' ').nth(4)?);
        let kind = after.split(' ').next()?;
        path.starts_with(&point).then_some((point.len(), kind))
    };
    // Of two mounts at one place the later one is on top.
    mounts.lines().filter_map(mount).max_by_key(|(length, _)| *length).map(|(_, kind)| kind)
}

/// Spaces and the like are written as `\040`.
fn unescaped(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, others)) = rest.split_first() {
        let octal = others.get(..3).filter(|_| first == b'\\');
        let value = octal
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 8).ok());
        match value {
            Some(value) => {
                bytes.push(value);
                rest = &others[3..];
            }
            None => {
                bytes.push(first);
                rest = others;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Whether programs on other machines, or outside this virtual machine, may use it too.
fn is_shared(kind: &str) -> bool {
    let kinds =
        ["9p", "afs", "ceph", "cifs", "lustre", "ncpfs", "smb3", "smbfs", "vboxsf", "virtiofs"];
    kind.starts_with("nfs") || kind.starts_with("fuse.") || kinds.contains(&kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
22 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw
40 22 0:35 / /home rw,relatime shared:2 - nfs4 server:/home rw
41 40 0:36 / /home/ada/my\\040disk rw - tmpfs none rw
42 22 0:40 / /mnt rw - fuse.sshfs host:/ rw
43 22 0:41 / /mnt rw - ext4 /dev/sdb1 rw
";

    #[test]
    fn the_innermost_and_last_mount_counts() {
        let kind = |path: &str| kind_in(MOUNTS, Path::new(path));
        assert_eq!(kind("/home/ada/.local"), Some("nfs4"));
        assert_eq!(kind("/home/ada/my disk/cache"), Some("tmpfs"));
        assert_eq!(kind("/homework"), Some("ext4"));
        assert_eq!(kind("/mnt/cache"), Some("ext4"), "the later mount is on top");
        assert_eq!(kind("relative"), None);
    }

    #[test]
    fn a_windows_path_of_a_server_is_told_however_it_is_written() {
        for path in
            [r"\\server\share\x", "//server/share/x", r"\\?\UNC\server\share", r"\\?\unc\s\x"]
        {
            assert!(names_a_server(path), "{path}");
        }
        for path in [r"C:\Users\ada", r"\\?\C:\Users\ada", r"\\.\pipe\x", r"\x", "x"] {
            assert!(!names_a_server(path), "{path}");
        }
    }

    #[test]
    fn what_other_machines_may_use_is_named() {
        for kind in ["nfs", "nfs4", "cifs", "9p", "virtiofs", "fuse.sshfs"] {
            assert!(is_shared(kind), "{kind}");
        }
        for kind in ["ext4", "xfs", "btrfs", "tmpfs", "overlay", "fuseblk", "fusectl"] {
            assert!(!is_shared(kind), "{kind}");
        }
    }
}
