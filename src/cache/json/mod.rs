//! JSON as text. It is printed token by token and never converted to numbers or strings.
//!
//! Every text in the cache is in one canonical form, in which nested values have no white space.
//! The printed form is that of Python's `json.dumps(…, indent=4)`. Two strings are equal exactly if
//! their canonical tokens are equal.

mod layout;
mod members;
mod print;
mod read;
mod repeated;
mod text;

pub(crate) use layout::{Sink, is_nested, printed, printed_len, string_end};
pub(crate) use members::{items, members};
pub(crate) use print::{Printer, check_len};
pub(crate) use read::{Document, Object, Value};
pub(crate) use repeated::{NONE, Names, standing};
pub(crate) use text::{Buffer, decode, push_escaped, quoted};
