//! TLS.

use std::time::{Duration, Instant};

use tokenkeep_test_support::{
    Tool,
    engines::{
        Certificates,
        redis::{Cluster, Sentinels, Server},
    },
    need,
};
use tokenkeep_web::{
    RedisStore, RedisStoreBuilder,
    store::{Durability, Put, PutOutcome, Removal, Store as _, StoreError},
};

use crate::support::{HOUR, expect_refused, key, patient, replicated, value};

#[tokio::test]
async fn a_server_with_a_certificate_of_a_given_authority_is_trusted() {
    if !need(Tool::Redis) {
        return;
    }
    let (certificates, others) = (Certificates::new(), Certificates::new());
    let config = certificates.of_redis();
    let config: Vec<_> = config.iter().map(String::as_str).collect();
    let server = Server::start(&config);
    let url = server.tls_url();
    // Without a provider there is an error, and no panic.
    expect_refused(patient().connect(&url).await);
    if rustls_graviola::default_provider().install_default().is_err() {
        panic!("another test has installed a provider");
    }
    let builder = || patient().root_certificates(certificates.authority());
    let stranger = || patient().root_certificates(others.authority());
    works(builder().connect(&url).await.unwrap()).await;

    // The system does not trust it, and another authority has not signed it.
    expect_refused(patient().connect(&url).await);
    expect_refused(stranger().connect(&url).await);
    let certificate = patient().root_certificates("no certificate");
    expect_refused(certificate.connect(&url).await);

    let cluster = Cluster::start(&config);
    // The nodes that this one names have TLS too.
    let one = &cluster.tls_urls()[..1];
    works(builder().cluster(one).await.unwrap()).await;
    expect_refused(stranger().cluster(one).await);
    drop(cluster);

    let sentinels = Sentinels::start(&config);
    let connect = async |builder: RedisStoreBuilder, urls: Vec<String>| {
        let builder = builder.server("rediss://localhost");
        // A Sentinel has a quarter of a second for its answer, which a busy machine may not keep.
        let limit = Instant::now() + Duration::from_secs(60);
        loop {
            match builder.clone().sentinel(&urls, Sentinels::NAME).await {
                Err(StoreError::Unreachable { .. }) if Instant::now() < limit => {}
                connected => return connected,
            }
        }
    };
    // The Sentinels may be reached without it, and tell where the primary takes TLS.
    for urls in [sentinels.tls_urls(), sentinels.urls()] {
        works(connect(builder(), urls.clone()).await.unwrap()).await;
        expect_refused(connect(stranger(), urls).await);
    }
}

/// Writes with a replica where there is one, and hears of removals.
async fn works(store: RedisStore) {
    let mut removals = store.removals("shop");
    assert_eq!(removals.next().await, Removal::Unsure);
    for _ in 0..8 {
        // On a Cluster these are on several nodes.
        let (key, value) = (key(), value(100_000));
        let outcome = store.put(&key, Put::new(None, &value, HOUR)).await.unwrap();
        assert_eq!(outcome, PutOutcome::Stored);
        let again = Put::new(None, &value, HOUR).durability(replicated());
        // A single server has no replica. It says so on a connection of its own.
        store.put(&key, again).await.ok();
        store.remove(&key, Durability::Local).await.unwrap();
        assert_eq!(removals.next().await, Removal::One(key));
    }
}
