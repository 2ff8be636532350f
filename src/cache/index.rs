//! An index from what is looked up to the slots that have it, one memory access per lookup.
//!
//! One hash says where to look; of another all 64 bits are compared. Both are
//! SipHash under random keys of the index's own. A lookup compares a handful of cells, so it
//! meets a wrong one by chance once in 2^61, and nobody can bring it about who does not know the
//! keys. No text has to be read to be sure.

use std::{
    hash::{BuildHasher, Hasher, RandomState},
    slice,
};

/// A map from hashed text to slot numbers, in ascending order.
#[derive(Clone, Default)]
pub(crate) struct Index {
    hashers: (RandomState, RandomState),
    buckets: Vec<Bucket>,
    /// Where each cell belongs, as a fraction of all buckets; needed only to grow.
    places: Vec<[u32; CELLS]>,
    used: usize,
    lists: Vec<Vec<u32>>,
}

/// The cells that share a cache line; filled from the first on, and then the next bucket's.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Bucket {
    tags: [u64; CELLS],
    states: [u32; CELLS],
    notes: [u32; CELLS],
}

impl Index {
    /// The slots that were added under `what`.
    pub(crate) fn slots(&self, what: &str) -> &[u32] {
        match self.find(what).map(|(bucket, cell)| &self.buckets[bucket].states[cell]) {
            None | Some(&GONE) => &[],
            Some(state) if state & LIST == 0 => slice::from_ref(state),
            Some(state) => &self.lists[(state & !LIST) as usize],
        }
    }

    /// The slot that was added under `what`, and its note, if it is the only one.
    pub(crate) fn only(&self, what: &str) -> Option<(u32, u32)> {
        let (bucket, cell) = self.find(what)?;
        let bucket = &self.buckets[bucket];
        let state = bucket.states[cell];
        (state & LIST == 0).then_some((state, bucket.notes[cell]))
    }

    /// Adds a slot with a note that lies in the same cache line.
    pub(crate) fn add(&mut self, what: &str, slot: u32, note: u32) {
        if (self.used + 1) * 5 > self.buckets.len() * CELLS * 4 {
            self.grow();
        }
        let (place, tag) = (self.place(what), hash(&self.hashers.1, what));
        let (at, cell) = self.cell(self.first(place), tag);
        let bucket = &mut self.buckets[at];
        if bucket.states[cell] == EMPTY {
            self.used += 1;
            (bucket.tags[cell], bucket.states[cell]) = (tag, GONE);
            self.places[at][cell] = place;
        }
        let state = &mut bucket.states[cell];
        if *state == GONE || *state == slot {
            (*state, bucket.notes[cell]) = (slot, note);
            return;
        }
        if *state & LIST == 0 {
            let list = u32::try_from(self.lists.len()).expect("fewer than 2^31 lists");
            self.lists.push(vec![*state]);
            *state = LIST | list;
        }
        let list = &mut self.lists[(*state & !LIST) as usize];
        if let Err(nth) = list.binary_search(&slot) {
            list.insert(nth, slot);
        }
    }

    pub(crate) fn remove(&mut self, what: &str, slot: u32) {
        let Some((bucket, cell)) = self.find(what) else { return };
        let state = &mut self.buckets[bucket].states[cell];
        if *state == slot {
            // The cell keeps its place in the chain.
            *state = GONE;
        } else if *state != GONE && *state & LIST != 0 {
            let list = &mut self.lists[(*state & !LIST) as usize];
            if let Ok(nth) = list.binary_search(&slot) {
                list.remove(nth);
            }
        }
    }

    fn find(&self, what: &str) -> Option<(usize, usize)> {
        // The bucket is on its way from memory while the second hash is worked out.
        let first = self.first(self.place(what));
        if self.buckets.get(first)?.states[0] == EMPTY {
            return None;
        }
        let (at, cell) = self.cell(first, hash(&self.hashers.1, what));
        (self.buckets[at].states[cell] != EMPTY).then_some((at, cell))
    }

    /// Where a text belongs, as a fraction of all buckets.
    fn place(&self, what: &str) -> u32 {
        (hash(&self.hashers.0, what) >> 32) as u32
    }

    /// Where the cells of a place begin.
    fn first(&self, place: u32) -> usize {
        ((u64::from(place) * self.buckets.len() as u64) >> 32) as usize
    }

    /// From the bucket `first` on, the cell with this tag, or the empty one where it belongs.
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
        let live = |bucket: &Bucket| bucket.states.iter().filter(|&&state| state < GONE).count();
        let live: usize = self.buckets.iter().map(live).sum();
        let size = (live * 7 / 4 / CELLS).max(4);
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

fn hash(keys: &RandomState, what: &str) -> u64 {
    let mut hasher = keys.build_hasher();
    hasher.write(what.as_bytes());
    hasher.finish()
}

/// So many cells fit into a cache line.
const CELLS: usize = 4;

const EMPTY: u32 = u32::MAX;

/// What was here is not any more.
const GONE: u32 = u32::MAX - 1;

/// The state is the number of a list, not of a slot.
const LIST: u32 = 1 << 31;
