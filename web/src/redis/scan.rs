//! The list of the names of one server.

use redis::Value;

use super::{failure::unexpected, link::Link};
use crate::store::StoreError;

/// A part of the list, and where it goes on.
pub(super) struct Part {
    pub(super) names: Vec<Vec<u8>>,
    pub(super) next: Option<Vec<u8>>,
}

/// A part of the list of names that match. A cursor means nothing to a server that was started
/// again, so the list begins again after a new connection.
pub(super) async fn scan(
    link: &Link,
    pattern: &str,
    from: Option<&[u8]>,
) -> Result<Part, StoreError> {
    let number = link.number().unwrap_or_default();
    let prefix = format!("{number}/");
    let cursor = from.and_then(|from| from.strip_prefix(prefix.as_bytes())).unwrap_or(b"0");
    let mut command = redis::cmd("SCAN");
    command.arg(cursor).arg("MATCH").arg(pattern).arg("COUNT").arg(COUNT);
    let (next, names) = parse(link.call(command).await?)?;
    if link.number().unwrap_or_default() != number {
        // It was sent again to a server that may not know the cursor.
        return Ok(Part { names, next: Some(b"from the start".to_vec()) });
    }
    let next = (next != b"0").then(|| [prefix.into_bytes(), next].concat());
    Ok(Part { names, next })
}

/// How many names of all a step looks at: about a millisecond of the server's time.
const COUNT: u32 = 1_000;

/// The answer to `SCAN`: where the list goes on, and names.
fn parse(answer: Value) -> Result<(Vec<u8>, Vec<Vec<u8>>), StoreError> {
    let Value::Array(parts) = answer else { return Err(unexpected()) };
    let Ok([Value::BulkString(next), Value::Array(names)]) = <[Value; 2]>::try_from(parts) else {
        return Err(unexpected());
    };
    let names = names.into_iter().filter_map(|name| match name {
        Value::BulkString(name) => Some(name),
        _ => None,
    });
    Ok((next, names.collect()))
}
