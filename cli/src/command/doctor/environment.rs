//! The environment and the program that serves the vault: what the advice depends on.

use std::{sync::mpsc, thread, time::Duration};

use tokenkeep_platform::{
    environment::{Environment as Around, provider_name},
    vault::{Provider, Vault},
};

/// The environment, and what the bus reports about the vault's service.
#[derive(Default)]
pub(super) struct Environment {
    pub(super) around: Around,
    /// Whether a session bus answers.
    pub(super) has_bus: bool,
    /// The program that serves the vault now.
    pub(super) provider: Option<Provider>,
}

impl Environment {
    /// Looked at last, because a probe makes the bus start the service. Runs on a thread of its
    /// own, because connecting can hang.
    pub(super) fn look(patience: Duration) -> Self {
        let patience = patience.min(MAX_PATIENCE);
        let around = Around::here();
        let (sender, answer) = mpsc::channel();
        // If nobody waits any more, the answer is dropped.
        thread::spawn(move || drop(sender.send(Vault::os_provider(patience))));
        match answer.recv_timeout(patience) {
            Ok(Ok(provider)) => Self { around, has_bus: true, provider },
            _ => Self { around, has_bus: false, provider: None },
        }
    }

    /// The usual name of the program that serves the vault, or else of the only one that could.
    pub(super) fn provider_name(&self) -> Option<String> {
        let running = self.provider.as_ref().and_then(|provider| provider.program.as_deref());
        match (running, self.around.providers.as_slice()) {
            (Some(program), _) => Some(provider_name(program)),
            // The bus starts the one whose service file it finds first.
            (None, [first, ..]) if self.provider.is_none() => Some(first.name.clone()),
            _ => None,
        }
    }

    /// The installed programs other than the one that serves the vault.
    pub(super) fn other_providers(&self) -> Vec<String> {
        let serving = self.provider_name();
        let names = self.around.providers.iter().map(|provider| provider.name.clone());
        names.filter(|name| Some(name) != serving.as_ref()).collect()
    }
}

/// The longest wait for the bus itself. It answers within a millisecond, on a busy machine within
/// some hundreds.
const MAX_PATIENCE: Duration = Duration::from_millis(1_500);
