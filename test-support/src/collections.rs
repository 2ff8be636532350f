//! The collections of gnome-keyring on this process's session bus, made and changed without its
//! dialogs.
#![expect(clippy::unwrap_used, reason = "only tests use it")]

use std::collections::HashMap;

use zbus::blocking::Connection;
use zbus::zvariant::{ObjectPath, OwnedObjectPath, OwnedValue, Value};

/// A connection to the service, and a session on it. Objects go by their path.
///
/// # Panics
/// Each call does where the service does not do what it is asked.
#[derive(Debug)]
pub struct Collections {
    bus: Connection,
    session: OwnedObjectPath,
}

impl Collections {
    /// The path of the collection that a login unlocks.
    pub const LOGIN: &str = "/org/freedesktop/secrets/collection/login";
    /// The path of the collection that ends with the session.
    pub const SESSION: &str = "/org/freedesktop/secrets/collection/session";

    /// Connects.
    pub fn connect() -> Self {
        let bus = Connection::session().unwrap();
        let open = ("plain", Value::from(""));
        let answer = call(&bus, SERVICE, &format!("{SECRET}Service"), "OpenSession", &open);
        let (_, session): (OwnedValue, OwnedObjectPath) = answer.body().deserialize().unwrap();
        Self { bus, session }
    }

    /// Makes a collection, unlocked.
    pub fn create(&self, label: &str) -> String {
        let properties = HashMap::from([("org.freedesktop.Secret.Collection.Label", label)]);
        let properties: HashMap<_, _> =
            properties.into_iter().map(|(name, value)| (name, Value::from(value))).collect();
        let body = (properties, self.secret_of(PASSWORD));
        let answer = call(&self.bus, SERVICE, INTERNAL, "CreateWithMasterPassword", &body);
        answer.body().deserialize::<OwnedObjectPath>().unwrap().to_string()
    }

    /// Makes `collection` the default one; none with `/`.
    pub fn set_default(&self, collection: &str) {
        let body = ("default", path(collection));
        call(&self.bus, SERVICE, &format!("{SECRET}Service"), "SetAlias", &body);
    }

    /// Locks `collection`.
    pub fn lock(&self, collection: &str) {
        let body = (vec![path(collection)],);
        call(&self.bus, SERVICE, &format!("{SECRET}Service"), "Lock", &body);
    }

    /// Unlocks a collection that [`create`](Self::create) made.
    pub fn unlock(&self, collection: &str) {
        let body = (path(collection), self.secret_of(PASSWORD));
        call(&self.bus, SERVICE, INTERNAL, "UnlockWithMasterPassword", &body);
    }

    /// Makes an item, beside others with the same attributes.
    pub fn add(&self, collection: &str, attributes: &[(&str, &str)], secret: &[u8]) -> String {
        let attributes: HashMap<&str, &str> = attributes.iter().copied().collect();
        let properties: HashMap<&str, Value<'_>> =
            HashMap::from([("org.freedesktop.Secret.Item.Attributes", Value::from(attributes))]);
        let body = (properties, self.secret_of(secret), false);
        let interface = format!("{SECRET}Collection");
        let answer = call(&self.bus, collection, &interface, "CreateItem", &body);
        let (item, _): (OwnedObjectPath, OwnedObjectPath) = answer.body().deserialize().unwrap();
        item.to_string()
    }

    /// Deletes an item.
    pub fn remove(&self, item: &str) {
        call(&self.bus, item, &format!("{SECRET}Item"), "Delete", &());
    }

    /// The items with these attributes, or more, in the order in which libsecret takes them: those
    /// that are unlocked, then those that are locked.
    pub fn find(&self, attributes: &[(&str, &str)]) -> [Vec<String>; 2] {
        let attributes: HashMap<&str, &str> = attributes.iter().copied().collect();
        let interface = format!("{SECRET}Service");
        let answer = call(&self.bus, SERVICE, &interface, "SearchItems", &attributes);
        let (unlocked, locked): (Vec<OwnedObjectPath>, Vec<OwnedObjectPath>) =
            answer.body().deserialize().unwrap();
        [unlocked, locked].map(|paths| paths.iter().map(ToString::to_string).collect())
    }

    /// The secret of an item.
    pub fn secret(&self, item: &str) -> Vec<u8> {
        let interface = format!("{SECRET}Item");
        let answer = call(&self.bus, item, &interface, "GetSecret", &self.session);
        type Secret = (OwnedObjectPath, Vec<u8>, Vec<u8>, String);
        let (secret,): (Secret,) = answer.body().deserialize().unwrap();
        secret.2
    }

    fn secret_of<'s>(
        &'s self,
        secret: &'s [u8],
    ) -> (&'s OwnedObjectPath, &'s [u8], &'s [u8], &'s str) {
        (&self.session, &[], secret, "text/plain")
    }
}

fn call(
    bus: &Connection,
    path: &str,
    interface: &str,
    method: &str,
    body: &(impl serde::Serialize + zbus::zvariant::DynamicType),
) -> zbus::message::Message {
    bus.call_method(Some("org.freedesktop.secrets"), path, Some(interface), method, body).unwrap()
}

fn path(path: &str) -> ObjectPath<'_> {
    ObjectPath::try_from(path).unwrap()
}

const SERVICE: &str = "/org/freedesktop/secrets";
const SECRET: &str = "org.freedesktop.Secret.";
const INTERNAL: &str = "org.gnome.keyring.InternalUnsupportedGuiltRiddenInterface";
const PASSWORD: &[u8] = b"a password of the tests";
