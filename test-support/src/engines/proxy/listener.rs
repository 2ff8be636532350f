//! What accepts the connections of a proxy.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use super::passage;
use super::state::State;
use super::{Mode, resets_at_end};
use crate::engines::wait::{PATIENCE, within};

#[derive(Debug)]
pub(super) struct Listener {
    port: u16,
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Listener {
    pub(super) fn start(port: u16, state: &Arc<State>) -> Self {
        let bind = || TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok();
        let listener = within(PATIENCE, bind).expect("the port is reserved");
        let ends = Arc::new(AtomicBool::new(false));
        let (state, told) = (Arc::clone(state), Arc::clone(&ends));
        let thread = thread::spawn(move || {
            for client in listener.incoming() {
                if told.load(Ordering::SeqCst) {
                    return;
                }
                if let Ok(client) = client {
                    accept(client, &state);
                }
            }
        });
        Self { port, ends, thread: Some(thread) }
    }
}

fn accept(client: TcpStream, state: &Arc<State>) {
    state.count_connection();
    if state.mode() == Mode::Reset {
        return resets_at_end(&client);
    }
    let state = Arc::clone(state);
    thread::spawn(move || match TcpStream::connect(state.server()) {
        Ok(server) => passage::run(client, server, &state),
        Err(_) => resets_at_end(&client),
    });
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::SeqCst);
        // It waits for a connection.
        TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).ok();
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}
