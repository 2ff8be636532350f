//! No secret and no user id in what a program prints or logs.
//!
//! It is a program of its own, because who listens to spans is the same for all tests of one.
#![allow(clippy::unwrap_used, reason = "a test may")]
#![allow(dead_code, reason = "the other test program uses the rest of these modules")]

#[path = "../cache/around.rs"]
mod around;
#[path = "../cache/faulty.rs"]
mod faulty;
mod panics;
#[path = "../cache/provider.rs"]
mod provider;
#[path = "../cache/world.rs"]
mod world;

use std::{
    error::Error as StdError,
    fmt::Write as _,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span,
};

use crate::{
    faulty::{ALL, Fault, FaultyStore, Op},
    provider::Act,
    world::{World, expire, pass, request},
};

/// Collects all spans and events as text.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<String>>, Arc<AtomicU64>);

struct Fields<'l>(&'l mut String);

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        write!(self.0, " {field}={value:?}").unwrap();
    }
}

impl Subscriber for Log {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, attributes: &span::Attributes<'_>) -> span::Id {
        let mut text = self.0.lock().unwrap();
        write!(text, "\n{}", attributes.metadata().name()).unwrap();
        attributes.record(&mut Fields(&mut text));
        span::Id::from_u64(self.1.fetch_add(1, Ordering::Relaxed) + 1)
    }

    fn record(&self, _: &span::Id, values: &span::Record<'_>) {
        values.record(&mut Fields(&mut self.0.lock().unwrap()));
    }

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut text = self.0.lock().unwrap();
        text.push('\n');
        event.record(&mut Fields(&mut text));
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

#[tokio::test(start_paused = true)]
async fn no_text_has_a_secret_or_a_user() {
    let log = Log::default();
    let _guard = tracing::subscriber::set_default(log.clone());
    let world = World::at(FaultyStore::new());
    let node = world.node();
    let user = world.sign_in(&node, "ada-canary").await;
    let mut printed = String::new();
    let mut errors: Vec<tokenkeep_web::Error> = Vec::new();
    node.user(&user).token(["read"]).await.unwrap();
    expire().await;
    let token = node.user(&user).token(["read"]).await.unwrap();
    // A refusal that quotes what was sent.
    let spent = world.provider.valid("ada-canary").remove(0);
    let quoting = format!(r#"{{"error":"{spent}","error_description":"{spent}"}}"#);
    let quoting: &'static str = Box::leak(quoting.into_boxed_str());
    for (status, body) in [(400, quoting), (503, quoting), (400, r#"{"error":"invalid_client"}"#)] {
        world.provider.then([Act::Reply(status, body, None)]);
        errors.extend(node.user(&user).token([format!("scope{status}")]).await.err());
        pass(61_000).await;
    }
    world.provider.then([Act::Hang]);
    errors.extend(node.user(&user).token(["hang"]).await.err());
    pass(61_000).await;
    for fault in [Fault::Unreachable, Fault::Frozen, Fault::Refused, Fault::Full] {
        world.store.fail(ALL, fault);
        errors.extend(node.user(&user).token(["fault"]).await.err());
        errors.extend(node.user(&user).sign_out().await.err());
        world.store.heal();
        world.sign_in(&node, "ada-canary").await;
    }
    world.store.fail([Op::Put], Fault::Full);
    node.user(&user).token(["unsaved"]).await.unwrap();
    pass(310_000).await;
    world.store.heal();
    errors
        .extend(node.keep_sign_in(&request(["read"]), r#"{"error":"invalid_grant"}"#).await.err());
    errors.extend(node.keep_sign_in(&request(["read"]), "at-canary").await.err());
    let assertion = node.on_behalf_of("assertion-canary");
    assertion.token(["api"]).await.unwrap();
    node.user(&user).sign_out().await.unwrap();
    errors.extend(node.user(&user).token(["read"]).await.err());
    node.close(Duration::from_secs(10)).await.ok();
    assert!(errors.len() >= 12, "{}", errors.len());
    write!(printed, "{node:?} {:?} {assertion:?} {user:?} {token:?}", node.user(&user)).unwrap();
    write!(printed, "{:?} {:?}", node.stats(), world.ring).unwrap();
    for error in &errors {
        write!(printed, "\n{error} {error:?} {}", error.next_step()).unwrap();
        let mut source = error.source();
        while let Some(error) = source {
            write!(printed, " {error} {error:?}").unwrap();
            source = error.source();
        }
    }
    let logged = log.0.lock().unwrap().clone();
    for name in ["token", "store", "exchange", "lease"] {
        assert!(logged.lines().any(|line| line.starts_with(name)), "no span {name}");
    }
    for text in [&printed, &logged] {
        for line in text.lines() {
            assert!(!line.contains("canary"), "{line}");
        }
    }
    // Of a partition's id the first 8 digits, and no more.
    for key in world.store.keys() {
        let id: String = key.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        assert!(!logged.contains(&id[..9]) && !printed.contains(&id[..9]));
    }
}
