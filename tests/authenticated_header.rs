//! What a sealed cache's header says counts only if it came with the content that was
//! authenticated.
#![allow(clippy::unwrap_used, reason = "a test may")]

mod support;

use std::{
    fs::{self, File},
    io::{Seek, SeekFrom, Write},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use support::{Place, event, request};
use tokenkeep::{Error, PersistedTokenCache};
use tokenkeep_test_support::say;

/// Where the store's identity and its generation stand in the file.
const IDENTITY: u64 = 64;
const GENERATION: u64 = 80;

/// Runs `work` while another thread writes `one` and `other` into the file at `offset`, in turn and
/// as fast as it can. The file holds `one` afterwards.
fn beside_a_flipper<T>(
    place: &Place,
    offset: u64,
    [one, other]: [&[u8]; 2],
    work: impl FnOnce() -> T,
) -> T {
    let stop = AtomicBool::new(false);
    let mut file = File::options().write(true).open(place.file()).unwrap();
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut put = |bytes: &[u8]| {
                file.seek(SeekFrom::Start(offset)).unwrap();
                file.write_all(bytes).unwrap();
            };
            while !stop.load(Ordering::Relaxed) {
                put(other);
                put(one);
            }
        });
        let _stop = Stop(&stop);
        work()
    })
}

/// Ends the other thread, even where the work panics.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Writes over the file in place, so that a process that has it open sees it.
fn overwrite(place: &Place, bytes: &[u8]) {
    let mut file = File::options().write(true).truncate(true).open(place.file()).unwrap();
    file.write_all(bytes).unwrap();
}

/// A cache that has seen a newer save than the one that lies there now, and the bytes of both.
fn rolled_back() -> (Place, PersistedTokenCache, Vec<u8>) {
    let place = Place::in_memory();
    let cache = place.open();
    cache.add(&event("client", "OLD")).unwrap();
    let old = fs::read(place.file()).unwrap();
    cache.add(&event("client", "NEW")).unwrap();
    assert!(cache.find_access_token(&request("client")).unwrap().is_some());
    overwrite(&place, &old);
    assert!(matches!(cache.accounts(), Err(Error::RolledBack { .. })));
    (place, cache, old)
}

/// The header is read, another program changes it, the content is read: the pair is never served.
#[test]
fn an_old_copy_whose_identity_flips_while_it_is_read_is_never_served() {
    let (place, cache, old) = rolled_back();
    let identity = &old[64..80];
    let begun = Instant::now();
    let mut reads = 0;
    beside_a_flipper(&place, IDENTITY, [identity, &[0xEE; 16]], || {
        while begun.elapsed() < PATIENCE {
            reads += 1;
            let read = cache.find_access_token(&request("client"));
            assert!(read.is_err(), "read {reads} after {:?}: {read:?}", begun.elapsed());
        }
    });
    say(&format!("{reads} reads of a file whose identity flips, none was served"));
    assert!(matches!(cache.accounts(), Err(Error::RolledBack { .. })));
}

/// A new process knows no save, so the older is good to it; what it seals must be of the true
/// store.
#[test]
fn no_identity_and_no_generation_is_sealed_that_was_not_authenticated() {
    for (offset, fake) in [(IDENTITY, &[0xEE; 16][..]), (GENERATION, &[0xFF; 8])] {
        let place = Place::in_memory();
        place.open().add(&event("client", "kept")).unwrap();
        let begun = Instant::now();
        let (mut saves, mut identity) = (0, Vec::new());
        while begun.elapsed() < PATIENCE / 2 {
            let sealed = fs::read(place.file()).unwrap();
            identity = sealed[64..80].to_vec();
            let true_bytes = &sealed[offset as usize..offset as usize + fake.len()];
            let saved = beside_a_flipper(&place, offset, [true_bytes, fake], || {
                place.open().add(&event("client", &format!("save {saves}")))
            });
            // It may meet the fake header and refuse; then the file is as it was.
            if saved.is_ok() {
                saves += 1;
            }
            let sealed = fs::read(place.file()).unwrap();
            assert_eq!(sealed[64..80], identity, "after {saves} saves");
            let generation = u64::from_be_bytes(sealed[80..88].try_into().unwrap());
            assert!(generation < 1 << 32, "after {saves} saves: generation {generation}");
        }
        say(&format!("{saves} saves over a header that flips, all of the true store"));
        assert!(place.open().accounts().is_ok(), "{identity:?}");
    }
}

/// How long a flipping header is tried; on the code that believed it a tenth was enough.
const PATIENCE: Duration = Duration::from_secs(3);
