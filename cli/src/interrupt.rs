//! Ctrl-C while a provider is asked: the first one lets a renewal end, because the provider may
//! have replaced the refresh token already.

use std::{
    process,
    sync::{
        Once,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::Duration,
};

use tokenkeep_platform::signal::Ignored;

use crate::{failure::INTERRUPTED, output};

static PRESSED: AtomicU32 = AtomicU32::new(0);
static SET: Once = Once::new();

/// From here on the first Ctrl-C, and the first SIGTERM and SIGHUP, gives a renewal 5 s to end. The
/// next one ends the program. A signal that was ignored before stays so.
pub(crate) fn let_a_renewal_end() {
    watch("finishing the renewal, a moment (Ctrl-C again to stop)");
}

/// The same for the revocation of what was signed out.
pub(crate) fn let_a_revocation_end() {
    watch("finishing the sign-out, a moment (Ctrl-C again to stop)");
}

fn watch(note: &'static str) {
    SET.call_once(|| {
        let ignored = Ignored::now();
        // Without a handler the first one ends the program, which is the lesser evil.
        drop(ctrlc::set_handler(move || match PRESSED.fetch_add(1, Ordering::SeqCst) {
            0 => {
                // Before the note, which nobody may read.
                let end = thread::Builder::new().spawn(|| {
                    thread::sleep(LONGEST);
                    process::exit(INTERRUPTED.into());
                });
                match end {
                    Ok(_) => output::note_aside(note.into()),
                    Err(_) => process::exit(INTERRUPTED.into()),
                }
            }
            _ => process::exit(INTERRUPTED.into()),
        }));
        ignored.ignore_again();
    });
}

/// Whether somebody pressed Ctrl-C meanwhile.
pub(crate) fn was_pressed() -> bool {
    PRESSED.load(Ordering::SeqCst) > 0
}

const LONGEST: Duration = Duration::from_secs(5);
