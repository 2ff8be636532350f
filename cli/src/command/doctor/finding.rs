//! The findings, gathered in one pass.

use std::{
    sync::{
        Arc,
        mpsc::{self, Receiver, Sender},
    },
    thread,
    time::{Duration, Instant},
};

use tokenkeep::{Error, Secret};
use tokenkeep_platform::wipe::leave_no_traces;

use super::{
    cache::{CacheState, Examination, examine},
    environment::Environment,
    left_over::{self, LeftOver},
    names::Names,
    sources::{Probed, Row, guard, new_source, probe, rows},
};
use crate::{
    args::{Layout, Store},
    failure::Failure,
};

/// Everything that a report needs.
pub(super) struct Findings {
    pub(super) cache: Examination,
    pub(super) names: Names,
    pub(super) sources: Vec<(Row, Probed)>,
    /// `None` if no vault could list them.
    pub(super) left_over: Option<Vec<LeftOver>>,
    pub(super) environment: Environment,
    pub(super) took: Duration,
    /// For a cache that is shared with other programs, the source that represents what stores it.
    pub(super) guard: Option<usize>,
    /// The source that a new cache would need and that does not work.
    blocking: Option<usize>,
}

/// How long to wait for the answers.
#[derive(Clone, Copy)]
pub(super) struct Limits {
    /// For a vault.
    pub(super) vault: Duration,
    /// For the cache, whose key may have to be derived.
    pub(super) cache: Duration,
    /// For the environment, after everything else.
    pub(super) environment: Duration,
}

enum Answer {
    LeftOver(Option<Vec<LeftOver>>),
    Names(Names),
    Cache(Box<Examination>),
    Source(usize, Probed),
}

impl Findings {
    /// Everything is asked in parallel, each on a thread of its own. What has not answered when the
    /// time is up is reported as silent, and ends with this process.
    pub(super) fn gather(store: &Store, passphrase: Option<Secret>, limits: Limits) -> Self {
        let begun = Instant::now();
        let rows = rows(store);
        let (sender, answers) = mpsc::channel();
        ask(&Arc::new(store.clone()), passphrase, &rows, sender);
        let mut found = Self::wait(store, rows, &answers, limits, begun);
        let left = (limits.vault + limits.environment).saturating_sub(begun.elapsed());
        found.environment = Environment::look(left);
        found.took = begun.elapsed();
        found.guard = guard(&found.sources, &found.names);
        if let Some(item) = &mut found.names.item {
            item.there = found.cache.is_there;
        }
        // A cache that does not exist yet can be created only if its key source, or its vault,
        // makes the round trip.
        if found.cache.state == CacheState::New {
            let needed = found.guard.or_else(|| new_source(&found.sources));
            found.blocking = needed.filter(|at| found.sources[*at].1.failure.is_some());
            if found.blocking.is_some() {
                found.cache.state = CacheState::Fails;
            }
        }
        found
    }

    fn wait(
        store: &Store,
        rows: Vec<Row>,
        answers: &Receiver<Answer>,
        limits: Limits,
        begun: Instant,
    ) -> Self {
        let mut probed: Vec<Option<Probed>> = rows.iter().map(|_| None).collect();
        let (mut cache, mut names, mut left_over) = (None, Names::default(), None);
        loop {
            // Only the cache may take longer, because its key may have to be derived.
            let limit = if cache.is_none() { limits.cache } else { limits.vault };
            match answers.recv_timeout(limit.saturating_sub(begun.elapsed())) {
                Ok(Answer::Source(at, answer)) => probed[at] = Some(answer),
                Ok(Answer::LeftOver(found)) => left_over = found,
                Ok(Answer::Names(found)) => names = found,
                Ok(Answer::Cache(answer)) => cache = Some(*answer),
                // The time is up, or every thread has answered and dropped its sender.
                Err(_) => break,
            }
        }
        let silent = |vault| Failure::from(Error::VaultTimeout { vault, waited: limits.vault });
        let sources = rows.into_iter().zip(probed).map(|(row, answer)| {
            let silent = || Probed::of(Some(begun.elapsed()), Err(silent(row.name())));
            let answer = answer.unwrap_or_else(silent);
            (row, answer)
        });
        Self {
            sources: sources.collect(),
            cache: cache
                .unwrap_or_else(|| Examination::silent(store, silent("cache or its key source"))),
            names,
            left_over,
            environment: Environment::default(),
            took: Duration::ZERO,
            guard: None,
            blocking: None,
        }
    }

    /// Why the cache cannot be used.
    pub(super) fn failure(&self) -> Option<&Failure> {
        let blocking = self.blocking.and_then(|at| self.sources[at].1.failure.as_ref());
        blocking.or(self.cache.verdict.as_ref().err())
    }

    pub(super) fn into_result(mut self) -> Result<(), Failure> {
        // The order of the rest no longer matters.
        let blocking = self.blocking.and_then(|at| self.sources.swap_remove(at).1.failure);
        match blocking.or(self.cache.verdict.err()) {
            Some(failure) => Err(Failure::Reported(Box::new(failure))),
            None => Ok(()),
        }
    }
}

fn ask(store: &Arc<Store>, passphrase: Option<Secret>, rows: &[Row], sender: Sender<Answer>) {
    for (at, row) in rows.iter().cloned().enumerate() {
        let (store, sender) = (Arc::clone(store), sender.clone());
        thread::spawn(move || {
            let probed = leave_no_traces(|| probe(&row.choice, &store));
            // The receiver is gone if the time is up, and then no one needs the answer.
            drop(sender.send(Answer::Source(at, probed)));
        });
    }
    if store.layout == Layout::Sealed {
        let sender = sender.clone();
        thread::spawn(move || {
            drop(sender.send(Answer::LeftOver(leave_no_traces(left_over::find))));
        });
    }
    let store = Arc::clone(store);
    thread::spawn(move || {
        // What does not depend on the vault comes first, so that a silent vault does not hide it.
        drop(sender.send(Answer::Names(Names::of(&store).unwrap_or_default())));
        let examination = leave_no_traces(|| examine(&store, passphrase.as_ref()));
        drop(sender.send(Answer::Cache(Box::new(examination))));
    });
}
