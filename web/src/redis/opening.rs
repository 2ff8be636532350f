//! A connection that is made, and what a call on one brings.

use std::time::Duration;

use redis::{AsyncConnectionConfig, Client, RedisError, Value, aio::MultiplexedConnection};

use super::place::Place;

/// A server's answer.
pub(super) struct Answer {
    pub(super) value: Value,
    /// How many replicas confirmed it, if it was asked.
    pub(super) replicas: u8,
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
    place.check(&mut connection).await?;
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
