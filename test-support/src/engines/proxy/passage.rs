//! What passes through a connection of a proxy: the turns between both ends.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use super::connection::Connection;
use super::state::{State, Writes};
use super::{Fault, Mode};

/// Where a connection stands.
struct Turn {
    /// What the client has sent that is not answered.
    request: Vec<u8>,
    /// What the answer that is under way meets with, and how many bytes of it were passed on.
    fault: Option<Fault>,
    passed: usize,
    writes: Writes,
}

/// Passes on in both directions until an end closes.
pub(super) fn run(client: TcpStream, server: TcpStream, state: &Arc<State>) {
    let connection = Arc::new(Connection::new(client, server));
    state.add(&connection);
    let turn = Turn { request: Vec::new(), fault: None, passed: 0, writes: state.writes() };
    let turn = Arc::new(Mutex::new(turn));
    let back = {
        let (connection, state, turn) = (connection.clone(), state.clone(), turn.clone());
        thread::spawn(move || answers(&connection, &state, &turn))
    };
    requests(&connection, state, &turn);
    back.join().ok();
    state.remove(&connection);
}

/// From the client to the server.
fn requests(connection: &Connection, state: &State, turn: &Mutex<Turn>) {
    let mut buffer = vec![0; CHUNK];
    while let Some(chunk) = read(&connection.client, &mut buffer) {
        if connection.has_lost_server() {
            continue;
        }
        let mode = state.wait_for_passage(connection);
        turn.lock().unwrap_or_else(PoisonError::into_inner).request.extend(chunk);
        if !pass(&connection.server, chunk, mode, state) && !connection.has_lost_server() {
            break;
        }
    }
    connection.close();
}

/// From the server to the client.
fn answers(connection: &Connection, state: &State, turn: &Mutex<Turn>) {
    let mut buffer = vec![0; CHUNK];
    while let Some(chunk) = read(&connection.server, &mut buffer) {
        let mode = state.wait_for_passage(connection);
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
            None => pass(&connection.client, chunk, mode, state),
            Some(Fault::Silence) => true,
            Some(Fault::CutAfter(limit)) => {
                let left = limit.saturating_sub(passed).min(chunk.len());
                pass(&connection.client, &chunk[..left], mode, state)
                    && passed + chunk.len() < limit
            }
        };
        if !is_open {
            break;
        }
    }
    if !connection.has_lost_server() {
        connection.close();
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
