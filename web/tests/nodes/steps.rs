//! A node is killed at each step of a renewal at the store. What the next callers get.

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use tempfile::tempdir;
use tokenkeep_test_support::{
    engines::{
        provider::Answers,
        proxy::{Fault, Mode, Proxy, postgres_writes, redis_writes},
    },
    say,
};

use crate::{
    callers::calls,
    node::is_node,
    orders::{Call, Does, EngineAt, Got, Order, Settings},
    process::{Node, begin},
    world::World,
};

/// Where the node stands when it is killed.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// It has read the value. It does not know that yet, as of all that follow.
    Read,
    /// It has the lease.
    Lease,
    /// It has the provider's answer, and the store has not got the value. With this leeway the
    /// provider accepts the spent token again.
    Answer { leeway: Duration },
    /// The store has the value.
    Put,
    /// The provider refused, and the store has the note in place of the lease.
    Note,
}

const STEPS: [Step; 6] = [
    Step::Read,
    Step::Lease,
    Step::Answer { leeway: Duration::ZERO },
    Step::Answer { leeway: Duration::from_secs(60) },
    Step::Put,
    Step::Note,
];

#[test]
fn a_node_may_die_at_each_step_on_redis() {
    if is_node() {
        return;
    }
    let Some(world) = World::redis(&[]) else { return };
    let EngineAt::Redis(url) = &world.settings.engine else { panic!("it is Redis") };
    let proxy = Proxy::start(port(url), redis_writes);
    let way = EngineAt::Redis(proxy.redis_url());
    for step in STEPS {
        dies("Redis", &world, &proxy, &way, step, a_node_may_die_at_each_step_on_redis);
    }
}

#[test]
fn a_node_may_die_at_each_step_on_postgres() {
    if is_node() {
        return;
    }
    let Some(world) = World::postgres(&[]) else { return };
    let EngineAt::Postgres(url) = &world.settings.engine else { panic!("it is PostgreSQL") };
    // A node sweeps when it likes.
    let writes = || {
        let mut writes = postgres_writes();
        move |turn: &[u8]| writes(turn) && !turn.windows(SWEEP.len()).any(|part| part == SWEEP)
    };
    let proxy = Proxy::start(port(url.trim_end_matches("/postgres")), writes);
    let way = EngineAt::Postgres(proxy.postgres_url());
    for step in STEPS {
        dies("PostgreSQL", &world, &proxy, &way, step, a_node_may_die_at_each_step_on_postgres);
    }
}

fn port(url: &str) -> u16 {
    url.rsplit_once(':').expect("it has a port").1.parse().expect("a port")
}

fn dies(engine: &str, world: &World, proxy: &Proxy, way: &EngineAt, step: Step, test: impl Fn()) {
    let folder = tempdir().expect("there is room");
    let log = folder.path().join("log");
    let user = world.expired([format!("{step:?}")]).remove(0);
    // It does not give up a call that is not answered, however late it is killed.
    let settings = Settings {
        engine: way.clone(),
        log: Some(log.clone()),
        store_timeout: Some(LIMIT),
        ..world.settings.clone()
    };
    let mut nodes = vec![Node::start(&test, &settings)];
    nodes.extend(world.nodes(1, &test));
    nodes[0].is_up();
    let order = |does, callers| {
        let call = Call { user: user.clone(), does, callers, after: 0 };
        Order::Calls(vec![call])
    };
    let provider = &world.provider;
    provider.forget();
    let is_held = |provider: &tokenkeep_test_support::engines::provider::Provider| {
        assert!(provider.wait_for(LIMIT, |counts| counts.calls("refresh_token") == 1));
    };
    proxy.forget();
    match step {
        Step::Read => proxy.on_answer(1, Fault::Silence),
        Step::Lease => proxy.on_write(1, Fault::Silence),
        Step::Note => {
            provider.once(Answers::Unavailable);
            proxy.on_write(2, Fault::Silence);
        }
        Step::Answer { leeway } => {
            provider.leeway(leeway);
            provider.once(Answers::Held);
        }
        Step::Put => provider.once(Answers::Held),
    }
    begin(&mut nodes[..1], |_| order(Does::Token, 1));
    match step {
        Step::Read | Step::Lease | Step::Note => until(|| proxy.counts().faults == 1),
        Step::Answer { .. } => {
            is_held(provider);
            // What is sent from now on reaches nobody.
            proxy.set(Mode::HalfOpen);
            provider.release();
            // From then on the write is on its way.
            until(|| fs::read_to_string(&log).is_ok_and(|log| log.contains(r#"op="put""#)));
        }
        Step::Put => {
            is_held(provider);
            proxy.on_write(1, Fault::Silence);
            provider.release();
            until(|| proxy.counts().faults == 1);
        }
    }
    nodes[0].kill();
    begin(&mut nodes[1..], |_| order(Does::Insist, CALLERS));
    proxy.set(Mode::Pass);
    let called = calls(vec![nodes[1].hear()]);
    let counts = provider.counts();
    let spent = (counts.calls("refresh_token"), counts.reuses, counts.repeats);
    let took = called.iter().map(|one| one.took).max().map(Duration::from_micros);
    let first = &called[0].got;
    assert!(called.iter().all(|one| one.got == *first), "{step:?}: {called:?}");
    let (expected, is_signed_in) = match step {
        Step::Read | Step::Lease | Step::Put => ((1, 0, 0), true),
        // The provider refused the dead node's call, and takes the next.
        Step::Note => ((2, 0, 0), true),
        Step::Answer { leeway: Duration::ZERO } => ((2, 1, 0), false),
        Step::Answer { .. } => ((2, 0, 1), true),
    };
    say(&format!(
        "{engine}, killed at {step:?}: {} callers got {} within {took:?}; calls, reuses and \
         repeats: {spent:?}",
        called.len(),
        match first {
            Got::Token { .. } => "the token",
            Got::SignInNeeded(text) | Got::Error(text) => text,
            Got::SignedOut => "nothing",
        },
    ));
    match first {
        Got::Token { is_stored: true, .. } => assert!(is_signed_in, "{step:?}"),
        Got::SignInNeeded(text) => assert!(!is_signed_in, "{step:?}: {text}"),
        other => panic!("{step:?}: {other:?}"),
    }
    assert_eq!(spent, expected, "{step:?}: {first:?}");
    provider.leeway(Duration::ZERO);
}

fn until(is_so: impl Fn() -> bool) {
    let end = Instant::now() + LIMIT;
    while !is_so() {
        assert!(Instant::now() < end, "not within {LIMIT:?}");
        thread::yield_now();
    }
}

/// What a sweep alone says.
const SWEEP: &[u8] = b"SKIP LOCKED";
const CALLERS: usize = 20;
const LIMIT: Duration = Duration::from_secs(30);
