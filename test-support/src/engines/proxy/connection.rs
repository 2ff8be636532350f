//! Both ends of one connection through a proxy.

use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};

use super::resets_at_end;

#[derive(Debug)]
pub(super) struct Connection {
    pub(super) client: TcpStream,
    pub(super) server: TcpStream,
    ended: AtomicBool,
    is_reset: AtomicBool,
    lost_server: AtomicBool,
}

impl Connection {
    pub(super) fn new(client: TcpStream, server: TcpStream) -> Self {
        for stream in [&client, &server] {
            stream.set_nodelay(true).ok();
        }
        Self {
            client,
            server,
            ended: AtomicBool::new(false),
            is_reset: AtomicBool::new(false),
            lost_server: AtomicBool::new(false),
        }
    }

    pub(super) fn close(&self) {
        self.ended.store(true, Ordering::SeqCst);
        self.server.shutdown(Shutdown::Both).ok();
        if !self.is_reset.load(Ordering::SeqCst) {
            self.client.shutdown(Shutdown::Both).ok();
        }
    }

    pub(super) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::SeqCst)
    }

    /// Ends the connection with a reset.
    pub(super) fn reset(&self) {
        self.is_reset.store(true, Ordering::SeqCst);
        self.ended.store(true, Ordering::SeqCst);
        resets_at_end(&self.client);
        self.server.shutdown(Shutdown::Both).ok();
        // Ends the wait for the client's next bytes without a word to it.
        self.client.shutdown(Shutdown::Read).ok();
    }

    /// Ends the server's side alone.
    pub(super) fn lose_server(&self) {
        self.lost_server.store(true, Ordering::SeqCst);
        self.server.shutdown(Shutdown::Both).ok();
    }

    /// Resets a connection that has no server any more.
    pub(super) fn reset_if_lost(&self) -> bool {
        let is_lost = self.has_lost_server();
        if is_lost {
            self.reset();
        }
        is_lost
    }

    /// Whether the server's end is gone, and the client does not know it.
    pub(super) fn has_lost_server(&self) -> bool {
        self.lost_server.load(Ordering::SeqCst)
    }
}
