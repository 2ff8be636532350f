//! The mark by which a reader knows that nothing changed.

use std::sync::atomic::{AtomicU64, Ordering};

use tokenkeep_platform::file::FileStamp;

use crate::seal::Authenticated;

/// A mark of kept bytes. Two equal stamps mean: the same bytes, no need to read them again.
///
/// A stamp never decides what is written; inside a transaction the bytes themselves are looked at.
#[derive(Clone, Debug)]
pub struct Stamp {
    place: StampOf,
    /// What the content says of itself; proves sameness where `place` only hints at it.
    content: Option<Content>,
}

#[derive(Clone, Debug)]
enum Content {
    Bytes(Box<[u8]>),
    /// The header, whole: its random nonce makes equal headers mean the same save.
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

    /// Of a sealed file that was opened, or sealed, here.
    pub(crate) fn of_sealed(stamp: FileStamp, header: Authenticated) -> Self {
        Self { place: StampOf::File(stamp), content: Some(Content::Sealed(Box::new(header))) }
    }

    /// Equal to none that was ever made and to none that will be.
    pub(crate) fn unlike_any() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self::new(NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes())
    }

    /// The same place, with what the content says of itself.
    pub(crate) fn marked(self, content: impl Into<Vec<u8>>) -> Self {
        Self { content: Some(Content::Bytes(content.into().into_boxed_slice())), ..self }
    }

    /// What is changed in place may change once more within one tick of the clock, so only a time
    /// that is past before it is read stands for what is read then.
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
    /// Compares the places alone: a stamp taken without reading knows nothing of the content.
    fn eq(&self, other: &Self) -> bool {
        self.place == other.place
    }
}

impl Eq for Stamp {}
