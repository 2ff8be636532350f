//! An index from hashed names to slots, with one memory access per lookup.
//!
//! A `HashMap` would keep each name as text and read it again to confirm a match. That is a second
//! memory access, which in a large cache costs more than the rest of a find.
//! `cargo xtask bench find` measures it.
//!
//! One hash gives the place, and all 64 bits of a second hash are compared. Both are SipHash under
//! random keys of this index. A lookup compares a few cells, so it finds a wrong one by chance once
//! in 2^61. Only someone who knows the keys could cause such a match. No text is read to confirm
//! it.
//!
//! Many names begin with the same text. A [`Context`] keeps the hash state of that text, so each
//! name costs only its own part.

use std::{
    collections::BTreeSet,
    hash::{BuildHasher, DefaultHasher, Hasher, RandomState},
};

/// A map from hashed names to slot numbers, in ascending order.
#[derive(Clone, Default)]
pub(crate) struct Index {
    hashers: (RandomState, RandomState),
    buckets: Vec<Bucket>,
    /// The place of each cell as a fraction of all buckets. Needed only to grow.
    places: Vec<[u32; CELLS]>,
    used: usize,
    /// Most indexes have none, and there are many small caches.
    lists: Option<Box<Lists>>,
}

/// The slots of names that have several.
#[derive(Clone, Default)]
struct Lists {
    /// Sets, so that no order of changes is slow.
    all: Vec<BTreeSet<u32>>,
    /// Numbers of lists that no cell refers to.
    spare: Vec<u32>,
}

impl Lists {
    fn add(&mut self, slots: BTreeSet<u32>) -> u32 {
        let free = self.spare.pop().unwrap_or_else(|| {
            self.all.push(BTreeSet::new());
            u32::try_from(self.all.len() - 1).expect("fewer than 2^31 lists")
        });
        self.all[free as usize] = slots;
        free
    }
}

/// A name, hashed under the keys of one index.
#[derive(Clone, Copy)]
pub(crate) struct Name {
    place: u32,
    tag: u64,
}

/// What was added under a name.
pub(crate) enum Held {
    Nothing,
    One { slot: u32, note: u32 },
    Several,
}

/// The start of names, hashed under the keys of one index.
pub(crate) struct Context(DefaultHasher, DefaultHasher);

impl Context {
    /// The name that consists of this start and `rest`.
    pub(crate) fn name(&self, rest: &str) -> Name {
        let end = |begun: &DefaultHasher| {
            let mut hasher = begun.clone();
            hasher.write(rest.as_bytes());
            hasher.finish()
        };
        Name { place: place(end(&self.0)), tag: end(&self.1) }
    }
}

/// The cells that share a cache line. They are filled in order, then those of the next bucket.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Bucket {
    tags: [u64; CELLS],
    states: [u32; CELLS],
    notes: [u32; CELLS],
}

impl Index {
    /// The start that many names share.
    pub(crate) fn context(&self, text: &str) -> Context {
        let begin = |keys: &RandomState| {
            let mut hasher = keys.build_hasher();
            hasher.write(text.as_bytes());
            hasher
        };
        Context(begin(&self.hashers.0), begin(&self.hashers.1))
    }

    /// The name that consists of these texts, one after the other.
    pub(crate) fn name<const N: usize>(&self, texts: [&str; N]) -> Name {
        Name { place: self.place(texts), tag: self.tag(texts) }
    }

    /// The slots that were added under a name, in ascending order.
    pub(crate) fn slots(&self, name: Name) -> impl Iterator<Item = u32> + use<'_> {
        let (one, many) = match self.state(name) {
            None | Some(GONE) => (None, None),
            Some(state) if state & LIST == 0 => (Some(state), None),
            Some(state) => (None, self.list(state)),
        };
        one.into_iter().chain(many.into_iter().flatten().copied())
    }

    /// The number of slots that were added under a name.
    pub(crate) fn count(&self, name: Name) -> usize {
        match self.state(name) {
            None | Some(GONE) => 0,
            Some(state) if state & LIST == 0 => 1,
            Some(state) => self.list(state).map_or(0, BTreeSet::len),
        }
    }

    /// What was added under the name that consists of these texts.
    pub(crate) fn held<const N: usize>(&self, texts: [&str; N]) -> Held {
        // Overlaps the memory access to the bucket with the second hash.
        let Some((bucket, cell)) = self.find(self.place(texts), || self.tag(texts)) else {
            return Held::Nothing;
        };
        let bucket = &self.buckets[bucket];
        match bucket.states[cell] {
            GONE => Held::Nothing,
            slot if slot & LIST == 0 => Held::One { slot, note: bucket.notes[cell] },
            _ => Held::Several,
        }
    }

    /// Adds a slot with a note that is stored in the same cache line.
    pub(crate) fn add(&mut self, name: Name, slot: u32, note: u32) {
        // At most 80 % full: a search ends only at an empty cell.
        if (self.used + 1) * 5 > self.buckets.len() * CELLS * 4 {
            self.grow();
        }
        let (at, cell) = self.cell(self.first(name.place), name.tag);
        let bucket = &mut self.buckets[at];
        if bucket.states[cell] == EMPTY {
            self.used += 1;
            (bucket.tags[cell], bucket.states[cell]) = (name.tag, GONE);
            self.places[at][cell] = name.place;
        }
        let state = &mut bucket.states[cell];
        if *state == GONE || *state == slot {
            (*state, bucket.notes[cell]) = (slot, note);
            return;
        }
        let lists = self.lists.get_or_insert_default();
        if *state & LIST != 0 {
            lists.all[list(*state)].insert(slot);
        } else {
            *state = LIST | lists.add(BTreeSet::from([*state, slot]));
        }
    }

    pub(crate) fn remove(&mut self, name: Name, slot: u32) {
        let Some((bucket, cell)) = self.find(name.place, || name.tag) else { return };
        let bucket = &mut self.buckets[bucket];
        let state = &mut bucket.states[cell];
        if *state == slot {
            // The cell stays occupied: an empty cell would end a search too early.
            *state = GONE;
        } else if *state != GONE
            && *state & LIST != 0
            && let Some(lists) = &mut self.lists
        {
            let slots = &mut lists.all[list(*state)];
            slots.remove(&slot);
            if slots.len() == 1 {
                let last = slots.pop_first().expect("it has one");
                lists.spare.push(*state & !LIST);
                // A slot without a note is still found, only more slowly.
                (*state, bucket.notes[cell]) = (last, 0);
            }
        }
    }

    /// The list that a state refers to.
    fn list(&self, state: u32) -> Option<&BTreeSet<u32>> {
        self.lists.as_ref()?.all.get(list(state))
    }

    fn state(&self, name: Name) -> Option<u32> {
        let (bucket, cell) = self.find(name.place, || name.tag)?;
        Some(self.buckets[bucket].states[cell])
    }

    fn find(&self, place: u32, tag: impl FnOnce() -> u64) -> Option<(usize, usize)> {
        let first = self.first(place);
        // Cells are filled in order, so nothing begins here, and the second hash is not needed.
        if self.buckets.get(first)?.states[0] == EMPTY {
            return None;
        }
        let (at, cell) = self.cell(first, tag());
        (self.buckets[at].states[cell] != EMPTY).then_some((at, cell))
    }

    fn place<const N: usize>(&self, texts: [&str; N]) -> u32 {
        place(hash(&self.hashers.0, texts))
    }

    fn tag<const N: usize>(&self, texts: [&str; N]) -> u64 {
        hash(&self.hashers.1, texts)
    }

    /// The bucket in which the cells of a place begin.
    fn first(&self, place: u32) -> usize {
        // The place is a fraction of 2^32: scaling it needs no division.
        ((u64::from(place) * self.buckets.len() as u64) >> 32) as usize
    }

    /// The cell with this tag, searched from the bucket `first` on, or the empty cell where it
    /// belongs.
    fn cell(&self, first: usize, tag: u64) -> (usize, usize) {
        let mut at = first;
        loop {
            let bucket = &self.buckets[at];
            for cell in 0..CELLS {
                if bucket.tags[cell] == tag || bucket.states[cell] == EMPTY {
                    return (at, cell);
                }
            }
            at += 1;
            if at == self.buckets.len() {
                at = 0;
            }
        }
    }

    #[cold]
    fn grow(&mut self) {
        // Only live names are counted and moved, so that tombstones do not accumulate.
        let live = |bucket: &Bucket| bucket.states.iter().filter(|&&state| state < GONE).count();
        let live: usize = self.buckets.iter().map(live).sum();
        // About 57 % full afterwards.
        let size = live * 7 / 4 / CELLS + 1;
        let empty = Bucket { tags: [0; CELLS], states: [EMPTY; CELLS], notes: [0; CELLS] };
        let buckets = std::mem::replace(&mut self.buckets, vec![empty; size]);
        let places = std::mem::replace(&mut self.places, vec![[0; CELLS]; size]);
        self.used = 0;
        for (old, places) in buckets.into_iter().zip(places) {
            for cell in (0..CELLS).filter(|&cell| old.states[cell] < GONE) {
                let tag = old.tags[cell];
                let (at, to) = self.cell(self.first(places[cell]), tag);
                let bucket = &mut self.buckets[at];
                bucket.tags[to] = tag;
                (bucket.states[to], bucket.notes[to]) = (old.states[cell], old.notes[cell]);
                self.places[at][to] = places[cell];
                self.used += 1;
            }
        }
    }
}

/// The place of a name as a fraction of all buckets.
fn place(hash: u64) -> u32 {
    (hash >> 32) as u32
}

/// The number of the list that a state refers to.
fn list(state: u32) -> usize {
    (state & !LIST) as usize
}

fn hash<const N: usize>(keys: &RandomState, texts: [&str; N]) -> u64 {
    let mut hasher = keys.build_hasher();
    texts.iter().for_each(|text| hasher.write(text.as_bytes()));
    hasher.finish()
}

/// The number of cells that fit into a cache line.
const CELLS: usize = 4;

const EMPTY: u32 = u32::MAX;

/// Tombstone.
const GONE: u32 = u32::MAX - 1;

/// Flag: the state is the number of a list, not of a slot.
const LIST: u32 = 1 << 31;
