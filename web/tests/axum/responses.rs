//! Errors as responses.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{Path, Request},
    middleware::{Next, from_fn},
    response::{IntoResponse, Redirect, Response},
    routing::get,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use tokenkeep_web::{Error, SignInReason};

use crate::server::Server;

/// Stands wherever an error says something of its cause.
const CAUSE: &str = "cause-of-the-error";
const CLAIMS: &str = r#"{"access_token":{"acrs":{"essential":true,"value":"ü\"c1"}}}"#;

fn cause() -> Option<Arc<dyn std::error::Error + Send + Sync>> {
    Some(Arc::from(Box::<dyn std::error::Error + Send + Sync>::from(CAUSE)))
}

/// An error, with the status and `Retry-After` of its response.
fn errors() -> Vec<(Error, u16, Option<&'static str>)> {
    let sign_in = |claims: Option<&str>| Error::SignInNeeded {
        reason: SignInReason::Refused,
        code: Some(CAUSE.into()),
        claims: claims.map(Into::into),
    };
    let provider = |retry_after: Option<u64>| Error::Provider {
        what: CAUSE,
        status: Some(500),
        code: Some(CAUSE.into()),
        retry_after: retry_after.map(Duration::from_millis),
        source: cause(),
    };
    let retry_after = Duration::from_secs(7);
    vec![
        (sign_in(None), 401, None),
        (sign_in(Some(CLAIMS)), 401, None),
        (provider(None), 500, None),
        (provider(Some(0)), 503, Some("1")),
        (provider(Some(3_000)), 503, Some("3")),
        (provider(Some(3_001)), 503, Some("4")),
        (Error::StoreUnavailable { retry_after, source: cause() }, 503, Some("7")),
        (Error::StoreRefused { what: CAUSE.into(), source: cause() }, 500, None),
        (Error::StoreFull { source: cause() }, 503, Some("30")),
        (Error::Contended { attempts: 8 }, 503, Some("1")),
        (Error::RefreshInProgress { waited: retry_after }, 503, Some("1")),
        (Error::KeysUnavailable { retry_after, source: cause() }, 503, Some("7")),
        (Error::Corrupt { detail: CAUSE.into() }, 500, None),
        (Error::OtherPartition, 500, None),
        (Error::TooLarge { entries: 1, size: 2, limit: 1 }, 500, None),
        (Error::Invalid { detail: CAUSE.into() }, 500, None),
    ]
}

async fn fail(Path(nth): Path<usize>) -> Result<(), Error> {
    Err(errors().swap_remove(nth).0)
}

fn app() -> Router {
    Router::new().route("/{nth}", get(fail))
}

#[tokio::test]
async fn a_response_has_the_errors_status_and_says_nothing_of_its_cause() {
    let server = Server::start(app()).await;
    for (nth, (error, status, retry_after)) in errors().into_iter().enumerate() {
        let response = server.get(&format!("/{nth}")).send().await.unwrap();
        assert_eq!(response.status().as_u16(), status, "{error:?}");
        let field = |name: &str| response.headers().get(name).map(|value| value.to_str().unwrap());
        assert_eq!(field("retry-after"), retry_after, "{error:?}");
        assert_eq!(field("cache-control"), Some("no-store"), "{error:?}");
        assert_eq!(field("www-authenticate").is_some(), status == 401, "{error:?}");
        assert!(field("content-type").unwrap().starts_with("text/plain"), "{error:?}");
        let all = format!("{:?}", response.headers()) + &response.text().await.unwrap();
        assert!(!all.contains(CAUSE), "{error:?}: {all}");
    }
}

#[tokio::test]
async fn claims_that_a_provider_asks_for_are_in_the_challenge() {
    let server = Server::start(app()).await;
    let challenge = async |nth| {
        let response = server.get(&format!("/{nth}")).send().await.unwrap();
        response.headers()["www-authenticate"].to_str().unwrap().to_owned()
    };
    assert_eq!(challenge(0).await, r#"Bearer error="invalid_token""#);
    let challenge = challenge(1).await;
    let claims = challenge.strip_prefix(r#"Bearer error="insufficient_claims", claims=""#);
    let claims =
        claims.and_then(|rest| rest.strip_suffix('"')).unwrap_or_else(|| panic!("{challenge}"));
    assert_eq!(STANDARD.decode(claims).unwrap(), CLAIMS.as_bytes());
}

#[tokio::test]
async fn a_middleware_makes_another_response_of_the_error() {
    async fn to_the_sign_in(request: Request, next: Next) -> Response {
        let response = next.run(request).await;
        match response.extensions().get::<Error>() {
            Some(error) if error.is_sign_in_needed() => Redirect::to("/sign-in").into_response(),
            _ => response,
        }
    }
    let server = Server::start(app().layer(from_fn(to_the_sign_in))).await;
    let response = server.get("/0").send().await.unwrap();
    assert_eq!(response.headers()["location"], "/sign-in");
    let response = server.get("/6").send().await.unwrap();
    assert_eq!(response.status().as_u16(), 503);
}
