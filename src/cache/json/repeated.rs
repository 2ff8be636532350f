//! Members with the same name: the last one counts and takes the first one's place.

use std::hash::{BuildHasher as _, RandomState};

/// The names of members, sorted by hashes under random keys. Takes a few bytes for each name.
pub(crate) struct Names {
    keys: RandomState,
    /// The upper half of the hash, then the member's number.
    sorted: Vec<u64>,
}

impl Names {
    /// The names of `count` members. `name` returns the name of a member.
    pub(crate) fn new<'t>(count: usize, name: impl Fn(usize) -> &'t str) -> Self {
        let keys = RandomState::new();
        let packed = |nth| half(keys.hash_one(name(nth))) | nth as u64;
        let mut sorted: Vec<u64> = (0..count).map(packed).collect();
        sorted.sort_unstable();
        Self { keys, sorted }
    }

    /// The number of a member with the name `wanted`.
    pub(crate) fn find<'t>(&self, wanted: &str, name: impl Fn(usize) -> &'t str) -> Option<usize> {
        let hash = half(self.keys.hash_one(wanted));
        let from = self.sorted.partition_point(|&packed| packed < hash);
        let same = self.sorted[from..].iter().take_while(|&&packed| half(packed) == hash);
        same.map(|&packed| number(packed)).find(|&nth| name(nth) == wanted)
    }
}

/// The member in the place of each of `count` members, or [`NONE`]. Returns `None` if no name is
/// repeated. `name` returns the name of a member.
pub(crate) fn standing<'t>(count: usize, name: impl Fn(usize) -> &'t str) -> Option<Vec<u32>> {
    // Avoids the hashes and the allocation for small objects.
    if count <= FEW {
        let is_repeated = |nth: usize| (0..nth).any(|earlier| name(earlier) == name(nth));
        if !(1..count).any(is_repeated) {
            return None;
        }
    }
    let names = Names::new(count, &name);
    let mut standing: Option<Vec<u32>> = None;
    for same_hash in names.sorted.chunk_by(|&a, &b| half(a) == half(b)) {
        if let [_] = same_hash {
            continue;
        }
        let mut same_hash: Vec<usize> = same_hash.iter().map(|&packed| number(packed)).collect();
        // A stable sort keeps members of one name in order.
        same_hash.sort_by(|&a, &b| name(a).cmp(name(b)));
        for same in same_hash.chunk_by(|&a, &b| name(a) == name(b)) {
            if let [first, .., last] = *same {
                let all = || (0..count as u32).collect();
                let standing = standing.get_or_insert_with(all);
                same.iter().for_each(|&nth| standing[nth] = NONE);
                standing[first] = last as u32;
            }
        }
    }
    standing
}

fn half(hash: u64) -> u64 {
    hash & 0xffff_ffff_0000_0000
}

fn number(packed: u64) -> usize {
    (packed & 0xffff_ffff) as usize
}

/// No member is in this place.
pub(crate) const NONE: u32 = u32::MAX;

/// Up to this many members are compared linearly.
const FEW: usize = 24;

#[cfg(test)]
mod tests {
    use super::{NONE, Names, standing};

    #[test]
    fn the_last_stands_in_the_place_of_the_first() {
        let few = ["a", "b", "a", "c", "a"];
        assert_eq!(standing(5, |nth| few[nth]).unwrap(), [4, 1, NONE, 3, NONE]);
        assert_eq!(standing(2, |nth| few[nth]), None);
        let many: Vec<String> = (0..100).map(|nth| (nth % 90).to_string()).collect();
        let found = standing(100, |nth| &many[nth]).unwrap();
        for (place, &nth) in found.iter().enumerate() {
            let expected = match place {
                0..10 => place as u32 + 90,
                10..90 => place as u32,
                _ => NONE,
            };
            assert_eq!(nth, expected, "{place}");
        }
        assert_eq!(standing(90, |nth| &many[nth]), None);
    }

    #[test]
    fn a_name_is_found_by_its_text() {
        let names: Vec<String> = (0..50).map(|nth| format!("name {nth}")).collect();
        let name = |nth: usize| names[nth].as_str();
        let index = Names::new(50, name);
        assert_eq!(index.find("name 37", name), Some(37));
        assert_eq!(index.find("name", name), None);
    }
}
