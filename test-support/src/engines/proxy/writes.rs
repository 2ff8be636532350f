//! What writes, in the protocols of Redis and PostgreSQL.

use std::collections::HashMap;

/// Nothing does.
pub fn no_writes() -> impl FnMut(&[u8]) -> bool + Send + 'static {
    |_: &[u8]| false
}

/// Commands of Redis that may write: EVAL, EVALSHA, SET, DEL and the like. A turn that opens a
/// connection writes nothing.
pub fn redis_writes() -> impl FnMut(&[u8]) -> bool + Send + 'static {
    |turn: &[u8]| {
        REDIS.iter().any(|name| {
            let command = format!("\r\n${}\r\n{name}\r\n", name.len()).into_bytes();
            // It is the first word of an array.
            turn.windows(command.len()).enumerate().any(|(at, window)| {
                window.eq_ignore_ascii_case(&command) && starts_array(&turn[..at])
            })
        })
    }
}

fn starts_array(before: &[u8]) -> bool {
    let digits = before.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    digits > 0 && before.len().checked_sub(digits + 1).is_some_and(|at| before[at] == b'*')
}

const REDIS: [&str; 8] = ["EVAL", "EVALSHA", "FCALL", "SET", "DEL", "UNLINK", "PEXPIRE", "EXPIRE"];

/// Executions of PostgreSQL's INSERT, UPDATE and DELETE, also as part of another statement, and
/// also of statements that were prepared in an earlier turn. In a transaction block it is the
/// COMMIT: before it has reached the server nothing is written, and it may come in a turn of its
/// own.
pub fn postgres_writes() -> impl FnMut(&[u8]) -> bool + Send + 'static {
    let mut session = Session::default();
    move |turn: &[u8]| session.writes(turn)
}

#[derive(Default)]
struct Session {
    has_begun: bool,
    /// The start of a message whose rest is not there.
    rest: Vec<u8>,
    /// The text of the statement with this name.
    statements: HashMap<Vec<u8>, Vec<u8>>,
    portals: HashMap<Vec<u8>, Vec<u8>>,
    block: Block,
}

/// The transaction block that a session is in.
#[derive(Clone, Copy, Default)]
enum Block {
    #[default]
    None,
    /// It has only read so far.
    Reading,
    Writing,
}

impl Session {
    fn writes(&mut self, turn: &[u8]) -> bool {
        let mut bytes = core::mem::take(&mut self.rest);
        bytes.extend(turn);
        let mut left = bytes.as_slice();
        let mut writes = false;
        while let Some((kind, body, after)) = next(left, self.has_begun) {
            left = after;
            writes |= self.message(kind, body);
        }
        self.rest = left.to_vec();
        writes
    }

    fn message(&mut self, kind: u8, body: &[u8]) -> bool {
        let mut parts = body.split(|byte| *byte == 0);
        let mut part = || parts.next().unwrap_or_default().to_vec();
        match kind {
            // The first message has no kind; one that asks for encryption comes before it.
            0 => self.has_begun = !body.starts_with(&ASKS_FOR_ENCRYPTION),
            b'Q' => return self.executes(body),
            b'P' => drop(self.statements.insert(part(), part())),
            b'B' => {
                let (portal, statement) = (part(), part());
                let text = self.statements.get(&statement).cloned().unwrap_or_default();
                self.portals.insert(portal, text);
            }
            b'E' => {
                let text = self.portals.get(&part()).cloned().unwrap_or_default();
                return self.executes(&text);
            }
            _ => {}
        }
        false
    }

    /// Whether these statements write for good.
    fn executes(&mut self, sql: &[u8]) -> bool {
        let mut writes = false;
        for statement in sql.to_ascii_uppercase().split(|byte| *byte == b';') {
            let first = words(statement).next().unwrap_or_default();
            match (first, self.block) {
                (b"BEGIN" | b"START", _) => self.block = Block::Reading,
                (b"COMMIT" | b"END", block) => {
                    writes |= matches!(block, Block::Writing);
                    self.block = Block::None;
                }
                (b"ROLLBACK", _) => self.block = Block::None,
                (_, block) if is_write(statement) => match block {
                    Block::None => writes = true,
                    Block::Reading | Block::Writing => self.block = Block::Writing,
                },
                _ => {}
            }
        }
        writes
    }
}

/// The next message's kind and body, and what follows it.
fn next(bytes: &[u8], has_kind: bool) -> Option<(u8, &[u8], &[u8])> {
    let (kind, rest) = if has_kind { bytes.split_first()? } else { (&0, bytes) };
    let (length, _) = rest.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    let (message, after) = rest.split_at_checked(length.max(4))?;
    Some((*kind, &message[4..], after))
}

/// Whether a statement in upper case writes.
fn is_write(statement: &[u8]) -> bool {
    // `FOR UPDATE` locks, `DO UPDATE` stands after INSERT.
    let mut before: &[u8] = b"";
    words(statement).any(|word| {
        let locks = before == b"FOR" && word == b"UPDATE";
        before = word;
        !locks && POSTGRES.contains(&word)
    })
}

fn words(statement: &[u8]) -> impl Iterator<Item = &[u8]> {
    let words = statement.split(|byte| !byte.is_ascii_alphanumeric() && *byte != b'_');
    words.filter(|word| !word.is_empty())
}

const POSTGRES: [&[u8]; 3] = [b"INSERT", b"UPDATE", b"DELETE"];
const ASKS_FOR_ENCRYPTION: [u8; 4] = [4, 210, 22, 47];

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: &[u8], body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
        [kind, &length, body].concat()
    }

    #[test]
    fn a_command_of_redis_counts_by_its_name_alone() {
        let mut writes = redis_writes();
        assert!(writes(b"*3\r\n$3\r\nset\r\n$1\r\nk\r\n$1\r\nv\r\n"));
        assert!(writes(b"*1\r\n$4\r\nPING\r\n*2\r\n$3\r\nDEL\r\n$1\r\nk\r\n"));
        assert!(!writes(b"*2\r\n$3\r\nGET\r\n$3\r\nSET\r\n"));
    }

    #[test]
    fn an_execution_counts_by_its_statement() {
        let mut writes = postgres_writes();
        assert!(!writes(&message(b"", &ASKS_FOR_ENCRYPTION)));
        assert!(!writes(&message(b"", b"\0\x03\0\0user\0UPDATE\0\0")));
        let prepare = message(b"P", b"s1\0WITH x AS (update t SET a = 1) SELECT 1\0\0\0");
        assert!(!writes(&prepare));
        let execute = [message(b"B", b"\0s1\0\0\0"), message(b"E", b"\0\0\0\0\0")].concat();
        let (first, second) = execute.split_at(7);
        assert!(!writes(first));
        assert!(writes(second));
        assert!(!writes(&message(b"Q", b"SELECT updated FROM t FOR UPDATE\0")));
    }

    #[test]
    fn a_transaction_block_counts_when_it_is_committed() {
        let mut writes = postgres_writes();
        writes(&message(b"", b"\0\x03\0\0user\0shop\0\0"));
        let mut query = |text: &str| writes(&message(b"Q", format!("{text}\0").as_bytes()));
        assert!(!query("begin; SET LOCAL statement_timeout = 5; INSERT INTO t VALUES (1)"));
        assert!(query("commit"));
        assert!(!query("COMMIT"));
        assert!(!query("BEGIN; SELECT 1"));
        assert!(!query("COMMIT"));
        assert!(!query("BEGIN; DELETE FROM t; ROLLBACK"));
        assert!(query("BEGIN; UPDATE t SET a = 1; COMMIT; SELECT 1"));
        assert!(query("DELETE FROM t"));
    }
}
