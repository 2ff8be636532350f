//! The cases: what is in the cache, what is asked, and where the two sides differ on purpose.

mod apps;
mod elsewhere;
mod families;
mod found;
mod order;
mod places;
mod refusals;
mod renewals;

use crate::{
    compare,
    differences::{DIFFERENCES, rule_of},
    ours::Ours,
    reference::Reference,
    world::{Call, NOW, Setup},
};

pub(crate) struct Case {
    name: &'static str,
    setup: Setup,
    calls: Vec<Call>,
    /// The names of differences, and the lines that show them.
    differs: Vec<(&'static str, &'static [&'static str])>,
}

/// A case in which both do the same.
fn same(name: &'static str, setup: Setup, calls: impl IntoIterator<Item = Call>) -> Case {
    Case { name, setup, calls: calls.into_iter().collect(), differs: Vec::new() }
}

impl Case {
    /// The two differ in these lines, for the reason of this name.
    fn but(mut self, difference: &'static str, lines: &'static [&'static str]) -> Self {
        self.differs.push((difference, lines));
        self
    }

    /// The lines that differ, and the names of the rules that some of them follow.
    fn run(&self, reference: &mut Reference) -> (Vec<String>, Vec<&'static str>) {
        let ours = Ours::new(&reference.make(&self.setup));
        let (mut lines, mut rules, mut last) = (Vec::new(), Vec::new(), None);
        for (number, call) in self.calls.iter().enumerate() {
            let outcomes = (reference.call(&self.setup, call), ours.call(&self.setup, call));
            // A case with one call needs no numbers.
            let of = match self.calls.len() {
                1 => String::new(),
                _ => format!("call {}: ", number + 1),
            };
            for line in compare::of_call(&outcomes.0, &outcomes.1) {
                match rule_of(&line, call.now) {
                    Some(rule) => rules.push(rule),
                    None => lines.push(format!("{of}{line}")),
                }
            }
            last = Some(outcomes);
        }
        let (theirs, ours) = last.unwrap();
        let now = self.calls.last().map_or(NOW, |call| call.now);
        for line in compare::of_caches(&theirs, &ours) {
            match rule_of(&line, now) {
                Some(rule) => rules.push(rule),
                None => lines.push(line.to_string()),
            }
        }
        (lines, rules)
    }
}

fn all() -> Vec<Case> {
    [
        found::cases(),
        renewals::cases(),
        refusals::cases(),
        order::cases(),
        families::cases(),
        places::cases(),
        apps::cases(),
        elsewhere::cases(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

#[test]
fn each_case_differs_from_the_reference_as_the_table_says() {
    let Some(mut reference) = Reference::start() else { return };
    let (mut wrong, mut shown) = (Vec::new(), Vec::new());
    let cases = all();
    for case in &cases {
        let (found, rules) = case.run(&mut reference);
        let expected: Vec<&str> =
            case.differs.iter().flat_map(|(_, lines)| *lines).copied().collect();
        let is_so = found.iter().all(|line| expected.contains(&line.as_str()))
            && expected.iter().all(|line| found.iter().any(|found| found == line));
        if !is_so {
            wrong.push(format!("{}:\n  found {found:#?}\n  expected {expected:#?}", case.name));
        }
        shown.extend(rules);
        shown.extend(case.differs.iter().map(|(difference, _)| *difference));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    for difference in DIFFERENCES {
        assert!(shown.contains(&difference.name), "no case shows: {}", difference.name);
    }
    for name in shown {
        assert!(DIFFERENCES.iter().any(|known| known.name == name), "no such difference: {name}");
    }
    tokenkeep_test_support::say(&format!("{} cases", cases.len()));
}
