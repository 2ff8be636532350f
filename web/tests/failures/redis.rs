//! The rows on one server of Redis.

use std::{collections::BTreeMap, time::Duration};

use tokenkeep_test_support::{
    Tool,
    engines::{
        proxy::{Mode, Proxy, redis_writes},
        redis::Server,
    },
    need,
};
use tokenkeep_web::RedisStore;

use crate::{
    engine::{Address, Engine, Single},
    scene::Scene,
    shared::shared,
    table::Table,
    unavailable::{refused, unavailable, unnoticed},
    values, writes,
};

struct Redis {
    server: Server,
    proxy: Proxy,
}

impl Redis {
    fn start() -> Self {
        // It is killed, and must not forget.
        let server = Server::start(&["appendonly yes", "appendfsync everysec"]);
        let proxy = Proxy::start(server.port(), redis_writes);
        Self { server, proxy }
    }

    fn config(&self, name: &str, value: &str) {
        assert_eq!(self.server.cli(&["CONFIG", "SET", name, value]), "OK");
    }

    fn grant(&self, rights: &str) {
        let mut command = vec!["ACL", "SETUSER", "web", "reset", "on", ">word"];
        command.extend(rights.split_ascii_whitespace());
        assert_eq!(self.server.cli(&command), "OK");
    }

    fn with_rights(&self) -> Address {
        self.grant(RedisStore::RIGHTS);
        Address::Redis(format!("redis://web:word@127.0.0.1:{}", self.proxy.port()))
    }

    fn lease(name: &str) -> String {
        format!("{}l", name.strip_suffix('v').unwrap_or(name))
    }
}

impl Engine for Redis {
    fn address(&self) -> Address {
        Address::Redis(self.proxy.redis_url())
    }

    fn direct(&self) -> Address {
        Address::Redis(self.server.url())
    }

    fn values(&self, app: &str) -> BTreeMap<String, String> {
        values_of(&self.server, app)
    }
}

impl Single for Redis {
    fn proxy(&self) -> &Proxy {
        &self.proxy
    }

    fn has_lease(&self, name: &str) -> bool {
        self.server.cli(&["EXISTS", &Self::lease(name)]) == "1"
    }

    fn alter(&self, name: &str) {
        self.server.cli(&["SETRANGE", name, "200", "altered"]);
    }

    fn cut(&self, name: &str) {
        let cut = "return redis.call('SET', KEYS[1], redis.call('GETRANGE', KEYS[1], 0, 149))";
        eval(&self.server, cut, name);
    }

    fn copy(&self, from: &str, to: &str) {
        assert_eq!(self.server.cli(&["COPY", from, to, "REPLACE"]), "1");
    }

    fn back_up(&self, name: &str) -> String {
        let copy = format!("copy of {name}");
        self.copy(name, &copy);
        copy
    }

    fn restore(&self, name: &str, copy: &str) {
        self.copy(copy, name);
    }

    fn wipe(&self) {
        self.server.cli(&["FLUSHALL"]);
    }
}

/// The values of an application on one server.
pub(crate) fn values_of(server: &Server, app: &str) -> BTreeMap<String, String> {
    let names = server.cli(&["KEYS", &format!("tk1:{app}:*:v")]);
    let names = names.lines().filter(|name| !name.is_empty());
    let digest = "return redis.sha1hex(redis.call('GET', KEYS[1]))";
    names.map(|name| (name.to_owned(), eval(server, digest, name))).collect()
}

fn eval(server: &Server, script: &str, key: &str) -> String {
    server.cli(&["EVAL", script, "1", key])
}

#[test]
fn callers_see_of_redis_what_is_promised() {
    if !need(Tool::Redis) {
        return;
    }
    let redis = Redis::start();
    let mut table = Table::new("Redis");
    silences(&redis, &mut table);
    answers(&redis, &mut table);
    stored(&redis, &mut table);
    shared(&redis, &mut table);
    table.end();
}

fn silences(redis: &Redis, table: &mut Table) {
    for (fault, mode) in [
        ("refused", Mode::Refuse),
        ("black hole", Mode::BlackHole),
        ("slow (2 s)", Mode::Delay(Duration::from_secs(2))),
    ] {
        table.row(fault, async |row| {
            let scene = Scene::new(redis).await;
            let (cut, repair) = (|| redis.proxy.set(mode), || redis.proxy.set(Mode::Pass));
            unavailable(&scene, row, cut, repair).await;
        });
    }
    table.row("frozen (SIGSTOP)", async |row| {
        let scene = Scene::new(redis).await;
        unavailable(&scene, row, || redis.server.freeze(), || redis.server.thaw()).await;
    });
    table.row("killed and started again", async |row| {
        let scene = Scene::new(redis).await;
        unavailable(&scene, row, || redis.server.kill(), || redis.server.restart()).await;
    });
}

fn answers(redis: &Redis, table: &mut Table) {
    table.row("SCRIPT FLUSH", async |row| {
        let scene = Scene::new(redis).await;
        redis.server.cli(&["CONFIG", "RESETSTAT"]);
        let flush = || drop(redis.server.cli(&["SCRIPT", "FLUSH"]));
        unnoticed(&scene, row, flush).await;
        let stats = redis.server.cli(&["INFO", "commandstats"]);
        let evals = stats.lines().find_map(|line| line.strip_prefix("cmdstat_eval:calls="));
        let evals = evals.and_then(|rest| rest.split(',').next()).unwrap_or("0").to_owned();
        // A lease and a put each for the user and the application.
        row.after(format!("{evals} EVAL"), evals == "4");
    });
    table.row("OOM (`noeviction`)", async |row| {
        let scene = Scene::new(redis).await;
        let (cut, repair) = (|| redis.config("maxmemory", "1"), || redis.config("maxmemory", "0"));
        cut();
        scene.ask(&scene.expired).await;
        row.after("a refused lease counted", scene.node.stats().store_full == 1);
        repair();
        writes::no_writes(&scene, row, "StoreFull 503", cut, repair).await;
        row.after("`store_full` counted", scene.node.stats().store_full >= 2);
    });
    table.row("NOREPLICAS (`min-replicas-to-write`)", async |row| {
        let scene = Scene::new(redis).await;
        let set = |least| redis.config("min-replicas-to-write", least);
        let (cut, repair) = (|| set("1"), || set("0"));
        writes::no_writes(&scene, row, "StoreUnavailable 503", cut, repair).await;
    });
    table.row("too few replicas (`Replicated(1)`)", async |row| {
        writes::too_few_replicas(&Scene::new(redis).await, row, redis).await;
    });
    table.row("NOPERM", async |row| {
        let scene = Scene::at(redis, redis.with_rights()).await;
        let rights = |more: &str| redis.grant(&format!("{} {more}", RedisStore::RIGHTS));
        let cut = || rights("-get -getrange -evalsha -eval");
        refused(&scene, row, "StoreRefused 500", cut, || rights("")).await;
    });
    table.row("wrong password", async |row| {
        let scene = Scene::at(redis, redis.with_rights()).await;
        let cut = || {
            redis.server.cli(&["ACL", "SETUSER", "web", "resetpass", ">other"]);
            redis.server.cli(&["CLIENT", "KILL", "USER", "web"]);
        };
        let repair = || drop(redis.server.cli(&["ACL", "SETUSER", "web", ">word"]));
        refused(&scene, row, "StoreRefused 500", cut, repair).await;
    });
}

fn stored(redis: &Redis, table: &mut Table) {
    table.row("eviction (`allkeys-random`)", async |row| {
        let scene = Scene::new(redis).await;
        redis.config("maxmemory-policy", "allkeys-random");
        let report = scene.node.verify().await.expect("the store does its part");
        let is_told = report.advice.iter().any(|advice| advice.found.contains("allkeys-random"));
        row.after("`verify` warns", is_told);
        values::gone(&scene, row, || {
            redis.config("maxmemory", "1");
            assert!(redis.values(&scene.app).is_empty(), "all are evicted");
            redis.config("maxmemory", "0");
            redis.config("maxmemory-policy", "noeviction");
        })
        .await;
    });
}
