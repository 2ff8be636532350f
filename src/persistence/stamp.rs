//! The mark by which a reader knows that nothing changed.

use std::sync::atomic::{AtomicU64, Ordering};

use tokenkeep_platform::file::FileStamp;

use crate::seal::Authenticated;

/// A mark of stored bytes. Two equal stamps mean that the bytes are the same and need not be read
/// again.
///
/// A stamp never decides what is written: a transaction looks at the bytes themselves.
#[derive(Clone, Debug)]
pub struct Stamp {
    place: StampOf,
    /// Identifies the content. Proves that it is the same where `place` is only a hint.
    content: Option<Content>,
}

#[derive(Clone, Debug)]
enum Content {
    Bytes(Box<[u8]>),
    /// The whole header. Its random nonce makes equal headers mean the same save.
    Sealed(Box<Authenticated>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum StampOf {
    File(FileStamp),
    Opaque(Box<[u8]>),
}

impl Stamp {
    /// A stamp for a persistence of your own: a version number, an ETag, a hash.
    pub fn new(mark: impl Into<Vec<u8>>) -> Self {
        Self { place: StampOf::Opaque(mark.into().into_boxed_slice()), content: None }
    }

    pub(crate) fn of_file(stamp: FileStamp) -> Self {
        Self { place: StampOf::File(stamp), content: None }
    }

    /// The stamp of a sealed file that was opened or sealed here.
    pub(crate) fn of_sealed(stamp: FileStamp, header: Authenticated) -> Self {
        Self { place: StampOf::File(stamp), content: Some(Content::Sealed(Box::new(header))) }
    }

    /// A stamp that equals no other.
    pub(crate) fn unlike_any() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        // Relaxed: the numbers only have to differ.
        Self::new(NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes())
    }

    /// The same place, with what identifies the content.
    pub(crate) fn marked(self, content: impl Into<Vec<u8>>) -> Self {
        Self { content: Some(Content::Bytes(content.into().into_boxed_slice())), ..self }
    }

    /// A file that is changed in place may change again within one tick of the clock. So a recent
    /// time is replaced by a stamp that equals no other.
    pub(crate) fn settled(self) -> Self {
        match &self.place {
            StampOf::File(file) if file.is_recent() => {
                Self { content: self.content, ..Self::unlike_any() }
            }
            _ => self,
        }
    }

    pub(crate) fn content(&self) -> Option<&[u8]> {
        match &self.content {
            Some(Content::Bytes(bytes)) => Some(bytes),
            _ => None,
        }
    }

    pub(crate) fn sealed(&self) -> Option<&Authenticated> {
        match &self.content {
            Some(Content::Sealed(header)) => Some(header),
            _ => None,
        }
    }
}

impl PartialEq for Stamp {
    /// Compares only the places: a stamp taken without reading knows nothing of the content.
    fn eq(&self, other: &Self) -> bool {
        self.place == other.place
    }
}

impl Eq for Stamp {}
