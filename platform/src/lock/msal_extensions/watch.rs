//! Decides whether an unlocked lock file was left behind.

use std::{
    io,
    time::{Duration, Instant},
};

use super::{
    super::{
        Holder,
        content::{Content, Here},
    },
    os::{Locked, Sight},
};
use crate::file::{FileError, Folder};

/// One lock file, tracked over several looks.
#[derive(Debug)]
pub(super) struct Watch {
    sight: Sight,
    content: Vec<u8>,
    seen: Instant,
    unlocked: Option<Instant>,
}

impl Watch {
    pub(super) fn new(sight: Sight, now: Instant) -> Self {
        // If it cannot be read now, a later content counts as a change.
        let content = sight.content().unwrap_or_default();
        Self { sight, content, seen: now, unlocked: None }
    }

    /// Whether the path still leads to this file.
    pub(super) fn is_there(&self, folder: &Folder, name: &str) -> Result<bool, FileError> {
        self.sight.is_there(folder, name)
    }

    /// The holder that the file names. The kernel's answer comes second, because other processes
    /// that look at the file lock it briefly too.
    pub(super) fn holder(&self) -> Holder {
        self.sight.holder(&self.content)
    }

    /// Whether the file has been unchanged and unlocked for so long that its holder must be gone.
    /// If this returns `true`, the file is now locked.
    pub(super) fn is_stale(&mut self, here: &Here, now: Instant) -> io::Result<bool> {
        if self.sight.content()? != self.content {
            self.restart(now)?;
            return Ok(false);
        }
        if now.saturating_duration_since(self.seen) < YOUNG {
            return Ok(false);
        }
        if !self.sight.lock()? {
            self.unlocked = None;
            return Ok(false);
        }
        // The process that had it locked until now may have changed the content.
        if self.sight.content()? != self.content {
            self.sight.unlock()?;
            self.restart(now)?;
            return Ok(false);
        }
        let unlocked = now.saturating_duration_since(*self.unlocked.get_or_insert(now));
        let stale = unlocked >= SURELY
            || unlocked >= BRIEFLY && here.is_gone(&Content::parse(&self.content));
        if !stale {
            self.sight.unlock()?;
        }
        Ok(stale)
    }

    /// The file, which has been locked since it was found stale.
    pub(super) fn take_over(self) -> Option<Locked> {
        self.sight.into_locked()
    }

    #[cfg(all(unix, test))]
    pub(super) fn was_not_locked(&self) -> bool {
        self.unlocked.is_none()
    }

    fn restart(&mut self, now: Instant) -> io::Result<()> {
        self.content = self.sight.content()?;
        (self.seen, self.unlocked) = (now, None);
        Ok(())
    }
}

/// A process that creates the file locks it next. A look must not make that lock fail.
pub(super) const YOUNG: Duration = Duration::from_millis(20);
pub(super) const BRIEFLY: Duration = Duration::from_millis(750);
/// The peers give up after 5 s, so a process that holds the lock this long is hung.
pub(super) const SURELY: Duration = Duration::from_secs(10);
