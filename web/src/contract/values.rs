//! Values are kept whole, each under its key, for their time.

use tokio::task::JoinSet;

use super::{
    random,
    scene::{AGAIN, Check, LONG, Outcome, SHORT, Scene, mark_of},
};
use crate::store::{Loaded, Put, PutOutcome, StoreKey};

pub(super) const CHECKS: &[Check] = &[
    Check { name: "a key without a value is absent", run: |scene| Box::pin(absent(scene)) },
    Check { name: "a new value is loaded as it was put", run: |scene| Box::pin(new(scene)) },
    Check { name: "a known mark brings no value", run: |scene| Box::pin(known(scene)) },
    Check { name: "values of every size stay whole", run: |scene| Box::pin(sizes(scene)) },
    Check { name: "keys of every byte are told apart", run: |scene| Box::pin(hostile_keys(scene)) },
    Check { name: "many keys at once", run: |scene| Box::pin(many_keys(scene)) },
    Check { name: "a value ends by itself", run: |scene| Box::pin(ends(scene)) },
    Check { name: "a put gives the value a new time", run: |scene| Box::pin(new_time(scene)) },
    Check { name: "the engine is named", run: |scene| Box::pin(inspected(scene)) },
];

async fn absent(scene: Scene) -> Outcome {
    let key = scene.key();
    scene.has_none(&key).await?;
    let known = mark_of(&random::value(120));
    let loaded = scene.store.load(&key, Some(&known)).await?;
    ensure_eq!(loaded, Loaded::Absent, "load with a mark of a value that is not there");
    Ok(())
}

async fn new(scene: Scene) -> Outcome {
    let (key, value) = scene.key_with_value().await?;
    scene.has(&key, &value).await?;
    scene.has_none(&scene.key()).await
}

async fn known(scene: Scene) -> Outcome {
    let (key, value) = scene.key_with_value().await?;
    let known = mark_of(&value);
    let loaded = scene.store.load(&key, Some(&known)).await?;
    ensure_eq!(loaded, Loaded::Unchanged, "load with the value's own mark");

    let newer = random::value(300);
    scene.stored(&key, Put::new(Some(&known), &newer, LONG)).await?;
    let loaded = scene.store.load(&key, Some(&known)).await?;
    ensure_eq!(loaded, Loaded::Value(newer), "load with the mark of an earlier value");
    Ok(())
}

async fn sizes(scene: Scene) -> Outcome {
    for len in [120, 121, 136, 1_000, 4_096, 65_536, 262_144, 1_048_576] {
        let key = scene.key();
        let (first, second) = (random::value(len), random::value(len));
        scene.put_new(&key, &first).await?;
        scene.has(&key, &first).await?;
        scene.stored(&key, Put::new(Some(&mark_of(&first)), &second, LONG)).await?;
        scene.has(&key, &second).await?;
    }
    // Texts that an engine's language may take for its own.
    for text in [&b"\r\n$5\r\n"[..], b"';--\0\\x00", b"nil\0", &[0; 32], &[0xff; 32]] {
        let key = scene.key();
        let mut value = random::value(120);
        value[..text.len()].copy_from_slice(text);
        value.extend_from_slice(text);
        scene.put_new(&key, &value).await?;
        scene.has(&key, &value).await?;
    }
    Ok(())
}

async fn hostile_keys(scene: Scene) -> Outcome {
    let mut ids = vec![
        [0; 16],
        [0xff; 16],
        *b"\r\n$3\r\nGET\r\n\r\n\r\n\r",
        *b"{}{{}}{:v}:l*?[]",
        *b"';DROP TABLE x;-",
        *b"\\x00\0\0\0\0\0\0\0\0\0\0\0\0",
        *b"****************",
    ];
    let id: [u8; 16] = random::bytes();
    // Each differs from the last in one bit.
    ids.extend((0..128).map(|bit| {
        let mut near = id;
        near[bit / 8] ^= 1 << (bit % 8);
        near
    }));
    let mut kept = Vec::new();
    for id in ids {
        let (key, value) = (StoreKey::new(scene.app.clone(), id), random::value(130));
        scene.put_new(&key, &value).await?;
        kept.push((key, value));
    }
    for (key, value) in &kept {
        scene.has(key, value).await?;
    }
    Ok(())
}

async fn many_keys(scene: Scene) -> Outcome {
    let mut tasks = JoinSet::new();
    for nth in 0..64 {
        let scene = scene.clone();
        tasks.spawn(async move {
            let key = scene.key();
            let mut value = random::value(200 + nth);
            scene.put_new(&key, &value).await?;
            for len in 1..8 {
                let newer = random::value(200 * len + nth);
                scene.stored(&key, Put::new(Some(&mark_of(&value)), &newer, LONG)).await?;
                value = newer;
                scene.has(&key, &value).await?;
            }
            Outcome::Ok(())
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended??;
    }
    Ok(())
}

async fn ends(scene: Scene) -> Outcome {
    if scene.keeps_longer {
        return Ok(());
    }
    let (key, value) = (scene.key(), random::value(150));
    let (lasting, _) = scene.key_with_value().await?;
    scene.stored(&key, Put::new(None, &value, SHORT)).await?;
    while scene.store.load(&key, None).await? != Loaded::Absent {
        tokio::time::sleep(AGAIN).await;
    }
    let loaded = scene.store.load(&lasting, None).await?;
    ensure!(matches!(loaded, Loaded::Value(_)), "a value ended before its time");
    // A value that has ended is none.
    scene.put_new(&key, &value).await
}

async fn new_time(scene: Scene) -> Outcome {
    let (key, first) = (scene.key(), random::value(150));
    let second = random::value(150);
    let (expected, mut time) = (mark_of(&first), SHORT);
    loop {
        scene.stored(&key, Put::new(None, &first, time)).await?;
        let put = Put::new(Some(&expected), &second, LONG);
        match scene.store.put(&key, put).await? {
            PutOutcome::Stored => break,
            // Where all is slow, the first value may end before the second comes.
            PutOutcome::Conflict(Loaded::Absent) if time < LONG => time *= 2,
            outcome => {
                ensure_eq!(outcome, PutOutcome::Stored, "a put in place of its predecessor");
            }
        }
    }
    scene.outlast(time * 2).await?;
    scene.has(&key, &second).await
}

async fn inspected(scene: Scene) -> Outcome {
    let inspection = scene.store.inspect().await?;
    ensure!(!inspection.engine.is_empty(), "inspect names no engine");
    for advice in &inspection.advice {
        let has_both = !advice.found.is_empty() && !advice.next_step.is_empty();
        ensure!(has_both, "an advice without a text: {advice:?}");
    }
    Ok(())
}
