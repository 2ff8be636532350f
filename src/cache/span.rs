//! The position of a field's value in an entry's text, for fields that are read often.

/// The start and the end of a canonical token.
#[derive(Clone, Copy)]
pub(crate) struct Span(u32, u32);

impl Span {
    /// The field is absent.
    pub(crate) const NONE: Self = Self(0, 0);

    pub(crate) fn new(from: u32, to: u32) -> Self {
        Self(from, to)
    }

    /// The position of `value`, which is a part of `text`. [`Self::NONE`] if the text is larger
    /// than 4 GiB; no readable cache is.
    pub(crate) fn locate(text: &str, value: &str) -> Self {
        let from = value.as_ptr().addr() - text.as_ptr().addr();
        match (u32::try_from(from), u32::try_from(from + value.len())) {
            (Ok(from), Ok(to)) => Self(from, to),
            _ => Self::NONE,
        }
    }

    /// The token at this position. `text` must be the text in which it was located.
    pub(crate) fn of(self, text: &str) -> Option<&str> {
        (self.1 > 0).then(|| &text[self.0 as usize..self.1 as usize])
    }
}
