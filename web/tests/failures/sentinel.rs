//! The rows of a primary that Sentinels watch.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use tokenkeep_test_support::{
    Tool,
    engines::{provider::Answers, redis::Sentinels},
    need,
};
use tokenkeep_web::store::Durability;

use crate::{
    engine::{Address, Engine},
    redis::values_of,
    scene::Scene,
    table::{Row, STORED, Table, UNSTORED, Whose, ask},
    unavailable::{SILENCE, WITH_PROVIDER},
    values::rolled_back,
};

struct Watched(Arc<Sentinels>);

impl Engine for Watched {
    fn address(&self) -> Address {
        Address::Sentinels(self.0.urls())
    }

    fn values(&self, app: &str) -> BTreeMap<String, String> {
        values_of(self.0.primary(), app)
    }
}

#[test]
fn callers_see_of_sentinels_what_is_promised() {
    if !need(Tool::Redis) {
        return;
    }
    let watched = Watched(Arc::new(Sentinels::start(&[])));
    let mut table = Table::new("Sentinel");
    table.row("failover", async |row| {
        failover(&watched, &Scene::new(&watched).await, row).await;
    });
    table.row("failover that loses an acknowledged save", async |row| {
        lossy_failover(&watched, &Scene::new(&watched).await, row).await;
    });
    table.end();
}

async fn failover(watched: &Watched, scene: &Scene<'_>, row: &mut Row) {
    let old = watched.0.primary();
    assert_eq!(old.cli(&["WAIT", "2", "5000"]), "2");
    let port = old.port();
    old.kill();
    row.expect(Whose::Valid, &scene.ask(&scene.valid).await, STORED, SILENCE);
    let expired = scene.ask(&scene.expired).await;
    row.expect(Whose::Expired, &expired, "StoreUnavailable 503", SILENCE);
    row.expect(Whose::Application, &scene.ask_own().await, UNSTORED, WITH_PROVIDER);
    let sentinels = Arc::clone(&watched.0);
    let replaced = tokio::task::spawn_blocking(move || {
        sentinels.wait_for_failover(port);
        Instant::now()
    });
    let (_, token) = scene.until_token(&scene.expired).await;
    let back = Instant::now();
    let late = back.saturating_duration_since(replaced.await.expect("it is replaced"));
    row.took("back after the failover", late, Duration::from_millis(1_500));
    row.after("renewed and stored once", {
        token.shown() == STORED
            && scene.endpoint().counts().refreshes() == 1
            && scene.is_stored(&scene.expired.id, token.secret()).await
    });
    let sentinels = Arc::clone(&watched.0);
    tokio::task::spawn_blocking(move || sentinels.repair()).await.expect("all are there");
}

async fn lossy_failover(watched: &Watched, scene: &Scene<'_>, row: &mut Row) {
    // Either replica may be the next primary.
    let replicas = Durability::Replicated { replicas: 2, timeout: Duration::from_millis(500) };
    let careful = scene.engine.address().node(scene.builder().durability(replicas)).await;
    assert_eq!(watched.0.primary().cli(&["WAIT", "2", "5000"]), "2");
    // The replicas have the lease, and not the value.
    scene.endpoint().once(Answers::Held);
    let cut = async {
        scene.until_asked(1).await;
        watched.0.freeze_replicas();
        scene.endpoint().release();
    };
    let (known, ()) = tokio::join!(ask(careful.user(&scene.also_expired.id)), cut);
    row.expect(Whose::Expired, &known, UNSTORED, Duration::from_secs(5));
    // Acknowledged by the primary alone.
    let lost = scene.ask(&scene.expired).await;
    row.expect(Whose::Expired, &lost, STORED, SILENCE);
    let sentinels = Arc::clone(&watched.0);
    tokio::task::spawn_blocking(move || sentinels.failover()).await.expect("it is replaced");
    row.after("unsaved tokens saved", {
        scene.until_saved(&careful).await < Duration::from_secs(40)
            && scene.is_stored(&scene.also_expired.id, known.secret()).await
    });
    row.after("the primary lost the save", {
        !scene.is_stored(&scene.expired.id, lost.secret()).await
    });
    let token = rolled_back(scene, row, &lost).await;
    row.after("stored", scene.is_stored(&scene.expired.id, token.secret()).await);
}
