//! A persistence of one's own: here a key-value table that other parts of the program use too.
#![allow(clippy::print_stdout, reason = "it is a program for people to read")]

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use tokenkeep::{
    Error, PersistedTokenCache, Secret, TokenRequest,
    lock::LockGuard,
    persistence::{Loaded, Persistence, Saved, Stamp},
};

/// The program's table; each value comes with the number of its version.
type Table = Arc<Mutex<HashMap<String, (u64, Vec<u8>)>>>;

#[derive(Debug)]
struct TablePersistence {
    table: Table,
    row: String,
}

impl TablePersistence {
    fn with_table<T>(&self, work: impl FnOnce(&mut HashMap<String, (u64, Vec<u8>)>) -> T) -> T {
        work(&mut self.table.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Persistence for TablePersistence {
    fn load(&self, _known: Option<&Stamp>) -> Result<Loaded, Error> {
        Ok(match self.with_table(|table| table.get(&self.row).cloned()) {
            Some((version, bytes)) => Loaded::Content(Secret::new(bytes), stamp(version)),
            None => Loaded::Absent,
        })
    }

    fn save(
        &self,
        content: &[u8],
        _base: Option<&Stamp>,
        _guard: &LockGuard,
    ) -> Result<Saved, Error> {
        let version = self.with_table(|table| {
            let row = table.entry(self.row.clone()).or_default();
            *row = (row.0 + 1, content.to_vec());
            row.0
        });
        Ok(Saved::Done(stamp(version)))
    }

    fn delete(&self, _base: Option<&Stamp>, _guard: &LockGuard) -> Result<(), Error> {
        self.with_table(|table| table.remove(&self.row));
        Ok(())
    }

    fn stamp(&self) -> Result<Option<Stamp>, Error> {
        Ok(self.with_table(|table| table.get(&self.row).map(|(version, _)| stamp(*version))))
    }
}

fn stamp(version: u64) -> Stamp {
    Stamp::new(version.to_be_bytes())
}

fn main() -> Result<(), Error> {
    let table = Table::default();
    let open = || {
        let persistence = TablePersistence { table: Arc::clone(&table), row: "sign-ins".into() };
        PersistedTokenCache::new(persistence)
    };
    let request = TokenRequest::new("client", "https://login.example.com/tenant", ["read"]);
    let answer = br#"{"access_token": "kept", "expires_in": 3600}"#;
    let token = open().add_response(&request, answer)?;
    println!("the table keeps the sign-in: {}", token.is_stored());
    let found = open().find_access_token(&request)?;
    println!("another value over the same table finds it: {}", found.is_some());
    Ok(())
}
