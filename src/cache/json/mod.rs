//! JSON as text: printed again token by token, never through numbers or strings.
//!
//! Every text that the cache holds is in one canonical form: what Python's
//! `json.dumps(…, indent=4)` prints. Two strings are equal exactly if their canonical tokens are.

mod print;
mod read;
mod text;

pub(crate) use print::Printer;
pub(crate) use read::{Document, Object, Value};
pub(crate) use text::{Buffer, decode, push_escaped, quoted};
