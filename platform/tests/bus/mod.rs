//! What listens at the address of a bus and is none.

use std::io::{Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// What it does when it has said all.
#[derive(Clone, Copy)]
pub(crate) enum Then {
    Close,
    /// Until the other end closes.
    Wait,
}

/// It says the same to everybody, until it is dropped.
pub(crate) struct Bus {
    says: Arc<Mutex<Said>>,
    path: PathBuf,
}

struct Said {
    greeting: Vec<u8>,
    answer: Vec<u8>,
    then: Then,
}

impl Bus {
    pub(crate) fn listen(path: &Path) -> Self {
        let listener = UnixListener::bind(path).unwrap();
        let said = Said { greeting: Vec::new(), answer: Vec::new(), then: Then::Close };
        let says = Arc::new(Mutex::new(said));
        let theirs = Arc::clone(&says);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let theirs = Arc::clone(&theirs);
                std::thread::spawn(move || serve(stream.unwrap(), &theirs));
            }
        });
        Self { says, path: path.to_owned() }
    }

    /// From now on, `greeting` to the first bytes and `answer` to the next ones.
    pub(crate) fn answers(&self, greeting: &[u8], answer: &[u8], then: Then) {
        let (greeting, answer) = (greeting.to_vec(), answer.to_vec());
        *self.says.lock().unwrap() = Said { greeting, answer, then };
    }
}

impl Drop for Bus {
    fn drop(&mut self) {
        std::fs::remove_file(&self.path).unwrap();
    }
}

/// The other end may close at any moment.
fn serve(mut stream: UnixStream, says: &Mutex<Said>) {
    let said = says.lock().unwrap();
    let (greeting, answer, then) = (said.greeting.clone(), said.answer.clone(), said.then);
    drop(said);
    let mut heard = [0; 1024];
    for text in [greeting, answer] {
        drop(stream.read(&mut heard));
        drop(stream.write_all(&text));
        if text.is_empty() {
            break;
        }
    }
    if let Then::Wait = then {
        while stream.read(&mut heard).is_ok_and(|count| count > 0) {}
    }
}

pub(crate) const GUID: &str = "0123456789abcdef0123456789abcdef";

/// The answer of a bus to `Hello`, in little endian: its header, and the unique name `:1.1`.
pub(crate) const HELLO: &[u8] = b"l\x02\x01\x01\x09\x00\x00\x00\x01\x00\x00\x00\x3d\x00\x00\x00\
    \x05\x01u\x00\x01\x00\x00\x00\
    \x06\x01s\x00\x04\x00\x00\x00:1.1\x00\x00\x00\x00\
    \x08\x01g\x00\x01s\x00\x00\
    \x07\x01s\x00\x14\x00\x00\x00org.freedesktop.DBus\x00\x00\x00\x00\
    \x04\x00\x00\x00:1.1\x00";
