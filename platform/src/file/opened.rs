//! What opening and checking a file gives.

use std::{fs::File, sync::Arc};

use super::os::FileStamp;

/// The result of opening and checking a file on one operating system.
pub(super) struct Opened {
    pub(super) file: Arc<File>,
    pub(super) stamp: FileStamp,
    pub(super) readable_by_others: bool,
}
