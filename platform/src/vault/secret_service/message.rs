//! Checks on the first bytes of a D-Bus message:
//! <https://dbus.freedesktop.org/doc/dbus-specification.html#message-protocol-messages>.

use std::io;

use zbus::names::{BusName, ErrorName, InterfaceName, MemberName, UniqueName};
use zbus::zvariant::serialized::{Context, Data};
use zbus::zvariant::{Endian, Value};

/// How many bytes determine the size of a message.
pub(super) const START: usize = 16;

/// The size of the body plus the header's fields, in bytes.
pub(super) fn size(start: &[u8]) -> u64 {
    u64::from(number(start, BODY_SIZE)) + u64::from(number(start, FIELDS_SIZE))
}

/// Whether the message is a method return, not an error.
pub(super) fn is_answer(start: &[u8]) -> bool {
    start[1] == ANSWER
}

/// The size of the header without the padding before the body.
pub(super) fn header_size(start: &[u8]) -> usize {
    START + number(start, FIELDS_SIZE) as usize
}

/// Refuses a message with an invalid name. A bus forwards no such message, and zbus would panic
/// when asked for the name.
pub(super) fn check_names(header: &[u8]) -> io::Result<()> {
    let garbled = || io::Error::from(io::ErrorKind::InvalidData);
    let context = Context::new_dbus(endian(header), FIELDS_SIZE);
    let fields = Data::new(&header[FIELDS_SIZE..], context);
    let (fields, _) = fields.deserialize::<Vec<(u8, Value<'_>)>>().map_err(|_| garbled())?;
    for (field, value) in &fields {
        let Value::Str(name) = value else { continue };
        let is_name = match field {
            2 => InterfaceName::try_from(name.as_str()).is_ok(),
            3 => MemberName::try_from(name.as_str()).is_ok(),
            4 => ErrorName::try_from(name.as_str()).is_ok(),
            6 => BusName::try_from(name.as_str()).is_ok(),
            7 => UniqueName::try_from(name.as_str()).is_ok(),
            _ => true,
        };
        if !is_name {
            return Err(garbled());
        }
    }
    Ok(())
}

fn number(start: &[u8], at: usize) -> u32 {
    let bytes = [start[at], start[at + 1], start[at + 2], start[at + 3]];
    match endian(start) {
        Endian::Big => u32::from_be_bytes(bytes),
        Endian::Little => u32::from_le_bytes(bytes),
    }
}

fn endian(start: &[u8]) -> Endian {
    if start[0] == b'B' { Endian::Big } else { Endian::Little }
}

const BODY_SIZE: usize = 4;
const FIELDS_SIZE: usize = 12;
/// The message type METHOD_RETURN.
const ANSWER: u8 = 2;
