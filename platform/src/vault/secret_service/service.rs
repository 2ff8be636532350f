//! The calls of the Secret Service, each one step with one deadline.

use std::collections::HashMap;
use std::future::Future;
use std::time::Instant;

use futures_lite::future;
use secret_service::{EncryptionType, SecretService};
use serde::Serialize;
use zbus::message::Message;
use zbus::zvariant::{
    DynamicDeserialize, DynamicType, ObjectPath, OwnedObjectPath, OwnedValue, Value,
};
use zeroize::Zeroizing;

use super::connection::Bus;
use super::error::Fault;
use super::names::{
    ANSWER_LIMIT, COLLECTION_INTERFACE, ITEM_INTERFACE, NAME, PROPERTIES, SERVICE,
    SERVICE_INTERFACE,
};
use crate::vault::{Asked, Collection, Item, Secret, Turn, VaultError};

/// A connection and the sessions opened on it.
pub(super) struct Link {
    /// Encrypted with a Diffie-Hellman key, so that a recording of the bus reveals no secret.
    session: Option<SecretService<'static>>,
    /// A session that carries no secret: `CreateItem` requires one even for an empty secret.
    bare: Option<OwnedObjectPath>,
    pub(super) bus: Bus,
}

/// The result of a search, in the service's order.
#[derive(Default)]
pub(super) struct Matches {
    pub(super) unlocked: Vec<OwnedObjectPath>,
    pub(super) locked: Vec<OwnedObjectPath>,
}

/// The answer of a call that may require a prompt.
pub(super) enum Prompt<T> {
    NotNeeded(T),
    Needed(OwnedObjectPath),
}

impl Link {
    pub(super) fn connect(turn: &Turn) -> Result<Self, Fault> {
        turn.remaining()?;
        let bus = Bus::connect(turn)?;
        bus.watch(turn, WATCH)?;
        Ok(Self { session: None, bare: None, bus })
    }

    /// Whether the service that created the sessions is gone. Makes no call.
    pub(super) fn is_over(&self) -> bool {
        self.bus.is_over()
    }

    /// Opens the session that encrypts, unless there is one.
    pub(super) fn open(&mut self, turn: &Turn) -> Result<(), Fault> {
        if self.session.is_none() {
            turn.remaining()?;
            let connection = self.bus.connection().clone();
            let open = SecretService::connect_with_existing(EncryptionType::Dh, connection);
            let open = async { open.await.map_err(Fault::of_opening) };
            self.session = Some(read(&self.bus, turn, open)?);
        }
        Ok(())
    }

    pub(super) fn collection(
        &self,
        collection: &Collection,
        turn: &Turn,
    ) -> Result<OwnedObjectPath, Fault> {
        let alias = match collection {
            Collection::Default => "default",
            Collection::Session => "session",
            Collection::Named(label) => return self.labelled(label, turn),
        };
        let path: OwnedObjectPath =
            self.ask(turn, SERVICE, SERVICE_INTERFACE, "ReadAlias", &alias)?;
        if path.as_str() != NOTHING {
            return Ok(path);
        }
        let reason = format!("the secret service has no {alias} collection");
        Err(VaultError::Missing { reason, source: None }.into())
    }

    pub(super) fn collections(&self, turn: &Turn) -> Result<Vec<OwnedObjectPath>, Fault> {
        self.property(turn, SERVICE, SERVICE_INTERFACE, "Collections")
    }

    pub(super) fn items(
        &self,
        collection: &OwnedObjectPath,
        turn: &Turn,
    ) -> Result<Vec<OwnedObjectPath>, Fault> {
        self.property(turn, collection, COLLECTION_INTERFACE, "Items")
    }

    /// Whether the service is gnome-keyring, recognised by its second name on the bus.
    pub(super) fn is_gnome_keyring(&self, turn: &Turn) -> Result<bool, Fault> {
        let owner = |name: &str| match self.bus.ask::<String>(turn, "GetNameOwner", &name) {
            Err(Fault::Said(VaultError::ServiceMissing { .. })) => Ok(None),
            owner => owner.map(Some),
        };
        Ok(match owner("org.gnome.keyring")? {
            Some(keyring) => owner(NAME)? == Some(keyring),
            None => false,
        })
    }

    /// The items with these attributes in every collection. gnome-keyring also finds those in a
    /// locked collection. But a search by schema misses those in a collection that was never
    /// unlocked.
    pub(super) fn search(
        &self,
        attributes: &[(String, String)],
        turn: &Turn,
    ) -> Result<Matches, Fault> {
        let attributes = named(attributes);
        let (unlocked, locked) =
            self.ask(turn, SERVICE, SERVICE_INTERFACE, "SearchItems", &attributes)?;
        Ok(Matches { unlocked, locked })
    }

    /// The attributes of an item.
    pub(super) fn attributes(
        &self,
        path: &OwnedObjectPath,
        turn: &Turn,
    ) -> Result<HashMap<String, String>, Fault> {
        self.property(turn, path, ITEM_INTERFACE, "Attributes")
    }

    pub(super) fn is_collection_locked(
        &self,
        collection: &OwnedObjectPath,
        turn: &Turn,
    ) -> Result<bool, Fault> {
        self.property(turn, collection, COLLECTION_INTERFACE, "Locked")
    }

    pub(super) fn is_item_locked(
        &self,
        path: &OwnedObjectPath,
        turn: &Turn,
    ) -> Result<bool, Fault> {
        self.property(turn, path, ITEM_INTERFACE, "Locked")
    }

    /// Reads the secret. Makes exactly one call over the bus.
    pub(super) fn secret(&self, path: &OwnedObjectPath, turn: &Turn) -> Result<Secret, Fault> {
        turn.remaining()?;
        let session = self.session()?;
        let secret = read_up_to(&self.bus, SECRET_LIMIT + 1024, turn, async {
            session.get_item_by_path(path.clone()).await?.get_secret().await
        })?;
        Ok(Zeroizing::new(secret))
    }

    /// Prompts the user to unlock the collection.
    pub(super) fn unlock(&self, collection: &OwnedObjectPath, turn: &Turn) -> Result<(), Fault> {
        turn.remaining()?;
        let session = self.session()?;
        read(&self.bus, turn, async {
            session.get_collection_by_path(collection.clone()).await?.unlock().await
        })
    }

    /// Prompts the user to unlock the collection that holds the item.
    pub(super) fn unlock_item(&self, path: &OwnedObjectPath, turn: &Turn) -> Result<(), Fault> {
        turn.remaining()?;
        let session = self.session()?;
        read(&self.bus, turn, async {
            session.get_item_by_path(path.clone()).await?.unlock().await
        })
    }

    /// Opens the session that [`create_empty`](Self::create_empty) needs.
    pub(super) fn prepare_creation(&mut self, turn: &Turn) -> Result<(), Fault> {
        if self.bare.is_none() {
            let input = ("plain", Value::from(""));
            let (_, session): (OwnedValue, OwnedObjectPath) =
                self.ask(turn, SERVICE, SERVICE_INTERFACE, "OpenSession", &input)?;
            self.bare = Some(session);
        }
        Ok(())
    }

    pub(super) fn create_empty(
        &self,
        collection: &OwnedObjectPath,
        item: &Item,
    ) -> Result<Prompt<OwnedObjectPath>, Fault> {
        let session = self.bare.as_ref().ok_or_else(|| VaultError::failed("no session is open"))?;
        let mut attributes = named(&item.unsearched);
        attributes.extend(named(&item.attributes));
        let properties: HashMap<&str, Value<'_>> = HashMap::from([
            ("org.freedesktop.Secret.Item.Label", Value::from(item.label.as_str())),
            ("org.freedesktop.Secret.Item.Attributes", Value::from(attributes)),
        ]);
        let nothing: &[u8] = &[];
        let body = (properties, (session, nothing, nothing, &*item.content_type), false);
        let (path, prompt): (OwnedObjectPath, OwnedObjectPath) =
            self.call(None, collection, COLLECTION_INTERFACE, "CreateItem", &body)?;
        Ok(match path.as_str() {
            NOTHING => Prompt::Needed(prompt),
            _ => Prompt::NotNeeded(path),
        })
    }

    /// Sets the secret. Makes two calls over the bus but waits once: the second asks whether the
    /// item is locked, because a locked service may answer `SetSecret` without storing anything. It
    /// is sent after the first, so that no lock can come between.
    pub(super) fn set_secret(
        &self,
        path: &OwnedObjectPath,
        asked: Asked<'_>,
        secret: &[u8],
    ) -> Result<Prompt<()>, Fault> {
        let session = self.session()?;
        let kind = &asked.item.content_type;
        let set =
            async { session.get_item_by_path(path.clone()).await?.set_secret(secret, kind).await };
        let locked = (ITEM_INTERFACE, "Locked");
        let is_locked = self.request(path, PROPERTIES, "Get", &locked);
        let is_locked = write(&self.bus, None, async {
            let (set, is_locked) = future::zip(set, is_locked).await;
            set.map_err(Fault::from)?;
            Ok::<_, Fault>(is_locked?.body().deserialize::<OwnedValue>()?)
        })?;
        match bool::try_from(is_locked).map_err(zbus::Error::from)? {
            false => Ok(Prompt::NotNeeded(())),
            true => Err(VaultError::Locked { source: None }.into()),
        }
    }

    pub(super) fn delete(&self, path: &OwnedObjectPath) -> Result<Prompt<()>, Fault> {
        let prompt: OwnedObjectPath = self.call(None, path, ITEM_INTERFACE, "Delete", &())?;
        Ok(match prompt.as_str() {
            NOTHING => Prompt::NotNeeded(()),
            _ => Prompt::Needed(prompt),
        })
    }

    pub(super) fn dismiss(&self, prompt: &OwnedObjectPath, until: Instant) -> Result<(), Fault> {
        self.call(Some(until), prompt, "org.freedesktop.Secret.Prompt", "Dismiss", &())
    }

    fn labelled(&self, label: &str, turn: &Turn) -> Result<OwnedObjectPath, Fault> {
        let mut found = None;
        for path in self.collections(turn)? {
            let theirs: String = self.property(turn, &path, COLLECTION_INTERFACE, "Label")?;
            if theirs == label && found.replace(path).is_some() {
                let reason =
                    format!("the secret service has several collections labelled {label:?}");
                return Err(VaultError::Missing { reason, source: None }.into());
            }
        }
        found.ok_or_else(|| {
            let reason = format!("the secret service has no collection labelled {label:?}");
            VaultError::Missing { reason, source: None }.into()
        })
    }

    fn session(&self) -> Result<&SecretService<'static>, Fault> {
        self.session.as_ref().ok_or_else(|| VaultError::failed("no session is open").into())
    }

    /// Reads a property. Makes exactly one call over the bus, like each of the methods here.
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

    /// Makes a call that only reads.
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

    /// Makes a call that writes. Without `until` it waits until the call returns.
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

    /// Builds a call for [`read`] or [`write`].
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

/// Runs a step that only reads. The answer is void if the service was replaced before it came.
pub(super) fn read_up_to<T, E: Into<Fault>>(
    bus: &Bus,
    limit: usize,
    turn: &Turn,
    call: impl Future<Output = Result<T, E>>,
) -> Result<T, Fault> {
    turn.remaining()?;
    let answer = bus.run_taking(limit, Some(turn.into()), call);
    match answer.map_err(Fault::from).and_then(|answer| answer.map_err(Into::into)) {
        Err(fault) if fault.ends_connection() => Err(fault),
        _ if bus.was_over() => Err(Fault::gone_away()),
        answer => answer,
    }
}

/// Runs a step that writes. An error answer proves that nothing was written. A success is not proof
/// if the service was replaced since.
pub(super) fn write<T, E: Into<Fault>>(
    bus: &Bus,
    until: Option<Instant>,
    call: impl Future<Output = Result<T, E>>,
) -> Result<T, Fault> {
    match bus.run(until.map(Into::into), call)? {
        Err(error) => Err(error.into()),
        Ok(_) if bus.was_over() => Err(Fault::gone_away()),
        Ok(answer) => Ok(answer),
    }
}

fn named(attributes: &[(String, String)]) -> HashMap<&str, &str> {
    attributes.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

/// The largest secret. D-Bus itself allows 64 MiB:
/// <https://dbus.freedesktop.org/doc/dbus-specification.html#container-types>.
pub(super) const SECRET_LIMIT: usize = 32 << 20;
/// The signals of the service's end, and of changes that may make another item the right one.
const WATCH: [&str; 3] = [
    "type='signal',sender='org.freedesktop.DBus',member='NameOwnerChanged',\
     arg0='org.freedesktop.secrets'",
    "type='signal',sender='org.freedesktop.secrets',\
     interface='org.freedesktop.Secret.Collection'",
    "type='signal',sender='org.freedesktop.secrets',\
     interface='org.freedesktop.Secret.Service',member='CollectionChanged'",
];
/// The path that the service returns for "none".
const NOTHING: &str = "/";
