//! Connections outside the pool.

use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio_postgres::{
    AsyncMessage, Client, Config, Connection, Error, Socket,
    tls::{MakeTlsConnect, TlsConnect},
};

use crate::store::BoxFuture;

/// Opens connections, with whatever TLS.
pub(super) trait Dial: Send + Sync {
    /// Opens a connection. It does nothing unless its messages are read.
    fn dial(&self) -> BoxFuture<'_, Result<Dialed, Error>>;
}

/// A connection, and what reads its messages.
pub(super) type Dialed = (Client, Box<dyn Messages>);

/// What the server says without being asked.
pub(super) trait Messages: Send {
    fn poll_message(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<AsyncMessage, Error>>>;
}

impl<S, T> Messages for Connection<S, T>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
    T: AsyncRead + AsyncWrite + Unpin + Send,
{
    fn poll_message(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<AsyncMessage, Error>>> {
        Connection::poll_message(self, cx)
    }
}

/// Opens connections by a configuration and a connector for TLS.
pub(super) struct Dialer<T> {
    pub(super) config: Config,
    pub(super) tls: T,
}

impl<T> Dial for Dialer<T>
where
    T: MakeTlsConnect<Socket> + Clone + Send + Sync + 'static,
    T::Stream: Send + Sync + 'static,
    T::TlsConnect: Send + Sync,
    <T::TlsConnect as TlsConnect<Socket>>::Future: Send,
{
    fn dial(&self) -> BoxFuture<'_, Result<Dialed, Error>> {
        Box::pin(async move {
            let (client, connection) = self.config.connect(self.tls.clone()).await?;
            let messages: Box<dyn Messages> = Box::new(connection);
            Ok((client, messages))
        })
    }
}
