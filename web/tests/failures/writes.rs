//! The store does not take a write, or its answer is lost.

use std::time::{Duration, Instant};

use tokenkeep_test_support::engines::{provider::Answers, proxy::Fault};
use tokenkeep_web::{WebTokenCache, store::Durability};

use crate::{
    engine::Single,
    scene::Scene,
    table::{Row, STORED, UNSTORED, Whose, ask},
    unavailable::{SILENCE, WITH_PROVIDER},
};

/// The answer to the put is lost: the put is sent again, and finds its own value.
pub(crate) async fn reply_lost(
    scene: &Scene<'_>,
    row: &mut Row,
    engine: &dyn Single,
    fault: Fault,
) {
    let proxy = engine.proxy();
    proxy.forget();
    // The first write takes the lease.
    proxy.on_write(2, fault);
    let token = scene.ask(&scene.expired).await;
    row.expect(Whose::Expired, &token, STORED, TWICE);
    proxy.on_write(2, fault);
    row.expect(Whose::Application, &scene.ask_own().await, STORED, TWICE);
    row.after("two answers were lost", proxy.counts().faults == 2);
    row.after("spent once", scene.endpoint().counts().refreshes() == 1);
    row.after("stored", scene.is_stored(&scene.expired.id, token.secret()).await);
    row.after("no lease left", {
        !engine.has_lease(&scene.expired.name) && !engine.has_lease(&scene.own)
    });
}

/// The store refuses writes before the lease, and in another renewal after it.
pub(crate) async fn no_writes(
    scene: &Scene<'_>,
    row: &mut Row,
    before_the_lease: &str,
    cut: impl Fn(),
    repair: impl Fn(),
) {
    cut();
    row.expect(Whose::Valid, &scene.ask(&scene.valid).await, STORED, SILENCE);
    let early = scene.ask(&scene.also_expired).await;
    row.expect(Whose::Expired, &early, before_the_lease, WITH_PROVIDER);
    let careless = scene.builder().spend_without_store(true);
    let careless = scene.engine.address().node(careless).await;
    if before_the_lease != UNSTORED {
        row.after("nothing spent without a lease", scene.endpoint().counts().refreshes() == 0);
        let token = ask(careless.user(&scene.also_expired.id)).await;
        row.expect(Whose::Expired, &token, UNSTORED, WITH_PROVIDER);
        row.after("`spend_without_store` spends", scene.endpoint().counts().refreshes() == 1);
    }
    row.expect(Whose::Application, &scene.ask_own().await, UNSTORED, WITH_PROVIDER);
    let (newcomer, kept) = scene.sign_in(&scene.node, "joe").await;
    row.expect(Whose::Expired, &kept, UNSTORED, WITH_PROVIDER);
    repair();
    row.took("unsaved tokens saved after", scene.until_saved(&scene.node).await, SAVED);
    row.after("the sign-in stored", scene.is_stored(&newcomer, kept.secret()).await);
    row.took("saved by that node after", scene.until_saved(&careless).await, SAVED);

    let spent = scene.endpoint().counts().refreshes();
    late_refusal(scene, row, &scene.node, &cut).await;
    row.after("this node serves it meanwhile", {
        scene.ask(&scene.expired).await.shown() != "SignInNeeded 401"
    });
    repair();
    scene.until_saved(&scene.node).await;
    let token = scene.ask(&scene.expired).await;
    row.after("stored at last", scene.is_stored(&scene.expired.id, token.secret()).await);
    row.after("spent once", scene.endpoint().counts().refreshes() == spent + 1);
}

/// The write is refused after the provider has answered (R8).
async fn late_refusal(scene: &Scene<'_>, row: &mut Row, node: &WebTokenCache, cut: &impl Fn()) {
    let asked = scene.endpoint().counts().calls.values().sum::<usize>();
    scene.endpoint().once(Answers::Held);
    let held = async {
        scene.until_asked(asked + 1).await;
        cut();
        scene.endpoint().release();
    };
    let (token, ()) = tokio::join!(ask(node.user(&scene.expired.id)), held);
    row.expect(Whose::Expired, &token, UNSTORED, Duration::from_secs(5));
}

/// The lease is written, and too few replicas confirm it: nothing is spent. The value is written
/// all the same where the provider does not mind.
pub(crate) async fn too_few_replicas(scene: &Scene<'_>, row: &mut Row, engine: &dyn Single) {
    let durability = Durability::Replicated { replicas: 1, timeout: Duration::from_millis(100) };
    let builder = || scene.builder().durability(durability);
    let node = scene.engine.address().node(builder()).await;
    row.expect(Whose::Valid, &ask(node.user(&scene.valid.id)).await, STORED, SILENCE);
    let refused = ask(node.user(&scene.expired.id)).await;
    row.expect(Whose::Expired, &refused, "StoreUnavailable 503", SILENCE);
    row.after("nothing spent", scene.endpoint().counts().refreshes() == 0);
    let start = Instant::now();
    while engine.has_lease(&scene.expired.name) && start.elapsed() < SAVED {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    row.after("the lease given back", !engine.has_lease(&scene.expired.name));
    row.expect(Whose::Application, &ask(node.app()).await, UNSTORED, WITH_PROVIDER);
    let (newcomer, kept) = scene.sign_in(&node, "joe").await;
    row.expect(Whose::Expired, &kept, UNSTORED, WITH_PROVIDER);
    row.after("written all the same", scene.is_stored(&newcomer, kept.secret()).await);
    row.after("one partition unsaved", node.stats().unsaved == 1);
    let careless = scene.engine.address().node(builder().spend_without_store(true)).await;
    let token = ask(careless.user(&scene.also_expired.id)).await;
    row.expect(Whose::Expired, &token, UNSTORED, WITH_PROVIDER);
    let is_written = scene.is_stored(&scene.also_expired.id, token.secret()).await;
    row.after("`spend_without_store` spends, and writes", is_written);
}

const TWICE: Duration = Duration::from_millis(1_300);
const SAVED: Duration = Duration::from_millis(2_500);
