//! A removal takes value and lease, and every listener hears of it.

use std::time::Duration;

use super::{
    random,
    scene::{Check, Fault, LONG, Outcome, Scene, mark_of, new_app},
};
use crate::store::{Durability, Loaded, Note, Put, PutOutcome, Removal, Removals, Store, StoreKey};

pub(super) const CHECKS: &[Check] = &[
    Check { name: "a removal takes the value", run: |scene| Box::pin(takes_value(scene)) },
    Check { name: "a removal takes the lease", run: |scene| Box::pin(takes_lease(scene)) },
    Check { name: "a removed value is not replaced", run: |scene| Box::pin(is_final(scene)) },
    Check { name: "a listener starts unsure", run: |scene| Box::pin(starts_unsure(scene)) },
    Check { name: "every listener hears of a removal", run: |scene| Box::pin(all_hear(scene)) },
    Check { name: "a listener hears of its application alone", run: |scene| Box::pin(own(scene)) },
    Check { name: "a next that is dropped loses no news", run: |scene| Box::pin(dropped(scene)) },
];

async fn takes_value(scene: Scene) -> Outcome {
    let (key, _) = scene.key_with_value().await?;
    let (kept, value) = scene.key_with_value().await?;
    scene.store.remove(&key, Durability::Local).await?;
    scene.has_none(&key).await?;
    scene.has(&kept, &value).await?;
    // Absence is not an error.
    scene.store.remove(&key, Durability::Local).await?;
    scene.store.remove(&scene.key(), Durability::Local).await?;
    scene.put_new(&key, &value).await?;
    scene.has(&key, &value).await
}

async fn takes_lease(scene: Scene) -> Outcome {
    let (key, _) = scene.key_with_value().await?;
    scene.leased(&key, LONG).await?;
    scene.other.remove(&key, Durability::Local).await?;
    scene.is_free(&key).await?;

    let key = scene.key();
    let owner = scene.leased(&key, LONG).await?;
    let note = Note::from_bytes([7; 40]).expect("it has an allowed length");
    scene.store.release(&key, owner, Some((&note, LONG))).await?;
    scene.store.remove(&key, Durability::Local).await?;
    scene.is_free(&key).await
}

async fn is_final(scene: Scene) -> Outcome {
    let (key, value) = scene.key_with_value().await?;
    let (mark, newer) = (mark_of(&value), random::value(200));
    let owner = scene.leased(&key, LONG).await?;
    scene.other.remove(&key, Durability::Local).await?;
    let put = Put::new(Some(&mark), &newer, LONG).release(Some(owner));
    let outcome = scene.store.put(&key, put).await?;
    ensure_eq!(outcome, PutOutcome::Conflict(Loaded::Absent), "a put on a removed value");
    scene.has_none(&key).await
}

async fn starts_unsure(scene: Scene) -> Outcome {
    for store in [&scene.store, &scene.other] {
        let first = store.removals(&scene.app).next().await;
        ensure_eq!(first, Removal::Unsure, "the first news");
    }
    Ok(())
}

async fn listen(store: &dyn Store, app: &str) -> Box<dyn Removals> {
    let mut removals = store.removals(app);
    removals.next().await;
    removals
}

/// Waits until this listener hears of `key`. Tells whether it was only unsure.
async fn hears(removals: &mut dyn Removals, key: &StoreKey) -> Result<bool, Fault> {
    loop {
        match tokio::time::timeout(NEWS, removals.next()).await {
            Ok(Removal::One(heard)) if heard == *key => return Ok(false),
            Ok(Removal::One(_)) => {}
            Ok(Removal::Unsure) => return Ok(true),
            Err(_) => return Err(Fault::new("a listener did not hear of a removal")),
        }
    }
}

const NEWS: Duration = Duration::from_secs(10);

async fn all_hear(scene: Scene) -> Outcome {
    let mut listeners = Vec::new();
    for store in [&scene.store, &scene.store, &scene.other] {
        listeners.push(listen(&**store, &scene.app).await);
    }
    let mut unsure = 0;
    for nth in 0..ROUNDS {
        let (key, _) = scene.key_with_value().await?;
        let store = if nth % 2 == 0 { &scene.store } else { &scene.other };
        store.remove(&key, Durability::Local).await?;
        for listener in &mut listeners {
            unsure += usize::from(hears(&mut **listener, &key).await?);
        }
    }
    ensure!(unsure < ROUNDS, "listeners were unsure {unsure} times");
    Ok(())
}

const ROUNDS: usize = 10;

async fn own(scene: Scene) -> Outcome {
    let mut listener = listen(&*scene.store, &scene.app).await;
    let other_app = new_app();
    for _ in 0..ROUNDS {
        let (others, key) = (StoreKey::new(other_app.clone(), random::bytes()), scene.key());
        scene.store.remove(&others, Durability::Local).await?;
        scene.store.remove(&key, Durability::Local).await?;
        let news = tokio::time::timeout(NEWS, listener.next()).await;
        let is_own = matches!(&news, Ok(Removal::Unsure)) || news == Ok(Removal::One(key));
        ensure!(is_own, "a listener of one application hears {news:?}");
    }
    Ok(())
}

async fn dropped(scene: Scene) -> Outcome {
    let mut listener = listen(&*scene.store, &scene.app).await;
    let all: Vec<_> = (0..50).map(|_| scene.key()).collect();
    let (mut keys, mut is_unsure) = (all.clone(), false);
    let mut hear = |news| match news {
        Removal::One(heard) => keys.retain(|key| *key != heard),
        Removal::Unsure => is_unsure = true,
    };
    for key in &all {
        let removal = scene.store.remove(key, Durability::Local);
        // The call that waits is dropped while the news is on its way.
        tokio::select! {
            news = listener.next() => hear(news),
            removed = removal => removed?,
        }
        scene.store.remove(key, Durability::Local).await?;
        if let Ok(news) = tokio::time::timeout(Duration::ZERO, listener.next()).await {
            hear(news);
        }
    }
    // News of different keys come in any order.
    while !keys.is_empty() && !is_unsure {
        match tokio::time::timeout(NEWS, listener.next()).await {
            Ok(Removal::One(heard)) => keys.retain(|key| *key != heard),
            Ok(Removal::Unsure) => is_unsure = true,
            Err(_) => break,
        }
    }
    ensure!(keys.is_empty() || is_unsure, "{} of 50 removals were not heard of", keys.len());
    Ok(())
}
