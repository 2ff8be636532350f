//! The provider fails, or the node that asks it.

use std::{sync::atomic::Ordering, time::Duration};

use tokenkeep_test_support::engines::provider::Answers;
use tokenkeep_web::{UserId, WebTokenCache};
use tokio::{runtime::Runtime, task::JoinHandle};

use crate::{
    engine::Single,
    scene::Scene,
    table::{Outcome, Row, STORED, Whose, ask},
    unavailable::ANSWERED,
};

/// The provider is overloaded, or cannot be reached: one call for all callers of three nodes.
pub(crate) async fn provider_fails(
    scene: &Scene<'_>,
    row: &mut Row,
    engine: &dyn Single,
    is_cut_off: bool,
) {
    let nodes = [scene.node.clone(), scene.another().await, scene.another().await];
    // Within the margin in which it is renewed.
    let response = scene.endpoint().sign_in("joe", 60);
    let (aging, _) = scene.node.keep_sign_in(&scene.request(), response).await.expect("stored");
    let before = nodes.iter().map(|node| node.stats().exchanges).sum::<u64>();
    match is_cut_off {
        true => scene.client.is_cut_off.store(true, Ordering::Relaxed),
        false => scene.endpoint().set(Answers::Busy(2)),
    }
    row.expect(Whose::Valid, &scene.ask(&scene.valid).await, STORED, ANSWERED);
    let callers = (0..12).map(|nth| {
        let tokens = nodes[nth % 3].user(&scene.expired.id);
        tokio::spawn(ask(tokens))
    });
    let mut slowest: Option<Outcome> = None;
    for caller in callers.collect::<Vec<_>>() {
        let outcome = caller.await.expect("it does not panic");
        let is_wrong = outcome.shown() != "Provider 503";
        if is_wrong || slowest.as_ref().is_none_or(|slowest| slowest.took < outcome.took) {
            slowest = Some(outcome);
        }
    }
    let slowest = slowest.expect("there are callers");
    row.expect(Whose::Expired, &slowest, "Provider 503", Duration::from_secs(1));
    let exchanges = || nodes.iter().map(|node| node.stats().exchanges).sum::<u64>();
    row.after("one call for 12 callers of 3 nodes", exchanges() == before + 1);
    row.after("a note", engine.has_lease(&scene.expired.name));
    let left = ask(scene.node.user(&aging)).await;
    row.expect(Whose::Expired, &left, STORED, ANSWERED);
    row.expect(Whose::Application, &scene.ask_own().await, "Provider 503", ANSWERED);
    scene.endpoint().set(Answers::Good);
    scene.client.is_cut_off.store(false, Ordering::Relaxed);
    let (took, token) = scene.until_token(&scene.expired).await;
    row.took("renewed after", took, Duration::from_millis(if is_cut_off { 1_300 } else { 2_300 }));
    row.after("stored", scene.is_stored(&scene.expired.id, token.secret()).await);
}

/// A node in a runtime of its own, which asks for a user's token and for the application's.
struct Holder {
    runtime: Runtime,
    calls: JoinHandle<(Outcome, Outcome)>,
}

impl Holder {
    fn start(scene: &Scene<'_>) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = { runtime }.worker_threads(1).enable_all().build().expect("a thread");
        let node = scene.engine.address().node(scene.builder());
        let user: UserId = scene.expired.id.clone();
        let calls = runtime.spawn(async move {
            let node: WebTokenCache = node.await;
            tokio::join!(ask(node.user(&user)), ask(node.app()))
        });
        Self { runtime, calls }
    }
}

/// The node that asks the provider ends at once, before there is an answer.
pub(crate) async fn holder_killed(scene: &Scene<'_>, row: &mut Row) {
    for _ in 0..2 {
        scene.endpoint().once(Answers::Silent);
    }
    let holder = Holder::start(scene);
    scene.until_asked(2).await;
    holder.runtime.shutdown_background();
    row.expect(Whose::Valid, &scene.ask(&scene.valid).await, STORED, ANSWERED);
    let (token, own) = tokio::join!(scene.ask(&scene.expired), scene.ask_own());
    row.expect(Whose::Expired, &token, STORED, REST_OF_LEASE);
    row.expect(Whose::Application, &own, STORED, REST_OF_LEASE);
    row.after("two calls each", scene.endpoint().counts().calls.values().sum::<usize>() == 4);
    row.after("stored", scene.is_stored(&scene.expired.id, token.secret()).await);
    scene.endpoint().release();
}

/// The node that asks the provider stands still with the answer in its hands.
pub(crate) async fn holder_frozen(scene: &Scene<'_>, row: &mut Row) {
    scene.endpoint().leeway(Duration::from_secs(60));
    for _ in 0..2 {
        scene.endpoint().once(Answers::Held);
    }
    let holder = Holder::start(scene);
    scene.until_asked(2).await;
    let (thaw, frozen) = std::sync::mpsc::channel::<()>();
    let (still, stands) = tokio::sync::oneshot::channel();
    holder.runtime.spawn(async move {
        still.send(()).ok();
        // Blocks the only thread that the node has.
        frozen.recv().ok();
    });
    stands.await.expect("it stands still");
    scene.endpoint().release();
    row.expect(Whose::Valid, &scene.ask(&scene.valid).await, STORED, ANSWERED);
    let (token, own) = tokio::join!(scene.ask(&scene.expired), scene.ask_own());
    row.expect(Whose::Expired, &token, STORED, REST_OF_LEASE);
    row.expect(Whose::Application, &own, STORED, REST_OF_LEASE);
    row.after("two calls each", scene.endpoint().counts().calls.values().sum::<usize>() == 4);
    drop(thaw);
    let (thawed, thawed_own) = holder.calls.await.expect("it goes on");
    let shown = format!("the thawed node: {}, {}", thawed.shown(), thawed_own.shown());
    row.after(shown, thawed.result.is_ok() && thawed_own.result.is_ok());
    row.after("stored", scene.is_stored(&scene.expired.id, token.secret()).await);
    row.after("the sign-in is alive", {
        let request = scene.request().instead_of(token.result.as_ref().expect("a token"));
        scene.node.user(&scene.expired.id).get(&request).await.is_ok_and(|new| new.is_stored())
    });
    holder.runtime.shutdown_background();
}

/// The lease, and a look each 40 ms.
const REST_OF_LEASE: Duration = Duration::from_millis(7_500);
