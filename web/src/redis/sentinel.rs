//! The primary that Sentinels know.

use std::collections::HashMap;

use redis::{
    AsyncConnectionConfig, Client, ConnectionInfo, ErrorKind, RedisError, Value,
    aio::MultiplexedConnection,
};
use tokio::task::JoinSet;

use super::{address::Address, limits::CONNECT, opening::connect, place::Place};
use crate::store::BoxFuture;

/// The primary that Sentinels know.
pub(super) struct Sentinels {
    pub(super) sentinels: Vec<ConnectionInfo>,
    /// The primary's name.
    pub(super) name: String,
    /// How the primary is reached, but for its address.
    pub(super) like: ConnectionInfo,
}

impl Place for Sentinels {
    fn find(&self) -> BoxFuture<'_, Result<Client, RedisError>> {
        Box::pin(async {
            let address = self.address().await?;
            Client::open(address.server(&self.like))
        })
    }

    /// A Sentinel may not know yet that another server took the primary's place.
    fn check<'a>(
        &'a self,
        connection: &'a mut MultiplexedConnection,
    ) -> BoxFuture<'a, Result<(), RedisError>> {
        Box::pin(async {
            let info: String =
                redis::cmd("INFO").arg("replication").query_async(connection).await?;
            if info.contains("role:master") {
                return Ok(());
            }
            Err((ErrorKind::Io, "the server is not the primary any more").into())
        })
    }

    /// A primary that the Sentinels lost takes connections, and hears nothing of the other one.
    fn is_still_right<'a>(&'a self, found: &'a Client) -> BoxFuture<'a, bool> {
        Box::pin(async {
            let now = self.address().await;
            now.is_err() || now.ok() == Address::of(found.get_connection_info())
        })
    }
}

impl Sentinels {
    /// What most Sentinels say. All are asked at once.
    async fn address(&self) -> Result<Address, RedisError> {
        let mut asked = JoinSet::new();
        for sentinel in &self.sentinels {
            asked.spawn(ask(sentinel.clone(), self.name.clone()));
        }
        let mut said: HashMap<Address, usize> = HashMap::new();
        let (mut knows_none, mut last) = (false, None);
        while let Some(answer) = asked.join_next().await {
            match answer {
                Ok(Ok(Some(address))) => {
                    let count = said.entry(address.clone()).or_default();
                    *count += 1;
                    if *count * 2 > self.sentinels.len() {
                        return Ok(address);
                    }
                }
                Ok(Ok(None)) => knows_none = true,
                Ok(Err(error)) => last = Some(error),
                Err(_) => {}
            }
        }
        if let Some((address, _)) = said.into_iter().max_by_key(|(_, count)| *count) {
            return Ok(address);
        }
        Err(match last {
            _ if knows_none => {
                (ErrorKind::MasterNameNotFoundBySentinel, "no Sentinel knows the name").into()
            }
            Some(error) => error,
            None => (ErrorKind::EmptySentinelList, "there is no address of a Sentinel").into(),
        })
    }
}

async fn ask(sentinel: ConnectionInfo, name: String) -> Result<Option<Address>, RedisError> {
    let client = Client::open(sentinel)?;
    let config = AsyncConnectionConfig::new().set_response_timeout(Some(CONNECT));
    let mut connection = connect(&client, config, CONNECT).await?;
    let mut command = redis::cmd("SENTINEL");
    command.arg("get-master-addr-by-name").arg(name);
    match command.query_async(&mut connection).await? {
        Value::Array(parts) => match &parts[..] {
            [Value::BulkString(host), Value::BulkString(port)] => {
                let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                Ok(Address::parse(&format!("{}:{}", text(host), text(port))))
            }
            _ => Ok(None),
        },
        _ => Ok(None),
    }
}
