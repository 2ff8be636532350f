//! The token endpoint of `examples/silent_reqwest/endpoint.rs`, against a server on loopback.
#![allow(clippy::unwrap_used, reason = "it is a test")]

mod support;

use std::{
    net::TcpListener,
    time::{Duration, Instant},
};

use support::endpoint;
use tokenkeep::{
    TokenCache, TokenRequest,
    silent::{Answer, ExchangeError, Spend, TokenReply},
};
use tokenkeep_test_support::{HttpServer, Script, http_response};

fn spend() -> Spend {
    let request = TokenRequest::new("a client", "https://id.example", ["read"]);
    let mut cache = TokenCache::new();
    let answer = r#"{"access_token": "0", "refresh_token": "r/0", "expires_in": 1}"#;
    cache.add_response(&request, answer, 0).unwrap();
    let token = &cache.refresh_tokens(&request).unwrap()[0];
    let deadline = Instant::now() + Duration::from_secs(60);
    Spend::of_refresh_token(&request, token, deadline).unwrap()
}

async fn exchange(host: &str, spend: Spend) -> Result<TokenReply, ExchangeError> {
    let address = format!("http://{host}/token");
    endpoint(&address).exchange(spend).await
}

#[tokio::test]
async fn a_request_is_sent_once_on_a_connection_of_its_own() {
    let busy = http_response("503 Busy", &[("Retry-After", "7")], "{}");
    let server = HttpServer::start(Script::Answer(busy));
    let endpoint = endpoint(&format!("http://{}/token", server.host())).client_secret("s&s");
    for connection in 0..2 {
        let reply = endpoint.clone().exchange(spend()).await.unwrap();
        let Answer::Unavailable { status, retry_after, .. } = reply.read(0) else {
            panic!("{reply:?}")
        };
        assert_eq!((status, retry_after), (503, Some(Duration::from_secs(7))));
        let sent = &server.requests()[connection];
        assert_eq!((sent.connection, sent.line.as_str()), (connection, "POST /token"));
        assert_eq!(sent.field("accept"), Some("application/json"));
        let form = "grant_type=refresh_token&client_id=a+client&refresh_token=r%2F0&scope=read\
                    &client_secret=s%26s";
        assert_eq!(sent.body, form);
    }
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn a_redirect_is_a_response_and_is_not_followed() {
    let elsewhere = HttpServer::start(Script::Answer(http_response("200 OK", &[], "{}")));
    let address = format!("http://{}/token", elsewhere.host());
    let redirect = http_response("307 Temporary Redirect", &[("Location", &address)], "");
    let server = HttpServer::start(Script::Answer(redirect));
    assert_eq!(exchange(&server.host(), spend()).await.unwrap().status(), 307);
    assert_eq!(elsewhere.connections(), 0);
}

#[tokio::test]
async fn a_body_is_read_up_to_one_byte_more_than_counts() {
    let head = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
    let endless = HttpServer::start(Script::Endless(head, vec![b' '; 65_537], Duration::ZERO));
    let reply = exchange(&endless.host(), spend()).await.unwrap();
    assert_eq!(reply.body().expose().len(), (1 << 20) + 1);
}

#[tokio::test]
async fn what_was_not_sent_is_told_from_what_may_have_been() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let refused = exchange(&closed.to_string(), spend()).await;
    assert!(matches!(refused, Err(ExchangeError::NotSent(_))), "{refused:?}");

    let whole = http_response("200 OK", &[], "{}");
    for length in [0, 10, whole.len() - 1] {
        let server = HttpServer::start(Script::Close(whole[..length].to_vec()));
        let cut = exchange(&server.host(), spend()).await;
        assert!(matches!(cut, Err(ExchangeError::Unknown(_))), "{cut:?}");
        assert_eq!(server.connections(), 1, "it is not sent again");
    }

    let plain = endpoint("http://id.example/token").exchange(spend()).await;
    assert!(matches!(plain, Err(ExchangeError::NotSent(_))), "{plain:?}");
}
