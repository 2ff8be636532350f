//! How one step goes over the bus: one that only reads, and one that writes.

use std::future::Future;
use std::time::Instant;

use serde::Serialize;
use zbus::message::Message;
use zbus::zvariant::{DynamicDeserialize, DynamicType, ObjectPath, OwnedValue};

use super::connection::{ANSWER_LIMIT, Bus};
use super::error::Fault;
use super::service::{Link, NAME, PROPERTIES};
use crate::vault::Turn;

impl Link {
    /// Asks for a property. Exactly one call over the bus, as each of these.
    pub(super) fn property<'p, T>(
        &self,
        turn: &Turn,
        path: impl TryInto<ObjectPath<'p>, Error: Into<zbus::Error>>,
        interface: &str,
        name: &str,
    ) -> Result<T, Fault>
    where
        T: TryFrom<OwnedValue, Error: Into<zbus::Error>>,
    {
        let value: OwnedValue = self.ask(turn, path, PROPERTIES, "Get", &(interface, name))?;
        T::try_from(value).map_err(|error| Fault::from(error.into()))
    }

    /// A call that only reads.
    pub(super) fn ask<'p, T>(
        &self,
        turn: &Turn,
        path: impl TryInto<ObjectPath<'p>, Error: Into<zbus::Error>>,
        interface: &str,
        method: &str,
        body: &(impl Serialize + DynamicType),
    ) -> Result<T, Fault>
    where
        T: for<'d> DynamicDeserialize<'d>,
    {
        let call = self.request(path, interface, method, body);
        Ok(read(&self.bus, turn, call)?.body().deserialize()?)
    }

    /// A call that writes; without `until` it is waited for.
    pub(super) fn call<'p, T>(
        &self,
        until: Option<Instant>,
        path: impl TryInto<ObjectPath<'p>, Error: Into<zbus::Error>>,
        interface: &str,
        method: &str,
        body: &(impl Serialize + DynamicType),
    ) -> Result<T, Fault>
    where
        T: for<'d> DynamicDeserialize<'d>,
    {
        let call = self.request(path, interface, method, body);
        Ok(write(&self.bus, until, call)?.body().deserialize()?)
    }

    /// A call for [`read`] or [`write`] to make.
    pub(super) async fn request<'p>(
        &self,
        path: impl TryInto<ObjectPath<'p>, Error: Into<zbus::Error>>,
        interface: &str,
        method: &str,
        body: &(impl Serialize + DynamicType),
    ) -> zbus::Result<Message> {
        let connection = self.bus.connection();
        connection.call_method(Some(NAME), path, Some(interface), method, body).await
    }
}

pub(super) fn read<T, E: Into<Fault>>(
    bus: &Bus,
    turn: &Turn,
    call: impl Future<Output = Result<T, E>>,
) -> Result<T, Fault> {
    read_up_to(bus, ANSWER_LIMIT, turn, call)
}

/// A step that only reads. What it was told is void if the service was replaced before the answer came.
pub(super) fn read_up_to<T, E: Into<Fault>>(
    bus: &Bus,
    limit: usize,
    turn: &Turn,
    call: impl Future<Output = Result<T, E>>,
) -> Result<T, Fault> {
    turn.remaining()?;
    let answer = bus.run_taking(limit, Some(turn.until), call);
    match answer.map_err(Fault::from).and_then(|answer| answer.map_err(Into::into)) {
        Err(fault) if fault.ends_connection() => Err(fault),
        _ if bus.was_over() => Err(Fault::gone_away()),
        answer => answer,
    }
}

/// A step that writes. Who was asked has written nothing if it says so; that it has is no proof if it was replaced.
pub(super) fn write<T, E: Into<Fault>>(
    bus: &Bus,
    until: Option<Instant>,
    call: impl Future<Output = Result<T, E>>,
) -> Result<T, Fault> {
    match bus.run(until, call)? {
        Err(error) => Err(error.into()),
        Ok(_) if bus.was_over() => Err(Fault::gone_away()),
        Ok(answer) => Ok(answer),
    }
}
