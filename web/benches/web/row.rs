//! The rows that the benchmark prints.

use std::{fmt, time::Duration};

/// What a figure has to be.
#[derive(Clone, Copy)]
pub(crate) enum Aim {
    AtMost(f64),
    AtLeast(f64),
    None,
}

impl Aim {
    fn verdict(self, figure: f64) -> String {
        let (sign, aim, met) = match self {
            Self::AtMost(aim) => ("≤", aim, figure <= aim),
            Self::AtLeast(aim) => ("≥", aim, figure >= aim),
            Self::None => return String::new(),
        };
        let word = if met { "met" } else { "MISSED" };
        format!(" (aim {sign} {aim}): {word}")
    }
}

/// A title of the rows below it.
pub(crate) fn title(text: &str) {
    println!("\n{text}");
}

/// A cost beside its floor, and how many times the floor it is.
pub(crate) fn cost(what: &str, ours: Duration, floor_name: &str, floor: Duration, aim: Aim) {
    ratio(
        what,
        Shown(ours),
        floor_name,
        Shown(floor),
        ours.as_secs_f64() / floor.as_secs_f64(),
        aim,
    );
}

/// A cost of ours and one of a peer, and how many times ours the peer's is.
pub(crate) fn peer(what: &str, ours: Duration, peer_name: &str, peer: Duration, aim: Aim) {
    ratio(what, Shown(ours), peer_name, Shown(peer), peer.as_secs_f64() / ours.as_secs_f64(), aim);
}

/// Calls a second beside the floor's, and which share of the floor's they are.
pub(crate) fn rate(what: &str, ours: f64, floor_name: &str, floor: f64, aim: Aim) {
    let shown = |rate: f64| format!("{rate:.0}/s");
    ratio(what, shown(ours), floor_name, shown(floor), ours / floor, aim);
}

/// Anything beside anything, with their ratio.
pub(crate) fn ratio(
    what: &str,
    ours: impl fmt::Display,
    floor_name: &str,
    floor: impl fmt::Display,
    ratio: f64,
    aim: Aim,
) {
    let verdict = aim.verdict(ratio);
    println!("  {what}: {ours}; {floor_name}: {floor}; ratio {ratio:.2}{verdict}");
}

/// One figure without a floor.
pub(crate) fn figure(what: &str, figure: f64, unit: &str, aim: Aim) {
    println!("  {what}: {figure:.2}{unit}{}", aim.verdict(figure));
}

/// A count that has to be this one.
pub(crate) fn exactly(what: &str, found: u64, wanted: u64) {
    let word = if found == wanted { "met" } else { "MISSED" };
    println!("  {what}: {found} (aim {wanted}): {word}");
}

/// A fact.
pub(crate) fn note(text: impl fmt::Display) {
    println!("  {text}");
}

/// A time in the unit that suits it.
pub(crate) struct Shown(pub(crate) Duration);

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.2?}", self.0)
    }
}
