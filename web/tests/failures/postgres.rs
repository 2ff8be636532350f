//! The rows on PostgreSQL.

use std::{collections::BTreeMap, time::Duration};

use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod};
use tokenkeep_test_support::{
    Tool,
    engines::{
        postgres::Server,
        proxy::{Mode, Proxy, postgres_writes},
    },
    need,
};
use tokenkeep_web::postgres::SCHEMA;
use tokio_postgres::{Config, NoTls};

use crate::{
    engine::{Address, Engine, Single},
    scene::{Scene, pass},
    shared::shared,
    table::Table,
    unavailable::{refused, unavailable, unnoticed},
    writes,
};

struct Postgres {
    server: Server,
    proxy: Proxy,
}

impl Postgres {
    fn start() -> Self {
        let server = Server::start(&[]);
        server.psql(SCHEMA);
        server.psql("CREATE ROLE with_password; CREATE ROLE shop LOGIN IN ROLE with_password");
        let proxy = Proxy::start(server.port(), postgres_writes);
        let postgres = Self { server, proxy };
        postgres.grant();
        postgres
    }

    fn grant(&self) {
        self.server.psql(
            "GRANT SELECT, INSERT, UPDATE, DELETE ON tokenkeep_web, tokenkeep_web_lease TO shop;
             ALTER ROLE shop PASSWORD 'word'",
        );
    }

    fn with_rights(&self) -> Address {
        Address::Postgres(self.proxy.postgres_url().replace("postgres@", "shop:word@"))
    }

    /// Ends the processes of all connections but this one.
    fn terminate(&self) {
        self.server.psql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
             WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()",
        );
    }

    /// Begins to shut down, and ends all connections but the one of the process `pid`, for whose
    /// end the server waits.
    fn shut_down_but(&self, pid: i32) {
        let postmaster = self.server.psql("SELECT pg_read_file('postmaster.pid')");
        let postmaster: u32 = postmaster.lines().next().expect("a line").parse().expect("an id");
        // Nothing is written to a program that may have ended.
        self.server.psql(&format!(
            "COPY (SELECT WHERE false) TO PROGRAM 'kill -TERM {postmaster}';
             SELECT pg_terminate_backend(pid) FROM pg_stat_activity
             WHERE backend_type = 'client backend' AND pid NOT IN (pg_backend_pid(), {pid})"
        ));
    }

    /// Lets the first `times` writes of values fail with this code.
    fn fail_writes(&self, code: &str, times: u32) {
        self.server.psql(&format!(
            "CREATE SEQUENCE writes;
             CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                 IF nextval('writes') <= {times} THEN
                     RAISE EXCEPTION 'as if' USING ERRCODE = '{code}';
                 END IF;
                 RETURN NEW;
             END $$;
             CREATE TRIGGER fail BEFORE INSERT OR UPDATE ON tokenkeep_web
             FOR EACH ROW EXECUTE FUNCTION fail()"
        ));
    }

    fn take_writes(&self) {
        self.server
            .psql("DROP TRIGGER fail ON tokenkeep_web; DROP FUNCTION fail(); DROP SEQUENCE writes");
    }

    fn is_read_only(&self) -> bool {
        self.server.psql("SHOW default_transaction_read_only") == "on"
    }
}

impl Engine for Postgres {
    fn address(&self) -> Address {
        Address::Postgres(self.proxy.postgres_url())
    }

    fn direct(&self) -> Address {
        Address::Postgres(self.server.url())
    }

    fn values(&self, app: &str) -> BTreeMap<String, String> {
        let rows = self.server.psql(&format!(
            "SELECT encode(id, 'hex'), md5(mark || value) FROM tokenkeep_web WHERE app = '{app}'"
        ));
        let rows = rows.lines().filter_map(|row| row.split_once('|'));
        rows.map(|(name, digest)| (name.to_owned(), digest.to_owned())).collect()
    }
}

impl Single for Postgres {
    fn proxy(&self) -> &Proxy {
        &self.proxy
    }

    fn has_lease(&self, name: &str) -> bool {
        let leases = "SELECT count(*) FROM tokenkeep_web_lease WHERE until > clock_timestamp()";
        self.server.psql(&format!("{leases} AND id = '\\x{name}'")) != "0"
    }

    fn alter(&self, name: &str) {
        self.server.psql(&format!(
            "UPDATE tokenkeep_web SET value = overlay(value PLACING 'altered'::bytea FROM 201)
             WHERE id = '\\x{name}'"
        ));
    }

    fn cut(&self, name: &str) {
        self.server.psql(&format!(
            "UPDATE tokenkeep_web SET value = substr(value, 1, 150) WHERE id = '\\x{name}'"
        ));
    }

    fn copy(&self, from: &str, to: &str) {
        self.server.psql(&format!(
            "UPDATE tokenkeep_web t SET mark = s.mark, value = s.value FROM tokenkeep_web s
             WHERE t.id = '\\x{to}' AND s.id = '\\x{from}'"
        ));
    }

    fn back_up(&self, name: &str) -> String {
        self.server.psql(&format!(
            "CREATE TABLE backup AS SELECT * FROM tokenkeep_web WHERE id = '\\x{name}'"
        ));
        "backup".into()
    }

    fn restore(&self, name: &str, copy: &str) {
        self.server.psql(&format!(
            "UPDATE tokenkeep_web t SET mark = s.mark, value = s.value FROM {copy} s
             WHERE t.id = '\\x{name}' AND s.id = t.id;
             DROP TABLE {copy}"
        ));
    }

    fn wipe(&self) {
        self.server.psql("TRUNCATE tokenkeep_web");
    }
}

#[test]
fn callers_see_of_postgres_what_is_promised() {
    if !need(Tool::Postgres) {
        return;
    }
    let postgres = Postgres::start();
    let mut table = Table::new("PostgreSQL");
    silences(&postgres, &mut table);
    answers(&postgres, &mut table);
    refusals(&postgres, &mut table);
    shared(&postgres, &mut table);
    table.end();
}

fn silences(postgres: &Postgres, table: &mut Table) {
    for (fault, mode) in [
        ("refused", Mode::Refuse),
        ("black hole", Mode::BlackHole),
        ("slow (2 s)", Mode::Delay(Duration::from_secs(2))),
    ] {
        table.row(fault, async |row| {
            let scene = Scene::new(postgres).await;
            let (cut, repair) = (|| postgres.proxy.set(mode), || postgres.proxy.set(Mode::Pass));
            unavailable(&scene, row, cut, repair).await;
        });
    }
    table.row("frozen (SIGSTOP)", async |row| {
        let scene = Scene::new(postgres).await;
        unavailable(&scene, row, || postgres.server.freeze(), || postgres.server.thaw()).await;
    });
    table.row("stopped and started again", async |row| {
        let scene = Scene::new(postgres).await;
        unavailable(&scene, row, || postgres.server.stop_immediate(), || postgres.server.restart())
            .await;
    });
    table.row("57P03 (shutting down)", async |row| {
        let scene = Scene::new(postgres).await;
        let connected = tokio_postgres::connect(&postgres.server.url(), NoTls).await;
        let (holder, connection) = connected.expect("the server is there");
        let reader = tokio::spawn(connection);
        let pid = holder.query_typed("SELECT pg_backend_pid()", &[]).await.expect("an answer");
        let cut = || postgres.shut_down_but(pid[0].get(0));
        unavailable(&scene, row, cut, || postgres.server.restart()).await;
        assert!(postgres.server.log().contains("the database system is shutting down"));
        drop(holder);
        reader.await.expect("it does not panic").ok();
    });
    table.row("pool exhausted, and no listener", async |row| {
        let config = postgres.proxy.postgres_url().parse::<Config>().expect("an address");
        let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let manager = Manager::from_config(config, NoTls, recycling);
        let pool = Pool::builder(manager).max_size(2).build().expect("it has no timeouts");
        let scene = Scene::at(postgres, Address::Pool(pool.clone())).await;
        scene.ask(&scene.valid).await.result.expect("it is stored");
        // Without a listener, news may have been lost each 30 s.
        pass(Duration::from_secs(31)).await;
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        let held = [pool.get().await, pool.get().await];
        unavailable(&scene, row, || {}, || drop(held)).await;
    });
}

fn answers(postgres: &Postgres, table: &mut Table) {
    table.row("57P01 (all connections terminated)", async |row| {
        unnoticed(&Scene::new(postgres).await, row, || postgres.terminate()).await;
    });
    for (fault, code) in [("40001, three times", "40001"), ("40P01, three times", "40P01")] {
        table.row(fault, async |row| {
            let scene = Scene::new(postgres).await;
            postgres.fail_writes(code, 3);
            unnoticed(&scene, row, || {}).await;
            postgres.take_writes();
        });
    }
    for (fault, code, before) in [
        ("40001, always", "40001", crate::table::UNSTORED),
        ("53100 (disk full)", "53100", crate::table::UNSTORED),
    ] {
        table.row(fault, async |row| {
            let scene = Scene::new(postgres).await;
            let cut = || postgres.fail_writes(code, 1_000_000);
            writes::no_writes(&scene, row, before, cut, || postgres.take_writes()).await;
        });
    }
    table.row("25006 (read-only)", async |row| {
        let scene = Scene::new(postgres).await;
        let cut = || {
            let set = "ALTER SYSTEM SET default_transaction_read_only = on";
            postgres.server.psql(&format!("{set}; SELECT pg_reload_conf()"));
            while !postgres.is_read_only() {}
        };
        let repair = || {
            postgres.server.psql(
                "SET default_transaction_read_only = off;
                 ALTER SYSTEM RESET default_transaction_read_only; SELECT pg_reload_conf()",
            );
            while postgres.is_read_only() {}
        };
        refused(&scene, row, "StoreUnavailable 503", cut, repair).await;
    });
    table.row("too few standby servers (`Replicated(1)`)", async |row| {
        writes::too_few_replicas(&Scene::new(postgres).await, row, postgres).await;
    });
}

fn refusals(postgres: &Postgres, table: &mut Table) {
    table.row("missing right (REVOKE)", async |row| {
        let scene = Scene::at(postgres, postgres.with_rights()).await;
        let cut = || {
            drop(postgres.server.psql("REVOKE ALL ON tokenkeep_web, tokenkeep_web_lease FROM shop"))
        };
        refused(&scene, row, "StoreRefused 500", cut, || postgres.grant()).await;
    });
    table.row("missing table (DROP TABLE)", async |row| {
        let scene = Scene::new(postgres).await;
        let cut = || {
            postgres.server.psql(
                "CREATE TABLE backup AS SELECT * FROM tokenkeep_web;
                 DROP TABLE tokenkeep_web, tokenkeep_web_lease",
            );
        };
        // `values` is asked before and after alone.
        let repair = || {
            postgres.server.psql(SCHEMA);
            postgres
                .server
                .psql("INSERT INTO tokenkeep_web SELECT * FROM backup; DROP TABLE backup");
            postgres.grant();
        };
        refused(&scene, row, "StoreRefused 500", cut, repair).await;
    });
    table.row("wrong password", async |row| {
        let scene = Scene::at(postgres, postgres.with_rights()).await;
        let cut = || {
            postgres.server.psql("ALTER ROLE shop PASSWORD 'other'");
            postgres.terminate();
        };
        refused(&scene, row, "StoreRefused 500", cut, || postgres.grant()).await;
    });
}
