//! All pages together have every key.

use std::collections::HashSet;

use tokio::task::JoinSet;

use super::{
    random,
    scene::{Check, Fault, LONG, Outcome, Scene},
};
use crate::store::{Durability, StoreKey};

pub(super) const CHECKS: &[Check] = &[
    Check { name: "pages have every key", run: |scene| Box::pin(every_key(scene)) },
    Check { name: "pages have no key without a value", run: |scene| Box::pin(no_other(scene)) },
    Check { name: "pages have every key during changes", run: |scene| Box::pin(changes(scene)) },
];

async fn filled(scene: &Scene, count: usize) -> Result<HashSet<StoreKey>, Fault> {
    let mut tasks = JoinSet::new();
    let mut keys = HashSet::new();
    for _ in 0..count {
        // A store may have one connection, where calls wait for each other.
        if tasks.len() == AT_ONCE
            && let Some(ended) = tasks.join_next().await
        {
            keys.insert(ended??);
        }
        let scene = scene.clone();
        tasks.spawn(async move {
            let key = scene.key();
            scene.put_new(&key, &random::value(120)).await?;
            Ok::<_, Fault>(key)
        });
    }
    while let Some(ended) = tasks.join_next().await {
        keys.insert(ended??);
    }
    Ok(keys)
}

const AT_ONCE: usize = 8;

async fn listed(scene: &Scene) -> Result<HashSet<StoreKey>, Fault> {
    let (mut keys, mut from) = (HashSet::new(), None);
    for _ in 0..MOST_PAGES {
        let page = scene.store.page(&scene.app, from).await?;
        keys.extend(page.keys);
        from = page.next;
        if from.is_none() {
            return Ok(keys);
        }
        tokio::task::yield_now().await;
    }
    Err(Fault::new(format!("the list does not end after {MOST_PAGES} pages")))
}

const MOST_PAGES: usize = 100_000;

async fn every_key(scene: Scene) -> Outcome {
    let none = listed(&scene).await?;
    ensure!(none.iter().all(|key| key.app() != &*scene.app), "a key where there is none");
    let keys = filled(&scene, 700).await?;
    let missing = &keys - &listed(&scene).await?;
    ensure!(missing.is_empty(), "{} of {} keys are on no page", missing.len(), keys.len());
    Ok(())
}

async fn no_other(scene: Scene) -> Outcome {
    let mut wanted = filled(&scene, 5).await?;
    let removed = wanted.iter().next().expect("there are five").clone();
    scene.store.remove(&removed, Durability::Local).await?;
    wanted.remove(&removed);
    scene.leased(&scene.key(), LONG).await?;
    let mut listed = listed(&scene).await?;
    listed.retain(|key| key.app() == &*scene.app);
    ensure_eq!(listed, wanted, "the keys that have a value");
    Ok(())
}

async fn changes(scene: Scene) -> Outcome {
    let keys = filled(&scene, 400).await?;
    let mut changing = JoinSet::new();
    for _ in 0..4 {
        let scene = scene.clone();
        changing.spawn(async move {
            loop {
                let (key, _) = scene.key_with_value().await?;
                tokio::task::yield_now().await;
                scene.store.remove(&key, Durability::Local).await?;
            }
            #[expect(unreachable_code, reason = "it gives the task its type")]
            Outcome::Ok(())
        });
    }
    for _ in 0..3 {
        let missing = &keys - &listed(&scene).await?;
        ensure!(missing.is_empty(), "{} of {} keys are on no page", missing.len(), keys.len());
    }
    changing.abort_all();
    while let Some(ended) = changing.join_next().await {
        if let Ok(outcome) = ended {
            outcome?;
        }
    }
    Ok(())
}
