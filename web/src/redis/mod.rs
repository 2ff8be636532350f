//! A store on Redis.

mod address;
mod answer;
mod backend;
mod builder;
mod cluster;
mod durable;
mod failure;
mod inspect;
mod keys;
mod limits;
mod link;
mod listener;
mod opening;
mod place;
mod scan;
mod script;
mod sentinel;

use std::time::Duration;

use redis::{Cmd, Value};

use self::{
    backend::Backend,
    failure::Failure,
    link::{Manner, Request},
    listener::Listener,
    opening::Answer,
    script::{Draft, LEASE, PUT, RELEASE, REMOVE, Script, ScriptCall},
};
use crate::store::{
    BoxFuture, Cursor, Durability, Inspection, Lease, LeaseRequest, Loaded, Mark, Note, Owner,
    Page, Put, PutOutcome, Removals, Store, StoreError, StoreKey,
};

pub use self::builder::RedisStoreBuilder;

/// A store on Redis 6.2 or later, or Valkey.
///
/// A value is the string `tk1:<app>:{<id>}:v`, its lease or note the string `tk1:<app>:{<id>}:l`.
/// A value comes as the string `tk1:<app>:{<id>}:d<number>`, which a script renames. Removals are
/// published on the channel `tk1:<app>:out`. Each step is one script, and one round trip. Scripts
/// are sent again where the engine has lost them.
///
/// A call ends within 500 ms, or [`RedisStoreBuilder::timeout`]. A step is sent once more where
/// the connection broke. After five failures in a row, or when half of 20 calls or more have failed
/// in 10 s, calls end at once. The store is tried once in a second then.
///
/// For `rediss://` the program has to install a provider of rustls as the default of its process.
/// No error and no log line contains a key, a value, or a password.
#[derive(Debug)]
pub struct RedisStore {
    backend: Backend,
    is_open: bool,
}

impl RedisStore {
    /// The rights that a user of Redis needs, as `ACL SETUSER` takes them.
    ///
    /// `+info` and `+time` are for [`Store::inspect`] alone, `+scan` for [`Store::page`],
    /// `+select` for another database than 0, `+wait` for [`Durability::Replicated`], `+asking` and
    /// `+cluster|slots` for a Cluster, and `+cluster|getkeysinslot` for [`Store::page`] there. With
    /// Sentinels `+info` is always needed.
    pub const RIGHTS: &str = "resetkeys ~tk1:* resetchannels &tk1:* -@all +hello +ping +select \
                              +get +getrange +set +del +exists +rename +pexpire +pttl +eval \
                              +evalsha +publish +subscribe +scan +wait +info +time +asking \
                              +cluster|slots +cluster|getkeysinslot";

    /// Connects to one server. The URL is `redis://` or `rediss://` (TLS), then
    /// `[[user]:password@]host[:port][/database]`.
    ///
    /// # Errors
    ///
    /// - [`StoreError::Unreachable`]: no connection was made.
    /// - [`StoreError::Refused`]: the user, the password, the database or the certificate is not
    ///   accepted, or the URL is none.
    pub async fn connect(url: &str) -> Result<Self, StoreError> {
        Self::builder().connect(url).await
    }

    /// Connects to the primary that Sentinels know by this name, and to another one when they say
    /// so. The URLs are those of the Sentinels, as [`connect`](Self::connect) takes them; for a
    /// user, a password, a database or TLS of the servers see [`RedisStoreBuilder::server`].
    ///
    /// # Errors
    ///
    /// As [`connect`](Self::connect); [`StoreError::Refused`] too if no Sentinel knows the name.
    pub async fn sentinel<U: AsRef<str>>(
        urls: impl IntoIterator<Item = U>,
        name: &str,
    ) -> Result<Self, StoreError> {
        Self::builder().sentinel(urls, name).await
    }

    /// Connects to a Cluster, of which the URLs are some nodes, as [`connect`](Self::connect) takes
    /// them. User, password and TLS of the first URL are used for all nodes.
    ///
    /// While the slot of a key moves to another node, its lease may be released a moment after its
    /// value is stored, and is removed after its value.
    ///
    /// # Errors
    ///
    /// As [`connect`](Self::connect).
    pub async fn cluster<U: AsRef<str>>(
        urls: impl IntoIterator<Item = U>,
    ) -> Result<Self, StoreError> {
        Self::builder().cluster(urls).await
    }

    /// How to reach Redis, where an address does not say it all.
    pub fn builder() -> RedisStoreBuilder {
        RedisStoreBuilder::default()
    }

    async fn command(&self, name: &str, command: Cmd, manner: Manner) -> Result<Value, StoreError> {
        let request = Request::Command(command);
        let answer = self.backend.run(name, &request, manner).await;
        Ok(answer.map_err(Failure::into_store_error)?.value)
    }

    async fn script(
        &self,
        script: &'static Script,
        keys: &[&String],
        arguments: &[&[u8]],
        manner: Manner,
    ) -> Result<Answer, Failure> {
        let keys: Vec<_> = keys.iter().copied().cloned().collect();
        let name = keys[0].clone();
        let call = ScriptCall { script, keys, arguments: arguments.to_vec(), draft: None };
        self.backend.run(&name, &Request::Script(call), manner).await
    }
}

impl Store for RedisStore {
    fn load<'a>(
        &'a self,
        key: &'a StoreKey,
        known: Option<&'a Mark>,
    ) -> BoxFuture<'a, Result<Loaded, StoreError>> {
        Box::pin(async move {
            let [name, _] = keys::keys(key);
            // One time for both.
            let manner = Manner::plain();
            if let Some(known) = known {
                let mut probe = redis::cmd("GETRANGE");
                probe.arg(&name).arg(Mark::RANGE.start).arg(Mark::RANGE.end - 1);
                let answer = self.command(&name, probe, manner).await?;
                if answer::is_mark(&answer, known) {
                    return Ok(Loaded::Unchanged);
                }
            }
            let mut get = redis::cmd("GET");
            get.arg(&name);
            answer::value(self.command(&name, get, manner).await?)
        })
    }

    fn put<'a>(
        &'a self,
        key: &'a StoreKey,
        put: Put<'a>,
    ) -> BoxFuture<'a, Result<PutOutcome, StoreError>> {
        Box::pin(async move {
            if Mark::of(put.value).is_none() {
                let what = "the value is shorter than a sealed value's header".into();
                return Err(StoreError::Other { what, source: None });
            }
            let draft = keys::draft(key).map_err(|error| {
                let what = "the operating system gives no random number".into();
                StoreError::Other { what, source: Some(error.into()) }
            })?;
            let [value, lease] = keys::keys(key);
            let ttl = keys::milliseconds(put.keep_for);
            let expect = put.expect.map_or(&b""[..], |mark| mark.as_bytes());
            let owner = put.release.as_ref().map(|owner| &owner.as_bytes()[..]);
            let manner = Manner::of(put.durability);
            let keys = [&value, &draft].into_iter().chain(owner.map(|_| &lease));
            let call = ScriptCall {
                script: &PUT,
                keys: keys.cloned().collect(),
                arguments: [expect, ttl.as_bytes()].into_iter().chain(owner).collect(),
                draft: Some(Draft { key: draft.clone(), value: put.value }),
            };
            let mut answer = self.backend.run(&value, &Request::Script(call), manner).await;
            if matches!(answer, Err(Failure::Split)) {
                // The draft is where the slot will be, and ends by itself.
                let arguments = [expect, ttl.as_bytes(), put.value];
                answer = self.script(&PUT, &[&value], &arguments, manner).await;
                if let (Ok(Answer { value: Value::Int(1), .. }), Some(owner)) = (&answer, owner) {
                    // The value is stored. A lease that stays ends by itself.
                    let release = [owner, b"", b"1"];
                    self.script(&RELEASE, &[&lease], &release, Manner::plain()).await.ok();
                }
            }
            let answer = answer.map_err(|failure| manner.meaning(failure))?;
            let reached = answer.replicas;
            let outcome = answer::put(answer.value)?;
            if answer.was_repeated && outcome != PutOutcome::Stored {
                // The first one may have stored the value before others did.
                return Err(StoreError::Timeout { after: manner.start.elapsed(), source: None });
            }
            if outcome == PutOutcome::Stored {
                manner.confirmed_by(reached)?;
            }
            Ok(outcome)
        })
    }

    fn remove<'a>(
        &'a self,
        key: &'a StoreKey,
        durability: Durability,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            let [value, lease] = &keys::keys(key);
            let channel = keys::channel(key.app());
            let arguments = [channel.as_bytes(), key.as_bytes()];
            let manner = Manner::of(durability);
            let mut answer = self.script(&REMOVE, &[value, lease], &arguments, manner).await;
            if matches!(answer, Err(Failure::Split)) {
                answer = self.script(&REMOVE, &[value], &arguments, manner).await;
                if answer.is_ok() {
                    answer = self.script(&REMOVE, &[lease], &arguments, manner).await;
                }
            }
            manner.confirmed_by(answer.map_err(|failure| manner.meaning(failure))?.replicas)
        })
    }

    fn lease<'a>(
        &'a self,
        key: &'a StoreKey,
        lease: LeaseRequest<'a>,
    ) -> BoxFuture<'a, Result<(Lease, Loaded), StoreError>> {
        Box::pin(async move {
            let [value_key, lease_key] = &keys::keys(key);
            let ttl = keys::milliseconds(lease.ttl);
            let arguments = [
                &lease.owner.as_bytes()[..],
                ttl.as_bytes(),
                lease.known.map_or(&b""[..], |mark| mark.as_bytes()),
                lease.instead_of.map_or(&b""[..], |note| note.as_bytes()),
            ];
            let manner = Manner::of(lease.durability);
            let mut answer = self.script(&LEASE, &[lease_key, value_key], &arguments, manner).await;
            let is_split = matches!(answer, Err(Failure::Split));
            if is_split {
                answer = self.script(&LEASE, &[lease_key], &arguments, manner).await;
            }
            let answer = answer.map_err(|failure| manner.meaning(failure))?;
            let reached = answer.replicas;
            let (who, mut loaded) = answer::lease(answer.value)?;
            if who == Lease::Mine {
                manner.confirmed_by(reached)?;
            }
            if is_split {
                loaded = self.load(key, lease.known).await?;
            }
            Ok((who, loaded))
        })
    }

    fn release<'a>(
        &'a self,
        key: &'a StoreKey,
        owner: Owner,
        failed: Option<(&'a Note, Duration)>,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            let [_, lease] = keys::keys(key);
            let pause = keys::milliseconds(failed.map_or(Duration::ZERO, |(_, pause)| pause));
            let note = failed.map_or(&b""[..], |(note, _)| note.as_bytes());
            let arguments = [&owner.as_bytes()[..], note, pause.as_bytes()];
            let answer = self.script(&RELEASE, &[&lease], &arguments, Manner::plain()).await;
            answer.map(drop).map_err(Failure::into_store_error)
        })
    }

    fn page<'a>(
        &'a self,
        app: &'a str,
        from: Option<Cursor>,
    ) -> BoxFuture<'a, Result<Page, StoreError>> {
        Box::pin(async move {
            let part = self.backend.list(app, from.as_ref()).await?;
            let keys = part.names.iter().filter_map(|name| keys::parse(app, name)).collect();
            Ok(Page::new(keys, part.next.map(Cursor::new)))
        })
    }

    fn removals(&self, app: &str) -> Box<dyn Removals> {
        Box::new(Listener::new(self.backend.place(), app))
    }

    fn inspect(&self) -> BoxFuture<'_, Result<Inspection, StoreError>> {
        Box::pin(inspect::inspect(&self.backend, self.is_open))
    }
}
