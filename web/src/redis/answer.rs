//! What the engine's answers mean.

use std::time::Duration;

use redis::Value;

use super::failure::unexpected;
use crate::store::{Lease, Loaded, Mark, Note, PutOutcome, StoreError};

/// The answer to `GET`.
pub(super) fn value(answer: Value) -> Result<Loaded, StoreError> {
    match answer {
        Value::Nil => Ok(Loaded::Absent),
        Value::BulkString(value) => Ok(Loaded::Value(value)),
        _ => Err(unexpected()),
    }
}

/// Whether the answer to `GETRANGE` is this mark.
pub(super) fn is_mark(answer: &Value, known: &Mark) -> bool {
    matches!(answer, Value::BulkString(mark) if mark == known.as_bytes())
}

/// The answer to the script `PUT`.
pub(super) fn put(answer: Value) -> Result<PutOutcome, StoreError> {
    match answer {
        Value::Int(1) => Ok(PutOutcome::Stored),
        current => Ok(PutOutcome::Conflict(value(current)?)),
    }
}

/// The answer to the script `LEASE`.
pub(super) fn lease(answer: Value) -> Result<(Lease, Loaded), StoreError> {
    let Value::Array(parts) = answer else { return Err(unexpected()) };
    let Ok([Value::Int(who), Value::Int(left), Value::BulkString(note), current]) =
        <[Value; 4]>::try_from(parts)
    else {
        return Err(unexpected());
    };
    // A lease that ends in this very millisecond has none left.
    let ends_in = Duration::from_millis(left.max(1).unsigned_abs());
    let lease = match who {
        1 => Lease::Mine,
        2 => match Note::from_bytes(note) {
            Some(note) => Lease::Failed { note, ends_in },
            None => Lease::Other { ends_in },
        },
        _ => Lease::Other { ends_in },
    };
    let loaded = match current {
        Value::Int(1) => Loaded::Unchanged,
        current => value(current)?,
    };
    Ok((lease, loaded))
}
