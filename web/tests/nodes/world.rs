//! An engine, a provider, and what the nodes of a test have in common.

use std::{env, fmt::Debug, str::FromStr, sync::Arc, time::Duration};

use tokenkeep_test_support::{
    Tool,
    engines::{postgres, provider::Provider, redis},
    need,
};
use tokenkeep_web::{KeyRing, UserId, WebTokenCache, postgres::SCHEMA};
use tokio::runtime::Runtime;

use crate::{
    node,
    orders::{EngineAt, Settings},
    process::Node,
};

pub(crate) struct World {
    pub(crate) engine: Arc<Engine>,
    pub(crate) provider: Arc<Provider>,
    pub(crate) settings: Settings,
    runtime: Runtime,
}

pub(crate) enum Engine {
    Redis(redis::Server),
    Sentinels(redis::Sentinels),
    Cluster(redis::Cluster),
    Postgres(postgres::Server),
    /// A primary and its standby, in no order.
    Pair([postgres::Server; 2]),
}

impl World {
    /// On one server of Redis with these further lines of its configuration. `None` if there is no
    /// Redis here.
    pub(crate) fn redis(config: &[&str]) -> Option<Self> {
        if !need(Tool::Redis) {
            return None;
        }
        let server = redis::Server::start(config);
        let at = EngineAt::Redis(server.url());
        Some(Self::at(Engine::Redis(server), at))
    }

    /// On PostgreSQL. `None` if it is not here.
    pub(crate) fn postgres(config: &[&str]) -> Option<Self> {
        if !need(Tool::Postgres) {
            return None;
        }
        // Each node has up to 17 connections.
        let server = postgres::Server::start(&[&["max_connections = 300"], config].concat());
        server.psql(SCHEMA);
        let at = EngineAt::Postgres(server.url());
        Some(Self::at(Engine::Postgres(server), at))
    }

    /// On a primary of Redis with two replicas, which both have a value before it counts as stored:
    /// either may be the next primary. `None` if there is no Redis here.
    pub(crate) fn sentinels() -> Option<Self> {
        if !need(Tool::Redis) {
            return None;
        }
        let all = redis::Sentinels::start(&[]);
        let at = EngineAt::Sentinels(all.urls());
        let mut world = Self::at(Engine::Sentinels(all), at);
        world.settings.replicas = 2;
        Some(world)
    }

    /// On a Cluster, where the replica of a primary has a value before it counts as stored. `None`
    /// if there is no Redis here.
    pub(crate) fn cluster() -> Option<Self> {
        if !need(Tool::Redis) {
            return None;
        }
        let cluster = redis::Cluster::start(&[]);
        let at = EngineAt::Cluster(cluster.urls());
        let mut world = Self::at(Engine::Cluster(cluster), at);
        world.settings.replicas = 1;
        Some(world)
    }

    /// On PostgreSQL with a standby, which has a value before it counts as stored. `None` if
    /// PostgreSQL is not here.
    pub(crate) fn pair() -> Option<Self> {
        if !need(Tool::Postgres) {
            return None;
        }
        let names = "synchronous_standby_names = 'standby'";
        let primary = postgres::Server::start(&["max_connections = 300", names]);
        primary.psql(&format!("SET synchronous_commit = local; {SCHEMA}"));
        let standby = primary.standby(&["max_connections = 300", names]);
        let at = EngineAt::Postgres(format!(
            "postgresql://postgres@127.0.0.1:{},127.0.0.1:{}/postgres?\
             target_session_attrs=read-write&connect_timeout=1",
            primary.port(),
            standby.port()
        ));
        let mut world = Self::at(Engine::Pair([primary, standby]), at);
        world.settings.replicas = 1;
        Some(world)
    }

    fn at(engine: Engine, at: EngineAt) -> Self {
        let provider = Arc::new(Provider::start());
        let ring = KeyRing::generate().expect("there are random bytes");
        let settings = Settings {
            engine: at,
            provider: provider.url(),
            ring: ring.to_text().to_string(),
            replicas: 0,
            store_timeout: None,
            log: None,
        };
        let runtime = Runtime::new().expect("there are threads");
        Self { engine: Arc::new(engine), provider, settings, runtime }
    }

    /// So many nodes, which are up.
    pub(crate) fn nodes(&self, count: usize, test: impl Fn()) -> Vec<Node> {
        let start = |_| Node::start(&test, &self.settings);
        let nodes: Vec<_> = (0..count).map(start).collect();
        nodes.iter().for_each(Node::is_up);
        nodes
    }

    /// Runs something with a cache of the test's own, which remembers nothing.
    pub(crate) fn with_cache<T>(&self, run: impl AsyncFnOnce(WebTokenCache) -> T) -> T {
        self.runtime.block_on(async { run(node::cache(&self.settings).await).await })
    }

    /// Signs users in whose access tokens have expired. Returns them as the text of their ids.
    pub(crate) fn expired(&self, users: impl IntoIterator<Item = String>) -> Vec<String> {
        let request = node::request(&self.settings.provider, "read");
        self.with_cache(async |cache| {
            let mut ids = Vec::new();
            for user in users {
                let response = self.provider.sign_in(&user, 0);
                let kept = cache.keep_sign_in(&request, response).await;
                let (id, _) = kept.expect("the response is one");
                ids.push(id.to_string());
            }
            // A busy machine may let a write wait for too long.
            cache.close(Duration::from_secs(60)).await.expect("the store takes them");
            ids
        })
    }

    /// The users with the tokens that the store has of them.
    pub(crate) fn stored(&self, users: &[String]) -> Vec<(String, String)> {
        let request = node::request(&self.settings.provider, "read");
        self.with_cache(async |cache| {
            let mut all = Vec::new();
            for user in users {
                let found = cache.user(&user.parse().expect("a user")).find(&request).await;
                let token = found.expect("the store answers").expect("it has a token");
                all.push((user.clone(), token.secret().to_owned()));
            }
            all
        })
    }

    /// How many values the store has.
    pub(crate) fn values(&self) -> usize {
        let keys = |server: &redis::Server| {
            server.cli(&["KEYS", "tk1:*:v"]).lines().filter(|key| !key.is_empty()).count()
        };
        match &*self.engine {
            Engine::Redis(server) => keys(server),
            Engine::Sentinels(all) => keys(all.primary()),
            Engine::Cluster(_) | Engine::Pair(_) => panic!("no test asks"),
            Engine::Postgres(server) => {
                let count = server.psql("SELECT count(*) FROM tokenkeep_web");
                count.parse().expect("it is a count")
            }
        }
    }

    /// By which name the provider knows a user.
    pub(crate) fn subject(&self, user: &str) -> String {
        let id: UserId = user.parse().expect("a user");
        let start = id.to_string().find("http").expect("the issuer is an address");
        user[start + self.settings.provider.len()..].to_owned()
    }
}

/// A count from the environment, or what is usual.
pub(crate) fn count<T: FromStr<Err: Debug>>(variable: &str, usual: T) -> T {
    env::var(variable).map_or(usual, |count| count.parse().expect("it is a count"))
}
