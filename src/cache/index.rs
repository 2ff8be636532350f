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
#[derive(Clone, Default)]
pub(crate) struct Index {
    hashers: (RandomState, RandomState),
    cells: Vec<Cell>,
    used: usize,
    lists: Vec<Vec<u32>>,
}

#[derive(Clone, Copy)]
struct Cell {
    tag: u64,
    check: u32,
    state: u32,
}

impl Index {
    /// The slots that were added under `what`.
    pub(crate) fn slots(&self, what: &str) -> &[u32] {
        if self.cells.is_empty() {
            return &[];
        }
        let (tag, check) = self.hash(what);
        match self.place(tag, check) {
            Ok(at) => self.content(at),
            Err(_) => &[],
        }
    }

    pub(crate) fn add(&mut self, what: &str, slot: u32) {
        if (self.used + 1) * 8 > self.cells.len() * 5 {
            self.grow();
        }
        let (tag, check) = self.hash(what);
        match self.place(tag, check) {
            Err(at) => {
                self.used += 1;
                self.cells[at] = Cell { tag, check, state: slot };
            }
            Ok(at) => {
                let state = self.cells[at].state;
                if state & LIST == 0 {
                    if state == slot {
                        return;
                    }
                    let list = u32::try_from(self.lists.len()).expect("fewer than 2^31 lists");
                    self.lists.push(vec![state]);
                    self.cells[at].state = LIST | list;
                }
                let list = &mut self.lists[(self.cells[at].state & !LIST) as usize];
                if let Err(nth) = list.binary_search(&slot) {
                    list.insert(nth, slot);
                }
            }
        }
    }

    pub(crate) fn remove(&mut self, what: &str, slot: u32) {
        let (tag, check) = self.hash(what);
        if self.cells.is_empty() {
            return;
        }
        let Ok(at) = self.place(tag, check) else { return };
        let state = self.cells[at].state;
        if state & LIST == 0 {
            if state == slot {
                // The cell keeps its place in the chain, with an empty list.
                let list = u32::try_from(self.lists.len()).expect("fewer than 2^31 lists");
                self.lists.push(Vec::new());
                self.cells[at].state = LIST | list;
            }
            return;
        }
        let list = &mut self.lists[(state & !LIST) as usize];
        if let Ok(nth) = list.binary_search(&slot) {
            list.remove(nth);
        }
    }

    fn hash(&self, what: &str) -> (u64, u32) {
        let [tag, check] = [&self.hashers.0, &self.hashers.1].map(|keys| {
            let mut hasher = keys.build_hasher();
            hasher.write(what.as_bytes());
            hasher.finish()
        });
        (tag, (check >> 32) as u32)
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

    fn content(&self, at: usize) -> &[u32] {
        let state = &self.cells[at].state;
        if *state & LIST == 0 {
            slice::from_ref(state)
        } else {
            &self.lists[(*state & !LIST) as usize]
        }
    }

    #[cold]
    fn grow(&mut self) {
        let size = (self.cells.len() * 2).max(16);
        let empty = Cell { tag: 0, check: 0, state: EMPTY };
        let old = std::mem::replace(&mut self.cells, vec![empty; size]);
        self.used = 0;
        for cell in old {
            if cell.state == EMPTY {
                continue;
            }
            if let Err(at) = self.place(cell.tag, cell.check) {
                self.cells[at] = cell;
                self.used += 1;
            }
        }
    }
}

const EMPTY: u32 = u32::MAX;

/// The state is the number of a list, not of a slot.
const LIST: u32 = 1 << 31;
