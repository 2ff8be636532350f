//! An index from what is looked up to the slots that have it, one memory access per lookup.
//!
//! What is looked up is hashed with SipHash under two random keys of 128 bits each; 96 bits of
//! the result are compared. Nobody who does not know the keys can make two lookups meet, and by
//! chance they meet once in 2^76 among a million entries. So no text has to be read to be sure.

use std::{
    hash::{BuildHasher, Hasher, RandomState},
    slice,
};

/// A map from hashed text to slot numbers, in ascending order.
///
/// Where there is one slot only, a copy of a fact about it lies in the same cache line.
#[derive(Clone)]
pub(crate) struct Index<F> {
    hashers: (RandomState, RandomState),
    cells: Vec<Cell<F>>,
    used: usize,
    lists: Vec<Vec<u32>>,
}

#[derive(Clone, Copy)]
struct Cell<F> {
    tag: u64,
    check: u32,
    state: u32,
    fact: F,
}

impl<F: Copy + Default> Index<F> {
    /// The slots that were added under `what`.
    pub(crate) fn slots(&self, what: &str) -> &[u32] {
        match self.find(what).map(|at| &self.cells[at].state) {
            None | Some(&GONE) => &[],
            Some(state) if state & LIST == 0 => slice::from_ref(state),
            Some(state) => &self.lists[(state & !LIST) as usize],
        }
    }

    /// The slot that was added under `what`, and its fact, if it is the only one.
    pub(crate) fn only(&self, what: &str) -> Option<(u32, F)> {
        let cell = &self.cells[self.find(what)?];
        (cell.state & LIST == 0).then_some((cell.state, cell.fact))
    }

    pub(crate) fn add(&mut self, what: &str, slot: u32, fact: F) {
        if (self.used + 1) * 8 > self.cells.len() * 5 {
            self.grow();
        }
        let (tag, check) = (hash(&self.hashers.0, what), check(&self.hashers.1, what));
        let at = match self.place(tag, check) {
            Ok(at) => at,
            Err(at) => {
                self.used += 1;
                self.cells[at] = Cell { tag, check, state: GONE, fact };
                at
            }
        };
        let cell = &mut self.cells[at];
        if cell.state == GONE || cell.state == slot {
            (cell.state, cell.fact) = (slot, fact);
            return;
        }
        if cell.state & LIST == 0 {
            let list = u32::try_from(self.lists.len()).expect("fewer than 2^31 lists");
            self.lists.push(vec![cell.state]);
            cell.state = LIST | list;
        }
        let list = &mut self.lists[(cell.state & !LIST) as usize];
        if let Err(nth) = list.binary_search(&slot) {
            list.insert(nth, slot);
        }
    }

    pub(crate) fn remove(&mut self, what: &str, slot: u32) {
        let Some(at) = self.find(what) else { return };
        let state = self.cells[at].state;
        if state == slot {
            // The cell keeps its place in the chain.
            self.cells[at].state = GONE;
        } else if state != GONE && state & LIST != 0 {
            let list = &mut self.lists[(state & !LIST) as usize];
            if let Ok(nth) = list.binary_search(&slot) {
                list.remove(nth);
            }
        }
    }

    fn find(&self, what: &str) -> Option<usize> {
        if self.cells.is_empty() {
            return None;
        }
        // The cell is on its way from memory while the second hash is worked out.
        let tag = hash(&self.hashers.0, what);
        let tagged = |cell: &Cell<F>| cell.state == EMPTY || cell.tag == tag;
        let mask = self.cells.len() - 1;
        let mut at = tag as usize & mask;
        while !tagged(&self.cells[at]) {
            at = (at + 1) & mask;
        }
        let check = check(&self.hashers.1, what);
        let cell = &self.cells[at];
        if cell.state == EMPTY {
            None
        } else if cell.check == check {
            Some(at)
        } else {
            self.place(tag, check).ok()
        }
    }

    /// The cell that holds a hash, or the empty one where it belongs.
    fn place(&self, tag: u64, check: u32) -> Result<usize, usize> {
        let mask = self.cells.len() - 1;
        let mut at = tag as usize & mask;
        loop {
            let cell = &self.cells[at];
            if cell.state == EMPTY {
                return Err(at);
            }
            if cell.tag == tag && cell.check == check {
                return Ok(at);
            }
            at = (at + 1) & mask;
        }
    }

    #[cold]
    fn grow(&mut self) {
        let live = self.cells.iter().filter(|cell| cell.state < GONE).count();
        let size = (live * 3).next_power_of_two().max(16);
        let empty = Cell { tag: 0, check: 0, state: EMPTY, fact: F::default() };
        let old = std::mem::replace(&mut self.cells, vec![empty; size]);
        self.used = 0;
        for cell in old.into_iter().filter(|cell| cell.state < GONE) {
            if let Err(at) = self.place(cell.tag, cell.check) {
                self.cells[at] = cell;
                self.used += 1;
            }
        }
    }
}

impl<F> Default for Index<F> {
    fn default() -> Self {
        let hashers = Default::default();
        Self { hashers, cells: Vec::new(), used: 0, lists: Vec::new() }
    }
}

fn hash(keys: &RandomState, what: &str) -> u64 {
    let mut hasher = keys.build_hasher();
    hasher.write(what.as_bytes());
    hasher.finish()
}

fn check(keys: &RandomState, what: &str) -> u32 {
    (hash(keys, what) >> 32) as u32
}

const EMPTY: u32 = u32::MAX;

/// What was here is not any more.
const GONE: u32 = u32::MAX - 1;

/// The state is the number of a list, not of a slot.
const LIST: u32 = 1 << 31;
