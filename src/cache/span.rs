//! Where the value of a field lies in an entry's text, for fields that are looked at often.

/// From where to where a canonical token lies.
#[derive(Clone, Copy)]
pub(crate) struct Span(u32, u32);

impl Span {
    /// Nowhere: the field is not there.
    pub(crate) const NONE: Self = Self(0, 0);

    pub(crate) fn new(from: u32, to: u32) -> Self {
        Self(from, to)
    }

    /// Where `value`, a part of `text`, lies in it. Nowhere if the text is larger than 4 GB, which
    /// no cache is that can be read.
    pub(crate) fn locate(text: &str, value: &str) -> Self {
        let from = value.as_ptr().addr() - text.as_ptr().addr();
        match (u32::try_from(from), u32::try_from(from + value.len())) {
            (Ok(from), Ok(to)) => Self(from, to),
            _ => Self::NONE,
        }
    }

    /// The token in the text that it was located in.
    pub(crate) fn of(self, text: &str) -> Option<&str> {
        (self.1 > 0).then(|| &text[self.0 as usize..self.1 as usize])
    }
}
