//! Who has which slot is asked again when calls fail.

use std::{
    collections::HashMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use redis::{AsyncConnectionConfig, Client, Cmd, ConnectionInfo};
use tokio::{task::JoinSet, time::Instant};

use super::{
    super::{
        failure::{Stage, meaning, unreachable},
        limits::CONNECT,
        opening::connect,
    },
    Address, Cluster, Layout,
};
use crate::store::StoreError;

/// Keeps refreshes apart.
#[derive(Default)]
pub(super) struct Refresh {
    is_running: AtomicBool,
    last: Mutex<Option<Instant>>,
}

/// The shortest time between two refreshes.
const APART: Duration = Duration::from_millis(100);
/// How many nodes are asked.
const ASKED: usize = 5;

/// A refresh under way. It ends also where its task does not, with the runtime.
struct Running(Cluster);

impl Drop for Running {
    fn drop(&mut self) {
        let refresh = &self.0.0.refresh;
        *refresh.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        refresh.is_running.store(false, Ordering::Release);
    }
}

impl Cluster {
    /// Asks in the background, unless that is under way or was just done.
    pub(super) fn refresh_later(&self) {
        let refresh = &self.0.refresh;
        let last = *refresh.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.is_some_and(|last| last.elapsed() < APART)
            || refresh.is_running.swap(true, Ordering::AcqRel)
        {
            return;
        }
        let running = Running(self.clone());
        tokio::spawn(async move {
            if let Err(error) = running.0.refresh_now().await {
                tracing::debug!(target: "tokenkeep_web", %error, "no node says who has the slots");
            }
        });
    }

    /// Takes what most nodes say. An answer without slots, and silence, change nothing.
    pub(super) async fn refresh_now(&self) -> Result<(), StoreError> {
        let mut asked = JoinSet::new();
        let up = self.primaries().into_iter().filter(|(_, link)| link.is_up());
        for (address, link) in up.take(ASKED) {
            asked.spawn(async move {
                let answer = link.call(slots()).await?;
                Ok(Layout::parse(&answer, &address))
            });
        }
        let (mut said, mut last) = (HashMap::<Layout, usize>::new(), None);
        let mut are_seeds_asked = false;
        loop {
            while let Some(answer) = asked.join_next().await {
                match answer {
                    Ok(Ok(Some(layout))) => *said.entry(layout).or_default() += 1,
                    Ok(Err(error)) => last = Some(error),
                    Ok(Ok(None)) | Err(_) => {}
                }
            }
            // Those that are known may be down, or have left the Cluster.
            if are_seeds_asked || !said.is_empty() {
                break;
            }
            are_seeds_asked = true;
            for seed in &self.0.seeds {
                asked.spawn(ask(seed.clone()));
            }
        }
        match said.into_iter().max_by_key(|(_, count)| *count) {
            Some((layout, _)) => {
                self.adopt(layout);
                Ok(())
            }
            None => Err(last.unwrap_or_else(|| unreachable(None))),
        }
    }
}

fn slots() -> Cmd {
    let mut command = redis::cmd("CLUSTER");
    command.arg("SLOTS");
    command
}

async fn ask(seed: ConnectionInfo) -> Result<Option<Layout>, StoreError> {
    let address = Address::of(&seed);
    let asked = async {
        let client = Client::open(seed)?;
        let config = AsyncConnectionConfig::new().set_response_timeout(Some(CONNECT));
        let mut connection = connect(&client, config, CONNECT).await?;
        slots().query_async::<redis::Value>(&mut connection).await
    };
    let answer = asked.await.map_err(|error| meaning(error, Stage::Connecting))?;
    Ok(address.and_then(|address| Layout::parse(&answer, &address)))
}
