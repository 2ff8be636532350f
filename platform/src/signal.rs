//! Signals that this process ignores since its start, because its parent did.

/// The signals that end a program at a user's wish and that this process ignores, as after `nohup`
/// or in the background of a script.
///
/// # Platform differences
///
/// `SIGHUP`, `SIGINT` and `SIGTERM` on Unix. Windows has nothing like it, and there it is empty.
#[derive(Debug)]
pub struct Ignored {
    #[cfg(unix)]
    signals: Vec<libc::c_int>,
}

impl Ignored {
    /// Those that are ignored now. Ask before a handler is set.
    pub fn now() -> Self {
        Self {
            #[cfg(unix)]
            signals: os::ignored(),
        }
    }

    /// Ignores them again, after a handler was set for all.
    pub fn ignore_again(&self) {
        #[cfg(unix)]
        self.signals.iter().for_each(|&signal| os::ignore(signal));
    }
}

#[cfg(unix)]
#[allow(unsafe_code, reason = "no safe interface tells whether a signal is ignored")]
mod os {
    use std::{mem, ptr};

    pub(super) fn ignored() -> Vec<libc::c_int> {
        [libc::SIGHUP, libc::SIGINT, libc::SIGTERM].into_iter().filter(is_ignored).collect()
    }

    fn is_ignored(signal: &libc::c_int) -> bool {
        // SAFETY: all bytes zero are a valid `sigaction`, a struct of integers and an optional
        // pointer. With a null action the call only writes to `current`, which is alive.
        let (result, current) = unsafe {
            let mut current: libc::sigaction = mem::zeroed();
            (libc::sigaction(*signal, ptr::null(), &mut current), current)
        };
        result == 0 && current.sa_sigaction == libc::SIG_IGN
    }

    pub(super) fn ignore(signal: libc::c_int) {
        // SAFETY: SIG_IGN runs no code, so nothing has to be safe within a signal.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
    }
}
