//! Reads.

use std::sync::Arc;

use tokio::time::Instant;
use tokio_postgres::{
    Client, Row,
    types::{ToSql, Type},
};

use super::step::{Step, Trouble};
use crate::store::{Cursor, Loaded, Mark, Page, StoreKey};

/// Reads a value, or says that it has the mark that the caller knows.
pub(super) struct Load<'a> {
    pub(super) key: &'a StoreKey,
    pub(super) known: Option<&'a Mark>,
}

impl Step for Load<'_> {
    type Answer = Loaded;

    const WRITES: bool = false;

    async fn run(&self, client: &Client, _end: Instant) -> Result<Loaded, Trouble> {
        let id = &self.key.as_bytes()[..];
        let known = self.known.map(|mark| &mark.as_bytes()[..]);
        let parameters: [Parameter<'_>; 2] = [(&id, Type::BYTEA), (&known, Type::BYTEA)];
        match client.query_typed(LOAD, &parameters).await?.first() {
            None => Ok(Loaded::Absent),
            Some(row) => loaded(row, 0),
        }
    }
}

/// A parameter of a statement, with its type.
pub(super) type Parameter<'a> = (&'a (dyn ToSql + Sync), Type);

/// The value of a row that is there: `NULL` in the column stands for a value that is known.
pub(super) fn loaded(row: &Row, column: usize) -> Result<Loaded, Trouble> {
    Ok(row.try_get::<_, Option<Vec<u8>>>(column)?.map_or(Loaded::Unchanged, Loaded::Value))
}

/// Lists keys by their bytes. A page has those of 500 rows that are of the application, so that it
/// is read in a short time where others have most rows.
pub(super) struct List<'a> {
    pub(super) app: &'a str,
    pub(super) from: Option<&'a Cursor>,
}

impl Step for List<'_> {
    type Answer = Page;

    const WRITES: bool = false;

    async fn run(&self, client: &Client, _end: Instant) -> Result<Page, Trouble> {
        let after = self.from.map_or(&[][..], Cursor::as_bytes);
        let parameters: [Parameter<'_>; 2] = [(&after, Type::BYTEA), (&KEYS_A_PAGE, Type::INT8)];
        let rows = client.query_typed(LIST, &parameters).await?;
        let is_last = i64::try_from(rows.len()).is_ok_and(|len| len < KEYS_A_PAGE);
        let app: Arc<str> = self.app.into();
        let (mut keys, mut last) = (Vec::with_capacity(rows.len()), None);
        for row in &rows {
            let id = row.try_get::<_, &[u8]>(0)?;
            // Bytes of another length are no key of this crate.
            if let (Ok(id), true) = (id.try_into(), row.try_get::<_, &str>(1)? == self.app) {
                keys.push(StoreKey::new(app.clone(), id));
            }
            last = Some(id);
        }
        let next = last.filter(|_| !is_last).map(Cursor::new);
        Ok(Page::new(keys, next))
    }
}

const KEYS_A_PAGE: i64 = 500;

const LOAD: &str = "\
SELECT CASE WHEN mark = $2 THEN NULL ELSE value END FROM tokenkeep_web
WHERE id = $1 AND keep_until >= timezone('UTC', now())::date";

const LIST: &str = "\
SELECT id, app FROM tokenkeep_web
WHERE id > $1 AND keep_until >= timezone('UTC', now())::date
ORDER BY id LIMIT $2";
