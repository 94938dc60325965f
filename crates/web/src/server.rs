//! The routes of the page and the headers of every response.

use std::convert::Infallible;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, LOCATION, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures::{StreamExt, stream};
use serde_json::json;
use stentor_cli::format;
use stentor_core::escape;
use stentor_run_view::figures::FIGURES;
use tokio::time::timeout;

use crate::Site;
use crate::broadcast::Broadcast;
use crate::hosts::{self, HostName};

/// The page, with the registry's labels in it.
static PAGE: LazyLock<String> = LazyLock::new(|| {
    let template = include_str!("assets/page.html").to_owned();
    FIGURES.iter().filter(|figure| !figure.path.is_empty()).fold(template, |page, figure| {
        page.replace(&format!("{{label {}}}", figure.path), figure.label)
            .replace(&format!("{{short {}}}", figure.path), figure.short())
    })
});
const STYLE: &str = concat!(
    include_str!("../../run-view/src/style.css"),
    include_str!("assets/page.css"),
    include_str!("assets/panels.css"),
    include_str!("assets/narrow.css"),
);
const SCRIPT: &str = concat!(
    include_str!("assets/words.js"),
    include_str!("assets/charts.js"),
    include_str!("assets/page.js")
);

/// Headers of every response: only our own script and style run, no other site may embed the page, and no cache keeps it.
const HEADERS: [(HeaderName, HeaderValue); 5] = [
    (
        CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(
            "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; \
             base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        ),
    ),
    (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin")),
];

/// The longest time between two `clock` events. They show the page that the monitor is alive, and a failed write shows the
/// monitor that the viewer has gone. `page.js` reconnects after 25 s without an event.
const CLOCK_INTERVAL: Duration = Duration::from_secs(10);

/// Builds the router with every route of the page, each below the base path. The page's links are relative, so it
/// has to be opened with a slash at the end.
pub(crate) fn routes(broadcast: Arc<Broadcast>, site: Site) -> Router {
    let Site { base, hosts } = site;
    let page = format!("{base}/");
    let below = |path: &str| format!("{page}{path}");
    let mut router = Router::new()
        .route(&page, get(async || typed("text/html; charset=utf-8", PAGE.as_str())))
        .route(&below("page.css"), get(async || typed("text/css; charset=utf-8", STYLE)))
        .route(&below("page.js"), get(async || typed("text/javascript; charset=utf-8", SCRIPT)))
        .route(&below("events"), get(events))
        .route(&below("api/snapshot"), get(snapshot))
        .route(&below("metrics"), get(metrics))
        .route(&below("healthz"), get(health));
    let base = base.to_string();
    if !base.is_empty() {
        let with_slash = page.clone();
        let redirect = move || async move { (StatusCode::TEMPORARY_REDIRECT, [(LOCATION, with_slash)]) };
        router = router.route(&base, get(redirect));
    }
    router
        .fallback(
            move || async move { (StatusCode::NOT_FOUND, format!("not found; the page is at {page}\n")) },
        )
        .layer(middleware::from_fn_with_state(Arc::<[HostName]>::from(hosts), guard))
        .with_state(broadcast)
}

/// Rejects requests with a foreign `Host` and methods other than GET and HEAD, and adds [`HEADERS`] to every response.
async fn guard(State(hosts): State<Arc<[HostName]>>, request: Request, next: Next) -> Response {
    let mut response = if !has_allowed_host(request.headers(), &hosts) {
        let why = "this page is served only by IP address, localhost or a name of --allow-host, such as \
                   http://127.0.0.1:8787/\n";
        (StatusCode::MISDIRECTED_REQUEST, why).into_response()
    } else if request.method() != Method::GET && request.method() != Method::HEAD {
        let why = "this server is read-only: use GET or HEAD\n";
        (StatusCode::METHOD_NOT_ALLOWED, [(ALLOW, "GET, HEAD")], why).into_response()
    } else {
        next.run(request).await
    };
    response.headers_mut().extend(HEADERS);
    response
}

/// Returns whether there is exactly one `Host` header, and an allowed one.
fn has_allowed_host(headers: &HeaderMap, names: &[HostName]) -> bool {
    let mut hosts = headers.get_all(HOST).iter();
    let (host, second) = (hosts.next(), hosts.next());
    second.is_none()
        && host.and_then(|host| host.to_str().ok()).is_some_and(|host| hosts::is_allowed_host(host, names))
}

fn typed(kind: &'static str, text: impl Into<Body>) -> Response {
    ([(CONTENT_TYPE, kind)], text.into()).into_response()
}

/// Sends the current update at once, then each new one, each after a `clock` event. A viewer that reads too slowly misses
/// updates.
///
/// The events are shared bytes and not axum's `Sse`, which copies each event for each viewer: hyper buffers up to 400 KiB
/// for a viewer that does not read.
async fn events(State(broadcast): State<Arc<Broadcast>>) -> Response {
    let mut updates = broadcast.updates();
    updates.mark_changed();
    let events = stream::unfold((broadcast, updates), async |(broadcast, mut updates)| {
        let update = match timeout(CLOCK_INTERVAL, updates.changed()).await {
            Ok(changed) => changed.ok().map(|()| Some(updates.borrow_and_update().clone()))?,
            Err(_) => None,
        };
        let chunks = [Some(broadcast.tick()), update].into_iter().flatten().map(Ok::<_, Infallible>);
        Some((stream::iter(chunks), (broadcast, updates)))
    });
    typed("text/event-stream", Body::from_stream(events.flatten()))
}

async fn snapshot(State(broadcast): State<Arc<Broadcast>>) -> Response {
    match broadcast.snapshot() {
        Ok(snapshot) => typed("application/json", snapshot),
        Err(why) => {
            let error = format::json_line(&json!({ "error": why }));
            (StatusCode::SERVICE_UNAVAILABLE, typed("application/json", error)).into_response()
        }
    }
}

async fn metrics(State(broadcast): State<Arc<Broadcast>>) -> Response {
    typed("text/plain; version=0.0.4; charset=utf-8", broadcast.metrics())
}

async fn health(State(broadcast): State<Arc<Broadcast>>) -> Response {
    match broadcast.stale_reason() {
        None => "ok\n".into_response(),
        Some(why) => {
            (StatusCode::SERVICE_UNAVAILABLE, format!("{}\n", escape::escape_control(&why))).into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_label_of_the_page_is_in_the_registry() {
        assert!(!PAGE.contains(['{', '}']), "{}", *PAGE);
        for label in ["dead letters (stack)", "in flight", "queued", "p99"] {
            assert!(PAGE.contains(&format!(">{label}</")), "{label}");
        }
    }
}
