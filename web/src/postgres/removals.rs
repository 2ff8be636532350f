//! News of removals.

use std::{
    future::{pending, poll_fn},
    sync::{Arc, Weak},
    time::Duration,
};

use tokio::{
    sync::mpsc::{self, Receiver, Sender},
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_postgres::{AsyncMessage, Client};

use super::{
    dial::{Dial, Messages},
    engine::Engine,
    remove::{Announce, Announced, CHANNEL, announced},
    sweep::jittered,
};
use crate::store::{BoxFuture, Removal, Removals};

/// Listens from the first call on, in a task of its own.
pub(super) struct Listening {
    app: Arc<str>,
    dialer: Option<Arc<dyn Dial>>,
    engine: Weak<Engine>,
    news: Option<Receiver<Removal>>,
    _tasks: JoinSet<()>,
}

impl Listening {
    pub(super) fn new(app: &str, dialer: Option<Arc<dyn Dial>>, engine: Weak<Engine>) -> Self {
        Self { app: app.into(), dialer, engine, news: None, _tasks: JoinSet::new() }
    }

    fn start(&mut self) -> &mut Receiver<Removal> {
        let (app, dialer, engine) = (&self.app, &self.dialer, &self.engine);
        let tasks = &mut self._tasks;
        self.news.get_or_insert_with(|| {
            let (sender, news) = mpsc::channel(MOST_WAITING);
            match dialer {
                Some(dialer) => {
                    tasks.spawn(listen(app.clone(), dialer.clone(), engine.clone(), sender))
                }
                None => tasks.spawn(doubt(sender)),
            };
            news
        })
    }
}

impl Removals for Listening {
    fn next(&mut self) -> BoxFuture<'_, Removal> {
        Box::pin(async {
            match self.start().recv().await {
                Some(news) => news,
                // The runtime of the task has ended.
                None => pending().await,
            }
        })
    }
}

/// Without a connection to listen on, any value may have been removed since the last look.
async fn doubt(news: Sender<Removal>) {
    while news.send(Removal::Unsure).await.is_ok() {
        sleep(BETWEEN_PINGS).await;
    }
}

/// Listens on one connection after another.
async fn listen(app: Arc<str>, dialer: Arc<dyn Dial>, engine: Weak<Engine>, news: Sender<Removal>) {
    let mut pause = FIRST_PAUSE;
    loop {
        let why = match Line::open(&*dialer, &engine).await {
            Ok(mut line) => {
                pause = FIRST_PAUSE;
                if news.send(Removal::Unsure).await.is_err() {
                    return;
                }
                line.pass_on(&app, &news).await
            }
            Err(why) => {
                if matches!(why, Ended::Deaf) && news.send(Removal::Unsure).await.is_err() {
                    return;
                }
                why
            }
        };
        let wait = match why {
            Ended::Unheard => return,
            // It does not change by itself.
            Ended::Deaf => BETWEEN_PINGS,
            Ended::Lost => jittered(pause),
        };
        tracing::warn!(target: "tokenkeep_web", "{}", why.text());
        sleep(wait).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Why a connection brings no more news.
#[derive(Clone, Copy, Debug)]
enum Ended {
    /// Nobody listens to the news, or the store is gone.
    Unheard,
    /// The server, or a pooler before it, passes no announcement on.
    Deaf,
    /// The connection is lost.
    Lost,
}

impl Ended {
    fn text(self) -> &'static str {
        match self {
            Self::Unheard => "nobody waits for removals any more",
            Self::Deaf => {
                "LISTEN brings no announcement: the listener's connection has to go to the server, \
                 not through a pooler in transaction mode"
            }
            Self::Lost => "the connection that listens to removals is lost or cannot be opened",
        }
    }
}

/// A connection that listens.
struct Line {
    client: Client,
    heard: Receiver<String>,
    _reader: JoinSet<()>,
}

impl Line {
    /// Opens a connection, and proves that it hears what the pool's connections announce.
    async fn open(dialer: &dyn Dial, engine: &Weak<Engine>) -> Result<Self, Ended> {
        let opened = async {
            let (client, messages) = dialer.dial().await?;
            let (sender, heard) = mpsc::channel(MOST_WAITING);
            let mut reader = JoinSet::new();
            reader.spawn(read(messages, sender));
            client.batch_execute(&format!("LISTEN {CHANNEL}")).await?;
            Ok::<_, tokio_postgres::Error>(Self { client, heard, _reader: reader })
        };
        let mut line =
            timeout(PATIENCE, opened).await.map_err(|_| Ended::Lost)?.map_err(|_| Ended::Lost)?;
        let sign = format!("?{:016x}", getrandom::u64().map_err(|_| Ended::Lost)?);
        let engine = engine.upgrade().ok_or(Ended::Unheard)?;
        let sent = engine.run(&Announce { text: sign.clone() }).await;
        drop(engine);
        sent.map_err(|_| Ended::Lost)?;
        // A removal that comes before the sign is known to the `Unsure` that follows.
        let echo = async {
            while line.heard.recv().await.ok_or(Ended::Lost)? != sign {}
            Ok(())
        };
        timeout(PATIENCE, echo).await.map_err(|_| Ended::Deaf)??;
        Ok(line)
    }

    /// Passes removals on until there are none any more.
    async fn pass_on(&mut self, app: &str, news: &Sender<Removal>) -> Ended {
        loop {
            let heard = tokio::select! {
                heard = timeout(BETWEEN_PINGS, self.heard.recv()) => heard,
                () = news.closed() => return Ended::Unheard,
            };
            let removal = match heard {
                Ok(Some(text)) => match announced(&text, app) {
                    Some(Announced::Own(key)) => Removal::One(key),
                    Some(Announced::Foreign) => continue,
                    None if text.starts_with('?') => continue,
                    // Another version of this crate may say it in another way.
                    None => Removal::Unsure,
                },
                Ok(None) => return Ended::Lost,
                // A connection that nobody uses may be cut without a sign.
                Err(_) => match timeout(PATIENCE, self.client.simple_query("")).await {
                    Ok(Ok(_)) => continue,
                    _ => return Ended::Lost,
                },
            };
            if news.send(removal).await.is_err() {
                return Ended::Unheard;
            }
        }
    }
}

/// Reads announcements until the connection ends, or until they are not taken fast enough: then the
/// connection is given up, and the next one starts with [`Removal::Unsure`].
async fn read(mut messages: Box<dyn Messages>, heard: Sender<String>) {
    while let Some(Ok(message)) = poll_fn(|cx| messages.poll_message(cx)).await {
        if let AsyncMessage::Notification(news) = message
            && news.channel() == CHANNEL
            && heard.try_send(news.payload().to_owned()).is_err()
        {
            return;
        }
    }
}

const MOST_WAITING: usize = 1_024;
const PATIENCE: Duration = Duration::from_secs(2);
const BETWEEN_PINGS: Duration = Duration::from_secs(30);
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
