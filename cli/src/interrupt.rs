//! Ctrl-C during a renewal: the first one lets it end, because the provider may have replaced the
//! refresh token already.

use std::{
    process,
    sync::{
        Once,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::Duration,
};

use crate::{failure::INTERRUPTED, output};

static PRESSED: AtomicU32 = AtomicU32::new(0);
static SET: Once = Once::new();

/// From here on the first Ctrl-C, and the first SIGTERM and SIGHUP, gives a renewal 5 s to end. The
/// next one ends the program.
pub(crate) fn let_a_renewal_end() {
    SET.call_once(|| {
        // Without a handler the first one ends the program, which is the lesser evil.
        drop(ctrlc::set_handler(|| match PRESSED.fetch_add(1, Ordering::SeqCst) {
            0 => {
                output::note("finishing the renewal, a moment (Ctrl-C again to stop)");
                thread::spawn(|| {
                    thread::sleep(LONGEST);
                    process::exit(INTERRUPTED.into());
                });
            }
            _ => process::exit(INTERRUPTED.into()),
        }));
    });
}

/// Whether somebody pressed Ctrl-C meanwhile.
pub(crate) fn was_pressed() -> bool {
    PRESSED.load(Ordering::SeqCst) > 0
}

const LONGEST: Duration = Duration::from_secs(5);
