//! A program on a pseudo-terminal, which is not its controlling terminal.

use std::{
    fs::{File, OpenOptions},
    io::{Read as _, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    process::{Child, Command},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use rustix::{
    fs::OFlags,
    process::{Pid, Signal, kill_process},
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize},
};

use crate::support::heeding_signals;

/// The terminal, and the program on it. The program ends when this is dropped.
pub(crate) struct OnTerminal {
    child: Child,
    keyboard: Option<File>,
    screen: Arc<Mutex<Vec<u8>>>,
}

impl OnTerminal {
    pub(crate) fn start(command: Command, columns: u16) -> Self {
        let mut command = heeding_signals(&command);
        let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&ours).unwrap();
        unlockpt(&ours).unwrap();
        let size = Winsize { ws_row: 24, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&ours, size).unwrap();
        let name = ptsname(&ours, Vec::new()).unwrap().into_string().unwrap();
        let mut options = OpenOptions::new();
        options.read(true).write(true).custom_flags(OFlags::NOCTTY.bits().cast_signed());
        let theirs = options.open(name).unwrap();
        command.stdin(theirs.try_clone().unwrap()).stdout(theirs.try_clone().unwrap());
        let child = command.stderr(theirs).spawn().unwrap();
        // The command has the other end open until it is dropped.
        drop(command);
        let keyboard = File::from(ours);
        let screen: Arc<Mutex<Vec<u8>>> = Arc::default();
        let (mut reader, shown) = (keyboard.try_clone().unwrap(), Arc::clone(&screen));
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            // Ends with an error when the program has closed the terminal.
            while let Ok(read) = reader.read(&mut bytes) {
                shown.lock().unwrap().extend_from_slice(&bytes[..read]);
            }
        });
        Self { child, keyboard: Some(keyboard), screen }
    }

    /// All that was written to the terminal so far, once it has `text` in it.
    pub(crate) fn until(&self, text: &str) -> String {
        let began = Instant::now();
        loop {
            let shown = String::from_utf8_lossy(&self.screen.lock().unwrap()).into_owned();
            if shown.contains(text) {
                return shown;
            }
            assert!(began.elapsed() < PATIENCE, "no `{text}` in {shown}");
            thread::sleep(Duration::from_millis(5));
        }
    }

    pub(crate) fn type_in(&self, text: &str) {
        self.keyboard.as_ref().unwrap().write_all(text.as_bytes()).unwrap();
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// What the terminal does with what is typed.
    pub(crate) fn modes(&self) -> LocalModes {
        tcgetattr(self.keyboard.as_ref().unwrap()).unwrap().local_modes
    }

    /// The exit code.
    pub(crate) fn end(self) -> Option<i32> {
        self.end_with_modes().0
    }

    /// The exit code, and the terminal's modes afterwards.
    pub(crate) fn end_with_modes(mut self) -> (Option<i32>, LocalModes) {
        let code = self.child.wait().unwrap().code();
        (code, self.modes())
    }
}

impl Drop for OnTerminal {
    fn drop(&mut self) {
        self.keyboard.take();
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

const PATIENCE: Duration = Duration::from_secs(30);
