//! A key that another program passes in a file descriptor.

use std::{
    mem,
    sync::{Arc, OnceLock},
    time::Duration,
};

use tokenkeep::Secret;
use tokenkeep_platform::descriptor::{self, DescriptorError};

/// A descriptor by its number, and the text that was read from it.
///
/// A pipe can be read once, so clones share what was read.
#[derive(Clone, Debug)]
pub(crate) struct Descriptor {
    pub(crate) number: u32,
    opened: Result<descriptor::Descriptor, String>,
    text: Arc<OnceLock<Result<Secret, String>>>,
}

impl Descriptor {
    /// Takes the descriptor over at once: later the number may belong to a file that this program
    /// opened.
    pub(crate) fn new(number: u32) -> Self {
        let opened = descriptor::Descriptor::open(number).map_err(|error| said(&error));
        Self { number, opened, text: Arc::default() }
    }

    /// Checks that the descriptor can be read, without reading from it.
    pub(crate) fn check(&self) -> Result<(), String> {
        match self.text.get() {
            Some(text) => text.clone().map(drop),
            None => self.opened.clone().map(drop),
        }
    }

    /// The content, read at the first call.
    pub(crate) fn read(&self) -> Result<Secret, String> {
        let read = || {
            let text = self.opened.clone()?.read(LIMIT, PATIENCE);
            text.map(|mut text| Secret::new(mem::take(&mut *text))).map_err(|error| said(&error))
        };
        // An error counts as well: a second read would find the rest of the text, or nothing.
        self.text.get_or_init(read).clone()
    }
}

impl PartialEq for Descriptor {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl Eq for Descriptor {}

fn said(error: &DescriptorError) -> String {
    match error {
        DescriptorError::Failed { source } => format!("{error}: {source}"),
        error => error.to_string(),
    }
}

/// A key has 64 digits at most, and perhaps a line end.
const LIMIT: usize = 512;

/// How long the other program may take to write the key.
const PATIENCE: Duration = Duration::from_secs(10);
