//! The rows that are the same on every engine.

use tokenkeep_test_support::engines::proxy::Fault;

use crate::{engine::Single, leases, scene::Scene, table::Table, unavailable, values, writes};

/// The rows that are the same on every engine.
pub(crate) fn shared(engine: &dyn Single, table: &mut Table) {
    for (name, fault) in [
        ("reply lost after the put, connection closed", Fault::CutAfter(0)),
        ("reply lost after the put, silence", Fault::Silence),
    ] {
        table.row(name, async |row| {
            writes::reply_lost(&Scene::new(engine).await, row, engine, fault).await;
        });
    }
    table.row("black hole, `spend_without_store`", async |row| {
        unavailable::spends_without_store(&Scene::new(engine).await, row, engine).await;
    });
    table.row("all values gone", async |row| {
        let scene = Scene::new(engine).await;
        values::gone(&scene, row, || engine.wipe()).await;
    });
    table.row("restore of an older value", async |row| {
        values::older(&Scene::new(engine).await, row, engine).await;
    });
    table.row("unknown key id", async |row| {
        values::unknown_key(&Scene::new(engine).await, row).await;
    });
    table.row("altered value", async |row| {
        let scene = Scene::new(engine).await;
        values::damaged(&scene, row, "Corrupt 500", |name| engine.alter(name)).await;
    });
    table.row("truncated value", async |row| {
        let scene = Scene::new(engine).await;
        values::damaged(&scene, row, "Corrupt 500", |name| engine.cut(name)).await;
    });
    table.row("moved value", async |row| {
        let scene = Scene::new(engine).await;
        let damage = |name: &str| engine.copy(&scene.valid.name, name);
        values::damaged(&scene, row, "OtherPartition 500", damage).await;
    });
    table.row("clock off", async |row| {
        values::clock(&Scene::new(engine).await, row).await;
    });
    table.row("provider overloaded (429)", async |row| {
        leases::provider_fails(&Scene::new(engine).await, row, engine, false).await;
    });
    table.row("provider down", async |row| {
        leases::provider_fails(&Scene::new(engine).await, row, engine, true).await;
    });
    table.rows(["lease holder killed", "lease holder frozen"], async |[killed, frozen]| {
        let scenes = [Scene::new(engine).await, Scene::new(engine).await];
        tokio::join!(
            leases::holder_killed(&scenes[0], killed),
            leases::holder_frozen(&scenes[1], frozen),
        );
    });
}
