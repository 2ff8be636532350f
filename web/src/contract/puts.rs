//! A put compares and writes as one step.

use tokio::task::JoinSet;

use super::{
    random,
    scene::{Check, Fault, LONG, Outcome, Scene, mark_of},
};
use crate::store::{Loaded, Put, PutOutcome};

pub(super) const CHECKS: &[Check] = &[
    Check { name: "a put on the value's mark replaces it", run: |scene| Box::pin(replace(scene)) },
    Check {
        name: "a put on another mark writes nothing and brings the value",
        run: |scene| Box::pin(conflict(scene)),
    },
    Check {
        name: "a put on a mark without a value writes nothing",
        run: |scene| Box::pin(absent(scene)),
    },
    Check { name: "a second put of the same value is stored", run: |scene| Box::pin(twice(scene)) },
    Check { name: "of puts on one mark one is stored", run: |scene| Box::pin(race(scene)) },
    Check { name: "updates at once lose nothing", run: |scene| Box::pin(updates(scene)) },
];

async fn replace(scene: Scene) -> Outcome {
    let (key, mut value) = scene.key_with_value().await?;
    for len in [500, 120, 2_000] {
        let newer = random::value(len);
        scene.stored(&key, Put::new(Some(&mark_of(&value)), &newer, LONG)).await?;
        scene.has(&key, &newer).await?;
        value = newer;
    }
    Ok(())
}

async fn conflict(scene: Scene) -> Outcome {
    let (key, value) = scene.key_with_value().await?;
    let (newer, stranger) = (random::value(300), random::value(120));
    // Marks that differ in the first or the last byte alone.
    let near = [Some(stranger), Some(altered(&value, 80)), Some(altered(&value, 119)), None];
    for expected in near {
        let expected = expected.as_deref().map(mark_of);
        let outcome = scene.store.put(&key, Put::new(expected.as_ref(), &newer, LONG)).await?;
        let wanted = PutOutcome::Conflict(Loaded::Value(value.clone()));
        ensure_eq!(outcome, wanted, "a put on another mark");
        scene.has(&key, &value).await?;
    }
    Ok(())
}

fn altered(value: &[u8], at: usize) -> Vec<u8> {
    let mut altered = value.to_vec();
    altered[at] ^= 1;
    altered
}

async fn absent(scene: Scene) -> Outcome {
    let (key, newer) = (scene.key(), random::value(300));
    let expected = mark_of(&random::value(120));
    let outcome = scene.store.put(&key, Put::new(Some(&expected), &newer, LONG)).await?;
    ensure_eq!(outcome, PutOutcome::Conflict(Loaded::Absent), "a put on a value that is gone");
    scene.has_none(&key).await
}

async fn twice(scene: Scene) -> Outcome {
    let (key, value) = scene.key_with_value().await?;
    scene.put_new(&key, &value).await?;
    let newer = random::value(300);
    let expected = mark_of(&value);
    for _ in 0..3 {
        scene.stored(&key, Put::new(Some(&expected), &newer, LONG)).await?;
        scene.has(&key, &newer).await?;
    }
    let outcome = scene.store.put(&key, Put::new(None, &value, LONG)).await?;
    let wanted = PutOutcome::Conflict(Loaded::Value(newer));
    ensure_eq!(outcome, wanted, "a second put of a value that was replaced since");
    Ok(())
}

async fn race(scene: Scene) -> Outcome {
    for round in 0..20 {
        let (key, expected) = match round % 2 {
            0 => (scene.key(), None),
            _ => {
                let (key, value) = scene.key_with_value().await?;
                (key, Some(mark_of(&value)))
            }
        };
        let mut tasks = JoinSet::new();
        for nth in 0..8 {
            let (scene, key) = (scene.clone(), key.clone());
            tasks.spawn(async move {
                let store = if nth % 2 == 0 { &scene.store } else { &scene.other };
                let value = random::value(120 + nth);
                let put = Put::new(expected.as_ref(), &value, LONG);
                Ok::<_, Fault>((store.put(&key, put).await?, value))
            });
        }
        let (mut stored, mut brought) = (Vec::new(), Vec::new());
        while let Some(ended) = tasks.join_next().await {
            match ended?? {
                (PutOutcome::Stored, value) => stored.push(value),
                (PutOutcome::Conflict(loaded), _) => brought.push(loaded),
            }
        }
        let [value] = &stored[..] else {
            return Err(Fault::new(format!("{} puts on one mark were stored", stored.len())));
        };
        scene.has(&key, value).await?;
        let current = Loaded::Value(value.clone());
        let is_current = brought.iter().all(|loaded| *loaded == current);
        ensure!(is_current, "a conflict brought another value than the current one");
    }
    Ok(())
}

async fn updates(scene: Scene) -> Outcome {
    let key = scene.key();
    let mut tasks = JoinSet::new();
    for nth in 0..UPDATERS {
        let (scene, key) = (scene.clone(), key.clone());
        tasks.spawn(async move {
            let store = if nth % 2 == 0 { &scene.store } else { &scene.other };
            let mut loaded = store.load(&key, None).await?;
            let mut attempts = 0;
            for _ in 0..UPDATES {
                tokio::task::yield_now().await;
                loop {
                    attempts += 1;
                    ensure!(attempts < MOST_ATTEMPTS, "updates conflict for ever");
                    let (expected, count) = match &loaded {
                        Loaded::Value(value) => (Some(mark_of(value)), count_in(value)?),
                        _ => (None, 0),
                    };
                    let mut value = random::value(150);
                    value[120..128].copy_from_slice(&(count + 1).to_be_bytes());
                    let put = Put::new(expected.as_ref(), &value, LONG);
                    match store.put(&key, put).await? {
                        PutOutcome::Stored => {
                            loaded = Loaded::Value(value);
                            break;
                        }
                        PutOutcome::Conflict(current) => loaded = current,
                    }
                }
            }
            Outcome::Ok(())
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended??;
    }
    let Loaded::Value(value) = scene.store.load(&key, None).await? else {
        return Err(Fault::new("the value is gone"));
    };
    ensure_eq!(count_in(&value)?, UPDATERS * UPDATES, "updates that were stored");
    Ok(())
}

const UPDATERS: u64 = 8;
const UPDATES: u64 = 25;
const MOST_ATTEMPTS: u64 = 10_000;

fn count_in(value: &[u8]) -> Result<u64, Fault> {
    let count = value.get(120..128).and_then(|bytes| bytes.try_into().ok());
    count.map(u64::from_be_bytes).ok_or_else(|| Fault::new("the value is cut off"))
}
