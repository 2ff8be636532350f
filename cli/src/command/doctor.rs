//! What protects this cache, which key sources work here, which not, why, and what to do.

use std::time::{Duration, Instant};

use serde::Serialize;
use tokenkeep::{Error, KeySource, PersistedTokenCache};

use crate::{
    args::{KeyChoice, Store},
    failure::Failure,
    open::{interaction, open},
    output,
};

/// Stable field names for `--json`.
#[derive(Serialize)]
struct Report {
    cache: CacheReport,
    key_sources: Vec<SourceReport>,
}

#[derive(Default, Serialize)]
struct CacheReport {
    name: String,
    protection: Option<String>,
    encrypted: Option<bool>,
    accounts: Option<usize>,
    problem: Option<Problem>,
}

#[derive(Serialize)]
struct SourceReport {
    source: &'static str,
    works: bool,
    milliseconds: Option<f64>,
    note: &'static str,
    problem: Option<Problem>,
}

#[derive(PartialEq, Serialize)]
struct Problem {
    what: String,
    because: Vec<String>,
    next_step: String,
}

pub(super) fn run(store: &Store, json: bool) -> Result<(), Failure> {
    let mut cache = CacheReport { name: store.name.clone(), ..CacheReport::default() };
    let verdict = open(store).and_then(|opened| examine(&mut cache, &opened));
    cache.problem = verdict.as_ref().err().map(Problem::new);
    let report = Report { cache, key_sources: sources(store) };
    if json {
        output::json(&report)?;
    } else {
        print(&report)?;
    }
    verdict.map_err(|failure| Failure::Reported(Box::new(failure)))
}

/// A cache that is empty is left alone: nothing is created for the sake of a look.
fn examine(report: &mut CacheReport, cache: &PersistedTokenCache) -> Result<(), Failure> {
    report.protection = Some(cache.protection().to_string());
    report.encrypted = Some(cache.protection().is_encrypted());
    report.accounts = Some(cache.accounts()?.len());
    if !cache.snapshot()?.is_empty() {
        cache.verify()?;
    }
    Ok(())
}

fn sources(store: &Store) -> Vec<SourceReport> {
    let begun = Instant::now();
    let vault = KeySource::OsVault.verify(&store.name, interaction(store));
    let mut reports =
        vec![source("vault", "the operating system's vault", begun.elapsed(), vault.err())];
    let file = store.keys.iter().find_map(|key| match key {
        KeyChoice::File(path) => Some(path),
        _ => None,
    });
    if let Some(path) = file {
        let begun = Instant::now();
        let file = KeySource::KeyFile(path.clone()).verify(&store.name, interaction(store));
        reports.push(source("file:PATH", "a key file of mode 0600", begun.elapsed(), file.err()));
    } else {
        reports.push(always("file:PATH", "a key file of mode 0600, in a folder of its own"));
    }
    reports.push(always("passphrase", "asked for on the terminal, or TOKENKEEP_PASSPHRASE"));
    reports.push(always("env:NAME", "32 bytes in an environment variable"));
    reports.push(always("fd:N", "32 bytes from a file descriptor"));
    reports
}

fn source(
    source: &'static str,
    note: &'static str,
    took: Duration,
    problem: Option<Error>,
) -> SourceReport {
    SourceReport {
        source,
        works: problem.is_none(),
        milliseconds: Some((took.as_secs_f64() * 10_000.0).round() / 10.0),
        note,
        problem: problem.map(|error| Problem::new(&error.into())),
    }
}

fn always(source: &'static str, note: &'static str) -> SourceReport {
    SourceReport { source, works: true, milliseconds: None, note, problem: None }
}

impl Problem {
    fn new(failure: &Failure) -> Self {
        let mut because = Vec::new();
        let mut source = std::error::Error::source(failure);
        while let Some(error) = source {
            because.push(error.to_string());
            source = error.source();
        }
        let next_step = match failure {
            Failure::Cache(error) => error.next_step(),
            _ => "correct the command line",
        };
        Self { what: failure.to_string(), because, next_step: next_step.into() }
    }

    fn print(&self) -> Result<(), Failure> {
        output::line(format!("    {}", self.what))?;
        for because in &self.because {
            output::line(format!("    because: {because}"))?;
        }
        output::line(format!("    do: {}", self.next_step))
    }
}

fn print(report: &Report) -> Result<(), Failure> {
    let cache = &report.cache;
    output::line(format!("cache `{}`", cache.name))?;
    if let Some(protection) = &cache.protection {
        output::line(format!("  {protection}"))?;
    }
    if let Some(accounts) = cache.accounts {
        output::line(format!("  readable, accounts signed in: {accounts}"))?;
    }
    if let Some(problem) = &cache.problem {
        problem.print()?;
    }
    output::line("key sources")?;
    for source in &report.key_sources {
        let took = source.milliseconds.map(|ms| format!(", {ms} ms")).unwrap_or_default();
        let verdict = if source.works { "works" } else { "does not work" };
        output::line(format!("  --key {}: {verdict}{took} ({})", source.source, source.note))?;
        match &source.problem {
            Some(problem) if Some(problem) == cache.problem.as_ref() => {
                output::line("    as said above")?;
            }
            Some(problem) => problem.print()?,
            None => {}
        }
    }
    Ok(())
}
