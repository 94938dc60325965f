//! What a browser may ask, and what it is told beside the answer.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures::stream;
use serde_json::json;
use stentor_cli::format;
use stentor_core::escape;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::broadcast::Broadcast;
use crate::hosts;

const PAGE: &str = include_str!("assets/page.html");
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

/// With every answer: nothing but our own script and style runs on the page, nobody else shows or keeps it.
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

/// A stream on which nothing else happens for so long tells the time: the page knows by it that the monitor is there,
/// and the monitor that the page is.
const ALIVE: Duration = Duration::from_secs(10);

/// All there is.
pub(crate) fn routes(broadcast: Arc<Broadcast>) -> Router {
    Router::new()
        .route("/", get(async || typed("text/html; charset=utf-8", PAGE)))
        .route("/page.css", get(async || typed("text/css; charset=utf-8", STYLE)))
        .route("/page.js", get(async || typed("text/javascript; charset=utf-8", SCRIPT)))
        .route("/events", get(events))
        .route("/api/snapshot", get(snapshot))
        .route("/metrics", get(metrics))
        .route("/healthz", get(health))
        .fallback(async || (StatusCode::NOT_FOUND, "there is nothing here; the page is at /\n"))
        .layer(middleware::from_fn(guard))
        .with_state(broadcast)
}

/// Refuses what is asked by a strange name or would change something.
async fn guard(request: Request, next: Next) -> Response {
    let mut answer = if !is_trusted(request.headers()) {
        let why = "the page is served by address only: ask for it by localhost or by an IP address\n";
        (StatusCode::MISDIRECTED_REQUEST, why).into_response()
    } else if request.method() != Method::GET && request.method() != Method::HEAD {
        let why = "everything here is read only: use GET\n";
        (StatusCode::METHOD_NOT_ALLOWED, [(ALLOW, "GET, HEAD")], why).into_response()
    } else {
        next.run(request).await
    };
    answer.headers_mut().extend(HEADERS);
    answer
}

/// There is one `Host` header, and it is to be trusted.
fn is_trusted(headers: &HeaderMap) -> bool {
    let mut hosts = headers.get_all(HOST).iter();
    let (one, more) = (hosts.next(), hosts.next());
    more.is_none() && one.and_then(|host| host.to_str().ok()).is_some_and(hosts::is_allowed_host)
}

fn typed(kind: &'static str, text: impl Into<Body>) -> Response {
    ([(CONTENT_TYPE, kind)], text.into()).into_response()
}

/// The present view at once, and then each new one. A viewer too slow for all of them misses some.
async fn events(State(broadcast): State<Arc<Broadcast>>) -> Response {
    let mut updates = broadcast.updates();
    updates.mark_changed();
    let viewer = Viewer { broadcast, updates, due: None };
    let events = stream::unfold(viewer, async |mut viewer| {
        let event = viewer.next().await?;
        Some((Ok::<_, Infallible>(event), viewer))
    });
    typed("text/event-stream", Body::from_stream(events))
}

/// One open stream.
struct Viewer {
    broadcast: Arc<Broadcast>,
    updates: watch::Receiver<Bytes>,
    /// It follows the clock that was written last.
    due: Option<Bytes>,
}

impl Viewer {
    /// What to write next, before each update the time; `None` when there will be nothing more.
    async fn next(&mut self) -> Option<Bytes> {
        if let Some(update) = self.due.take() {
            return Some(update);
        }
        if let Ok(changed) = timeout(ALIVE, self.updates.changed()).await {
            changed.ok()?;
            self.due = Some(self.updates.borrow_and_update().clone());
        }
        Some(self.broadcast.tick())
    }
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
