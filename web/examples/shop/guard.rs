//! What holds for every request and response of the shop.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    http::{HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

/// The addresses that pages may lead to.
pub(crate) struct Origins {
    /// The shop's own.
    pub(crate) own: String,
    /// The provider's, to which a sign-in leads.
    pub(crate) provider: String,
}

/// Refuses what another site sends, and tells the browser what pages may do.
pub(crate) async fn guard(
    State(origins): State<Arc<Origins>>,
    request: Request,
    next: Next,
) -> Response {
    // A browser says with each POST which page sent it. `SameSite` is not enough: to it all ports
    // of this machine are one site.
    let origin = request.headers().get(header::ORIGIN).map(HeaderValue::as_bytes);
    let is_safe = matches!(*request.method(), Method::GET | Method::HEAD);
    if !is_safe && origin != Some(origins.own.as_bytes()) {
        return (StatusCode::FORBIDDEN, "The request came from another site.\n").into_response();
    }
    let mut response = next.run(request).await;
    let policy = format!(
        "default-src 'none'; style-src 'self'; form-action 'self' {}; frame-ancestors 'none'; \
         base-uri 'none'",
        origins.provider
    );
    let policy = HeaderValue::try_from(policy).expect("an origin is visible ASCII");
    let fields = [
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        // With `no-referrer` a browser would send no origin.
        (header::REFERRER_POLICY, HeaderValue::from_static("same-origin")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    response.headers_mut().extend(fields);
    response
}
