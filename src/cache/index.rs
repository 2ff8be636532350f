//! An index from what is looked up to the slots that have it, one memory access per lookup.
//!
//! A hash says where to look; a caller may work it out beforehand. There, 128 more bits are
//! compared, from SipHash under two random keys of the index's own. They are worked out while the
//! memory is on its way. By chance two texts have them in common once in 2^128, and nobody can
//! bring it about who does not know the keys. So no text has to be read to be sure.

use std::{
    hash::{BuildHasher, Hasher, RandomState},
    slice,
    sync::OnceLock,
};

/// A map from hashed text to slot numbers, in ascending order.
#[derive(Clone, Default)]
pub(crate) struct Index {
    hashers: (RandomState, RandomState),
    cells: Vec<Cell>,
    /// Where each cell belongs, as a fraction of all cells; needed only to grow.
    places: Vec<u32>,
    used: usize,
    lists: Vec<Vec<u32>>,
}

#[derive(Clone, Copy)]
struct Cell {
    tag: [u64; 2],
    state: u32,
    note: u32,
}

impl Index {
    /// The slots that were added under `what`.
    pub(crate) fn slots(&self, what: &str) -> &[u32] {
        match self.find(what).map(|at| &self.cells[at].state) {
            None | Some(&GONE) => &[],
            Some(state) if state & LIST == 0 => slice::from_ref(state),
            Some(state) => &self.lists[(state & !LIST) as usize],
        }
    }

    /// The slot that was added under `what`, which has this [`place`], and its note, if it is the
    /// only one.
    pub(crate) fn only(&self, place: u32, what: &str) -> Option<(u32, u32)> {
        let cell = &self.cells[self.find_at(place, what)?];
        (cell.state & LIST == 0).then_some((cell.state, cell.note))
    }

    /// Adds a slot with a note that lies in the same cache line.
    pub(crate) fn add(&mut self, what: &str, slot: u32, note: u32) {
        if (self.used + 1) * 4 > self.cells.len() * 3 {
            self.grow();
        }
        let (place, tag) = (place(what), self.tag(what));
        let at = self.cell(self.first(place), tag);
        if self.cells[at].state == EMPTY {
            self.used += 1;
            self.cells[at] = Cell { tag, state: GONE, note };
            self.places[at] = place;
        }
        let cell = &mut self.cells[at];
        if cell.state == GONE || cell.state == slot {
            (cell.state, cell.note) = (slot, note);
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
        if self.cells.is_empty() { None } else { self.find_at(place(what), what) }
    }

    fn find_at(&self, place: u32, what: &str) -> Option<usize> {
        let first = self.first(place);
        if self.cells.get(first)?.state == EMPTY {
            return None;
        }
        let at = self.cell(first, self.tag(what));
        (self.cells[at].state != EMPTY).then_some(at)
    }

    fn tag(&self, what: &str) -> [u64; 2] {
        [hash(&self.hashers.0, what), hash(&self.hashers.1, what)]
    }

    /// Where the cells of a place begin.
    fn first(&self, place: u32) -> usize {
        ((u64::from(place) * self.cells.len() as u64) >> 32) as usize
    }

    /// From `first` on, the cell with this tag, or the empty one where it belongs.
    fn cell(&self, first: usize, tag: [u64; 2]) -> usize {
        let mut at = first;
        loop {
            let cell = &self.cells[at];
            if cell.tag == tag || cell.state == EMPTY {
                return at;
            }
            at += 1;
            if at == self.cells.len() {
                at = 0;
            }
        }
    }

    #[cold]
    fn grow(&mut self) {
        let live = self.cells.iter().filter(|cell| cell.state < GONE).count();
        let size = (live * 2).max(16);
        let empty = Cell { tag: [0; 2], state: EMPTY, note: 0 };
        let cells = std::mem::replace(&mut self.cells, vec![empty; size]);
        let places = std::mem::replace(&mut self.places, vec![0; size]);
        self.used = 0;
        for (cell, place) in cells.into_iter().zip(places) {
            if cell.state < GONE {
                let at = self.cell(self.first(place), cell.tag);
                (self.cells[at], self.places[at]) = (cell, place);
                self.used += 1;
            }
        }
    }
}

/// Where a text belongs in every index of this process, as a fraction of its size.
pub(crate) fn place(what: &str) -> u32 {
    static KEYS: OnceLock<RandomState> = OnceLock::new();
    (hash(KEYS.get_or_init(RandomState::new), what) >> 32) as u32
}

fn hash(keys: &RandomState, what: &str) -> u64 {
    let mut hasher = keys.build_hasher();
    hasher.write(what.as_bytes());
    hasher.finish()
}

const EMPTY: u32 = u32::MAX;

/// What was here is not any more.
const GONE: u32 = u32::MAX - 1;

/// The state is the number of a list, not of a slot.
const LIST: u32 = 1 << 31;
