//! Decides whether a group has no members but the owner. Systems whose default mode lets the group
//! write give each user such a private group.
#![allow(unsafe_code, reason = "the list of groups is asked for by functions of C")]

use std::{
    ffi::{CStr, c_char},
    fs, io,
    path::Path,
    ptr,
};

use rustix::fs::Stat;

/// Whether only the owner may write the object of `stat`, although its group may write. This
/// requires that the group has no other members, and that there is no access list: the grants of a
/// list show as the group's.
///
/// The group must have the number or the name of the owner, or be root's group, because root can
/// access everything anyway. Members are read from the group database, primary groups from
/// `/etc/passwd`. For objects owned by root with root's group, `/etc/passwd` is skipped, because
/// some systems give that group to service accounts. Anything that cannot be determined counts as
/// another user's.
pub(super) fn is_owners_alone(path: &Path, stat: &Stat) -> bool {
    !has_access_list(path) && is_own(stat.st_gid, stat.st_uid, USERS).unwrap_or(false)
}

cfg_if::cfg_if! {
    if #[cfg(any(target_os = "linux", target_os = "android"))] {
        /// A file system without this attribute has no access lists.
        fn has_access_list(path: &Path) -> bool {
            use rustix::io::Errno;

            // An empty buffer only asks for the size.
            match rustix::fs::getxattr(path, "system.posix_acl_access", &mut [0_u8; 0][..]) {
                Err(Errno::NODATA | Errno::NOTSUP) => false,
                Ok(_) | Err(_) => true,
            }
        }
    } else {
        /// On other systems a list does not show in the mode, so it is not checked.
        fn has_access_list(_path: &Path) -> bool {
            false
        }
    }
}

fn is_own(gid: u32, uid: u32, users: &str) -> io::Result<bool> {
    // See `is_owners_alone` for why root's group on root's own files is exempt.
    if (gid, uid) != (ROOT, ROOT) && is_first_group_of_another(gid, uid, users)? {
        return Ok(false);
    }
    let user = user_name(uid)?;
    // A group that is not in the database has no members, and only its number tells whose it is.
    let Some(group) = group(gid)? else { return Ok(gid == uid) };
    let is_users = gid == uid || gid == ROOT || user.as_ref() == Some(&group.name);
    let is_alone = group.members.iter().all(|member| {
        Some(member) == user.as_ref() || (gid == ROOT && member.as_slice() == b"root")
    });
    Ok(is_users && is_alone)
}

struct Group {
    name: Vec<u8>,
    members: Vec<Vec<u8>>,
}

fn user_name(uid: u32) -> io::Result<Option<Vec<u8>>> {
    with_room(|room| {
        // SAFETY: all bytes zero are a valid `passwd`, a struct of numbers and pointers.
        let mut entry: libc::passwd = unsafe { std::mem::zeroed() };
        let mut found = ptr::null_mut();
        // SAFETY: every pointer is of this frame or of `room`, whose length is given with it.
        let code = unsafe {
            libc::getpwuid_r(uid, &raw mut entry, room.as_mut_ptr(), room.len(), &raw mut found)
        };
        match (code, found.is_null()) {
            // SAFETY: with code 0 and an entry its name is a text in `room` that ends with NUL.
            (0, false) => Ok(Some(unsafe { text(entry.pw_name) })),
            (code, _) => absent_or(code),
        }
    })
}

fn group(gid: u32) -> io::Result<Option<Group>> {
    with_room(|room| {
        // SAFETY: all bytes zero are a valid `group`, a struct of numbers and pointers.
        let mut entry: libc::group = unsafe { std::mem::zeroed() };
        let mut found = ptr::null_mut();
        // SAFETY: every pointer is of this frame or of `room`, whose length is given with it.
        let code = unsafe {
            libc::getgrgid_r(gid, &raw mut entry, room.as_mut_ptr(), room.len(), &raw mut found)
        };
        if code != 0 || found.is_null() {
            return absent_or(code);
        }
        let mut members = Vec::new();
        let mut next = entry.gr_mem;
        // SAFETY: with code 0 and an entry its members are a list in `room` that ends with a null
        // pointer, and each is a text that ends with NUL.
        unsafe {
            while !next.is_null() && !(*next).is_null() {
                members.push(text(*next));
                next = next.add(1);
            }
        }
        // SAFETY: as above, the name is a text in `room`.
        Ok(Some(Group { name: unsafe { text(entry.gr_name) }, members }))
    })
}

/// # Safety
/// `text` points to bytes that end with NUL.
unsafe fn text(text: *const c_char) -> Vec<u8> {
    // SAFETY: as the caller promises.
    unsafe { CStr::from_ptr(text) }.to_bytes().to_vec()
}

/// Some systems report an absent entry with code 0, others with an error code.
fn absent_or<T>(code: i32) -> io::Result<Option<T>> {
    match code {
        0 | libc::ENOENT | libc::ESRCH => Ok(None),
        code => Err(io::Error::from_raw_os_error(code)),
    }
}

/// Calls `look` with a growing buffer until the entry fits.
fn with_room<T>(mut look: impl FnMut(&mut [c_char]) -> io::Result<T>) -> io::Result<T> {
    let mut room = vec![0; FIRST_ROOM];
    loop {
        match look(&mut room) {
            Err(error) if error.raw_os_error() == Some(libc::EINTR) => {}
            Err(error) if error.raw_os_error() == Some(libc::ERANGE) && room.len() < MAX_ROOM => {
                room.resize(room.len() * 4, 0);
            }
            result => return result,
        }
    }
}

/// Whether another user, except root, has the group as primary group. Group members do not include
/// them.
fn is_first_group_of_another(gid: u32, uid: u32, users: &str) -> io::Result<bool> {
    let users = fs::read(users)?;
    Ok(String::from_utf8_lossy(&users).lines().any(|line| {
        // passwd(5): name, password, user id, group id.
        let mut fields = line.split(':').skip(2);
        let mut number = || fields.next().and_then(|field| field.parse::<u32>().ok());
        let (their_uid, their_gid) = (number(), number());
        their_gid == Some(gid) && their_uid != Some(uid) && their_uid != Some(ROOT)
    }))
}

const ROOT: u32 = 0;
const USERS: &str = "/etc/passwd";
const FIRST_ROOM: usize = 2048;
const MAX_ROOM: usize = 2 << 20;

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests panic")]
mod tests {
    use super::*;

    #[test]
    fn a_group_of_many_is_no_ones_own_and_one_that_nobody_lists_is_by_its_number() {
        assert_eq!(user_name(0).unwrap().as_deref(), Some(&b"root"[..]));
        // No system assigns the highest user numbers.
        let nobodys = 0xffff_fff0;
        assert!(group(nobodys).unwrap().is_none() && user_name(nobodys).unwrap().is_none());
        assert!(is_own(nobodys, nobodys, USERS).unwrap());
        assert!(!is_own(nobodys, nobodys - 1, USERS).unwrap());
        assert!(!is_own(1, 0, USERS).unwrap(), "the group daemon is not root's");
    }

    #[test]
    #[allow(clippy::disallowed_methods, reason = "a test may")]
    fn a_first_group_of_another_user_is_no_ones_own_whether_it_is_listed_or_not() {
        let folder = tempfile::tempdir().unwrap();
        let users = folder.path().join("passwd");
        let nobodys = 0xffff_fff0;
        for (line, of_itself, of_root_but_not_roots, of_root) in [
            ("other:x:1234:1234::/:/bin/sh", true, true, true),
            ("other:x:1234:4294967280::/:/bin/sh", false, true, true),
            ("operator:x:11:0:operator:/root:/sbin/nologin", true, false, true),
            ("root:x:0:0:root:/root:/bin/sh", true, true, true),
        ] {
            fs::write(&users, format!("root:x:0:0:root:/root:/bin/sh\n{line}\n")).unwrap();
            let is = |gid, uid| is_own(gid, uid, users.to_str().unwrap()).unwrap();
            let expected = (of_itself, of_root_but_not_roots, of_root);
            assert_eq!((is(nobodys, nobodys), is(0, nobodys), is(0, 0)), expected, "{line}");
        }
        let unreadable = |gid, uid| is_own(gid, uid, "/no/such/file").unwrap_or(false);
        assert!(!unreadable(nobodys, nobodys) && !unreadable(0, nobodys) && unreadable(0, 0));
    }
}
