//! The rows of a Cluster.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tokenkeep_test_support::{Tool, engines::redis::Cluster, need};

use crate::{
    engine::{Address, Engine},
    redis::values_of,
    scene::Scene,
    table::{Row, STORED, Table, UNSTORED, Whose},
    unavailable::{ANSWERED, SILENCE, WITH_PROVIDER},
};

struct Shards(Arc<Cluster>);

impl Shards {
    /// The port of the primary that has a name.
    fn of(&self, name: &str) -> u16 {
        self.0.primary(self.0.slot(name)).port()
    }

    /// A scene where the users with and without a valid token share a shard, and a third has
    /// another one.
    async fn scene(&self) -> Scene<'_> {
        for _ in 0..100 {
            let scene = Scene::new(self).await;
            let users = [&scene.valid, &scene.expired, &scene.also_expired];
            let [valid, expired, other] = users.map(|user| self.of(&user.name));
            if valid == expired && expired != other {
                return scene;
            }
        }
        panic!("chance does not do this");
    }
}

impl Engine for Shards {
    fn address(&self) -> Address {
        Address::Cluster(self.0.urls())
    }

    fn values(&self, app: &str) -> BTreeMap<String, String> {
        let primaries = [0, 8_000, 16_000].map(|slot| self.0.primary(slot));
        primaries.iter().flat_map(|primary| values_of(primary, app)).collect()
    }
}

#[test]
fn callers_see_of_a_cluster_what_is_promised() {
    if !need(Tool::Redis) {
        return;
    }
    // Nodes are killed, and must not forget.
    let shards = Shards(Arc::new(Cluster::start(&["appendonly yes", "appendfsync everysec"])));
    let mut table = Table::new("Cluster");
    table.row("slot migration (TRYAGAIN, ASK, MOVED)", async |row| {
        migration(&shards, &shards.scene().await, row).await;
    });
    table.row("failover", async |row| {
        failover(&shards, &shards.scene().await, row).await;
    });
    table.row("one shard dead", async |row| {
        dead_shard(&shards, &shards.scene().await, row).await;
    });
    table.end();
}

async fn migration(shards: &Shards, scene: &Scene<'_>, row: &mut Row) {
    let cluster = &shards.0;
    let to = cluster.slot(&scene.also_expired.name);
    let [valid, expired] = [&scene.valid, &scene.expired].map(|user| cluster.slot(&user.name));
    let moving = cluster.migrate(valid, to);
    row.expect(Whose::Valid, &scene.ask(&scene.valid).await, STORED, ANSWERED);
    moving.move_keys();
    // The old primary says ASK.
    row.expect(Whose::Valid, &scene.ask(&scene.valid).await, STORED, ANSWERED);
    moving.finish();
    // It says MOVED.
    row.expect(Whose::Valid, &scene.ask(&scene.valid).await, STORED, ANSWERED);
    let moving = cluster.migrate(expired, to);
    // A script wants the value, which is there, and the lease, which is not: TRYAGAIN.
    let finish = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        moving.finish();
    };
    let (token, ()) = tokio::join!(scene.ask(&scene.expired), finish);
    row.expect(Whose::Expired, &token, STORED, SILENCE);
    let moving = cluster.migrate(cluster.slot(&scene.own), to_another(shards, &scene.own));
    moving.finish();
    row.expect(Whose::Application, &scene.ask_own().await, STORED, ANSWERED);
    row.after("spent once", scene.endpoint().counts().refreshes() == 1);
    row.after("stored", scene.is_stored(&scene.expired.id, token.secret()).await);
}

/// A slot of another primary.
fn to_another(shards: &Shards, name: &str) -> u16 {
    let slots = [0, 8_000, 16_000];
    let other = |slot: &u16| shards.0.primary(*slot).port() != shards.of(name);
    slots.into_iter().find(other).expect("there are three primaries")
}

async fn failover(shards: &Shards, scene: &Scene<'_>, row: &mut Row) {
    let slot = shards.0.slot(&scene.expired.name);
    let old = shards.0.primary(slot);
    assert_eq!(old.cli(&["WAIT", "1", "5000"]), "1");
    let port = old.port();
    old.kill();
    row.expect(Whose::Valid, &scene.ask(&scene.valid).await, STORED, SILENCE);
    let expired = scene.ask(&scene.expired).await;
    row.expect(Whose::Expired, &expired, "StoreUnavailable 503", SILENCE);
    let cluster = Arc::clone(&shards.0);
    let replaced = tokio::task::spawn_blocking(move || {
        cluster.wait_for_failover(slot, port);
        std::time::Instant::now()
    });
    let (_, token) = scene.until_token(&scene.expired).await;
    let back = std::time::Instant::now();
    let late = back.saturating_duration_since(replaced.await.expect("it is replaced"));
    row.took("back after the failover", late, Duration::from_millis(1_500));
    row.after("renewed and stored once", {
        token.shown() == STORED
            && scene.endpoint().counts().refreshes() == 1
            && scene.is_stored(&scene.expired.id, token.secret()).await
    });
    repair(shards).await;
}

async fn dead_shard(shards: &Shards, scene: &Scene<'_>, row: &mut Row) {
    let slot = shards.0.slot(&scene.expired.name);
    let (primary, replica) = (shards.0.primary(slot), shards.0.replica(slot));
    let is_own_dead = shards.of(&scene.own) == primary.port();
    let own = if is_own_dead { UNSTORED } else { STORED };
    replica.kill();
    primary.kill();
    row.expect(Whose::Valid, &scene.ask(&scene.valid).await, STORED, SILENCE);
    let expired = scene.ask(&scene.expired).await;
    row.expect(Whose::Expired, &expired, "StoreUnavailable 503", SILENCE);
    row.expect(Whose::Application, &scene.ask_own().await, own, WITH_PROVIDER);
    // The breaker of the dead shard is open by then.
    for _ in 0..6 {
        scene.ask(&scene.expired).await;
    }
    let other = scene.ask(&scene.also_expired).await;
    row.expect(Whose::Expired, &other, STORED, ANSWERED);
    repair(shards).await;
    let (took, token) = scene.until_token(&scene.expired).await;
    row.took("back after", took, Duration::from_millis(10_500));
    row.after("stored", scene.is_stored(&scene.expired.id, token.secret()).await);
}

async fn repair(shards: &Shards) {
    let cluster = Arc::clone(&shards.0);
    tokio::task::spawn_blocking(move || cluster.repair()).await.expect("all are there");
}
