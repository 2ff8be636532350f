//! JSON as text: printed again token by token, never through numbers or strings.
//!
//! Every text that the cache holds is in one canonical form, in which nested values have no white
//! space; what it prints is what Python's `json.dumps(…, indent=4)` prints. Two strings are equal
//! exactly if their canonical tokens are.

mod layout;
mod print;
mod read;
mod repeated;
mod text;

pub(crate) use layout::{Sink, is_nested, printed, string_end};
pub(crate) use print::{Printer, check_len};
pub(crate) use read::{Document, Object, Value};
pub(crate) use repeated::{NONE, Names, standing};
pub(crate) use text::{Buffer, decode, push_escaped, quoted};
