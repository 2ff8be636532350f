//! A note of a failed renewal takes the lease's place.

use std::time::Duration;

use super::{
    random,
    scene::{AGAIN, Check, Fault, LONG, Outcome, SHORT, Scene, new_owner},
};
use crate::store::{Lease, LeaseRequest, Loaded, Note, Owner, StoreKey};

pub(super) const CHECKS: &[Check] = &[
    Check { name: "a note takes the lease's place", run: |scene| Box::pin(respected(scene)) },
    Check { name: "a note is replaced where it is named", run: |scene| Box::pin(replaced(scene)) },
    Check { name: "a note ends by itself", run: |scene| Box::pin(ends(scene)) },
    Check { name: "notes of every byte stay whole", run: |scene| Box::pin(whole(scene)) },
    Check { name: "a stranger leaves no note", run: |scene| Box::pin(stranger(scene)) },
];

/// A key with a note in place of a lease.
async fn noted(scene: &Scene, pause: Duration) -> Result<(StoreKey, Owner, Note), Fault> {
    let (key, note) = (scene.key(), note(b"refused: "));
    let owner = scene.leased(&key, LONG).await?;
    scene.store.release(&key, owner, Some((&note, pause))).await?;
    Ok((key, owner, note))
}

fn note(text: &[u8]) -> Note {
    let bytes = [text, &random::bytes::<32>()].concat();
    Note::from_bytes(bytes).expect("it is longer than an owner")
}

async fn has_note(scene: &Scene, key: &StoreKey, owner: Owner, wanted: &Note) -> Outcome {
    match scene.lease(key, owner, LONG).await? {
        Lease::Failed { note, ends_in } if note == *wanted => {
            let is_in_time = !ends_in.is_zero() && ends_in <= LONG;
            ensure!(is_in_time, "a note ends in {ends_in:?}");
            Ok(())
        }
        lease => Err(Fault::new(format!("a lease where there is a note: {lease:?}"))),
    }
}

async fn respected(scene: Scene) -> Outcome {
    let (key, owner, note) = noted(&scene, LONG).await?;
    has_note(&scene, &key, new_owner(), &note).await?;
    // The lease is nobody's, so its last owner has it no more.
    has_note(&scene, &key, owner, &note).await?;
    scene.store.release(&key, owner, None).await?;
    has_note(&scene, &key, owner, &note).await?;

    let value = random::value(200);
    scene.put_new(&key, &value).await?;
    let (_, loaded) = scene.store.lease(&key, LeaseRequest::new(owner, LONG)).await?;
    ensure_eq!(loaded, Loaded::Value(value), "the value at a note");
    Ok(())
}

async fn replaced(scene: Scene) -> Outcome {
    let (key, _, left) = noted(&scene, LONG).await?;
    let mut near = left.as_bytes().to_vec();
    near[40] ^= 1;
    let near = Note::from_bytes(near).expect("it is as long as the other");
    let owner = new_owner();
    for other in [near, note(b"refused: ")] {
        let request = LeaseRequest::new(owner, LONG).instead_of(Some(&other));
        let (lease, _) = scene.store.lease(&key, request).await?;
        let is_respected = matches!(&lease, Lease::Failed { note, .. } if *note == left);
        ensure!(is_respected, "a lease in place of another note: {lease:?}");
    }
    let request = LeaseRequest::new(owner, LONG).instead_of(Some(&left));
    let (lease, _) = scene.store.lease(&key, request).await?;
    ensure_eq!(lease, Lease::Mine, "a lease in place of the note");
    scene.is_taken(&key, LONG).await?;
    // It is no note that the next one names.
    let request = LeaseRequest::new(new_owner(), LONG).instead_of(Some(&left));
    let (lease, _) = scene.store.lease(&key, request).await?;
    ensure!(matches!(lease, Lease::Other { .. }), "a lease in place of a lease: {lease:?}");
    Ok(())
}

async fn ends(scene: Scene) -> Outcome {
    let (lasting, _, note) = noted(&scene, LONG).await?;
    let (key, ..) = noted(&scene, SHORT).await?;
    while scene.lease(&key, new_owner(), LONG).await? != Lease::Mine {
        tokio::time::sleep(AGAIN).await;
    }
    has_note(&scene, &lasting, new_owner(), &note).await
}

async fn whole(scene: Scene) -> Outcome {
    for len in [Owner::LEN + 1, 40, 100, Note::MAX_LEN] {
        for byte in [0, b'\n', b'"', 0x7f, 0xff] {
            let note = Note::from_bytes(vec![byte; len]).expect("it has an allowed length");
            let key = scene.key();
            let owner = scene.leased(&key, LONG).await?;
            scene.store.release(&key, owner, Some((&note, LONG))).await?;
            has_note(&scene, &key, new_owner(), &note).await?;
        }
    }
    Ok(())
}

async fn stranger(scene: Scene) -> Outcome {
    let key = scene.key();
    let (stranger, note) = (new_owner(), note(b"refused: "));
    // Without a lease, and with another's.
    scene.store.release(&key, stranger, Some((&note, LONG))).await?;
    let owner = scene.leased(&key, LONG).await?;
    scene.store.release(&key, stranger, Some((&note, LONG))).await?;
    scene.is_taken(&key, LONG).await?;
    ensure_eq!(scene.lease(&key, owner, LONG).await?, Lease::Mine, "a lease of the same owner");
    Ok(())
}
