//! A lease has one owner, and ends by itself.

use tokio::task::JoinSet;

use super::{
    random,
    scene::{Check, Fault, LONG, Outcome, SHORT, Scene, mark_of, new_owner},
};
use crate::store::{Lease, LeaseRequest, Loaded, Put, PutOutcome};

pub(super) const CHECKS: &[Check] = &[
    Check { name: "a lease has one owner", run: |scene| Box::pin(one_owner(scene)) },
    Check { name: "a lease brings the value", run: |scene| Box::pin(brings_value(scene)) },
    Check { name: "a lease is renewed for its owner", run: |scene| Box::pin(renewed(scene)) },
    Check { name: "a lease ends by itself", run: |scene| Box::pin(ends(scene)) },
    Check { name: "a lease is given back by its owner", run: |scene| Box::pin(given_back(scene)) },
    Check { name: "a stranger releases nothing", run: |scene| Box::pin(stranger(scene)) },
    Check { name: "a put releases its owner's lease", run: |scene| Box::pin(with_put(scene)) },
    Check { name: "a put releases no stranger's lease", run: |scene| Box::pin(others(scene)) },
    Check { name: "a put that conflicts releases nothing", run: |scene| Box::pin(conflict(scene)) },
];

async fn one_owner(scene: Scene) -> Outcome {
    for _ in 0..10 {
        let key = scene.key();
        let mut tasks = JoinSet::new();
        for nth in 0..8 {
            let (scene, key) = (scene.clone(), key.clone());
            tasks.spawn(async move {
                let store = if nth % 2 == 0 { &scene.store } else { &scene.other };
                let request = LeaseRequest::new(new_owner(), LONG);
                Ok::<_, Fault>(store.lease(&key, request).await?.0)
            });
        }
        let mut owners = 0;
        while let Some(ended) = tasks.join_next().await {
            match ended?? {
                Lease::Mine => owners += 1,
                Lease::Other { ends_in } => {
                    ensure!(!ends_in.is_zero() && ends_in <= LONG, "it ends in {ends_in:?}");
                }
                lease => return Err(Fault::new(format!("a lease that another has: {lease:?}"))),
            }
        }
        ensure_eq!(owners, 1, "owners of one lease");
        scene.is_taken(&key, LONG).await?;
    }
    Ok(())
}

async fn brings_value(scene: Scene) -> Outcome {
    let key = scene.key();
    let (owner, other) = (new_owner(), new_owner());
    let answer = scene.store.lease(&key, LeaseRequest::new(owner, LONG)).await?;
    ensure_eq!(answer, (Lease::Mine, Loaded::Absent), "a lease without a value");

    let value = random::value(400);
    scene.put_new(&key, &value).await?;
    let (mark, stranger) = (mark_of(&value), mark_of(&random::value(120)));
    for owner in [owner, other] {
        for known in [None, Some(&stranger)] {
            let request = LeaseRequest::new(owner, LONG).known(known);
            let (_, loaded) = scene.store.lease(&key, request).await?;
            ensure_eq!(loaded, Loaded::Value(value.clone()), "the value at a lease");
        }
        let request = LeaseRequest::new(owner, LONG).known(Some(&mark));
        let (_, loaded) = scene.store.lease(&key, request).await?;
        ensure_eq!(loaded, Loaded::Unchanged, "a known value at a lease");
    }
    Ok(())
}

async fn renewed(scene: Scene) -> Outcome {
    let key = scene.key();
    let owner = scene.leased(&key, SHORT).await?;
    ensure_eq!(scene.lease(&key, owner, LONG).await?, Lease::Mine, "a lease of the same owner");
    scene.outlast(SHORT * 2).await?;
    scene.is_taken(&key, LONG).await
}

async fn ends(scene: Scene) -> Outcome {
    let (key, lasting) = (scene.key(), scene.key());
    scene.leased(&lasting, LONG).await?;
    scene.leased(&key, SHORT).await?;
    scene.outlast(SHORT * 2).await?;
    scene.is_free(&key).await?;
    scene.is_taken(&lasting, LONG).await
}

async fn given_back(scene: Scene) -> Outcome {
    let (key, value) = scene.key_with_value().await?;
    for _ in 0..2 {
        let owner = scene.leased(&key, LONG).await?;
        scene.store.release(&key, owner, None).await?;
        // Of a lease that is given back already nothing changes.
        scene.store.release(&key, owner, None).await?;
    }
    scene.has(&key, &value).await?;
    scene.is_free(&key).await
}

async fn stranger(scene: Scene) -> Outcome {
    let key = scene.key();
    let owner = scene.leased(&key, LONG).await?;
    scene.other.release(&key, new_owner(), None).await?;
    scene.is_taken(&key, LONG).await?;
    ensure_eq!(scene.lease(&key, owner, LONG).await?, Lease::Mine, "a lease of the same owner");
    Ok(())
}

async fn with_put(scene: Scene) -> Outcome {
    let (key, first, second) = (scene.key(), random::value(200), random::value(200));
    let owner = scene.leased(&key, LONG).await?;
    scene.stored(&key, Put::new(None, &first, LONG).release(Some(owner))).await?;
    let owner = scene.leased(&key, LONG).await?;
    let mark = mark_of(&first);
    scene.stored(&key, Put::new(Some(&mark), &second, LONG).release(Some(owner))).await?;
    scene.has(&key, &second).await?;
    scene.is_free(&key).await
}

async fn others(scene: Scene) -> Outcome {
    let (key, first, second) = (scene.key(), random::value(200), random::value(200));
    scene.leased(&key, LONG).await?;
    scene.put_new(&key, &first).await?;
    scene.is_taken(&key, LONG).await?;
    let mark = mark_of(&first);
    scene.stored(&key, Put::new(Some(&mark), &second, LONG).release(Some(new_owner()))).await?;
    scene.is_taken(&key, LONG).await
}

async fn conflict(scene: Scene) -> Outcome {
    let (key, value) = scene.key_with_value().await?;
    let owner = scene.leased(&key, LONG).await?;
    let newer = random::value(200);
    let outcome = scene.store.put(&key, Put::new(None, &newer, LONG).release(Some(owner))).await?;
    let wanted = PutOutcome::Conflict(Loaded::Value(value));
    ensure_eq!(outcome, wanted, "a put where there is a value");
    scene.is_taken(&key, LONG).await
}
