//! A future may be dropped at any time.

use std::{future::poll_fn, pin::pin, task::Poll};

use tokio::task::JoinSet;

use super::{
    random,
    scene::{Check, Fault, LONG, Outcome, Scene, mark_of},
};
use crate::store::{Durability, Lease, LeaseRequest, Loaded, Put};

pub(super) const CHECKS: &[Check] = &[
    Check { name: "dropped futures leave the store whole", run: |scene| Box::pin(dropped(scene)) },
    Check {
        name: "no answer goes to another call after a drop",
        run: |scene| Box::pin(mixed_up(scene)),
    },
];

/// Polls a future until it is ready, or this many times, and drops it.
async fn drop_after<T>(polls: usize, future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    let mut polled = 0;
    poll_fn(|context| {
        if polled == polls {
            return Poll::Ready(None);
        }
        polled += 1;
        let polled = future.as_mut().poll(context).map(Some);
        if polled.is_pending() {
            context.waker().wake_by_ref();
        }
        polled
    })
    .await
}

async fn dropped(scene: Scene) -> Outcome {
    // The engine may do a step after the drop, so each step is repeated, as callers do, and no
    // key is used again after a step that would harm what follows.
    for polls in (0..20).cycle().take(100) {
        let (key, value) = scene.key_with_value().await?;
        let (mark, newer) = (mark_of(&value), random::value(300));
        let put = Put::new(Some(&mark), &newer, LONG);
        drop_after(polls, scene.store.put(&key, put)).await;
        scene.stored(&key, put).await?;
        scene.has(&key, &newer).await?;
        drop_after(polls, scene.store.page(&scene.app, None)).await;

        let request = LeaseRequest::new(scene.leased(&key, LONG).await?, LONG);
        drop_after(polls, scene.store.release(&key, request.owner, None)).await;
        scene.store.release(&key, request.owner, None).await?;
        scene.is_free(&key).await?;
        drop_after(polls, scene.store.remove(&key, Durability::Local)).await;
        scene.store.remove(&key, Durability::Local).await?;
        scene.has_none(&key).await?;

        let key = scene.key();
        drop_after(polls, scene.store.lease(&key, request)).await;
        let (lease, _) = scene.store.lease(&key, request).await?;
        ensure_eq!(lease, Lease::Mine, "a lease that is asked for again");
        scene.is_taken(&key, LONG).await?;
    }
    Ok(())
}

async fn mixed_up(scene: Scene) -> Outcome {
    let mut tasks = JoinSet::new();
    for nth in 0..16 {
        let scene = scene.clone();
        tasks.spawn(async move {
            let (key, value) = scene.key_with_value().await?;
            for polls in 0..40 {
                drop_after((polls + nth) % 6, scene.store.load(&key, None)).await;
                match scene.store.load(&key, None).await? {
                    Loaded::Value(loaded) if loaded == value => {}
                    loaded => {
                        return Err(Fault::new(format!("another call's answer: {loaded:?}")));
                    }
                }
            }
            Ok(())
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended??;
    }
    Ok(())
}
