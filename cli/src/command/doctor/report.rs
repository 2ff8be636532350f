//! The report, for users and scripts.

use std::{path::PathBuf, time::Duration};

use serde::Serialize;
use tokenkeep::Protection;
use tokenkeep_platform::environment::{System, network_file_system};

use super::{
    cache::CacheState,
    environment::Environment,
    finding::Findings,
    left_over::LeftOver,
    names::Names,
    problem::Problem,
    sign_in::SignIn,
    sources::{Probed, Row, SourceState, new_source},
};
use crate::{args::Store, failure::Failure, output};

/// Stable field names for `--json`.
#[derive(Serialize)]
pub(super) struct Report {
    cache: CacheReport,
    key_sources: Vec<SourceReport>,
    /// `None` if no vault could list them.
    left_over_keys: Option<Vec<LeftOver>>,
    environment: EnvironmentReport,
    sign_in: SignIn,
    milliseconds: f64,
}

#[derive(Serialize)]
struct CacheReport {
    name: String,
    place: Option<PathBuf>,
    state: CacheState,
    protection: Option<String>,
    encrypted: Option<bool>,
    /// Its kind, if other machines may use the file system.
    network_file_system: Option<String>,
    accounts: Option<usize>,
    /// As it is typed after `--key`.
    key_in_use: Option<String>,
    key_of_a_new_cache: Option<String>,
    order: Vec<String>,
    problem: Option<Problem>,
    /// What stores or encrypts a cache that is shared with other programs.
    vault: Option<VaultReport>,
    #[serde(flatten)]
    names: Names,
}

#[derive(Serialize)]
struct VaultReport {
    name: &'static str,
    works: Option<bool>,
}

#[derive(Serialize)]
struct SourceReport {
    kind: &'static str,
    source: String,
    state: SourceState,
    works: Option<bool>,
    position: Option<usize>,
    in_use: bool,
    milliseconds: Option<f64>,
    note: String,
    problem: Option<Problem>,
}

#[derive(Serialize)]
struct EnvironmentReport {
    system: &'static str,
    wsl: bool,
    ssh: bool,
    container: bool,
    display: bool,
    session_bus_address: bool,
    session_bus: bool,
    runtime_folder: bool,
    provider: Option<String>,
    provider_process: Option<u32>,
    installed_providers: Vec<String>,
}

impl Report {
    pub(super) fn of(store: &Store, found: &Findings) -> Self {
        let Findings { cache, sources, environment, .. } = found;
        let problem = |failure| Problem::new(failure, store, environment);
        let mut order: Vec<_> = sources.iter().filter(|(row, _)| row.position.is_some()).collect();
        order.sort_by_key(|(row, _)| row.position);
        let new = new_source(sources).map(|at| &sources[at]);
        let at = cache.order.iter().position(|name| Some(*name) == cache.in_use);
        let in_use = cache.in_use.and(at).map(|at| at + 1);
        let typed = |(row, _): &&(Row, Probed)| row.typed.clone();
        let guard = found.guard.map(|at| &sources[at]);
        let key_in_use = order.iter().find(|(row, _)| row.position == in_use).map(typed);
        let in_use = in_use.filter(|_| key_in_use.is_some());
        Self {
            cache: CacheReport {
                name: store.name.clone(),
                place: cache.place.clone(),
                state: cache.state,
                protection: cache.protection.as_ref().map(ToString::to_string),
                encrypted: cache.protection.as_ref().map(Protection::is_encrypted),
                network_file_system: cache.place.as_deref().and_then(network_file_system),
                accounts: cache.accounts,
                key_in_use,
                key_of_a_new_cache: new.as_ref().map(typed),
                order: order.iter().map(typed).collect(),
                problem: found.failure().map(problem),
                vault: guard
                    .map(|(row, probed)| VaultReport { name: row.name(), works: probed.works() }),
                names: found.names.clone(),
            },
            key_sources: sources
                .iter()
                .map(|(row, probed)| SourceReport {
                    problem: probed.failure.as_ref().map(problem),
                    ..SourceReport::new(row, probed, in_use, environment)
                })
                .collect(),
            left_over_keys: found.left_over.clone(),
            environment: EnvironmentReport::new(environment),
            sign_in: SignIn::here(),
            milliseconds: milliseconds(found.took),
        }
    }

    pub(super) fn print(&self) -> Result<(), Failure> {
        self.cache.print()?;
        self.environment.print()?;
        self.sign_in.print()?;
        output::line("key sources")?;
        for source in &self.key_sources {
            source.print(self.cache.problem.as_ref())?;
        }
        let left_over = self.left_over_keys.as_deref().unwrap_or_default();
        if !left_over.is_empty() {
            output::line("keys that no cache names")?;
        }
        left_over.iter().try_for_each(LeftOver::print)
    }
}

impl CacheReport {
    fn print(&self) -> Result<(), Failure> {
        let place = self.place.as_ref().map(|place| format!(" in {}", place.display()));
        output::line(format!("cache `{}`{}", self.name, place.unwrap_or_default()))?;
        let accounts = self.accounts.unwrap_or_default();
        match self.state {
            CacheState::Fails => {}
            CacheState::New => output::line("  nothing is kept yet; it could be")?,
            CacheState::NotAsked => output::line(
                "  not read: its passphrase would be asked for; set TOKENKEEP_PASSPHRASE, or give \
                 --allow-prompt 120",
            )?,
            CacheState::Works => {
                output::line(format!("  readable, accounts signed in: {accounts}"))?;
            }
        }
        // For a sealed cache that does not exist this would claim too much.
        let is_kept = self.state != CacheState::New || self.encrypted == Some(false);
        if let (Some(protection), true) = (&self.protection, is_kept) {
            output::line(format!("  {protection}"))?;
        }
        if let Some(kind) = &self.network_file_system {
            output::line(format!(
                "  on a file system of the kind {kind}: a lock may not reach other machines, and \
                 two that renew at once sign the user out"
            ))?;
        }
        match (&self.key_in_use, &self.key_of_a_new_cache) {
            (Some(key), _) => output::line(format!("  key source in use: {key}"))?,
            (None, Some(key)) => output::line(format!("  a new cache would take: {key}"))?,
            (None, None) => {}
        }
        self.names.print()?;
        if let Some(VaultReport { name, works }) = &self.vault {
            let works = if *works == Some(true) { "works" } else { "does not work, see below" };
            output::line(format!("  its vault, {name}: {works}"))?;
        }
        if self.order.len() > 1 {
            output::line(format!("  order of its key sources: {}", self.order.join(", ")))?;
        }
        self.problem.as_ref().map_or(Ok(()), Problem::print)
    }
}

impl SourceReport {
    fn new(row: &Row, probed: &Probed, in_use: Option<usize>, environment: &Environment) -> Self {
        Self {
            kind: row.kind,
            source: row.typed.clone(),
            state: probed.state,
            works: probed.works(),
            position: row.position,
            in_use: in_use.is_some() && row.position == in_use,
            milliseconds: probed.took.map(milliseconds),
            note: note(row, environment),
            problem: None,
        }
    }

    fn print(&self, said: Option<&Problem>) -> Result<(), Failure> {
        let verdict = match self.state {
            SourceState::Asks => "would be asked for",
            SourceState::Fails => "does not work",
            SourceState::NotNamed => "not tried",
            SourceState::NotOnThisSystem => "not on this system",
            SourceState::Silent => "did not answer",
            SourceState::Works => "works",
        };
        let took = self.milliseconds.map(|ms| format!(", {ms} ms")).unwrap_or_default();
        let mark = if self.in_use { "*" } else { " " };
        let text = format!("{mark} --key {}: {verdict}{took} ({})", self.source, self.note);
        output::line(text)?;
        match &self.problem {
            // The cache above has already said what and why.
            Some(problem) if Some(problem) == said => problem.print_next_step(),
            Some(problem) => problem.print(),
            None => Ok(()),
        }
    }
}

impl EnvironmentReport {
    fn new(environment: &Environment) -> Self {
        let around = &environment.around;
        Self {
            system: match around.system {
                System::Linux => "linux",
                System::MacOs => "macos",
                System::Unix => "unix",
                System::Windows => "windows",
                _ => "other",
            },
            wsl: around.is_wsl,
            ssh: around.is_ssh,
            container: around.is_container,
            display: around.has_display,
            session_bus_address: around.has_bus_address,
            session_bus: environment.has_bus,
            runtime_folder: around.has_runtime_folder,
            provider: environment.provider.as_ref().and(environment.provider_name()),
            provider_process: environment.provider.as_ref().and_then(|provider| provider.pid),
            installed_providers: around.providers.iter().map(|one| one.name.clone()).collect(),
        }
    }

    fn print(&self) -> Result<(), Failure> {
        let is_unix = matches!(self.system, "linux" | "unix");
        let marks = [
            (self.wsl, "WSL"),
            (self.ssh, "SSH"),
            (self.container, "a container"),
            (is_unix && !self.display, "no display"),
            (is_unix && !self.session_bus, "no session bus answers"),
            (is_unix && !self.runtime_folder, "no XDG_RUNTIME_DIR"),
        ];
        let seen: Vec<_> = marks.iter().filter(|(is, _)| *is).map(|(_, word)| *word).collect();
        match seen.is_empty() {
            true => Ok(()),
            false => output::line(format!("environment: {}", seen.join(", "))),
        }
    }
}

/// For the vault, also the program that serves it and others that could.
fn note(row: &Row, environment: &Environment) -> String {
    let (Some(provider), "vault") = (&environment.provider, row.kind) else {
        return row.note.to_owned();
    };
    let name = environment.provider_name().unwrap_or_else(|| "a program".into());
    let process = provider.pid.map(|pid| format!(", process {pid}")).unwrap_or_default();
    let others = environment.other_providers();
    let others = match others.as_slice() {
        [] => String::new(),
        others => format!(
            "; {} is installed too: who starts first answers, and keys made with one are not found \
             in the other",
            others.join(", ")
        ),
    };
    format!("{}: {name} answers{process}{others}", row.note)
}

fn milliseconds(took: Duration) -> f64 {
    (took.as_secs_f64() * 10_000.0).round() / 10.0
}
