//! Values that are gone, old, altered, of another partition, or sealed with another key.

use std::{
    error::Error as StdError,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use tokenkeep_web::{KeyRing, KeySource, SignInReason, Staleness, store::BoxFuture};

use crate::{
    engine::Single,
    scene::{Scene, pass},
    table::{Outcome, Row, STORED, UNSTORED, Whose, ask},
    unavailable::ANSWERED,
};

/// All values are gone, and the engine says so.
pub(crate) async fn gone(scene: &Scene<'_>, row: &mut Row, wipe: impl FnOnce()) {
    let builder = scene.builder().staleness(Staleness::default());
    let fresh = scene.engine.address().node(builder).await;
    ask(fresh.user(&scene.valid.id)).await.result.expect("it is stored");
    wipe();
    row.expect(Whose::Valid, &ask(fresh.user(&scene.valid.id)).await, STORED, ANSWERED);
    // Its staleness has ended.
    let stale = scene.ask(&scene.valid).await;
    row.expect(Whose::Valid, &stale, "SignInNeeded 401", ANSWERED);
    let expired = scene.ask(&scene.expired).await;
    row.expect(Whose::Expired, &expired, "SignInNeeded 401", ANSWERED);
    row.after("the reason is `Absent`", {
        [&stale, &expired].iter().all(|outcome| match &outcome.result {
            Err(tokenkeep_web::Error::SignInNeeded { reason, .. }) => {
                *reason == SignInReason::Absent
            }
            _ => false,
        })
    });
    row.expect(Whose::Application, &scene.ask_own().await, STORED, ANSWERED);
    row.after("nothing spent", scene.endpoint().counts().refreshes() == 0);
    row.after("only the application has a value", {
        scene.values().keys().collect::<Vec<_>>() == [&scene.own]
    });
}

/// A value is an older one again (R12).
pub(crate) async fn older(scene: &Scene<'_>, row: &mut Row, engine: &dyn Single) {
    let user = &scene.expired;
    let copy = engine.back_up(&user.name);
    let newest = scene.ask(user).await;
    engine.restore(&user.name, &copy);
    let token = rolled_back(scene, row, &newest).await;
    row.after("stored", scene.is_stored(&user.id, token.secret()).await);
}

/// A value is older than this node knows: the next renewal spends the newest token all the same.
pub(crate) async fn rolled_back(scene: &Scene<'_>, row: &mut Row, newest: &Outcome) -> Outcome {
    let newest = newest.result.as_ref().expect("it was renewed");
    let request = scene.request().instead_of(newest);
    let start = std::time::Instant::now();
    let result = scene.node.user(&scene.expired.id).get(&request).await;
    let token = Outcome { result, took: start.elapsed() };
    row.expect(Whose::Expired, &token, STORED, ANSWERED);
    row.after("counted as rolled back", scene.node.stats().rolled_back >= 1);
    let counts = scene.endpoint().counts();
    row.after("none spent twice", counts.reuses == 0 && counts.refused == 0);
    token
}

/// A value is damaged in place.
pub(crate) async fn damaged(
    scene: &Scene<'_>,
    row: &mut Row,
    expected: &str,
    damage: impl Fn(&str),
) {
    for name in [&scene.expired.name, &scene.own] {
        damage(name);
    }
    let before = scene.values();
    let node = scene.another().await;
    let user = node.user(&scene.expired.id);
    row.expect(Whose::Expired, &ask(user.clone()).await, expected, ANSWERED);
    row.expect(Whose::Application, &ask(node.app()).await, UNSTORED, ANSWERED);
    row.after("left as they are", scene.values() == before);
    row.after("nothing spent", scene.endpoint().counts().refreshes() == 0);
    row.after("sign-out removes it", {
        user.sign_out().await.is_ok() && !scene.values().contains_key(&scene.expired.name)
    });
    let (id, kept) = scene.sign_in(&node, "bob").await;
    row.after("a sign-in replaces it", id == scene.expired.id && kept.shown() == STORED);
}

/// Another node has sealed the values with a key that this one does not have.
pub(crate) async fn unknown_key(scene: &Scene<'_>, row: &mut Row) {
    let ring = scene.ring.rotated().expect("there are random bytes").with_last_first();
    let builder = scene.builder().keys(ring.clone());
    let newer = scene.engine.address().node(builder).await;
    for (user, name) in [(&scene.valid.id, "ada"), (&scene.expired.id, "bob")] {
        let response = scene.endpoint().sign_in(name, 3_600);
        let kept = newer.user(user).keep(&scene.request(), response).await;
        assert!(kept.expect("it is stored").is_stored());
    }
    ask(newer.app()).await.result.expect("it is renewed");
    let before = scene.values();
    row.expect(Whose::Valid, &scene.ask(&scene.valid).await, STORED, ANSWERED);
    row.expect(Whose::Expired, &scene.ask(&scene.expired).await, "KeyUnknown 503", ANSWERED);
    row.expect(Whose::Application, &scene.ask_own().await, UNSTORED, ANSWERED);
    row.after("left as they are", scene.values() == before);
    row.after("counted", scene.node.stats().key_unknown >= 2);
    let source = Rings { rings: [scene.ring.clone(), ring], loads: AtomicUsize::new(0) };
    let builder = scene.builder().key_source(source);
    let reloads = scene.engine.address().node(builder).await;
    // The first load brings the ring without the key.
    ask(reloads.user(&scene.also_expired.id)).await.result.expect("it is of the first key");
    // Between two loads.
    pass(Duration::from_secs(31)).await;
    let reloaded = ask(reloads.user(&scene.expired.id)).await;
    row.expect(Whose::Expired, &reloaded, STORED, ANSWERED);
}

/// Brings one key ring at first, and then another one.
#[derive(Debug)]
struct Rings {
    rings: [KeyRing; 2],
    loads: AtomicUsize,
}

impl KeySource for Rings {
    fn load(&self) -> BoxFuture<'_, Result<KeyRing, Box<dyn StdError + Send + Sync>>> {
        let nth = self.loads.fetch_add(1, Ordering::Relaxed);
        let ring = self.rings[nth.min(1)].clone();
        Box::pin(async move { Ok(ring) })
    }
}

/// The clocks of two nodes are off.
pub(crate) async fn clock(scene: &Scene<'_>, row: &mut Row) {
    for (off, user) in [(-240, &scene.expired), (240, &scene.also_expired)] {
        let now = scene.clock();
        let clock = move || now().saturating_add_signed(off);
        let builder = scene.builder().clock(clock);
        let node = scene.engine.address().node(builder).await;
        row.expect(Whose::Valid, &ask(node.user(&scene.valid.id)).await, STORED, ANSWERED);
        let token = ask(node.user(&user.id)).await;
        row.expect(Whose::Expired, &token, STORED, ANSWERED);
        row.expect(Whose::Application, &ask(node.app()).await, STORED, ANSWERED);
        let report = node.verify().await.expect("the store does its part");
        let is_told = report.advice.iter().any(|advice| advice.found.contains("clock"));
        row.after(format!("{off} s: `verify` says so"), is_told);
        row.after("stored", scene.is_stored(&user.id, token.secret()).await);
    }
}
