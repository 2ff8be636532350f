//! A server for one test.

use std::net::SocketAddr;

use axum::Router;
use reqwest::{Client, RequestBuilder, redirect};
use tokio::{net::TcpListener, task::JoinHandle};

/// A server on loopback. It ends when this is dropped.
pub(crate) struct Server {
    address: SocketAddr,
    client: Client,
    task: JoinHandle<()>,
}

impl Server {
    pub(crate) async fn start(app: Router) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        let client = Client::builder().no_proxy().redirect(redirect::Policy::none());
        Self { address, client: client.build().unwrap(), task }
    }

    pub(crate) fn get(&self, path: &str) -> RequestBuilder {
        self.client.get(format!("http://{}{path}", self.address))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}
