//! Who listens for removals.

use std::sync::Arc;

use redis::{AsyncConnectionConfig, PushInfo, PushKind, RedisError, Value};
use tokio::{
    sync::{broadcast, watch},
    task::JoinHandle,
    time::{sleep, timeout},
};

use super::{
    keys::channel,
    limits::{LISTENER_CONNECT, LISTENER_PING, PAUSES},
    opening::connect,
    place::Place,
};
use crate::store::{BoxFuture, Removal, Removals, StoreKey};

/// A listener for one application's removals, with a connection of its own.
pub(super) struct Listener {
    place: Option<Arc<dyn Place>>,
    app: Arc<str>,
    news: broadcast::Receiver<Removal>,
    sender: broadcast::Sender<Removal>,
    task: Option<JoinHandle<()>>,
}

impl Listener {
    pub(super) fn new(place: Arc<dyn Place>, app: &str) -> Self {
        let (sender, news) = broadcast::channel(MOST_NEWS);
        Self { place: Some(place), app: app.into(), news, sender, task: None }
    }
}

impl Removals for Listener {
    fn next(&mut self) -> BoxFuture<'_, Removal> {
        Box::pin(async {
            if let Some(place) = self.place.take() {
                let task = listen(place, self.app.clone(), self.sender.clone());
                self.task = Some(tokio::spawn(task));
            }
            // An error says that more removals came than wait for a listener.
            self.news.recv().await.unwrap_or(Removal::Unsure)
        })
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

/// How many removals wait for a listener at most.
const MOST_NEWS: usize = 1_024;

async fn listen(place: Arc<dyn Place>, app: Arc<str>, news: broadcast::Sender<Removal>) {
    let [first, longest] = PAUSES;
    let mut pause = first;
    loop {
        let mut was_heard = false;
        // It only ends with an error.
        let ended = hear(&*place, &app, &news, &mut was_heard).await;
        tracing::debug!(target: "tokenkeep_web", error = ?ended.err(), "listens again");
        pause = if was_heard { first } else { (pause * 2).min(longest) };
        sleep(pause).await;
    }
}

/// Listens until the connection ends.
async fn hear(
    place: &dyn Place,
    app: &Arc<str>,
    news: &broadcast::Sender<Removal>,
    was_heard: &mut bool,
) -> Result<(), RedisError> {
    let channel = channel(app);
    let (ended, mut has_ended) = watch::channel(false);
    let (told, from, to) = (channel.clone(), app.clone(), news.clone());
    let push = move |info: PushInfo| {
        match info.kind {
            PushKind::Message => {
                if let Some(removal) = removal(&info.data, &told, &from) {
                    // Nobody listening is no error: the listener is about to end.
                    to.send(removal).ok();
                }
            }
            PushKind::Disconnection => {
                ended.send_replace(true);
            }
            _ => {}
        }
        Ok::<_, redis::aio::SendError>(())
    };
    let client = place.find().await?;
    let config = AsyncConnectionConfig::new().set_push_sender(push);
    let mut connection = connect(&client, config, LISTENER_CONNECT).await?;
    connection.subscribe(&channel).await?;
    *was_heard = true;
    news.send(Removal::Unsure).ok();
    loop {
        let ended = timeout(LISTENER_PING, has_ended.wait_for(|ended| *ended)).await.is_ok();
        if ended {
            return Ok(());
        }
        redis::cmd("PING").exec_async(&mut connection).await?;
        if !place.is_still_right(&client).await {
            return Ok(());
        }
    }
}

fn removal(data: &[Value], channel: &str, app: &Arc<str>) -> Option<Removal> {
    let [Value::BulkString(from), Value::BulkString(id)] = data else { return None };
    let id = <[u8; 16]>::try_from(&id[..]).ok().filter(|_| from == channel.as_bytes())?;
    Some(Removal::One(StoreKey::new(app.clone(), id)))
}
