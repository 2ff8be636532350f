//! Which program has the service's name on the bus. The bus itself answers, so a silent service does not matter.

use serde::Serialize;
use zbus::zvariant::{DynamicDeserialize, DynamicType};

use super::address;
use super::bus::Bus;
use super::fault::Fault;
use crate::vault::{Provider, Turn, VaultError};

/// Over a connection of its own; nothing is started.
pub(in crate::vault) fn provider(turn: &Turn) -> Result<Option<Provider>, VaultError> {
    owner(turn).map_err(|fault| fault.into_error(turn))
}

fn owner(turn: &Turn) -> Result<Option<Provider>, Fault> {
    let bus = Bus::greet(address::connect()?, turn.until())?;
    let owner: String = match ask(&bus, turn, "GetNameOwner", &"org.freedesktop.secrets") {
        Err(Fault::Said(VaultError::ServiceMissing { .. })) => return Ok(None),
        answer => answer?,
    };
    // The owner may have gone since, and not every bus knows the process.
    let pid: Option<u32> = ask(&bus, turn, "GetConnectionUnixProcessID", &owner).ok();
    let program = pid.and_then(|pid| std::fs::read_to_string(format!("/proc/{pid}/comm")).ok());
    Ok(Some(Provider { pid, program: program.map(|name| name.trim().to_owned()) }))
}

fn ask<T>(
    bus: &Bus,
    turn: &Turn,
    method: &str,
    body: &(impl Serialize + DynamicType),
) -> Result<T, Fault>
where
    T: for<'d> DynamicDeserialize<'d>,
{
    turn.remaining()?;
    let to = Some("org.freedesktop.DBus");
    let call = bus.connection().call_method(to, "/org/freedesktop/DBus", to, method, body);
    let reply = bus.run(Some(turn.until()), call)??;
    Ok(reply.body().deserialize()?)
}
