//! The arguments of the examples.

use std::{env, sync::Arc};

use tokenkeep_web::{KeyRing, MemoryStore, store::Store};

use crate::parts::Failure;

/// What the command line says.
#[derive(Default)]
pub(crate) struct Options {
    /// A provider that another example has started.
    pub(crate) issuer: Option<String>,
    /// Where a server listens on this machine. 0 is any free port.
    pub(crate) port: u16,
    redis: Option<String>,
    postgres: Option<String>,
}

impl Options {
    /// Reads the command line.
    pub(crate) fn from_arguments() -> Result<Self, Failure> {
        let (mut options, mut arguments) = (Self::default(), env::args().skip(1));
        while let Some(name) = arguments.next() {
            let value = arguments.next().ok_or(USAGE)?;
            match name.as_str() {
                "--issuer" => options.issuer = Some(value),
                "--port" => options.port = value.parse()?,
                "--redis" => options.redis = Some(value),
                "--postgres" => options.postgres = Some(value),
                _ => return Err(USAGE.into()),
            }
        }
        Ok(options)
    }

    /// The store, and what it is.
    pub(crate) async fn store(&self) -> Result<(Arc<dyn Store>, &'static str), Failure> {
        #[cfg(feature = "redis")]
        if let Some(url) = &self.redis {
            let store = tokenkeep_web::RedisStore::connect(url).await?;
            return Ok((Arc::new(store), "Redis"));
        }
        #[cfg(feature = "postgres")]
        if let Some(url) = &self.postgres {
            return Ok((Arc::new(tokenkeep_web::PostgresStore::connect(url)?), "PostgreSQL"));
        }
        match self.is_shared() {
            true => Err("build the example with the feature `redis` or `postgres`".into()),
            false => Ok((Arc::new(MemoryStore::new()), "the memory of this process")),
        }
    }

    /// The key ring: the environment's, or a new one if nobody else reads the store.
    pub(crate) fn keys(&self) -> Result<KeyRing, Failure> {
        match env::var_os(KEYS).is_some() || self.is_shared() {
            true => Ok(KeyRing::from_env(KEYS)?),
            false => Ok(KeyRing::generate()?),
        }
    }

    fn is_shared(&self) -> bool {
        self.redis.is_some() || self.postgres.is_some()
    }
}

const KEYS: &str = "TOKENKEEP_WEB_KEYS";
const USAGE: &str = "usage: [--redis URL | --postgres URL] [--issuer URL] [--port NUMBER]";
