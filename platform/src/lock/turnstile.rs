//! The way through the queue to the lock.

use super::{
    LockError, Wait,
    files::{Attempt, Files},
    own::Names,
    patience::Patience,
};

/// Returns files whose lock is held and whose queue is free for the next.
pub(super) fn pass(
    names: &Names,
    idle: Option<Files>,
    wait: &Wait<'_>,
) -> Result<Files, LockError> {
    let mut patience = Patience::new(&names.lock, wait);
    let mut idle = idle;
    loop {
        let files = idle.take().map_or_else(|| Files::open(names), Ok)?;
        if let Some(files) = enter(names, files, &mut patience)? {
            files.write_note();
            return Ok(files);
        }
        let pause = patience.pace.in_queue();
        patience.pause(pause, || None)?;
    }
}

/// `None` where somebody replaced one of the files, which must then be opened anew. Dropping the
/// files releases what was locked.
fn enter(
    names: &Names,
    files: Files,
    patience: &mut Patience<'_>,
) -> Result<Option<Files>, LockError> {
    loop {
        match files.queue.attempt(&names.queue)? {
            Attempt::Locked => break,
            Attempt::Held => {
                let pause = patience.pace.in_queue();
                patience.pause(pause, || files.read_note())?;
            }
            Attempt::Replaced => return Ok(None),
        }
    }
    loop {
        match files.lock.attempt(&names.lock)? {
            Attempt::Locked => break,
            Attempt::Held => {
                let pause = patience.pace.at_head();
                patience.pause(pause, || files.read_note())?;
            }
            Attempt::Replaced => return Ok(None),
        }
    }
    match files.queue.unlock() {
        Ok(()) => Ok(Some(files)),
        Err(_) => Ok(None),
    }
}
