//! Determines the user at the other end of the bus socket, as reported by the kernel.

use std::io;
use std::os::unix::net::UnixStream;

use crate::user::stands_for_many;

/// Describes the owner if it is neither this process's effective user nor root.
///
/// # Errors
/// If the system does not report the owner.
pub(super) fn of_another(stream: &UnixStream) -> io::Result<Option<String>> {
    let (peer, own) = (peer_of(stream)?, rustix::process::geteuid().as_raw());
    if stands_for_many(peer).unwrap_or(true) {
        return Ok(Some("a user from outside this container".into()));
    }
    Ok((peer != own && peer != ROOT).then(|| format!("user {peer}")))
}

/// Does not use rustix, whose type cannot represent process id 0. The kernel reports that for a
/// process outside this container.
#[cfg(target_os = "linux")]
fn peer_of(stream: &UnixStream) -> io::Result<u32> {
    use std::os::fd::AsRawFd as _;

    let mut peer = libc::ucred { pid: 0, uid: u32::MAX, gid: u32::MAX };
    let mut size = libc::socklen_t::try_from(size_of_val(&peer)).map_err(io::Error::other)?;
    // SAFETY: the descriptor is open for as long as `stream` is borrowed, and the kernel writes at
    // most `size` bytes to `peer`, which has them and is valid with any bytes.
    #[allow(unsafe_code, reason = "no safe crate tells it without its process")]
    let result = unsafe {
        libc::getsockopt(
            stream.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERCRED,
            (&raw mut peer).cast(),
            &raw mut size,
        )
    };
    match result {
        0 if size as usize == size_of_val(&peer) => Ok(peer.uid),
        0 => Err(io::ErrorKind::InvalidData.into()),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(any(
    target_os = "freebsd",
    target_os = "dragonfly",
    target_os = "netbsd",
    target_os = "openbsd"
))]
fn peer_of(stream: &UnixStream) -> io::Result<u32> {
    use std::os::fd::AsRawFd as _;

    let (mut user, mut group) = (u32::MAX, u32::MAX);
    // SAFETY: the descriptor is open for as long as `stream` is borrowed, and both pointers lead to
    // numbers that live until the call has returned.
    #[allow(unsafe_code, reason = "no safe crate tells it")]
    let result = unsafe { libc::getpeereid(stream.as_raw_fd(), &raw mut user, &raw mut group) };
    match result {
        0 => Ok(user),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(not(any(
    target_os = "linux",
    target_os = "freebsd",
    target_os = "dragonfly",
    target_os = "netbsd",
    target_os = "openbsd"
)))]
fn peer_of(_: &UnixStream) -> io::Result<u32> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "this system does not tell whose bus it is"))
}

const ROOT: u32 = 0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_other_end_of_a_pair_is_this_user() {
        let (one, _other) = UnixStream::pair().unwrap();
        assert_eq!(peer_of(&one).unwrap(), rustix::process::geteuid().as_raw());
        assert_eq!(of_another(&one).unwrap(), None);
    }
}
