//! Room that a persistence reserves for its next save.

use tokenkeep_platform::file::Reserved;

/// Room for the next save of a persistence, free again when this is dropped.
#[derive(Debug)]
#[must_use = "the room is free again when this is dropped"]
pub struct Reservation {
    _room: Option<Reserved>,
}

impl Reservation {
    /// No room, for a persistence that cannot run out of it or cannot reserve any.
    pub const fn none() -> Self {
        Self { _room: None }
    }

    pub(super) fn of(room: Reserved) -> Self {
        Self { _room: Some(room) }
    }
}
