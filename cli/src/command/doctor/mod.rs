//! What protects this cache, which key sources work here, which not, why, and what to do.

mod advice;
mod cache;
mod left_over;
mod names;
mod problem;
mod report;
mod scene;
mod sources;

use std::{
    sync::{Arc, mpsc},
    thread,
    time::{Duration, Instant},
};

use tokenkeep::{Error, Secret};
use tokenkeep_platform::wipe::leave_no_traces;

pub(super) use self::left_over::remove as remove_key;
use self::{
    cache::{CacheState, Examination, examine},
    left_over::LeftOver,
    names::Names,
    report::Report,
    scene::Scene,
    sources::{Probed, guard, new_source, probe, rows},
};
use crate::{
    args::{KeyChoice, Layout, Store},
    failure::Failure,
    key, open, output,
};

/// Everything is asked side by side, each on a thread of its own; what has not answered when the
/// time is up is reported as silent, and ends with this process.
pub(super) fn run(store: &Store, json: bool) -> Result<(), Failure> {
    let passphrase = asked_before(store)?;
    let begun = Instant::now();
    let budget = budget(store);
    let derives = store.keys.contains(&KeyChoice::Passphrase)
        && (passphrase.is_some() || key::has_passphrase());
    let store = Arc::new(store.clone());
    let rows = rows(&store);
    let (sender, answers) = mpsc::channel();
    for (at, row) in rows.iter().cloned().enumerate() {
        let (store, sender) = (Arc::clone(&store), sender.clone());
        thread::spawn(move || {
            let probed = leave_no_traces(|| probe(&row.choice, &store));
            drop(sender.send(Answer::Source(at, probed)));
        });
    }
    if store.layout == Layout::Sealed {
        let sender = sender.clone();
        thread::spawn(move || {
            drop(sender.send(Answer::LeftOver(leave_no_traces(left_over::find))));
        });
    }
    let theirs = Arc::clone(&store);
    thread::spawn(move || {
        // What the vault has no part in comes first, so that a silent one does not hide it.
        drop(sender.send(Answer::Names(Names::of(&theirs).unwrap_or_default())));
        let examination = leave_no_traces(|| examine(&theirs, passphrase.as_ref()));
        drop(sender.send(Answer::Cache(Box::new(examination))));
    });

    let mut probed: Vec<Option<Probed>> = rows.iter().map(|_| None).collect();
    let (mut examination, mut names, mut left_over) = (None, Names::default(), None);
    loop {
        let limit = match examination {
            None if derives => budget.max(DERIVATION),
            _ => budget,
        };
        match answers.recv_timeout(limit.saturating_sub(begun.elapsed())) {
            Ok(Answer::Source(at, answer)) => probed[at] = Some(answer),
            Ok(Answer::LeftOver(found)) => left_over = found,
            Ok(Answer::Names(found)) => names = found,
            Ok(Answer::Cache(answer)) => examination = Some(*answer),
            // The time is up, or every thread has answered and dropped its sender.
            Err(_) => break,
        }
    }
    let scene = Scene::look((budget + SCENE).saturating_sub(begun.elapsed()));
    let silent = |vault| Error::VaultTimeout { vault, waited: budget };
    let probed = rows.into_iter().zip(probed);
    let sources = probed.map(|(row, answer)| {
        let silent = || Probed::of(Some(begun.elapsed()), Err(silent(row.name()).into()));
        let answer = answer.unwrap_or_else(silent);
        (row, answer)
    });
    let mut sources: Vec<_> = sources.collect();
    let mut examination = examination
        .unwrap_or_else(|| Examination::silent(&store, silent("cache or its key source").into()));
    // A cache that does not exist yet could be made only if its key source, or its vault, makes the
    // round trip.
    let guard = guard(&sources, &names);
    let blocking = match examination.state {
        CacheState::New => {
            guard.or_else(|| new_source(&sources)).filter(|at| sources[*at].1.failure.is_some())
        }
        _ => None,
    };
    if blocking.is_some() {
        examination.state = CacheState::Fails;
    }
    let failure = blocking.and_then(|at| sources[at].1.failure.as_ref());
    let failure = failure.or(examination.verdict.as_ref().err());
    let guard = guard.map(|at| &sources[at]);
    let mut report = Report::new(&store, &examination, failure, &sources, &scene, begun.elapsed());
    report.name(names, examination.is_there, guard);
    report.add_left_over(left_over);
    if json {
        output::json(&report)?;
    } else {
        report.print()?;
    }
    let failure = blocking.and_then(|at| sources.swap_remove(at).1.failure);
    match failure.or(examination.verdict.err()) {
        Some(failure) => Err(Failure::Reported(Box::new(failure))),
        None => Ok(()),
    }
}

enum Answer {
    LeftOver(Option<Vec<LeftOver>>),
    Names(Names),
    Cache(Box<Examination>),
    Source(usize, Probed),
}

/// The passphrase of a cache that has one, where asking is allowed: before anything runs beside it,
/// because a question that is cut off leaves the terminal without its echo.
fn asked_before(store: &Store) -> Result<Option<Secret>, Failure> {
    let may_ask = store.layout == Layout::Sealed
        && store.allow_prompt.is_some()
        && store.keys.contains(&KeyChoice::Passphrase)
        && !key::has_passphrase();
    if !may_ask
        || !matches!(open::builder(store).build()?.key_source_in_use(), Ok(Some("passphrase")))
    {
        return Ok(None);
    }
    let asked = key::passphrase(false);
    let what = "asking for the passphrase";
    Ok(Some(asked.map_err(|source| Error::Callback { what, source })?))
}

/// A quiet vault call ends after 3 s, and a probe's item may take one more to be removed.
fn budget(store: &Store) -> Duration {
    match store.allow_prompt {
        Some(seconds) => Duration::from_secs(seconds) + Duration::from_secs(2),
        None => Duration::from_millis(4_500),
    }
}

/// A key that is made from a passphrase takes its time on a busy machine, and no vault has a part
/// in it.
const DERIVATION: Duration = Duration::from_secs(30);

/// What the look at the surroundings may take after everything else.
const SCENE: Duration = Duration::from_millis(200);
