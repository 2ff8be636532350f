//! Whether a lock file that nobody locks was left behind.

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

/// One lock file, seen at several looks.
#[derive(Debug)]
pub(super) struct Watch {
    sight: Sight,
    content: Vec<u8>,
    seen: Instant,
    unlocked: Option<Instant>,
}

impl Watch {
    pub(super) fn new(sight: Sight, now: Instant) -> Self {
        let content = sight.content().unwrap_or_default();
        Self { sight, content, seen: now, unlocked: None }
    }

    /// Whether the path still leads to this file.
    pub(super) fn is_there(&self, folder: &Folder, name: &str) -> Result<bool, FileError> {
        self.sight.is_there(folder, name)
    }

    /// Who holds the lock, as far as its file says. Others look at it, too, so the kernel's word is
    /// the second.
    pub(super) fn holder(&self) -> Holder {
        self.sight.holder(&self.content)
    }

    /// Whether the file has lain there, the same and unlocked, for so long that its holder must be
    /// gone. If so, it is locked now.
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
        // Whoever had it locked until now may have written.
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

    /// The file, which was locked when it was found to be stale.
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

/// Whoever creates a file locks it next. A look at it must not be what refuses that.
pub(super) const YOUNG: Duration = Duration::from_millis(20);
pub(super) const BRIEFLY: Duration = Duration::from_millis(750);
/// The peers give up after 5 s, so that none of them holds it as long without being hung.
pub(super) const SURELY: Duration = Duration::from_secs(10);
