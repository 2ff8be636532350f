//! A connection that is made, and what a call on one brings.

use std::{io, time::Duration};

use redis::{AsyncConnectionConfig, Client, RedisError, Value, aio::MultiplexedConnection};

use tokio::time::timeout;

use super::place::Place;

/// A server's answer.
pub(super) struct Answer {
    pub(super) value: Value,
    /// How many replicas confirmed it, if it was asked.
    pub(super) replicas: u8,
    /// It was sent twice, so it may have been done before others changed what it found.
    pub(super) was_repeated: bool,
}

/// A connection to the server of a place.
pub(super) async fn open(
    place: &dyn Place,
    response: Option<Duration>,
    limit: Duration,
) -> Result<MultiplexedConnection, RedisError> {
    let client = place.find().await?;
    let config = AsyncConnectionConfig::new().set_response_timeout(response);
    let mut connection = connect(&client, config, limit).await?;
    // The connection may have no limit of its own.
    timeout(limit, place.check(&mut connection))
        .await
        .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    Ok(connection)
}

/// A connection to a server, made in time.
pub(super) async fn connect(
    client: &Client,
    config: AsyncConnectionConfig,
    limit: Duration,
) -> Result<MultiplexedConnection, RedisError> {
    let config = config.set_connection_timeout(Some(limit)).set_pipeline_buffer_size(QUEUE);
    client.get_multiplexed_async_connection_with_config(&config).await
}

/// How many calls wait for a connection's turn.
const QUEUE: usize = 1_024;
