//! An exhaustive search through the orders of steps of the real code: three nodes, one user.
//!
//! Each step at the store and at the provider waits at a gate. A run opens the gates in an order
//! that a list of choices says, and every list up to a depth is tried. A choice may also be that
//! the reply is lost, or that the node ends. After the depth the gates open in the order of
//! arrival.

mod gates;
mod promises;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use tokenkeep_web::{Error, KeyRing, MemoryStore, WebTokenCache};
use tokio::task::JoinHandle;

use self::{
    gates::{Gates, Node, NodeProvider, NodeStore, Turn},
    promises::{Checked, check},
};
use crate::{
    provider::TestProvider,
    world::{AUTHORITY, CLIENT, count, request},
};

/// What is taken out of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mutant {
    None,
    /// A lease brings what the node knew, not what is stored.
    NoReload,
    /// A put replaces whatever there is.
    NoCompare,
    /// A put that was written before is a conflict.
    NoOwnMark,
    /// A renewal ends with its caller.
    NoSpawn,
}

/// What the nodes do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scenario {
    /// Three nodes want a token.
    Renewals,
    /// One node signs out, two want a token.
    SignOut,
    /// One node signs in again, two want a token.
    SignIn,
    /// One node changes the cache, two want a token.
    Transaction,
    /// The caller of one node goes away.
    Dropped,
}

/// The choices of one run, and how many there were at each.
struct Run {
    choices: Vec<usize>,
    branches: Vec<usize>,
    trace: Vec<String>,
}

/// One run: `Err` says which promise was broken.
async fn run(
    scenario: Scenario,
    mutant: Mutant,
    run: &mut Run,
    depth: usize,
) -> Result<(), String> {
    let (store, provider) = (MemoryStore::new(), TestProvider::new());
    provider.set_delay(Duration::ZERO);
    let ring = KeyRing::generate().expect("random bytes");
    let gates = Gates::default();
    gates.lock().is_open = true;
    let dropped = Arc::new(Mutex::new(false));
    let start = tokio::time::Instant::now();
    let build = |node: usize, gates: &Gates| {
        let is_dropping = mutant == Mutant::NoSpawn && node == 0;
        WebTokenCache::builder("shop")
            .store(NodeStore {
                store: store.clone(),
                around: Node { number: node, gates: gates.clone(), mutant },
            })
            .keys(ring.clone())
            .provider(
                CLIENT,
                AUTHORITY,
                NodeProvider {
                    node,
                    provider: provider.clone(),
                    gates: gates.clone(),
                    dropped: is_dropping.then(|| Arc::clone(&dropped)),
                },
            )
            .clock(move || 1_800_000_000 + start.elapsed().as_secs())
            .build()
            .expect("all is there")
    };
    let nodes: Vec<_> = (0..NODES).map(|node| build(node, &gates)).collect();
    let response = provider.sign_in("ada");
    let (user, _) = nodes[0].keep_sign_in(&request(["read"]), response).await.expect("kept");
    for node in &nodes {
        node.user(&user).token(["read"]).await.expect("signed in");
    }
    // Fresh in memory and without a valid token, so that every node begins with the lease.
    let wanted = request(["mail"]);
    gates.lock().is_open = false;

    let again = provider.sign_in_token("ada", scenario == Scenario::SignIn);
    let changed = Arc::new(Mutex::new(0));
    let calls: Vec<JoinHandle<Result<(), Error>>> = (0..NODES)
        .map(|node| {
            let tokens = nodes[node].user(&user);
            let (cache, wanted) = (nodes[node].clone(), wanted.clone());
            let (again, changed) = (again.clone(), Arc::clone(&changed));
            match (scenario, node) {
                (Scenario::SignOut, 0) => tokio::spawn(async move { tokens.sign_out().await }),
                (Scenario::SignIn, 0) => tokio::spawn(async move {
                    let (_, response) = again.expect("made above");
                    cache.keep_sign_in(&request(["read"]), response).await.map(drop)
                }),
                (Scenario::Transaction, 0) => tokio::spawn(async move {
                    tokens
                        .transaction(|cache| {
                            let account = cache.accounts().remove(0);
                            let entry = cache
                                .entries(tokenkeep::CredentialType::Account)
                                .next()
                                .cloned()
                                .expect("an account");
                            let before = entry.text("changes").map_or(0, |text| text.len());
                            cache.modify(&entry, &[("changes", Some(&"x".repeat(before + 1)))])?;
                            drop(account);
                            Ok(())
                        })
                        .await?;
                    *changed.lock().unwrap() += 1;
                    Ok(())
                }),
                _ => tokio::spawn(async move { tokens.get(&wanted).await.map(drop) }),
            }
        })
        .collect();
    if scenario == Scenario::Dropped {
        // After the first step of the exchange, by the choices.
        let (gates, dropped, abort) =
            (gates.clone(), Arc::clone(&dropped), calls[0].abort_handle());
        drop(tokio::spawn(async move {
            gates.pass(0, "caller").await;
            *dropped.lock().unwrap() = true;
            abort.abort();
        }));
    }
    drive(&gates, &calls, run, depth).await;
    let is_done = |node: usize| calls[node].is_finished();
    let acknowledged = is_done(0) && !gates.lock().ended[0];
    let mut outcomes = Vec::new();
    for (node, call) in calls.into_iter().enumerate() {
        if gates.lock().ended[node] || !call.is_finished() {
            call.abort();
            outcomes.push(None);
        } else {
            outcomes.push(call.await.ok());
        }
    }
    // What is under way without a caller ends; nodes that ended do not go on.
    for (node, cache) in nodes.iter().enumerate() {
        if !gates.lock().ended[node] {
            cache.close(Duration::from_secs(60)).await.map_err(|left| format!("{left}"))?;
        }
    }
    let first = matches!(outcomes[0], Some(Ok(())));
    let puts: Vec<&str> =
        run.trace.iter().map(String::as_str).filter(|step| step.contains("put")).collect();
    let only_reply_lost = puts.windows(2).any(|two| two == ["0 put 1", "0 put 0"]);
    if only_reply_lost && !first {
        return Err(format!("a write was not known as its own: {:?}", outcomes[0]));
    }
    let checked =
        Checked { first: acknowledged && first, again, changed: *changed.lock().unwrap() };
    let fresh = build(0, &open_gates());
    check(scenario, &gates, &fresh, &user, &provider, &store, checked).await
}

fn open_gates() -> Gates {
    let gates = Gates::default();
    gates.lock().is_open = true;
    gates
}

/// Opens gates until all calls have ended or hang in a node that ended.
async fn drive(
    gates: &Gates,
    calls: &[JoinHandle<Result<(), Error>>],
    run: &mut Run,
    depth: usize,
) {
    loop {
        // Until nothing moves any more.
        for _ in 0..SETTLE {
            tokio::task::yield_now().await;
        }
        let all_done = {
            let state = gates.lock();
            state.waiting.is_empty()
                && calls
                    .iter()
                    .enumerate()
                    .all(|(node, call)| state.ended[node] || call.is_finished())
        };
        if all_done {
            // Renewals whose callers went away may still be asleep.
            gates.arrival(Duration::from_millis(200)).await;
            if gates.lock().waiting.is_empty() {
                gates.lock().is_open = true;
                return;
            }
            continue;
        }
        if gates.lock().waiting.is_empty() {
            gates.arrival(Duration::from_secs(1)).await;
            continue;
        }
        let (gate, turn) = {
            let mut state = gates.lock();
            let waiting = state.waiting.len();
            let may_fail = !state.lost && run.branches.len() < depth;
            let options = if may_fail { 3 * waiting } else { waiting };
            let nth = run.branches.len();
            let choice = match nth < depth {
                true => {
                    let choice = run.choices.get(nth).copied().unwrap_or(0);
                    run.branches.push(options);
                    choice
                }
                false => 0,
            };
            let gate = state.waiting.remove(choice % waiting);
            run.trace.push(format!("{} {} {}", gate.node, gate.op, choice / waiting));
            let turn = match choice / waiting {
                0 => Some(Turn::Go),
                1 => {
                    state.lost = true;
                    Some(Turn::LoseReply)
                }
                _ => {
                    state.lost = true;
                    let node = gate.node;
                    state.ended[node] = true;
                    state.waiting.retain(|other| other.node != node);
                    None
                }
            };
            (gate, turn)
        };
        if let Some(turn) = turn {
            gate.open.send(turn).ok();
        }
    }
}

/// Tries all lists of choices up to a depth. Returns the number of runs, and the first that broke a
/// promise.
fn search(scenario: Scenario, mutant: Mutant, depth: usize) -> (usize, Option<String>) {
    let mut choices = Vec::new();
    let mut runs = 0;
    loop {
        let mut one = Run { choices: choices.clone(), branches: Vec::new(), trace: Vec::new() };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("a runtime");
        let broken = runtime.block_on(run(scenario, mutant, &mut one, depth));
        runs += 1;
        if let Err(broken) = broken {
            return (runs, Some(format!("{broken}: {}", one.trace.join(", "))));
        }
        // The next list, as an odometer counts.
        choices = one.choices;
        choices.resize(one.branches.len(), 0);
        loop {
            let Some(last) = choices.pop() else { return (runs, None) };
            if last + 1 < one.branches[choices.len()] {
                choices.push(last + 1);
                break;
            }
        }
    }
}

const ALL: [Scenario; 5] = [
    Scenario::Renewals,
    Scenario::SignOut,
    Scenario::SignIn,
    Scenario::Transaction,
    Scenario::Dropped,
];

#[test]
fn no_order_of_steps_breaks_a_promise() {
    let depth = count("TOKENKEEP_WEB_MODEL_DEPTH", 3);
    let started = std::time::Instant::now();
    let mut all = 0;
    for scenario in ALL {
        let (runs, broken) = search(scenario, Mutant::None, depth);
        assert_eq!(broken, None, "{scenario:?}");
        println!("{scenario:?}: {runs} orders to depth {depth}");
        all += runs;
    }
    println!("{all} orders in {:?}", started.elapsed());
}

#[test]
fn the_search_finds_what_is_taken_out() {
    for (mutant, scenario) in [
        (Mutant::NoReload, Scenario::Renewals),
        (Mutant::NoCompare, Scenario::SignOut),
        (Mutant::NoOwnMark, Scenario::Transaction),
        (Mutant::NoSpawn, Scenario::Dropped),
    ] {
        let depth = match mutant {
            Mutant::NoSpawn => 5,
            // Another node has to come for the lease after the put.
            Mutant::NoReload => 4,
            _ => 3,
        };
        let (runs, broken) = search(scenario, mutant, depth);
        let broken = broken.unwrap_or_else(|| panic!("{mutant:?} was not found in {runs} runs"));
        println!("{mutant:?} found after {runs} runs: {broken}");
    }
}

const NODES: usize = 3;
const SETTLE: usize = 30;
