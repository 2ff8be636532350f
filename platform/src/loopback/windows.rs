//! A port that no other program can bind at the same time.
#![expect(unsafe_code, reason = "neither std nor socket2 has an interface to this option")]

use std::{
    io,
    net::{SocketAddr, TcpListener},
    os::windows::io::AsRawSocket,
};

use socket2::{Domain, Protocol, Socket, Type};
use windows_sys::Win32::Networking::WinSock::{
    SO_EXCLUSIVEADDRUSE, SOCKET, SOL_SOCKET, setsockopt,
};

/// Without the option, a program that asks for `SO_REUSEADDR` gets the port as well, and with it
/// some of the connections:
/// <https://learn.microsoft.com/windows/win32/winsock/using-so-reuseaddr-and-so-exclusiveaddruse>.
pub(super) fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    let yes: i32 = 1;
    // SAFETY: The socket is open, and the value is an `i32` of the length that is given.
    let failed = unsafe {
        setsockopt(
            socket.as_raw_socket() as SOCKET,
            SOL_SOCKET,
            SO_EXCLUSIVEADDRUSE,
            (&raw const yes).cast(),
            size_of_val(&yes) as i32,
        )
    };
    if failed != 0 {
        return Err(io::Error::last_os_error());
    }
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// As std's.
const BACKLOG: i32 = 128;
