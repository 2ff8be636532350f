//! A Secret Service that does on purpose what a real one cannot be made to do.
#![expect(clippy::unwrap_used, reason = "only tests use it")]

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use zbus::blocking::{Connection, MessageIterator};
use zbus::message::{Message, Type};
use zbus::zvariant::{ObjectPath, OwnedObjectPath, OwnedValue, Value};

/// What the service does when a method is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Act {
    /// Answers as a service with one unlocked collection.
    Answer,
    /// Never answers.
    Silence,
    /// Answers when [`Mock::release`] is called.
    Hold,
    /// Wants a prompt first; the prompt is dismissed when it is shown.
    Prompt,
    /// Says that the collection is locked.
    Locked,
    /// Answers with a type nobody asked for.
    Nonsense,
    /// Says that an argument is not valid.
    Invalid,
    /// Says that it does not know the object.
    Unknown,
    /// Leaves the bus without an answer.
    Die,
}

/// The service, until the process ends or it dies.
#[derive(Debug)]
pub struct Mock {
    calls: Arc<Mutex<Vec<String>>>,
    release: Sender<()>,
}

impl Mock {
    /// Takes the service's name on this process's session bus. `act` is asked at each call, by the method's name.
    pub fn start(secret: Option<&[u8]>, act: impl Fn(&str) -> Act + Send + 'static) -> Self {
        let connection = Connection::session().unwrap();
        // Listens before anybody can call.
        let mut messages = MessageIterator::from(&connection);
        connection.request_name("org.freedesktop.secrets").unwrap();
        let calls = Arc::new(Mutex::new(Vec::new()));
        let (release, held) = channel();
        let mut service = Service { secret: secret.map(<[u8]>::to_vec), held };
        let theirs = Arc::clone(&calls);
        std::thread::spawn(move || {
            while let Some(Ok(message)) = messages.next() {
                if message.message_type() != Type::MethodCall {
                    continue;
                }
                let member = message.header().member().unwrap().to_string();
                theirs.lock().unwrap().push(member.clone());
                if !service.serve(&connection, &message, &member, act(&member)) {
                    connection.close().unwrap();
                    return;
                }
            }
        });
        Self { calls, release }
    }

    /// The methods called so far.
    pub fn calls(&self) -> Vec<String> {
        self.calls.lock().unwrap().clone()
    }

    /// How often `method` was called.
    pub fn count(&self, method: &str) -> usize {
        self.calls().iter().filter(|call| *call == method).count()
    }

    /// Lets one held call be answered.
    pub fn release(&self) {
        self.release.send(()).unwrap();
    }
}

struct Service {
    secret: Option<Vec<u8>>,
    held: Receiver<()>,
}

impl Service {
    fn serve(&mut self, bus: &Connection, call: &Message, member: &str, act: Act) -> bool {
        match act {
            Act::Answer => {}
            Act::Silence => return true,
            Act::Hold => self.held.recv().unwrap(),
            Act::Die => return false,
            Act::Locked if member == "Get" => {}
            Act::Locked | Act::Invalid | Act::Unknown => {
                let name = match act {
                    Act::Locked => "org.freedesktop.Secret.Error.IsLocked",
                    Act::Invalid => "org.freedesktop.DBus.Error.InvalidArgs",
                    _ => "org.freedesktop.DBus.Error.UnknownObject",
                };
                bus.reply_error(&call.header(), name, &"no").unwrap();
                return true;
            }
            Act::Nonsense => {
                bus.reply(&call.header(), &42_u32).unwrap();
                return true;
            }
            Act::Prompt => {}
        }
        self.answer(bus, call, member, act);
        true
    }

    fn answer(&mut self, bus: &Connection, call: &Message, member: &str, act: Act) {
        let header = call.header();
        let path = |path: &'static str| ObjectPath::from_static_str(path).unwrap();
        let (nothing, prompt) = (path("/"), path("/prompt"));
        let wanted = if act == Act::Prompt { prompt } else { nothing.clone() };
        match member {
            "OpenSession" => bus.reply(&header, &(Value::from(""), path("/session"))),
            "ReadAlias" => bus.reply(&header, &path("/collection")),
            "Get" => bus.reply(&header, &Value::from(act == Act::Locked)),
            "SearchItems" => {
                let found: Vec<_> = self.secret.iter().map(|_| path("/item")).collect();
                bus.reply(&header, &found)
            }
            "GetSecret" => {
                let secret = self.secret.clone().unwrap_or_default();
                bus.reply(&header, &((path("/session"), Vec::<u8>::new(), secret, "text/plain"),))
            }
            "SetSecret" => {
                let body = call.body();
                type Secret = (OwnedObjectPath, Vec<u8>, Vec<u8>, String);
                let (secret,): (Secret,) = body.deserialize().unwrap();
                self.secret = Some(secret.2);
                bus.reply(&header, &())
            }
            "CreateItem" if act == Act::Prompt => bus.reply(&header, &(nothing, wanted)),
            "CreateItem" => {
                self.secret = Some(Vec::new());
                bus.reply(&header, &(path("/item"), nothing))
            }
            "Delete" => {
                if act == Act::Answer {
                    self.secret = None;
                }
                bus.reply(&header, &wanted)
            }
            "Unlock" => bus.reply(&header, &(Vec::<OwnedObjectPath>::new(), wanted)),
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
