//! No token, key or user in what a node writes anywhere, or leaves behind in its memory.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use tempfile::tempdir;
use tokenkeep_test_support::{
    Canaries, Tool, again,
    core_dump::{Stop, dump, may_read_all},
    engines::provider::Answers,
    need, say,
};

use crate::{
    callers::calls,
    node::{self, is_node},
    orders::{Call, Does, Got, Order, Settings},
    process::{Node, PATIENCE, all},
    world::{Engine, World},
};

#[test]
fn no_secret_is_on_the_way_to_redis_or_in_a_log() {
    if is_node() {
        return;
    }
    let Some(mut world) = World::redis(&[]) else { return };
    let Engine::Redis(server) = &*world.engine else { panic!("it is Redis") };
    let mut monitor = TcpStream::connect(("127.0.0.1", server.port())).expect("it listens");
    monitor.write_all(b"MONITOR\r\n").expect("it reads");
    monitor.set_read_timeout(Some(Duration::from_secs(30))).expect("it is a connection");
    let canaries = in_logs(&mut world, no_secret_is_on_the_way_to_redis_or_in_a_log);
    let Engine::Redis(server) = &*world.engine else { panic!("it is Redis") };
    server.cli(&["PING", "the end of it"]);
    let (mut seen, mut buffer) = (Vec::new(), vec![0; 1 << 16]);
    while !seen.windows(13).any(|window| window == b"the end of it") {
        let length = monitor.read(&mut buffer).expect("Redis says all");
        assert_ne!(length, 0, "Redis says all");
        seen.extend(&buffer[..length]);
    }
    let text = String::from_utf8_lossy(&seen);
    assert!(text.contains("tk1:shop:") && text.to_ascii_lowercase().contains("\"evalsha\""));
    say(&format!("{} bytes of MONITOR: {:?}", seen.len(), canaries.found_in(&seen)));
    assert!(canaries.found_in(&seen).is_empty());
}

#[test]
fn no_secret_is_on_the_way_to_postgres_or_in_a_log() {
    if is_node() {
        return;
    }
    let all = ["log_statement = 'all'", "log_parameter_max_length = -1", "log_duration = on"];
    let Some(mut world) = World::postgres(&all) else { return };
    let canaries = in_logs(&mut world, no_secret_is_on_the_way_to_postgres_or_in_a_log);
    let Engine::Postgres(server) = &*world.engine else { panic!("it is PostgreSQL") };
    let log = server.log();
    assert!(log.contains("parameters: $1 = "), "parameters are logged");
    say(&format!(
        "{} bytes of PostgreSQL's log: {:?}",
        log.len(),
        canaries.found_in(log.as_bytes())
    ));
    assert!(canaries.found_in(log.as_bytes()).is_empty());
}

/// Lets nodes do everything that they log, and looks at that. Returns what else to look for.
fn in_logs(world: &mut World, test: impl Fn()) -> Canaries {
    let folder = tempdir().expect("there is room");
    let path = |nth: usize| folder.path().join(format!("log-{nth}"));
    let users = world.expired(USERS.map(str::to_owned));
    let mut canaries = Canaries::new();
    for (nth, name) in USERS.iter().enumerate() {
        canaries = canaries.with(&format!("user {nth}"), name);
    }
    let mut nodes: Vec<_> = (0..2)
        .map(|nth| Node::start(&test, &Settings { log: Some(path(nth)), ..world.settings.clone() }))
        .collect();
    nodes.iter().for_each(Node::is_up);
    let mut texts = String::new();
    let mut secrets = Vec::new();
    let of_users = |does| {
        let call = |user: &String| Call { user: user.clone(), does, callers: 2, after: 0 };
        Order::Calls(users.iter().map(call).collect())
    };
    let mut round = |does| {
        let mut failed = 0;
        for called in calls(all(&mut nodes, |_| of_users(does))) {
            match called.got {
                Got::Token { secret, .. } => secrets.push(secret),
                Got::SignInNeeded(text) | Got::Error(text) => {
                    failed += 1;
                    texts += &format!("{text}\n");
                }
                Got::SignedOut => {}
            }
        }
        failed
    };
    // Expired again at once, so that each round renews.
    world.provider.lifetime(0);
    round(Does::Token);
    world.provider.once(Answers::Busy(1));
    world.provider.once(Answers::Unavailable);
    round(Does::Token);
    set_frozen(&world.engine, true);
    round(Does::Token);
    round(Does::SignOut);
    set_frozen(&world.engine, false);
    // The nodes try the store again after a while.
    let end = Instant::now() + PATIENCE;
    while round(Does::SignOut) > 0 {
        assert!(Instant::now() < end, "the store does not come back");
        thread::sleep(Duration::from_millis(50));
    }
    round(Does::Token);
    let refresh_tokens = world.provider.live_families();
    assert!(secrets.len() >= USERS.len() && refresh_tokens.len() == USERS.len());
    assert!(texts.contains("cannot be reached") && texts.contains("has nothing"), "{texts}");
    for (nth, secret) in secrets.iter().enumerate() {
        canaries = canaries.with(&format!("access token {nth}"), secret);
    }
    for family in &refresh_tokens {
        canaries = canaries.with("a refresh token", &family.refresh_token);
    }
    canaries = with_keys(canaries, &world.settings.ring);
    assert!(canaries.found_in(texts.as_bytes()).is_empty(), "{texts}");
    for nth in 0..2 {
        let log = fs::read(path(nth)).expect("the node writes it");
        let text = String::from_utf8_lossy(&log);
        for expected in ["span token", "span exchange", "span store", "span lease"] {
            assert!(text.contains(expected), "no {expected}");
        }
        assert!(cfg!(not(feature = "metrics")) || text.contains("metric "), "no metrics");
        let found = canaries.found_in(&log);
        say(&format!("{} bytes of spans, events and metrics: {found:?}", log.len()));
        assert!(found.is_empty(), "{found:?}");
    }
    canaries
}

#[test]
fn a_node_that_closed_its_cache_has_no_key_and_no_token_in_its_memory() {
    if is_node() {
        return;
    }
    if !need(Tool::Debugger) || !may_read_all() {
        return;
    }
    let Some(world) = World::redis(&[]) else { return };
    let test = a_node_that_closed_its_cache_has_no_key_and_no_token_in_its_memory;
    let folder = tempdir().expect("there is room");
    let file = folder.path().join("ring");
    let mut ring = fs::File::create(&file).expect("there is room");
    ring.write_all(world.settings.ring.as_bytes()).expect("there is room");
    let response = world.provider.sign_in(USERS[0], 3600);
    let request = node::request(&world.settings.provider, "read");
    let user = world.with_cache(async |cache| {
        cache.keep_sign_in(&request, &response).await.expect("the store takes it").0.to_string()
    });
    let json: serde_json::Value = serde_json::from_str(&response).expect("it is JSON");
    let text = |name: &str| json[name].as_str().expect("it is text").to_owned();
    let canaries = Canaries::new()
        .with("the access token", text("access_token"))
        .with("the refresh token", text("refresh_token"));
    let canaries = with_keys(canaries, &world.settings.ring);
    let ring = file.display().to_string();
    let settings = Settings { ring, ..world.settings.clone() };
    let calls = Order::Calls(vec![Call { user, does: Does::Look, callers: 2, after: 0 }]);
    let line = |order: &Order| serde_json::to_string(order).expect("it is JSON");
    let settings = serde_json::to_string(&settings).expect("it is JSON");
    let input = format!("{settings}\n{}\ngo\n{}\n", line(&calls), line(&Order::Drop));
    let dumped = dump(&again(test, "node"), input.as_bytes(), &[Stop::at("linkat")]);
    let dumped = dumped.expect("the node comes to its end");
    let said = String::from_utf8_lossy(&dumped.stdout);
    assert!(said.contains(r#""Token":{"secret":"","is_stored":true}"#), "{said}");
    let core = &dumped.cores[0];
    let found = canaries.found_in(core);
    say(&format!("{} MB of memory after the cache was dropped: {found:?}", core.len() >> 20));
    assert!(found.is_empty(), "{found:?}");
}

/// The keys of a ring, as they are in its text and as bytes.
fn with_keys(mut canaries: Canaries, ring: &str) -> Canaries {
    for (nth, part) in ring.split(';').skip(1).enumerate() {
        let key = part.split_once('=').expect("it has a key").1;
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(key).expect("it is base64");
        canaries = canaries.with(&format!("key {nth}"), bytes);
    }
    canaries
}

fn set_frozen(engine: &Engine, is_frozen: bool) {
    match (engine, is_frozen) {
        (Engine::Redis(server), true) => server.freeze(),
        (Engine::Redis(server), false) => server.thaw(),
        (Engine::Postgres(server), true) => server.freeze(),
        (Engine::Postgres(server), false) => server.thaw(),
        _ => panic!("no test freezes them"),
    }
}

const USERS: [&str; 2] = ["Qx7Zk9WvBn4Ht2Lm8Rd5Yc3Pf6", "Jw2Nq8Ug5Xa9Ks4Mz7Te3Vb6Hy"];
