//! Access lists of Windows as plain data: what they grant, and the one that is given to what we
//! create.
//!
//! Nothing here calls the system, so that the rules are tested on every one. The bytes are those of
//! a self-relative security descriptor, [MS-DTYP] 2.4.

mod descriptor;
mod entry;
mod rules;
mod sid;

#[cfg(windows)]
pub(super) use self::rules::{Fault, Kind, judge, ours};
pub(super) use self::{descriptor::Descriptor, sid::Sid};
