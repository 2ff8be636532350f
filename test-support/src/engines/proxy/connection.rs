//! One connection through a proxy: both ends, and the turns between them.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use super::state::{State, Writes};
use super::{Fault, Mode, resets_at_end};

#[derive(Debug)]
pub(super) struct Connection {
    client: TcpStream,
    server: TcpStream,
    ended: AtomicBool,
    is_reset: AtomicBool,
    lost_server: AtomicBool,
}

/// Where a connection stands.
struct Turn {
    /// What the client has sent that is not answered.
    request: Vec<u8>,
    /// What the answer that is under way meets with, and how many bytes of it were passed on.
    fault: Option<Fault>,
    passed: usize,
    writes: Writes,
}

impl Connection {
    /// Passes on in both directions until an end closes.
    pub(super) fn run(client: TcpStream, server: TcpStream, state: &Arc<State>) {
        for stream in [&client, &server] {
            stream.set_nodelay(true).ok();
        }
        let connection = Arc::new(Self {
            client,
            server,
            ended: AtomicBool::new(false),
            is_reset: AtomicBool::new(false),
            lost_server: AtomicBool::new(false),
        });
        state.add(&connection);
        let turn = Turn { request: Vec::new(), fault: None, passed: 0, writes: state.writes() };
        let turn = Arc::new(Mutex::new(turn));
        let back = {
            let (connection, state, turn) = (connection.clone(), state.clone(), turn.clone());
            thread::spawn(move || connection.answers(&state, &turn))
        };
        connection.requests(state, &turn);
        back.join().ok();
        state.remove(&connection);
    }

    /// From the client to the server.
    fn requests(&self, state: &State, turn: &Mutex<Turn>) {
        let mut buffer = vec![0; CHUNK];
        while let Some(chunk) = read(&self.client, &mut buffer) {
            if self.lost_server.load(Ordering::SeqCst) {
                continue;
            }
            let mode = state.wait_for_passage(self);
            turn.lock().unwrap_or_else(PoisonError::into_inner).request.extend(chunk);
            if !pass(&self.server, chunk, mode, state) && !self.lost_server.load(Ordering::SeqCst) {
                break;
            }
        }
        self.close();
    }

    /// From the server to the client.
    fn answers(&self, state: &State, turn: &Mutex<Turn>) {
        let mut buffer = vec![0; CHUNK];
        while let Some(chunk) = read(&self.server, &mut buffer) {
            let mode = state.wait_for_passage(self);
            let mut turn = turn.lock().unwrap_or_else(PoisonError::into_inner);
            let is_first = !turn.request.is_empty();
            if is_first {
                let turn = &mut *turn;
                let write = (turn.writes)(&turn.request);
                turn.request.clear();
                turn.passed = 0;
                if turn.fault != Some(Fault::Silence) {
                    turn.fault = state.answered(write);
                }
            }
            let (fault, passed) = (turn.fault, turn.passed);
            turn.passed += chunk.len();
            drop(turn);
            if let (true, Mode::Delay(time)) = (is_first, mode) {
                state.pause(mode, time);
            }
            let is_open = match fault {
                None => pass(&self.client, chunk, mode, state),
                Some(Fault::Silence) => true,
                Some(Fault::CutAfter(limit)) => {
                    let left = limit.saturating_sub(passed).min(chunk.len());
                    pass(&self.client, &chunk[..left], mode, state) && passed + chunk.len() < limit
                }
            };
            if !is_open {
                break;
            }
        }
        if !self.lost_server.load(Ordering::SeqCst) {
            self.close();
        }
    }

    fn close(&self) {
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
        let is_lost = self.lost_server.load(Ordering::SeqCst);
        if is_lost {
            self.reset();
        }
        is_lost
    }
}

/// What comes next. `None` at the end of a connection.
fn read<'b>(mut stream: &TcpStream, buffer: &'b mut [u8]) -> Option<&'b [u8]> {
    let length = stream.read(buffer).ok().filter(|length| *length > 0)?;
    Some(&buffer[..length])
}

/// Passes bytes on. `false` where the connection ends.
fn pass(mut stream: &TcpStream, bytes: &[u8], mode: Mode, state: &State) -> bool {
    let Mode::Bandwidth(rate) = mode else { return stream.write_all(bytes).is_ok() };
    let rate = rate.max(1);
    let piece = usize::try_from(rate / PIECES).unwrap_or(usize::MAX).max(1);
    bytes.chunks(piece).all(|part| {
        let length = u32::try_from(part.len()).unwrap_or(u32::MAX);
        // A piece is never larger than a rate that fits.
        let rate = u32::try_from(rate).unwrap_or(u32::MAX);
        state.pause(mode, Duration::from_secs(1) * length / rate);
        stream.write_all(part).is_ok()
    })
}

const CHUNK: usize = 1 << 16;
/// Pieces a second of a connection with a bandwidth.
const PIECES: u64 = 100;
