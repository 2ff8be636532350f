//! Revocation of refresh tokens.

use std::net::TcpListener;

use tokenkeep::{
    Secret,
    silent::{ExchangeError, HttpEndpoint, Revoked, TokenEndpoint},
};
use tokenkeep_test_support::{HttpServer, Script, http_response};

use crate::scene::{only_request, plain};

fn revoke(server: &HttpServer) -> Revoked {
    let address = format!("http://{}/revoke", server.host());
    let mut endpoint = plain(server).revocation_endpoint(&address, "a client").unwrap();
    endpoint.revoke(&Secret::new("second refresh"))
}

#[test]
fn a_refresh_token_is_revoked() {
    let server = HttpServer::start(Script::Answer(http_response("200 OK", &[], "")));
    assert!(matches!(revoke(&server), Revoked::Done));
    let sent = only_request(&server);
    assert_eq!(sent.line, "POST /revoke");
    let form = "token=second+refresh&token_type_hint=refresh_token&client_id=a+client";
    assert_eq!(sent.body, form);
}

#[test]
fn what_is_not_revoked_is_said() {
    assert!(matches!(
        plain(&HttpServer::start(Script::Silence)).revoke(&Secret::new("r")),
        Revoked::NotSupported
    ));
    let answers = |status: &str, error: &str| {
        let body = format!(r#"{{"error": "{error}"}}"#);
        revoke(&HttpServer::start(Script::Answer(http_response(status, &[], &body))))
    };
    assert!(matches!(answers("400 Bad", "unsupported_token_type"), Revoked::NotSupported));
    for (status, error) in [("401 No", "invalid_client"), ("503 Busy", "temporarily_unavailable")] {
        let Revoked::Failed(ExchangeError::Unknown(source)) = answers(status, error) else {
            panic!("{status}")
        };
        assert!(source.to_string().contains(&status[..3]), "{source}");
    }
    let cut = HttpServer::start(Script::Close(Vec::new()));
    assert!(matches!(revoke(&cut), Revoked::Failed(ExchangeError::Unknown(_))));
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let endpoint = HttpEndpoint::new("https://id.example/token").unwrap();
    let mut endpoint =
        endpoint.revocation_endpoint(&format!("http://{closed}/revoke"), "a client").unwrap();
    let revoked = endpoint.revoke(&Secret::new("r"));
    assert!(matches!(revoked, Revoked::Failed(ExchangeError::NotSent(_))), "{revoked:?}");
}
