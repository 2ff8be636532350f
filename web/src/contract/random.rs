//! Random bytes.

use crate::store::Mark;

/// Random bytes.
pub(super) fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the system gives random bytes");
    bytes
}

/// A value of this length with a mark of its own. The rest has every byte.
pub(super) fn value(len: usize) -> Vec<u8> {
    let mut value: Vec<u8> = (0..len).map(|at| at.wrapping_mul(167) as u8).collect();
    if let Some(mark) = value.get_mut(Mark::RANGE) {
        mark.copy_from_slice(&bytes::<{ Mark::LEN }>());
    }
    value
}
