//! The store does not answer, or refuses.

use std::{collections::BTreeMap, time::Duration};

use tokenkeep_test_support::engines::proxy::Mode;

use crate::{
    engine::Single,
    scene::Scene,
    table::{Row, STORED, UNSTORED, Whose, ask},
};

/// What a call may take while the store does not answer.
pub(crate) const SILENCE: Duration = Duration::from_millis(600);
/// What a call may take that also asks the provider.
pub(crate) const WITH_PROVIDER: Duration = Duration::from_millis(700);
/// What a call may take while the store answers.
pub(crate) const ANSWERED: Duration = Duration::from_millis(500);
/// How much later than a caller was told the store may be of use again.
const SLACK: Duration = Duration::from_millis(500);

/// Nobody answers: valid tokens go on, nobody is signed out, and the breaker opens.
pub(crate) async fn unavailable(
    scene: &Scene<'_>,
    row: &mut Row,
    cut: impl FnOnce(),
    repair: impl FnOnce(),
) {
    let before = scene.values();
    cut();
    row.expect(Whose::Valid, &scene.ask(&scene.valid).await, STORED, SILENCE);
    let expired = scene.ask(&scene.expired).await;
    row.expect(Whose::Expired, &expired, "StoreUnavailable 503", SILENCE);
    row.expect(Whose::Application, &scene.ask_own().await, UNSTORED, WITH_PROVIDER);
    let on_behalf = ask(scene.node.on_behalf_of("assertion")).await;
    row.expect(Whose::Application, &on_behalf, UNSTORED, WITH_PROVIDER);
    // Five failures in a row open it; the application's token is in memory by now.
    for _ in 0..2 {
        scene.ask(&scene.also_expired).await;
    }
    let [valid, expired] = [quick(scene, true).await, quick(scene, false).await];
    for (whose, (times, is_right)) in [(Whose::Valid, valid), (Whose::Expired, expired)] {
        let millis = |time: Duration| time.as_secs_f64() * 1_000.0;
        let (fastest, median) = (times[0], times[times.len() / 2]);
        let figures = format!("then {:.2} ms, median {:.2} ms", millis(fastest), millis(median));
        row.note(whose, figures);
        // On a busy machine they wait for the processor.
        let most = times[times.len() * 3 / 4];
        let is_quick = fastest < Duration::from_millis(1) && most < Duration::from_millis(100);
        row.after("breaker open: < 1 ms", is_right && is_quick);
    }
    let told = scene.ask(&scene.also_expired).await.result;
    let told = told.err().and_then(|error| error.retry_after()).unwrap_or_default();
    repair();
    returns(scene, row, told).await;
    let after = scene.values();
    row.after("no value was lost", before.keys().all(|name| after.contains_key(name)));
    row.after("the other values as before", untouched(scene, &before, &after));
}

/// The times of calls while the breaker is open, and whether all ended as they have to.
async fn quick(scene: &Scene<'_>, is_valid: bool) -> (Vec<Duration>, bool) {
    let (mut times, mut is_right) = (Vec::new(), true);
    for _ in 0..11 {
        let user = if is_valid { &scene.valid } else { &scene.also_expired };
        let outcome = scene.ask(user).await;
        let expected = if is_valid { STORED } else { "StoreUnavailable 503" };
        is_right &= outcome.shown() == expected;
        times.push(outcome.took);
    }
    times.sort_unstable();
    (times, is_right)
}

/// The store is there again: the next renewal is stored, and was the only one.
async fn returns(scene: &Scene<'_>, row: &mut Row, told: Duration) {
    let (took, token) = scene.until_token(&scene.expired).await;
    row.took("back after", took, told.max(Duration::from_secs(1)) + SLACK);
    row.after("renewed and stored once", {
        token.shown() == STORED
            && scene.endpoint().counts().refreshes() == 1
            && scene.is_stored(&scene.expired.id, token.secret()).await
    });
}

fn untouched(
    scene: &Scene<'_>,
    before: &BTreeMap<String, String>,
    after: &BTreeMap<String, String>,
) -> bool {
    [&scene.valid, &scene.also_expired]
        .iter()
        .all(|user| before.get(&user.name) == after.get(&user.name))
}

/// Nobody answers a node that may spend without the store: the token is stored later.
pub(crate) async fn spends_without_store(scene: &Scene<'_>, row: &mut Row, engine: &dyn Single) {
    let node = engine.address().node(scene.builder().spend_without_store(true)).await;
    let user = node.user(&scene.expired.id);
    user.find(&scene.request()).await.expect("the store answers");
    engine.proxy().set(Mode::BlackHole);
    let token = ask(user).await;
    row.expect(Whose::Expired, &token, UNSTORED, WITH_PROVIDER);
    engine.proxy().set(Mode::Pass);
    let took = scene.until_saved(&node).await;
    row.took("saved after", took, Duration::from_secs(4));
    row.after("stored", scene.is_stored(&scene.expired.id, token.secret()).await);
    row.after("spent once", scene.endpoint().counts().refreshes() == 1);
}

/// The store takes reads alone, or refuses all: what a renewal of a user ends with is `expected`.
pub(crate) async fn refused(
    scene: &Scene<'_>,
    row: &mut Row,
    expected: &str,
    cut: impl FnOnce(),
    repair: impl FnOnce(),
) {
    let before = scene.values();
    cut();
    row.expect(Whose::Valid, &scene.ask(&scene.valid).await, STORED, SILENCE);
    let outcome = scene.ask(&scene.expired).await;
    row.expect(Whose::Expired, &outcome, expected, SILENCE);
    let is_retryable = outcome.result.as_ref().is_err_and(|error| error.is_retryable());
    let says = if expected.ends_with("503") { "retryable" } else { "not retryable" };
    row.after(says, is_retryable == expected.ends_with("503"));
    row.expect(Whose::Application, &scene.ask_own().await, UNSTORED, WITH_PROVIDER);
    repair();
    returns(scene, row, Duration::ZERO).await;
    let after = scene.values();
    row.after("the other values as before", untouched(scene, &before, &after));
}

/// Nothing of a fault is seen by anybody.
pub(crate) async fn unnoticed(scene: &Scene<'_>, row: &mut Row, cut: impl Fn()) {
    cut();
    row.expect(Whose::Valid, &scene.ask(&scene.valid).await, STORED, ANSWERED);
    cut();
    let token = scene.ask(&scene.expired).await;
    row.expect(Whose::Expired, &token, STORED, ANSWERED);
    cut();
    row.expect(Whose::Application, &ask(scene.node.app()).await, STORED, ANSWERED);
    row.after("stored", scene.is_stored(&scene.expired.id, token.secret()).await);
}
