//! Determines which program owns the service's name on the bus. The bus itself answers, so an
//! unresponsive service does not matter.

use super::connection::Bus;
use super::error::Fault;
use super::names::NAME;
use crate::vault::{Provider, Turn, VaultError};

/// Uses its own connection and starts nothing.
pub(in crate::vault) fn provider(turn: &Turn) -> Result<Option<Provider>, VaultError> {
    owner(turn).map_err(|fault| fault.into_error(turn))
}

fn owner(turn: &Turn) -> Result<Option<Provider>, Fault> {
    let bus = Bus::connect(turn)?;
    let owner: String = match bus.ask(turn, "GetNameOwner", &NAME) {
        Err(Fault::Said(VaultError::ServiceMissing { .. })) => return Ok(None),
        answer => answer?,
    };
    // Errors are ignored: the owner may have exited since, and not every bus knows the process.
    let pid: Option<u32> = bus.ask(turn, "GetConnectionUnixProcessID", &owner).ok();
    let program = pid.and_then(|pid| std::fs::read_to_string(format!("/proc/{pid}/comm")).ok());
    Ok(Some(Provider { pid, program: program.map(|name| name.trim().to_owned()) }))
}
