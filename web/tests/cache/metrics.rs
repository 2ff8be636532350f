//! What the facade `metrics` is told.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder,
    SharedString, Unit,
};

use crate::{
    faulty::{Fault, FaultyStore, Op},
    provider::Act,
    world::{World, expire},
};

/// All values by name and labels.
#[derive(Clone, Default)]
struct Recording(Arc<Mutex<BTreeMap<String, Vec<f64>>>>);

struct One(Recording, String);

impl One {
    fn push(&self, value: f64) {
        self.0.0.lock().unwrap().entry(self.1.clone()).or_default().push(value);
    }
}

impl CounterFn for One {
    fn increment(&self, value: u64) {
        self.push(value as f64);
    }

    fn absolute(&self, value: u64) {
        self.push(value as f64);
    }
}

impl GaugeFn for One {
    fn increment(&self, value: f64) {
        self.push(value);
    }

    fn decrement(&self, value: f64) {
        self.push(-value);
    }

    fn set(&self, value: f64) {
        self.push(value);
    }
}

impl HistogramFn for One {
    fn record(&self, value: f64) {
        self.push(value);
    }
}

impl Recording {
    fn one(&self, key: &Key) -> Arc<One> {
        let labels: Vec<_> =
            key.labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
        Arc::new(One(self.clone(), format!("{}{{{}}}", key.name(), labels.join(","))))
    }

    fn of(&self, name: &str) -> Vec<f64> {
        self.0.lock().unwrap().get(name).cloned().unwrap_or_default()
    }
}

impl Recorder for Recording {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.one(key))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.one(key))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(self.one(key))
    }
}

#[test]
fn one_wait_is_one_value_and_gauges_are_current() {
    let recording = Recording::default();
    metrics::with_local_recorder(&recording, || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(async {
            let world = World::at(FaultyStore::new());
            let nodes = world.nodes(2);
            let user = world.sign_in(&nodes[0], "ada").await;
            expire().await;
            world.provider.then([Act::Panic]);
            nodes[0].user(&user).token(["read"]).await.unwrap_err();
            nodes[1].user(&user).token(["read"]).await.unwrap();
            let waits = recording.of("tokenkeep_web_lease_wait_seconds{}");
            assert_eq!(waits.len(), 1, "{waits:?}");
            assert!((6.0..=7.2).contains(&waits[0]), "{waits:?}");

            world.store.fail([Op::Put], Fault::Full);
            nodes[1].user(&user).token(["mail"]).await.unwrap();
            assert_eq!(recording.of("tokenkeep_web_unsaved{}").last(), Some(&1.0));
            world.store.heal();
            nodes[1].close(Duration::from_secs(20)).await.unwrap();
            assert_eq!(recording.of("tokenkeep_web_unsaved{}").last(), Some(&0.0));
            nodes[1].user(&user).sign_out().await.unwrap();
            assert_eq!(nodes[1].stats().memory_bytes, 0);
            assert_eq!(recording.of("tokenkeep_web_l1_bytes{}").last(), Some(&0.0));
        });
    });
    let all = recording.0.lock().unwrap();
    println!("{:#?}", all.keys().collect::<Vec<_>>());
    assert!(all.contains_key("tokenkeep_web_tokens_total{kind=user,outcome=refreshed}"));
    assert!(all.contains_key("tokenkeep_web_exchanges_total{grant=refresh_token,outcome=ok}"));
    assert!(all.keys().all(|name| !name.contains("ada") && !name.contains("canary")));
}
