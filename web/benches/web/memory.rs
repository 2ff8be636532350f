//! How much memory tokens take at a node, in a process of its own.

use std::{
    env, fs,
    io::{BufWriter, Read as _, Write as _},
    process::{Command, Stdio},
};

use tokenkeep_web::{KeyRing, UserId, WebTokenCache};

use crate::{
    caches,
    drive::runtime,
    engine::{Engine, redis_store},
    row::{self, Aim},
    user,
};

pub(crate) fn run() {
    let Some(engine) = Engine::redis() else { return };
    let keys = KeyRing::generate().expect("random bytes");
    let runtime = runtime();
    let ids = runtime.block_on(async {
        let cache = caches::builder(engine.store().await, &keys).build().expect("a cache");
        caches::sign_in_at_once(&cache, USERS).await
    });
    let json = user::cache(0).to_json().expose().len() as f64;
    row::title(&format!(
        "memory of a process that has read {USERS} users, {json} bytes of JSON each"
    ));
    let megabytes = |bytes: f64| format!("{:.1} MB", bytes / 1e6);
    let read = grown(&engine, &keys, &ids, 1 << 30);
    let all = json * (ids.len() - WARM) as f64;
    row::ratio("no limit", megabytes(read), "JSON", megabytes(all), read / all, Aim::AtMost(1.6));
    let limit = (64_u64 << 20) as f64;
    let read = grown(&engine, &keys, &ids, 64 << 20);
    row::ratio(
        "limit of 64 MiB",
        megabytes(read),
        "the limit",
        megabytes(limit),
        read / limit,
        Aim::AtMost(1.05),
    );
}

/// By how much a process has grown that has read all users.
fn grown(engine: &Engine, keys: &KeyRing, ids: &[UserId], limit: u64) -> f64 {
    let mut command = Command::new(env::current_exe().expect("this program"));
    command.env(CHILD, format!("{} {limit}", engine.url()));
    command.env(KEYS, keys.to_text().as_str());
    let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let mut child = child.expect("this program starts again");
    let mut input = BufWriter::new(child.stdin.take().expect("it is a pipe"));
    for id in ids {
        writeln!(input, "{id}").expect("the process reads");
    }
    drop(input);
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "the process failed");
    String::from_utf8_lossy(&output.stdout).trim().parse().expect("a number")
}

/// The work of the process, if this is it.
pub(crate) fn work_if_child() -> bool {
    let Ok(told) = env::var(CHILD) else { return false };
    let (url, limit) = told.split_once(' ').expect("a URL and a limit");
    let limit: u64 = limit.parse().expect("a number");
    let keys = KeyRing::from_env(KEYS).expect("a key ring");
    let ids: Vec<UserId> =
        std::io::stdin().lines().map(|line| line.expect("text").parse().expect("a user")).collect();
    let (first, others) = ids.split_at(WARM);
    runtime().block_on(async {
        let cache = caches::builder(redis_store(url).await, &keys).max_memory(limit).build();
        let cache = cache.expect("a cache");
        // What the program itself needs, and what is kept for the next calls.
        read(&cache, first).await;
        let before = resident();
        read(&cache, others).await;
        let grown = resident() - before;
        print!("{grown}");
        std::io::stdout().flush().expect("somebody reads");
    });
    true
}

async fn read(cache: &WebTokenCache, users: &[UserId]) {
    for id in users {
        let token = cache.user(id).find(&user::request()).await;
        token.expect("the store answers").expect("the user is signed in");
    }
}

/// The memory of this process that is in use, in bytes.
fn resident() -> u64 {
    let mut said = String::new();
    let mut file = fs::File::open("/proc/self/status").expect("this is Linux");
    file.read_to_string(&mut said).expect("text");
    let line = said.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("it is there");
    let kilobytes = line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number");
    kilobytes * 1024
}

const USERS: u64 = 10_000;
const WARM: usize = 200;
/// Tells this program that it is the process.
const CHILD: &str = "TOKENKEEP_BENCH_MEMORY_CHILD";
const KEYS: &str = "TOKENKEEP_WEB_KEYS";
