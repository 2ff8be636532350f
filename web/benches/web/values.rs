//! Values as a store sees them: sealed, each with a mark of its own.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use tokenkeep::envelope::{Envelope, EnvelopeKey, KeyId};
use tokenkeep_web::store::{Mark, Put, PutOutcome, Store, StoreKey};
use tokio::sync::Mutex;

use crate::{engine::Shared, user};

/// The name of the application in keys.
pub(crate) const APP: &str = "bench";
pub(crate) const KEEP_FOR: Duration = Duration::from_secs(90 * 86_400);

/// The key of a user.
pub(crate) fn key(user: u64) -> StoreKey {
    StoreKey::new(APP, id(user))
}

/// The 16 bytes of a user's key, which are characters, so that they can stand in any script.
pub(crate) fn id(user: u64) -> [u8; 16] {
    format!("{user:016}").into_bytes().try_into().expect("a user's number has at most 16 digits")
}

/// A user's id as it stands in the names of keys of Redis.
pub(crate) fn encoded(user: u64) -> String {
    URL_SAFE_NO_PAD.encode(id(user))
}

/// A user's cache, sealed.
pub(crate) fn sealed() -> Vec<u8> {
    let key = EnvelopeKey::random().expect("random bytes");
    let key_id = KeyId::random().expect("random bytes");
    let envelope = Envelope::new(key_id, &key, "bench", [1; 16], 1);
    let json = user::cache(0).to_json();
    envelope.seal(json.expose(), 1 << 20).expect("it fits").1
}

/// A value as long as this one, of characters alone, so that it can stand in any script. Every one
/// has the same mark.
pub(crate) fn characters(len: usize) -> Vec<u8> {
    vec![b'a'; len]
}

/// Users that have a value each, with the mark that it has.
pub(crate) struct Users {
    template: Vec<u8>,
    marks: Vec<Mutex<Option<Mark>>>,
    number: AtomicU64,
}

impl Users {
    pub(crate) fn new(count: usize, template: Vec<u8>) -> Self {
        let marks = (0..count).map(|_| Mutex::default()).collect();
        Self { template, marks, number: AtomicU64::new(0) }
    }

    /// Writes a value of each user, several at once.
    pub(crate) async fn fill(self: &Arc<Self>, store: &Shared) {
        let tasks = (0..FILLERS).map(|first| {
            let (users, store) = (Arc::clone(self), store.clone());
            tokio::spawn(async move {
                for user in (first..users.marks.len()).step_by(FILLERS) {
                    users.put(&store, user as u64).await;
                }
            })
        });
        for task in tasks.collect::<Vec<_>>() {
            task.await.expect("every value is stored");
        }
    }

    /// The user that a random number means.
    pub(crate) fn any(&self, random: u64) -> u64 {
        random % self.marks.len() as u64
    }

    /// Writes a user's next value in place of the one that the user has.
    pub(crate) async fn put(&self, store: &Shared, user: u64) {
        let mut mark = self.marks[usize::try_from(user).expect("a user's number")].lock().await;
        let value = self.next_value();
        let put = Put::new(mark.as_ref(), &value, KEEP_FOR);
        let outcome = store.put(&key(user), put).await;
        assert!(matches!(outcome, Ok(PutOutcome::Stored)), "{outcome:?}");
        *mark = Mark::of(&value);
    }

    /// The mark of a user's value.
    pub(crate) async fn mark(&self, user: u64) -> Mark {
        let mark = self.marks[usize::try_from(user).expect("a user's number")].lock().await;
        mark.expect("the user has a value")
    }

    fn next_value(&self) -> Vec<u8> {
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        let mut value = self.template.clone();
        value[NONCE..NONCE + 8].copy_from_slice(&number.to_be_bytes());
        value
    }
}

/// Where a sealed value's nonce begins, in its mark.
const NONCE: usize = 96;
const FILLERS: usize = 16;
