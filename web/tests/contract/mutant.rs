//! A store that breaks one promise.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, MutexGuard},
    time::Duration,
};

use tokenkeep_web::{
    MemoryStore,
    store::{
        BoxFuture, Cursor, Durability, Inspection, Lease, LeaseRequest, Loaded, Mark, Note, Owner,
        Page, Put, PutOutcome, Removals, Store, StoreError, StoreKey,
    },
};
use tokio::{task::yield_now, time::Instant};

use crate::{fault::Fault, news::FaultyNews};

/// A store that breaks one promise.
#[derive(Debug)]
pub(crate) struct Mutant {
    inner: MemoryStore,
    fault: Fault,
    seen: Mutex<Seen>,
}

/// What a mutant remembers to be able to do wrong.
#[derive(Debug, Default)]
struct Seen {
    last: Option<StoreKey>,
    ends: HashMap<StoreKey, Instant>,
    owners: HashMap<StoreKey, Owner>,
    removed: Vec<StoreKey>,
    apps: Vec<String>,
    answers: VecDeque<Loaded>,
}

const ENDLESS: Duration = Duration::from_secs(1_000_000);
const HOUR: Duration = Duration::from_secs(3_600);

impl Mutant {
    pub(crate) fn new(fault: Fault) -> Self {
        Self { inner: MemoryStore::new(), fault, seen: Mutex::default() }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().expect("nothing panics while it is locked")
    }

    fn key(&self, key: &StoreKey) -> StoreKey {
        let mut id = *key.as_bytes();
        if self.fault == Fault::ShortKeys {
            id[15] = 0;
        }
        StoreKey::new(key.app(), id)
    }

    fn owner(&self, key: &StoreKey) -> Option<Owner> {
        self.seen().owners.get(key).copied()
    }

    async fn current(&self, key: &StoreKey) -> Option<Mark> {
        match self.inner.load(key, None).await {
            Ok(Loaded::Value(value)) => Mark::of(&value),
            _ => None,
        }
    }
}

impl Store for Mutant {
    fn load<'a>(
        &'a self,
        key: &'a StoreKey,
        known: Option<&'a Mark>,
    ) -> BoxFuture<'a, Result<Loaded, StoreError>> {
        Box::pin(async move {
            let known_here = if self.fault == Fault::AlwaysSendsValue { None } else { known };
            let mut loaded = self.inner.load(&self.key(key), known_here).await?;
            match (self.fault, &mut loaded) {
                (Fault::AbsentIsUnchanged, Loaded::Absent) if known.is_some() => {
                    loaded = Loaded::Unchanged;
                }
                (Fault::CutsOff, Loaded::Value(value)) => drop(value.pop()),
                (Fault::CutsOffLong, Loaded::Value(value)) => value.truncate(65_536),
                (Fault::AnswersMixedUp, _) => {
                    self.seen().answers.push_back(loaded);
                    yield_now().await;
                    loaded = self.seen().answers.pop_front().expect("it was just pushed");
                }
                _ => {}
            }
            Ok(loaded)
        })
    }

    fn put<'a>(
        &'a self,
        key: &'a StoreKey,
        put: Put<'a>,
    ) -> BoxFuture<'a, Result<PutOutcome, StoreError>> {
        Box::pin(async move {
            let (mut key, mut put) = (self.key(key), put);
            let current = self.current(&key).await;
            let owner = put.release;
            match self.fault {
                Fault::OneKeyAtATime => {
                    self.seen().last = Some(key);
                    yield_now().await;
                    key = self.seen().last.clone().expect("it was just set");
                }
                Fault::NoEnd => put.keep_for = ENDLESS,
                Fault::FirstTimeStands => {
                    let end = Instant::now() + put.keep_for;
                    let end = *self.seen().ends.entry(key.clone()).or_insert(end);
                    put.keep_for = end.saturating_duration_since(Instant::now());
                }
                Fault::NeverReplaces if put.expect.is_some() => {
                    return Ok(PutOutcome::Conflict(self.inner.load(&key, None).await?));
                }
                Fault::ShortMark => {
                    let first = |mark: &Mark| mark.as_bytes()[..39].to_vec();
                    if put.expect.map(first) == current.as_ref().map(first) {
                        put.expect = current.as_ref();
                    }
                }
                Fault::WritesAfterRemoval if current.is_none() => put.expect = None,
                Fault::SecondPutConflicts if current == Mark::of(put.value) => {
                    return Ok(PutOutcome::Conflict(self.inner.load(&key, None).await?));
                }
                Fault::ComparesThenWrites if put.expect == current.as_ref() => {
                    yield_now().await;
                    let current = self.current(&key).await;
                    put.expect = current.as_ref();
                    return self.inner.put(&key, put).await;
                }
                Fault::BlindWrite => put.expect = current.as_ref(),
                Fault::PutReleasesNothing => put.release = None,
                Fault::PutReleasesAll => put.release = self.owner(&key),
                Fault::HalfWritten if current == Mark::of(put.value) => {
                    return Ok(PutOutcome::Stored);
                }
                Fault::HalfWritten => {
                    let mut half = put;
                    half.value = &put.value[..120];
                    let outcome = self.inner.put(&key, half).await?;
                    if outcome != PutOutcome::Stored {
                        return Ok(outcome);
                    }
                    yield_now().await;
                }
                _ => {}
            }
            let outcome = self.inner.put(&key, put).await?;
            match (self.fault, &outcome) {
                (Fault::ConflictReleases, PutOutcome::Conflict(_)) => {
                    if let Some(owner) = owner {
                        self.inner.release(&key, owner, None).await?;
                    }
                    Ok(outcome)
                }
                (Fault::ConflictBringsNothing, PutOutcome::Conflict(_)) => {
                    Ok(PutOutcome::Conflict(Loaded::Absent))
                }
                _ => Ok(outcome),
            }
        })
    }

    fn remove<'a>(
        &'a self,
        key: &'a StoreKey,
        durability: Durability,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            self.seen().removed.push(key.clone());
            if self.fault == Fault::RemovesNothing {
                return Ok(());
            }
            self.inner.remove(&self.key(key), durability).await?;
            if self.fault == Fault::HearsAll {
                let apps = self.seen().apps.clone();
                for app in apps.iter().filter(|app| *app != key.app()) {
                    self.inner.remove(&StoreKey::new(&**app, *key.as_bytes()), durability).await?;
                }
            }
            if self.fault == Fault::KeepsLease
                && let Some(owner) = self.owner(key)
            {
                self.inner.lease(key, LeaseRequest::new(owner, HOUR)).await?;
            }
            Ok(())
        })
    }

    fn lease<'a>(
        &'a self,
        key: &'a StoreKey,
        mut request: LeaseRequest<'a>,
    ) -> BoxFuture<'a, Result<(Lease, Loaded), StoreError>> {
        Box::pin(async move {
            let key = &self.key(key);
            match self.fault {
                Fault::NoRenewal if self.owner(key) == Some(request.owner) => {
                    return Ok((Lease::Mine, self.inner.load(key, request.known).await?));
                }
                Fault::LeaseNoEnd => request.ttl = ENDLESS,
                Fault::LeaseSendsKnown => request.known = None,
                Fault::ReplacesNoNote => request.instead_of = None,
                _ => {}
            }
            let (mut lease, mut loaded) = self.inner.lease(key, request).await?;
            match (self.fault, &lease) {
                (Fault::NobodyOwns, Lease::Other { .. }) => lease = Lease::Mine,
                (Fault::LeaseReadsNothing, _) => loaded = Loaded::Absent,
                (Fault::ReplacesAnyNote, Lease::Failed { note, .. })
                    if request.instead_of.is_some() =>
                {
                    let request = request.instead_of(Some(note));
                    (lease, loaded) = self.inner.lease(key, request).await?;
                }
                _ => {}
            }
            if lease == Lease::Mine {
                self.seen().owners.insert(key.clone(), request.owner);
            }
            Ok((lease, loaded))
        })
    }

    fn release<'a>(
        &'a self,
        key: &'a StoreKey,
        owner: Owner,
        failed: Option<(&'a Note, Duration)>,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            let key = &self.key(key);
            let (mut owner, mut failed) = (owner, failed);
            let cut;
            match (self.fault, failed) {
                (Fault::NoRelease, None) => return Ok(()),
                (Fault::StrangerReleases, _) => owner = self.owner(key).unwrap_or(owner),
                (Fault::IgnoresNotes, _) => failed = None,
                (Fault::NoteNoEnd, Some((note, _))) => failed = Some((note, ENDLESS)),
                (Fault::CutsOffNotes, Some((note, pause))) => {
                    let bytes = note.as_bytes();
                    cut = Note::from_bytes(&bytes[..bytes.len().min(100)])
                        .expect("it is long enough");
                    failed = Some((&cut, pause));
                }
                (Fault::StrangerNotes, Some(_)) => {
                    owner = self.owner(key).unwrap_or(owner);
                    self.inner.lease(key, LeaseRequest::new(owner, HOUR)).await?;
                }
                _ => {}
            }
            self.inner.release(key, owner, failed).await
        })
    }

    fn page<'a>(
        &'a self,
        app: &'a str,
        from: Option<Cursor>,
    ) -> BoxFuture<'a, Result<Page, StoreError>> {
        Box::pin(async move {
            if self.fault == Fault::PagesByCount {
                return self.page_by_count(app, from).await;
            }
            let mut page = self.inner.page(app, from).await?;
            match self.fault {
                Fault::OnePage => page.next = None,
                Fault::MissesLast => drop(page.keys.pop()),
                Fault::ListsRemoved => page.keys.extend(self.seen().removed.clone()),
                _ => {}
            }
            Ok(page)
        })
    }

    fn removals(&self, app: &str) -> Box<dyn Removals> {
        self.seen().apps.push(app.to_owned());
        Box::new(FaultyNews { inner: self.inner.removals(app), fault: self.fault })
    }

    fn inspect(&self) -> BoxFuture<'_, Result<Inspection, StoreError>> {
        match self.fault {
            Fault::Nameless => Box::pin(async { Ok(Inspection::new("")) }),
            _ => self.inner.inspect(),
        }
    }
}

impl Mutant {
    async fn page_by_count(&self, app: &str, from: Option<Cursor>) -> Result<Page, StoreError> {
        let (mut all, mut next) = (Vec::new(), None);
        loop {
            let page = self.inner.page(app, next).await?;
            all.extend(page.keys);
            next = page.next;
            if next.is_none() {
                break;
            }
        }
        let skip = from.map_or(0, |from| {
            usize::from_be_bytes(from.as_bytes().try_into().expect("it is of this store"))
        });
        let keys: Vec<_> = all.into_iter().skip(skip).take(20).collect();
        let next = (keys.len() == 20).then(|| Cursor::new((skip + 20).to_be_bytes()));
        Ok(Page::new(keys, next))
    }
}
