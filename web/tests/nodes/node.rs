//! The process of a node: it does what the test tells it on its standard input.

use std::{
    fs,
    io::{self, Read as _},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use deadpool_postgres::{Manager, ManagerConfig, Pool};
use tokenkeep::{
    Secret, TokenRequest,
    silent::{ExchangeError, Spend, TokenReply},
};
use tokenkeep_test_support::{
    engines::{
        provider::{Reply, Unanswered, post},
        redis::Sentinels,
    },
    task,
};
use tokenkeep_web::{
    Error, KeyRing, PostgresStore, Provider, RedisStore, Tokens, UserId, WebTokenCache,
    store::{BoxFuture, Durability},
};
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
    time::{Instant, sleep, sleep_until},
};
use tokio_postgres::{Config, NoTls};
use zeroize::Zeroizing;

use crate::{
    log,
    orders::{Answer, Call, Called, Does, EngineAt, Got, Order, Settings},
};

pub(crate) const CLIENT: &str = "client";

/// Whether this process is a node. Then it has done all that it was told.
pub(crate) fn is_node() -> bool {
    let is_node = task().is_some();
    if is_node {
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = runtime.worker_threads(2).enable_all().build().expect("there are threads");
        runtime.block_on(run());
    }
    is_node
}

async fn run() {
    let mut lines = lines();
    let settings = lines.recv().await.expect("the settings come first");
    let settings: Settings = serde_json::from_str(&settings).expect("these are settings");
    if let Some(path) = &settings.log {
        log::write_all(path);
    }
    let cache = cache(&settings).await;
    // It listens from now on.
    let nobody = UserId::new(&settings.provider, "nobody");
    let request = request(&settings.provider, "read");
    drop(cache.user(&nobody).find(&request).await);
    answer(&Answer::Ready);
    while let Some(line) = lines.recv().await {
        let order: Order = serde_json::from_str(&line).expect("this is an order");
        if let Order::Drop = order {
            cache.close(Duration::from_secs(60)).await.expect("all is saved");
            drop(cache);
            fs::hard_link("/missing/a", "/missing/b").expect_err("there is no such folder");
            return;
        }
        let done = obey(&cache, order, &mut lines).await;
        answer(&done);
    }
}

async fn obey(
    cache: &WebTokenCache,
    order: Order,
    lines: &mut mpsc::UnboundedReceiver<String>,
) -> Answer {
    let (go, started) = watch::channel(None);
    match order {
        Order::Calls(calls) => {
            let mut callers = JoinSet::new();
            for call in calls {
                for _ in 0..call.callers {
                    callers.spawn(make(cache.clone(), call.clone(), started.clone()));
                }
            }
            wait_for_go(lines, &go).await;
            Answer::Calls(callers.join_all().await)
        }
        Order::Updates { user, workers, each } => {
            let mut all = JoinSet::new();
            for _ in 0..workers {
                all.spawn(crate::updates::update(
                    cache.clone(),
                    user.parse().expect("a user"),
                    each,
                    started.clone(),
                ));
            }
            wait_for_go(lines, &go).await;
            let (mut attempts, mut gave_up) = (0, 0);
            for (tried, contended) in all.join_all().await {
                attempts += tried;
                gave_up += contended;
            }
            let conflicts = cache.stats().put_conflicts;
            Answer::Updates { done: workers * each, attempts, conflicts, gave_up }
        }
        Order::Load(load) => {
            wait_for_go(lines, &go).await;
            let stop = AtomicBool::new(false);
            let end = async {
                assert_eq!(lines.recv().await.as_deref(), Some("end"));
                stop.store(true, Ordering::Relaxed);
            };
            tokio::join!(crate::load::run(cache, &load, &stop), end);
            Answer::Loaded
        }
        Order::Drop => unreachable!("the node has ended"),
        Order::Close => {
            wait_for_go(lines, &go).await;
            let closed = cache.close(Duration::from_secs(60)).await;
            Answer::Closed(closed.err().map(|error| error.to_string()))
        }
    }
}

async fn wait_for_go(
    lines: &mut mpsc::UnboundedReceiver<String>,
    go: &watch::Sender<Option<Instant>>,
) {
    answer(&Answer::Ready);
    assert_eq!(lines.recv().await.as_deref(), Some("go"));
    go.send_replace(Some(Instant::now()));
}

/// One caller.
async fn make(
    cache: WebTokenCache,
    call: Call,
    mut started: watch::Receiver<Option<Instant>>,
) -> Called {
    let tokens = cache.user(&call.user.parse().expect("a user"));
    let started = started.wait_for(Option::is_some).await.expect("the word comes").expect("it did");
    if call.after > 0 {
        sleep_until(started + Duration::from_micros(call.after)).await;
    }
    let mut tries = 1;
    let got = loop {
        match once(&tokens, call.does).await {
            Err(error) if call.does == Does::Insist && error.is_retryable() => {
                tries += 1;
                sleep(error.retry_after().unwrap_or_default()).await;
            }
            Ok(got) => break got,
            Err(error) => break failed(&error),
        }
    };
    let took = u64::try_from(started.elapsed().as_micros()).expect("it is not long");
    Called { user: call.user, does: call.does, tries, took, got }
}

async fn once(tokens: &Tokens, does: Does) -> Result<Got, Error> {
    if does == Does::SignOut {
        return tokens.sign_out().await.map(|()| Got::SignedOut);
    }
    let token = tokens.token(["read"]).await?;
    let secret = if does == Does::Look { "" } else { token.secret() };
    Ok(Got::Token { secret: secret.to_owned(), is_stored: token.is_stored() })
}

/// What an error says, with all its sources.
pub(crate) fn failed(error: &Error) -> Got {
    let mut text = error.to_string();
    let mut next = std::error::Error::source(error);
    while let Some(source) = next {
        text += &format!(": {source}");
        next = source.source();
    }
    if error.is_sign_in_needed() { Got::SignInNeeded(text) } else { Got::Error(text) }
}

pub(crate) fn request(provider: &str, scope: &str) -> TokenRequest {
    TokenRequest::new(CLIENT, provider, [scope])
}

/// A cache as the settings say.
pub(crate) async fn cache(settings: &Settings) -> WebTokenCache {
    let ring = ring(&settings.ring);
    let mut builder = WebTokenCache::builder("shop").keys(ring).provider(
        CLIENT,
        &settings.provider,
        Wire(Arc::from(settings.provider.as_str())),
    );
    if settings.replicas > 0 {
        let timeout = Duration::from_millis(500);
        let replicas = settings.replicas;
        builder = builder.durability(Durability::Replicated { replicas, timeout });
    }
    let builder = match &settings.engine {
        EngineAt::Redis(url) => {
            let mut store = RedisStore::builder();
            if let Some(timeout) = settings.store_timeout {
                store = store.timeout(timeout);
            }
            builder.store(store.connect(url).await.expect("it answers"))
        }
        EngineAt::Sentinels(urls) => {
            let store = RedisStore::sentinel(urls, Sentinels::NAME).await;
            builder.store(store.expect("they answer"))
        }
        EngineAt::Cluster(urls) => {
            builder.store(RedisStore::cluster(urls).await.expect("it answers"))
        }
        EngineAt::Postgres(url) => builder.store(match settings.store_timeout {
            Some(timeout) => PostgresStore::builder(pool(url)).timeout(timeout).build(),
            None => PostgresStore::connect(url).expect("it is an address"),
        }),
    };
    builder.build().expect("all is there")
}

fn pool(url: &str) -> Pool {
    let config = url.parse::<Config>().expect("it is an address");
    let manager = Manager::from_config(config, NoTls, ManagerConfig::default());
    Pool::builder(manager).max_size(16).build().expect("it has no timeouts")
}

fn ring(text: &str) -> KeyRing {
    if !text.starts_with('/') {
        return text.parse().expect("this is a ring");
    }
    // Nothing of it stays in the memory of this process.
    let mut bytes = Zeroizing::new([0; 512]);
    let mut file = fs::File::open(text).expect("the file is there");
    let length = file.read(&mut *bytes).expect("it can be read");
    let text = str::from_utf8(&bytes[..length]).expect("it is text");
    text.parse().expect("this is a ring")
}

/// The provider, over the network.
struct Wire(Arc<str>);

impl Wire {
    async fn post(
        &self,
        path: &str,
        form: Vec<(String, String)>,
        limit: Duration,
    ) -> Result<Reply, Unanswered> {
        let url = format!("{}{path}", self.0);
        let posted = tokio::task::spawn_blocking(move || {
            let form: Vec<_> = form.iter().map(|(name, value)| (&**name, &**value)).collect();
            post(&url, &form, limit)
        });
        posted.await.expect("it does not panic")
    }
}

impl Provider for Wire {
    fn exchange<'a>(
        &'a self,
        spend: &'a Spend,
    ) -> BoxFuture<'a, Result<TokenReply, ExchangeError>> {
        Box::pin(async move {
            let form = spend.form().map(|(name, value)| (name.to_owned(), value.to_owned()));
            let limit = spend.deadline().saturating_duration_since(std::time::Instant::now());
            match self.post("/token", form.collect(), limit).await {
                Ok(reply) => Ok(TokenReply::new(reply.status, reply.body)
                    .retry_after(reply.retry_after.as_deref())),
                Err(error) if error.was_sent => Err(ExchangeError::unknown(error)),
                Err(error) => Err(ExchangeError::not_sent(error)),
            }
        })
    }

    fn revoke<'a>(&'a self, token: &'a Secret) -> BoxFuture<'a, Result<(), ExchangeError>> {
        Box::pin(async move {
            let token = token.expose_str().expect("it is text").to_owned();
            let form = vec![("token".to_owned(), token)];
            let posted = self.post("/revoke", form, Duration::from_secs(5)).await;
            posted.map(drop).map_err(ExchangeError::unknown)
        })
    }
}

/// The lines of standard input. They end with the test's process.
fn lines() -> mpsc::UnboundedReceiver<String> {
    let (send, lines) = mpsc::unbounded_channel();
    thread::spawn(move || {
        for line in io::stdin().lines() {
            let Ok(line) = line else { return };
            if send.send(line).is_err() {
                return;
            }
        }
    });
    lines
}

/// A line by itself; the test runner prints on the same stream.
#[expect(clippy::print_stdout, reason = "the test reads it")]
pub(crate) fn answer(answer: &Answer) {
    let json = serde_json::to_string(answer).expect("it is JSON");
    println!("\n{MARK}{json}");
}

/// Begins each line of a node.
pub(crate) const MARK: &str = "node: ";
