//! The HTTP connections: their limit, and the time that a request may take to arrive.
//!
//! `axum::serve` has no timeout for the head of a request and no limit of connections, so this uses hyper directly.

use std::time::Duration;

use axum::Router;
use axum::serve::{Listener, ListenerExt};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// The most connections at once. A process commonly may open 1,024 files (`ulimit -n` of Linux); this leaves file
/// descriptors for AWS calls.
pub(crate) const MAX_CONNECTIONS: usize = 900;

/// The time within which a connection must send a complete request head, or be closed. A browser takes less than a
/// second, and every idle connection counts towards [`MAX_CONNECTIONS`].
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// Serves `routes` for as long as it is polled, and closes all connections when dropped. Connections beyond
/// `max_connections` are queued by the operating system until another one ends.
pub(crate) async fn serve(listener: TcpListener, routes: Router, max_connections: usize) {
    // Nagle's algorithm would delay an event until the next one.
    let mut listener = listener.tap_io(|connection| {
        let _ = connection.set_nodelay(true);
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(REQUEST_TIMEOUT);
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            // Where file descriptors are exhausted, axum's `accept` waits and tries again.
            (connection, _) = listener.accept(), if connections.len() < max_connections => {
                let service = TowerToHyperService::new(routes.clone());
                connections.spawn(http.serve_connection(TokioIo::new(connection), service));
            }
            // A failed connection does not affect the others.
            Some(_) = connections.join_next() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use tokio::net::TcpStream;
    use tokio::time::timeout;

    use super::*;

    const SHORT_WAIT: Duration = Duration::from_millis(300);
    const TIMEOUT: Duration = Duration::from_secs(5);

    #[tokio::test]
    async fn a_connection_beyond_the_limit_is_queued_until_another_ends() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let routes = Router::new().route("/", get(async || "page\n"));
        let server = tokio::spawn(serve(listener, routes, 2));
        let [first, _second, third] = [client(address).await, client(address).await, client(address).await];
        timeout(TIMEOUT, first.readable()).await.expect("the first is served").unwrap();
        assert!(timeout(SHORT_WAIT, third.readable()).await.is_err(), "the third is queued");
        drop(first);
        timeout(TIMEOUT, third.readable()).await.expect("the third is served").unwrap();
        let mut response = [0; 15];
        assert_eq!(third.try_read(&mut response).unwrap(), response.len());
        assert_eq!(&response, b"HTTP/1.1 200 OK");
        server.abort();
    }

    /// Requests the page and keeps the connection open.
    async fn client(address: std::net::SocketAddr) -> TcpStream {
        let client = TcpStream::connect(address).await.unwrap();
        client.writable().await.unwrap();
        client.try_write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        client
    }
}
