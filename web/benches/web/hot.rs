//! Many updates of one user by several processes.

use std::{
    env,
    io::{Read as _, Write as _},
    process::{Child, Command, Stdio},
};

use tokenkeep::{TokenCache, TokenRequest};
use tokenkeep_test_support::engines::redis::Server;
use tokenkeep_web::{Error, KeyRing, Tokens, UserId, WebTokenCache};

use crate::{
    caches,
    drive::runtime,
    engine::{Engine, redis_store},
    peers::Peer,
    row::{self, Aim},
    user,
};

pub(crate) fn run() {
    let Some(Engine::Redis(server)) = Engine::redis() else { return };
    let each = crate::count("TOKENKEEP_BENCH_HOT_UPDATES", 500);
    let keys = KeyRing::generate().expect("random bytes");
    let runtime = runtime();
    let tokens = runtime.block_on(async {
        let cache = cache(&server.url(), &keys).await;
        tokens(&cache)
    });
    let mut children: Vec<Child> = (0..PROCESSES).map(|_| child(&server, &keys, each)).collect();
    for child in &mut children {
        let mut ready = [0];
        let output = child.stdout.as_mut().expect("it is a pipe");
        output.read_exact(&mut ready).expect("the process is ready");
    }
    let before = scripts(&server);
    for child in &mut children {
        child.stdin.take().expect("it is a pipe").write_all(b"!").expect("the process reads");
    }
    let mut contended = 0;
    for child in children {
        let output = child.wait_with_output().expect("it ends");
        assert!(output.status.success(), "a process failed");
        contended += String::from_utf8_lossy(&output.stdout).parse::<u64>().expect("a number");
    }
    let attempts = scripts(&server) - before;
    let wanted = PROCESSES * TASKS * each;
    let stored = runtime.block_on(tokens.transaction(number));
    let lost = wanted - stored.expect("the store answers");
    row::title(&format!(
        "one hot user: {} workers in {PROCESSES} processes, {each} updates each, on Redis",
        PROCESSES * TASKS
    ));
    row::exactly("updates lost", lost, 0);
    if let Some(mut peer) = Peer::python(&server) {
        let lost = peer.lost(OF_PEER);
        row::note(format_args!("{}, 16 threads: {lost} of {OF_PEER} lost", peer.name));
    }
    row::exactly("calls that others were too fast for", contended, 0);
    row::figure("writes for an update", attempts as f64 / wanted as f64, "", Aim::AtMost(2.0));
}

/// How many scripts the server has run: each attempt at a write is one.
fn scripts(server: &Server) -> u64 {
    let said = server.cli(&["INFO", "commandstats"]);
    let calls = |name: &str| {
        let line = said.lines().find_map(|line| line.strip_prefix(&format!("cmdstat_{name}:")))?;
        line.strip_prefix("calls=")?.split(',').next()?.parse::<u64>().ok()
    };
    ["eval", "evalsha"].into_iter().filter_map(calls).sum()
}

fn child(server: &Server, keys: &KeyRing, updates: u64) -> Child {
    let mut command = Command::new(env::current_exe().expect("this program"));
    command.env(CHILD, format!("{} {updates}", server.url()));
    command.env(KEYS, keys.to_text().as_str());
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    command.spawn().expect("this program starts again")
}

/// The work of a process, if this is one.
pub(crate) fn work_if_child() -> bool {
    let Ok(told) = env::var(CHILD) else { return false };
    let (url, updates) = told.split_once(' ').expect("a URL and a number");
    let updates: u64 = updates.parse().expect("a number");
    let keys = KeyRing::from_env(KEYS).expect("a key ring");
    runtime().block_on(async {
        let cache = cache(url, &keys).await;
        let tokens = tokens(&cache);
        // The first call connects.
        tokens.find(&request()).await.expect("the store answers");
        print!("!");
        std::io::stdout().flush().expect("somebody reads");
        std::io::stdin().read_exact(&mut [0]).expect("somebody says when");
        let tasks = (0..TASKS).map(|_| {
            let tokens = tokens.clone();
            tokio::spawn(async move {
                let mut contended = 0;
                for _ in 0..updates {
                    while let Err(error) = tokens.transaction(add_one).await {
                        assert!(matches!(error, Error::Contended { .. }), "{error:?}");
                        contended += 1;
                    }
                }
                contended
            })
        });
        let mut contended = 0;
        for task in tasks.collect::<Vec<_>>() {
            contended += task.await.expect("every update is stored");
        }
        print!("{contended}");
    });
    true
}

async fn cache(url: &str, keys: &KeyRing) -> WebTokenCache {
    caches::builder(redis_store(url).await, keys).build().expect("a cache")
}

fn tokens(cache: &WebTokenCache) -> Tokens {
    cache.user(&UserId::new("https://login.example.com", "hot"))
}

fn request() -> TokenRequest {
    TokenRequest::new("client", "https://login.example.com", ["count"])
}

/// How many updates there were. An access token is the number.
fn number(cache: &mut TokenCache) -> Result<u64, tokenkeep::Error> {
    let found = cache.find_access_token(&request(), user::now())?;
    Ok(found.map_or(0, |token| token.secret().parse().expect("a number")))
}

fn add_one(cache: &mut TokenCache) -> Result<(), tokenkeep::Error> {
    let next = number(cache)? + 1;
    let answer = format!(
        r#"{{"access_token":"{next}","expires_in":3600,"token_type":"Bearer","refresh_token":"r"}}"#
    );
    cache.add_response(&request(), answer, user::now()).map(drop)
}

const PROCESSES: u64 = 4;
const TASKS: u64 = 4;
const OF_PEER: u32 = 400;
/// Tells this program that it is one of the processes.
const CHILD: &str = "TOKENKEEP_BENCH_HOT_CHILD";
const KEYS: &str = "TOKENKEEP_WEB_KEYS";
