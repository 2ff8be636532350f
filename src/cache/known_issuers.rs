//! The issuers that the entries of a section name.

use std::collections::{BTreeMap, btree_map};

use crate::cache::{entry::Entry, section::lookup_token};

/// The number of entries of each issuer at each host.
#[derive(Clone, Default)]
pub(super) struct KnownIssuers(BTreeMap<At, usize>);

/// A host, as a canonical token in lower case, and an [`Entry::issuer_name`].
type At = (String, String);

impl KnownIssuers {
    pub(super) fn add(&mut self, entry: &Entry) {
        if let Some(at) = at(entry) {
            *self.0.entry(at).or_default() += 1;
        }
    }

    pub(super) fn remove(&mut self, entry: &Entry) {
        if let Some(at) = at(entry)
            && let btree_map::Entry::Occupied(mut count) = self.0.entry(at)
        {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
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

fn at(entry: &Entry) -> Option<At> {
    let issuer = entry.issuer_name()?;
    Some((lookup_token(entry.token("environment")).to_ascii_lowercase(), issuer))
}
