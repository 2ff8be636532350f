//! Parses and builds Windows access lists as plain bytes.
//!
//! Windows has no mode bits. Its calls report the rights of one given user, not whether anyone else
//! has rights. So the list itself is read and judged here, and new files get a list built here.
//!
//! Nothing here calls the system, so the rules are tested on every platform. The bytes are a
//! self-relative security descriptor, [MS-DTYP] 2.4.

mod descriptor;
mod entry;
mod rules;
mod sid;

#[cfg(windows)]
pub(super) use self::rules::{Fault, Kind, judge, ours};
pub(super) use self::{descriptor::Descriptor, sid::Sid};
