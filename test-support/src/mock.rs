//! A Secret Service that does on purpose what a real one cannot be made to do.
#![expect(clippy::unwrap_used, reason = "only tests use it")]

mod session;

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use zbus::blocking::{Connection, MessageIterator};
use zbus::fdo::RequestNameFlags;
use zbus::message::{Message, Type as Kind};
use zbus::zvariant::{ObjectPath, OwnedObjectPath, OwnedValue, Type, Value};

use session::{IV, Key, PUBLIC};

/// What the service does when a method is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Act {
    /// Answers as a service with one unlocked collection.
    Answer,
    /// Never answers.
    Silence,
    /// Does it and answers when [`Mock::release`] is called; other calls go on meanwhile.
    Hold,
    /// Wants a prompt first; the prompt is dismissed when it is shown.
    Prompt,
    /// Says that the collection is locked.
    Locked,
    /// Says that there is no such object.
    Gone,
    /// Answers a search as if nothing were found.
    Nothing,
    /// Answers with a type nobody asked for.
    Nonsense,
    /// Says that an argument is not valid.
    Invalid,
    /// Answers with this many bytes.
    Large(usize),
    /// Answers with an error whose text has this many bytes.
    Refuse(usize),
    /// Answers with an error of this text.
    Say(&'static str),
    /// Leaves the bus without an answer.
    Die,
}

/// The service, until the process ends, it dies, or another takes its name.
#[derive(Debug)]
pub struct Mock {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    bus: Connection,
    calls: Mutex<Vec<String>>,
    secret: Mutex<Option<Vec<u8>>>,
    /// Of the encrypted sessions, in the order in which they were opened.
    keys: Mutex<Vec<Key>>,
    /// The attributes of its only item: those that were last searched for.
    attributes: Mutex<HashMap<String, String>>,
    held: Mutex<Held>,
    /// Told when `held` has changed.
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Held {
    calls: VecDeque<Message>,
    /// Calls that will not be held, because they were released before they came.
    released: usize,
}

impl Mock {
    /// Takes the service's name on this process's session bus, from another mock too. `act` is
    /// asked at each call, by the method's name.
    pub fn start(secret: Option<&[u8]>, act: impl Fn(&str) -> Act + Send + 'static) -> Self {
        let bus = Connection::session().unwrap();
        // Listens before anybody can call.
        let mut messages = MessageIterator::from(&bus);
        let flags = RequestNameFlags::AllowReplacement
            | RequestNameFlags::ReplaceExisting
            | RequestNameFlags::DoNotQueue;
        bus.request_name_with_flags("org.freedesktop.secrets", flags).unwrap();
        let shared = Arc::new(Shared {
            bus,
            calls: Mutex::default(),
            secret: Mutex::new(secret.map(<[u8]>::to_vec)),
            keys: Mutex::default(),
            attributes: Mutex::default(),
            held: Mutex::default(),
            changed: Condvar::new(),
        });
        let theirs = Arc::clone(&shared);
        std::thread::spawn(move || {
            while let Some(Ok(message)) = messages.next() {
                if message.message_type() != Kind::MethodCall {
                    continue;
                }
                let member = member(&message);
                theirs.calls.lock().unwrap().push(member.clone());
                if !theirs.serve(&message, &member, act(&member)) {
                    theirs.bus.clone().close().unwrap();
                    return;
                }
            }
        });
        Self { shared }
    }

    /// The methods called so far; a property that was read goes by its own name.
    pub fn calls(&self) -> Vec<String> {
        self.shared.calls.lock().unwrap().clone()
    }

    /// How often `method` was called.
    pub fn count(&self, method: &str) -> usize {
        self.calls().iter().filter(|call| *call == method).count()
    }

    /// The secret of its only item.
    pub fn secret(&self) -> Option<Vec<u8>> {
        self.shared.secret.lock().unwrap().clone()
    }

    /// Replaces its only item, or removes it.
    pub fn set_secret(&self, secret: Option<&[u8]>) {
        *self.shared.secret.lock().unwrap() = secret.map(<[u8]>::to_vec);
    }

    /// Lets the call that has been held longest be answered, or the next one that would be held.
    pub fn release(&self) {
        let mut held = self.shared.held.lock().unwrap();
        match held.calls.pop_front() {
            Some(call) => self.shared.answer(&call, Act::Answer),
            None => held.released += 1,
        }
    }

    /// Lets the held call at `place` be answered, counted in the order in which they came.
    pub fn release_at(&self, place: usize) {
        let call = self.shared.held.lock().unwrap().calls.remove(place).unwrap();
        self.shared.answer(&call, Act::Answer);
    }

    /// How many calls are held now.
    pub fn held(&self) -> usize {
        self.shared.held.lock().unwrap().calls.len()
    }

    /// Waits until `count` calls are held, at most for `patience`; how many are then.
    pub fn wait_for_held(&self, count: usize, patience: Duration) -> usize {
        let held = self.shared.held.lock().unwrap();
        let few = |held: &mut Held| held.calls.len() < count;
        self.shared.changed.wait_timeout_while(held, patience, few).unwrap().0.calls.len()
    }
}

impl Shared {
    fn serve(&self, call: &Message, member: &str, act: Act) -> bool {
        let bus = &self.bus;
        match act {
            Act::Silence => {}
            Act::Die => return false,
            Act::Hold => {
                let mut held = self.held.lock().unwrap();
                match held.released.checked_sub(1) {
                    Some(left) => {
                        held.released = left;
                        self.answer(call, Act::Answer);
                    }
                    None => held.calls.push_back(call.clone()),
                }
                self.changed.notify_all();
            }
            Act::Locked if member != LOCKED => self.refuse(call, "IsLocked", "locked"),
            Act::Gone => self.refuse(call, "NoSuchObject", "no such object"),
            Act::Nothing => bus.reply(&call.header(), &found(Vec::new())).unwrap(),
            Act::Invalid => {
                let name = "org.freedesktop.DBus.Error.InvalidArgs";
                bus.reply_error(&call.header(), name, &"not valid").unwrap();
            }
            Act::Nonsense => bus.reply(&call.header(), &42_u32).unwrap(),
            Act::Large(size) if member != "GetSecret" => self.exaggerate(call, member, size),
            Act::Refuse(size) => self.refuse(call, "Other", &"x".repeat(size)),
            Act::Say(text) => self.refuse(call, "Other", text),
            Act::Answer | Act::Prompt | Act::Locked | Act::Large(_) => self.answer(call, act),
        }
        true
    }

    fn key_of(&self, session: &OwnedObjectPath) -> Option<Key> {
        let number = session.as_str().strip_prefix(ENCRYPTED)?.parse::<usize>().ok()?;
        self.keys.lock().unwrap().get(number).copied()
    }

    /// The session was opened at a service before this one.
    fn refuse_session(&self, call: &Message) {
        self.refuse(call, "NoSession", "no such session");
    }

    fn refuse(&self, call: &Message, error: &str, text: &str) {
        let name = format!("org.freedesktop.Secret.Error.{error}");
        self.bus.reply_error(&call.header(), name, &text).unwrap();
    }

    /// The right type where there is one that can be large.
    fn exaggerate(&self, call: &Message, member: &str, size: usize) {
        let header = call.header();
        let path = |size| ObjectPath::from_string_unchecked(format!("/{}", "x".repeat(size)));
        let nothing = ObjectPath::from_static_str("/").unwrap();
        let list = || vec![path(1 << 16); size >> 16];
        match member {
            "OpenSession" => self.bus.reply(&header, &(Value::from("x".repeat(size)), nothing)),
            "ReadAlias" => self.bus.reply(&header, &path(size)),
            LOCKED | "Attributes" | "Collections" => {
                self.bus.reply(&header, &Value::from("x".repeat(size)))
            }
            "SearchItems" => self.bus.reply(&header, &found(list())),
            "CreateItem" => self.bus.reply(&header, &(path(size), nothing)),
            "Unlock" => self.bus.reply(&header, &(list(), nothing)),
            _ => self.bus.reply(&header, &Bytes(vec![7; size])),
        }
        .unwrap();
    }

    fn answer(&self, call: &Message, act: Act) {
        let bus = &self.bus;
        let header = call.header();
        let member = &*member(call);
        let path = |path: &'static str| ObjectPath::from_static_str(path).unwrap();
        let (nothing, prompt) = (path("/"), path("/prompt"));
        let wanted = if act == Act::Prompt { prompt } else { nothing.clone() };
        let mut stored = self.secret.lock().unwrap();
        match member {
            "GetSecret" | "SetSecret" | "Delete" if stored.is_none() => {
                self.refuse(call, "NoSuchObject", "no such object");
                Ok(())
            }
            "OpenSession" => match call.body().deserialize::<(String, Value<'_>)>().unwrap() {
                // Carries no secret: an empty item is created in it.
                (kind, _) if kind == "plain" => {
                    bus.reply(&header, &(Value::from(""), path("/plain")))
                }
                (_, public) => {
                    let public: Vec<u8> = public.try_into().unwrap();
                    let mut keys = self.keys.lock().unwrap();
                    let session = format!("{ENCRYPTED}{}", keys.len());
                    keys.push(Key::agreed_with(&public));
                    let session = ObjectPath::try_from(session).unwrap();
                    bus.reply(&header, &(Value::from(&PUBLIC[..]), session))
                }
            },
            "ReadAlias" => bus.reply(&header, &path("/collection")),
            "Attributes" => {
                bus.reply(&header, &Value::from(self.attributes.lock().unwrap().clone()))
            }
            "Collections" => bus.reply(&header, &Value::from(vec![path("/collection")])),
            LOCKED => bus.reply(&header, &Value::from(act == Act::Locked)),
            "SearchItems" => {
                *self.attributes.lock().unwrap() = call.body().deserialize().unwrap();
                bus.reply(&header, &found(stored.iter().map(|_| path("/item")).collect()))
            }
            "GetSecret" => {
                let secret = match act {
                    Act::Large(size) => vec![7; size],
                    _ => stored.clone().unwrap_or_default(),
                };
                let session = call.body().deserialize::<OwnedObjectPath>().unwrap();
                let Some(key) = self.key_of(&session) else { return self.refuse_session(call) };
                let secret = Bytes(key.encrypt(&secret));
                bus.reply(&header, &((session, &IV[..], secret, "text/plain"),))
            }
            "SetSecret" => {
                let body = call.body();
                type Secret = (OwnedObjectPath, Vec<u8>, Vec<u8>, String);
                let ((session, iv, secret, _),): (Secret,) = body.deserialize().unwrap();
                let Some(key) = self.key_of(&session) else { return self.refuse_session(call) };
                *stored = Some(key.decrypt(&iv, &secret));
                bus.reply(&header, &())
            }
            "CreateItem" if act == Act::Prompt => bus.reply(&header, &(nothing, wanted)),
            "CreateItem" => {
                *stored = Some(Vec::new());
                bus.reply(&header, &(path("/item"), nothing))
            }
            "Delete" => {
                if act == Act::Answer {
                    *stored = None;
                }
                bus.reply(&header, &wanted)
            }
            "Unlock" if act == Act::Prompt => {
                bus.reply(&header, &(Vec::<OwnedObjectPath>::new(), wanted))
            }
            "Unlock" => bus.reply(&header, &(vec![path("/collection")], nothing)),
            "Prompt" => {
                bus.reply(&header, &()).unwrap();
                let result = OwnedValue::from(true);
                let interface = "org.freedesktop.Secret.Prompt";
                bus.emit_signal(
                    header.sender().cloned(),
                    "/prompt",
                    interface,
                    "Completed",
                    &(true, result),
                )
            }
            _ => bus.reply(&header, &()),
        }
        .unwrap();
    }
}

/// The method that is called, or the property that is read.
fn member(call: &Message) -> String {
    let name = call.header().member().unwrap().to_string();
    match &*name {
        "Get" => call.body().deserialize::<(String, String)>().unwrap().1,
        _ => name,
    }
}

/// The start of the path of an encrypted session; its number follows.
const ENCRYPTED: &str = "/session/";

/// The property that says whether something is locked.
const LOCKED: &str = "Locked";

/// The answer to a search: what is not locked, and what is.
fn found(unlocked: Vec<ObjectPath<'_>>) -> (Vec<ObjectPath<'_>>, Vec<ObjectPath<'_>>) {
    (unlocked, Vec::new())
}

/// Written at once, not byte by byte.
#[derive(Type)]
#[zvariant(signature = "ay")]
struct Bytes(Vec<u8>);

impl serde::Serialize for Bytes {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}
