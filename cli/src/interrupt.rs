//! Ctrl-C while a provider is asked: the first one lets a renewal end, because the provider may
//! have replaced the refresh token already. It ends a sign-in that has not begun at once, and else
//! lets it say so.

use std::{
    process,
    sync::{
        Mutex, Once, PoisonError,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use tokenkeep_platform::{signal::Ignored, terminal};

use crate::{failure::INTERRUPTED, output};

static PRESSED: AtomicU32 = AtomicU32::new(0);
/// Whether the first one lets something end.
static HAS_BEGUN: AtomicBool = AtomicBool::new(false);
static SET: Once = Once::new();
/// What is said before this module ends the program.
static LAST_WORD: Mutex<Option<LastWord>> = Mutex::new(None);

/// Says how the program ends.
pub(crate) type LastWord = fn();

/// What a user is told while something is let end.
#[derive(Clone, Copy)]
struct Notice {
    text: &'static str,
    /// What usually ends at once needs no notice.
    after: Duration,
}

/// From here on the first Ctrl-C, and the first SIGTERM and SIGHUP, gives a renewal 5 s to end. The
/// next one ends the program. A signal that was ignored before stays so.
pub(crate) fn let_a_renewal_end() {
    HAS_BEGUN.store(true, Ordering::SeqCst);
    watch(Notice {
        text: "finishing the renewal, a moment (Ctrl-C again to stop)",
        after: Duration::ZERO,
    });
}

/// The same for the revocation of what was signed out.
pub(crate) fn let_a_revocation_end() {
    HAS_BEGUN.store(true, Ordering::SeqCst);
    watch(Notice {
        text: "finishing the sign-out, a moment (Ctrl-C again to stop)",
        after: Duration::ZERO,
    });
}

/// From here on Ctrl-C, SIGTERM and SIGHUP end the program with the exit code of Ctrl-C, because
/// nothing waits for an answer yet. `last_word` is called before, unless
/// [`take_last_word`] comes first.
pub(crate) fn prepare_for_a_sign_in(last_word: LastWord) {
    set_last_word(last_word);
    watch(Notice {
        text: "finishing the sign-in, a moment (Ctrl-C again to stop)",
        after: Duration::from_millis(300),
    });
}

/// From here on the first Ctrl-C, SIGTERM and SIGHUP makes [`was_pressed`] true, and the program
/// ends within 5 s. The next one ends it at once.
pub(crate) fn let_a_sign_in_end() {
    HAS_BEGUN.store(true, Ordering::SeqCst);
}

/// What is said from now on if this module ends the program.
pub(crate) fn set_last_word(last_word: LastWord) {
    *LAST_WORD.lock().unwrap_or_else(PoisonError::into_inner) = Some(last_word);
}

/// The caller says how the program ends, and this module says it no more. If this module is about
/// to end the program, this never returns, so that it is said once.
pub(crate) fn take_last_word() {
    let mut word = LAST_WORD.lock().unwrap_or_else(PoisonError::into_inner);
    *word = None;
}

fn watch(notice: Notice) {
    SET.call_once(|| {
        let ignored = Ignored::now();
        // Without a handler the first one ends the program, which is the lesser evil.
        drop(ctrlc::set_handler(move || match PRESSED.fetch_add(1, Ordering::SeqCst) {
            0 if HAS_BEGUN.load(Ordering::SeqCst) => {
                // Before the notice, which nobody may read.
                let timer = thread::Builder::new().spawn(move || {
                    thread::sleep(notice.after);
                    output::note_aside(notice.text.into());
                    thread::sleep(LONGEST.saturating_sub(notice.after));
                    end();
                });
                if timer.is_err() {
                    end();
                }
            }
            _ => end(),
        }));
        ignored.ignore_again();
    });
}

fn end() -> ! {
    // Held until the end of the process: nobody else says how it ends.
    let mut word = LAST_WORD.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(say) = word.take() {
        // If nobody reads, it may never return.
        let said = thread::Builder::new().spawn(say);
        let give_up = Instant::now() + LAST_WORD_TIME;
        while said.as_ref().is_ok_and(|said| !said.is_finished()) && Instant::now() < give_up {
            thread::sleep(Duration::from_millis(1));
        }
    }
    terminal::restore();
    process::exit(INTERRUPTED.into())
}

/// Whether somebody pressed Ctrl-C meanwhile.
pub(crate) fn was_pressed() -> bool {
    PRESSED.load(Ordering::SeqCst) > 0
}

const LONGEST: Duration = Duration::from_secs(5);
/// A line into a pipe that somebody reads takes no time.
const LAST_WORD_TIME: Duration = Duration::from_millis(500);
