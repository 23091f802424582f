//! The operations listener: metrics and probes for those who run the server, on an address of its own, behind a token
//! if one is configured. Serves nothing else.

use std::sync::Arc;

use axum::{Router, extract::Request, response::Response, routing::any};
use http::{Method, header};
use polder_types::Secret;

use crate::{
    app::App,
    clock::Arrival,
    render::{self, Style},
    routes::{metrics, probes},
};

/// Makes the service.
pub(super) fn router(app: &Arc<App>, token: Option<&Secret>) -> Router {
    let (app, token) = (Arc::clone(app), token.map(fingerprint));
    let serve = move |request: Request| {
        let answer = answer(&app, token, &request);
        async move { answer }
    };
    Router::new().fallback(any(serve))
}

fn answer(app: &App, token: Option<blake3::Hash>, request: &Request) -> Response {
    let arrival = Arrival::now();
    if let Some(token) = token
        && !bears(request, token)
    {
        return render::error(Style::Gateway, &polder_types::Error::unauthenticated(), arrival.request_id);
    }
    if request.method() != Method::GET {
        return render::no_such_route(Style::Gateway, arrival.request_id);
    }
    let answer = match request.uri().path() {
        "/metrics" => metrics::text(app),
        "/livez" => probes::live(),
        "/readyz" => probes::ready(app),
        _ => return render::no_such_route(Style::Gateway, arrival.request_id),
    };
    answer.unwrap_or_else(|error| render::error(Style::Gateway, &error, arrival.request_id))
}

// SECURITY: hashes are compared, in constant time and of one length whatever was sent.
fn bears(request: &Request, token: blake3::Hash) -> bool {
    let mut values = request.headers().get_all(header::AUTHORIZATION).into_iter();
    let (Some(value), None) = (values.next(), values.next()) else { return false };
    let Some((scheme, rest)) = value.to_str().ok().and_then(|text| text.split_once(' ')) else { return false };
    scheme.eq_ignore_ascii_case("bearer") && blake3::hash(rest.trim().as_bytes()) == token
}

fn fingerprint(token: &Secret) -> blake3::Hash {
    blake3::hash(token.expose().as_bytes())
}
