//! The issuers that the entries of a section name.

use std::collections::{BTreeMap, btree_map};

/// The number of entries of each issuer at each host. A host is a canonical token in lower case, an
/// issuer is as entries compare it.
#[derive(Clone, Default)]
pub(super) struct KnownIssuers(BTreeMap<(String, String), usize>);

impl KnownIssuers {
    pub(super) fn add(&mut self, environment: String, issuer: String) {
        *self.0.entry((environment, issuer)).or_default() += 1;
    }

    pub(super) fn remove(&mut self, environment: String, issuer: String) {
        if let btree_map::Entry::Occupied(mut count) = self.0.entry((environment, issuer)) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The issuers at a host, a canonical token in lower case.
    pub(super) fn at(&self, environment: &str) -> impl Iterator<Item = &str> + use<'_> {
        // Most caches name no issuer at all.
        let from = (!self.0.is_empty()).then(|| (environment.to_owned(), String::new()));
        from.into_iter().flat_map(|from| {
            let here = from.0.clone();
            let known = self.0.range(from..).map(|(at, _)| at);
            known.take_while(move |(host, _)| *host == here).map(|(_, issuer)| issuer.as_str())
        })
    }
}
