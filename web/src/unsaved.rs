//! Responses of the provider that the store has not taken yet.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use tokenkeep::{TokenCache, silent::Refreshed};
use tokio::{
    sync::{Notify, Semaphore, watch},
    time::Instant,
};

use crate::{counts, partition::Partition, received::Received, store::Owner, value::Kept};

/// Responses that are not saved yet, by partition.
pub(crate) struct Unsaved {
    waiting: Mutex<HashMap<[u8; 16], Waiting>>,
    /// The number of partitions, to be read without the lock.
    count: watch::Sender<usize>,
    pub(crate) changed: Arc<Notify>,
    /// The turns of writes that save what waits.
    pub(crate) writes: Semaphore,
    /// The last try to renew a lease had no answer.
    is_cut_off: AtomicBool,
}

impl Default for Unsaved {
    fn default() -> Self {
        Self {
            waiting: Mutex::default(),
            count: watch::Sender::default(),
            changed: Arc::default(),
            writes: Semaphore::new(WRITES_AT_ONCE),
            is_cut_off: AtomicBool::new(false),
        }
    }
}

/// What one partition waits with.
struct Waiting {
    partition: Partition,
    responses: Vec<(u64, Arc<Received>)>,
    /// What the store had when it was last read, if it could be read.
    base: Option<Arc<Kept>>,
    /// That with the responses.
    over: Arc<TokenCache>,
    owner: Option<Owner>,
    since: Instant,
    next_try: Instant,
    pause: Duration,
    number: u64,
}

/// The responses of one partition at one moment.
#[derive(Clone)]
pub(crate) struct Pending {
    responses: Vec<(u64, Arc<Received>)>,
    pub(crate) owner: Option<Owner>,
}

impl Pending {
    /// Puts them over what the store has.
    pub(crate) fn add_to(&self, cache: &mut TokenCache) -> Vec<Refreshed> {
        // One that cannot be stored in this cache is of no use to it later either.
        self.responses.iter().filter_map(|(_, one)| one.add_to(cache).ok()).collect()
    }

    pub(crate) fn newest(&self) -> Option<&Arc<Received>> {
        self.responses.last().map(|(_, one)| one)
    }
}

impl Unsaved {
    pub(crate) fn len(&self) -> usize {
        *self.count.borrow()
    }

    /// What waits for this partition.
    pub(crate) fn pending(&self, id: &[u8; 16]) -> Option<Pending> {
        if self.len() == 0 {
            return None;
        }
        self.lock().get(id).map(Waiting::pending)
    }

    /// Whether a lease is held for what waits.
    pub(crate) fn is_held(&self, id: &[u8; 16], owner: Owner) -> bool {
        self.pending(id).is_some_and(|pending| pending.owner == Some(owner))
    }

    /// Whether something waits whose lease the store does not renew, because it is silent.
    pub(crate) fn is_cut_off(&self) -> bool {
        self.is_cut_off.load(Relaxed) && self.len() > 0
    }

    /// The store was silent.
    pub(crate) fn cut_off(&self) {
        self.is_cut_off.store(true, Relaxed);
    }

    /// The lease of what waits was renewed, so that the next try may be later.
    pub(crate) fn held(&self, id: &[u8; 16]) {
        self.is_cut_off.store(false, Relaxed);
        if let Some(waiting) = self.lock().get_mut(id) {
            waiting.next_try = Instant::now() + waiting.pause;
        }
    }

    /// The tokens of a partition with what waits for it.
    pub(crate) fn over(&self, id: &[u8; 16]) -> Option<Arc<TokenCache>> {
        if self.len() == 0 {
            return None;
        }
        self.lock().get(id).map(|waiting| Arc::clone(&waiting.over))
    }

    /// Keeps a response until the store takes it. `base` is what the store had when it was read for
    /// this response, and `last_read` what it had before, if it could not be read. Returns the
    /// responses that had to make room, the oldest of all.
    pub(crate) fn push(
        &self,
        partition: &Partition,
        base: Option<Option<Arc<Kept>>>,
        last_read: impl FnOnce() -> Option<Arc<Kept>>,
        response: Arc<Received>,
        owner: Option<Owner>,
    ) -> Vec<Arc<Received>> {
        let (id, now) = (partition.id(), Instant::now());
        let mut all = self.lock();
        let mut dropped = Vec::new();
        if !all.contains_key(&id)
            && all.len() >= MOST
            && let Some(oldest) = oldest(&all)
        {
            dropped = all.remove(&oldest).map(Waiting::into_responses).unwrap_or_default();
        }
        let waiting = all.entry(id).or_insert_with(|| Waiting {
            partition: partition.clone(),
            responses: Vec::new(),
            base: if base.is_none() { last_read() } else { None },
            over: Arc::default(),
            owner: None,
            since: now,
            next_try: now + FIRST_PAUSE,
            pause: FIRST_PAUSE,
            number: 0,
        });
        if let Some(base) = base {
            waiting.base = base;
        }
        if owner.is_some() {
            // Its lease has to be renewed in time.
            waiting.owner = owner;
            waiting.next_try = waiting.next_try.min(now + FIRST_PAUSE);
        }
        waiting.since = now;
        if response.spent.is_none() {
            // A sign-in takes the place of an earlier one for the same request.
            waiting
                .responses
                .retain(|(_, one)| one.spent.is_some() || one.request != response.request);
        }
        waiting.number += 1;
        let number = waiting.number;
        waiting.responses.push((number, response));
        if waiting.responses.len() > MOST_OF_ONE {
            dropped.push(waiting.responses.remove(0).1);
        }
        waiting.put_over();
        self.counted(&all);
        drop(all);
        self.changed.notify_one();
        dropped
    }

    /// Forgets what was saved. `false` if nothing waits for the partition any more.
    pub(crate) fn saved(&self, id: &[u8; 16], saved: &Pending, base: Option<&Arc<Kept>>) -> bool {
        self.is_cut_off.store(false, Relaxed);
        let mut all = self.lock();
        let Some(waiting) = all.get_mut(id) else { return false };
        waiting
            .responses
            .retain(|(number, _)| !saved.responses.iter().any(|(other, _)| number == other));
        waiting.base = base.cloned();
        if waiting.responses.is_empty() {
            all.remove(id);
        } else {
            waiting.put_over();
        }
        self.counted(&all);
        drop(all);
        self.changed.notify_one();
        true
    }

    /// The value was removed by this node: nothing that waits survives it.
    pub(crate) fn forget(&self, id: &[u8; 16]) -> Vec<Arc<Received>> {
        if self.len() == 0 {
            return Vec::new();
        }
        let mut all = self.lock();
        let gone = all.remove(id).map(Waiting::into_responses).unwrap_or_default();
        self.counted(&all);
        drop(all);
        self.changed.notify_one();
        gone
    }

    /// Another node removed the value, and the news is here now. A sign-in of the last moment is
    /// later than what was removed, because the news takes its time.
    pub(crate) fn removed(&self, id: &[u8; 16]) -> Vec<Arc<Received>> {
        if self.len() == 0 {
            return Vec::new();
        }
        let mut all = self.lock();
        let Some(waiting) = all.get_mut(id) else { return Vec::new() };
        let is_new = waiting.since.elapsed() < NEWS_TAKES;
        // What was signed in over a value of the store was signed in before that value went.
        let is_over_nothing = waiting.base.is_none();
        let keeps = |one: &Received| one.spent.is_none() && is_new && is_over_nothing;
        let (kept, gone): (Vec<_>, Vec<_>) =
            waiting.responses.drain(..).partition(|(_, one)| keeps(one));
        waiting.responses = kept;
        waiting.base = None;
        match waiting.responses.is_empty() {
            true => drop(all.remove(id)),
            false => waiting.put_over(),
        }
        self.counted(&all);
        gone.into_iter().map(|(_, one)| one).collect()
    }

    /// Tries this partition soon: it is in use.
    pub(crate) fn soon(&self, id: &[u8; 16]) {
        if let Some(waiting) = self.lock().get_mut(id) {
            waiting.next_try = Instant::now() + FIRST_PAUSE;
        }
    }

    /// At most `most` partitions to try now, each with the time for its next try already set, and
    /// when to look again.
    pub(crate) fn due(&self, most: usize) -> (Vec<Partition>, Option<Instant>) {
        let (mut due, mut next) = (Vec::new(), None);
        let now = Instant::now();
        let mut all = self.lock();
        let mut waiting: Vec<&mut Waiting> = all.values_mut().collect();
        // Whose lease ends first comes first.
        waiting.sort_unstable_by_key(|waiting| waiting.next_try);
        for waiting in waiting {
            if waiting.next_try <= now && due.len() < most {
                waiting.pause = (waiting.pause * 2).min(LONGEST_PAUSE);
                let pause = match waiting.owner {
                    // Its lease ends before long, unless this try renews it.
                    Some(_) => waiting.pause.min(PAUSE_WITHOUT_LEASE),
                    None => waiting.pause,
                };
                waiting.next_try = now + pause;
                due.push(waiting.partition.clone());
            }
            next = Some(next.map_or(waiting.next_try, |next: Instant| next.min(waiting.next_try)));
        }
        (due, next)
    }

    /// Takes what has waited for too long.
    pub(crate) fn take_expired(&self) -> Vec<Arc<Received>> {
        let mut all = self.lock();
        let late: Vec<[u8; 16]> = all
            .iter()
            .filter(|(_, waiting)| waiting.since.elapsed() >= LONGEST_WAIT)
            .map(|(id, _)| *id)
            .collect();
        let gone = late.iter().filter_map(|id| all.remove(id));
        let gone = gone.flat_map(Waiting::into_responses).collect();
        self.counted(&all);
        gone
    }

    fn counted(&self, all: &HashMap<[u8; 16], Waiting>) {
        self.count.send_replace(all.len());
        counts::unsaved(all.len());
    }

    /// Makes all due.
    pub(crate) fn try_now(&self) {
        let now = Instant::now();
        self.lock().values_mut().for_each(|waiting| waiting.next_try = now);
        self.changed.notify_one();
    }

    /// Waits until nothing waits for the store.
    pub(crate) async fn all_saved(&self) {
        // The sender is in `self`.
        self.count.subscribe().wait_for(|count| *count == 0).await.ok();
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<[u8; 16], Waiting>> {
        // A panic in a token cache leaves the list whole.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn pending(&self) -> Pending {
        Pending { responses: self.responses.clone(), owner: self.owner }
    }

    fn put_over(&mut self) {
        let mut cache = self.base.as_ref().map(|base| base.cache.clone()).unwrap_or_default();
        self.pending().add_to(&mut cache);
        self.over = Arc::new(cache);
    }

    fn into_responses(self) -> Vec<Arc<Received>> {
        self.responses.into_iter().map(|(_, one)| one).collect()
    }
}

fn oldest(all: &HashMap<[u8; 16], Waiting>) -> Option<[u8; 16]> {
    all.iter().min_by_key(|(_, waiting)| waiting.since).map(|(id, _)| *id)
}

/// The most partitions that wait.
pub(crate) const MOST: usize = 10_000;
/// How many are written at once.
const WRITES_AT_ONCE: usize = 8;
/// The most responses of one partition that wait.
const MOST_OF_ONE: usize = 64;
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
const PAUSE_WITHOUT_LEASE: Duration = Duration::from_secs(1);
/// A lasting failure of the store is none that a node can outwait.
const LONGEST_WAIT: Duration = Duration::from_secs(300);
/// How long the news of a removal may take.
const NEWS_TAKES: Duration = Duration::from_secs(1);
