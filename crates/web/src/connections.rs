//! Who is connected to the page: so many at once, and nobody who does not ask.

use std::time::Duration;

use axum::Router;
use axum::serve::{Listener, ListenerExt};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// Systems commonly let a program have 1,024 descriptors, and AWS shall be asked whoever looks on.
pub(crate) const CONNECTIONS: usize = 900;

/// A connection on which no question is asked in full for so long is closed.
const QUESTION: Duration = Duration::from_secs(10);

/// Answers by those routes for as long as it is polled; all connections end with it. With the most that there may be at
/// once, who comes waits for one to end.
pub(crate) async fn serve(listener: TcpListener, routes: Router, most: usize) {
    // An event shall not wait for the next.
    let mut listener = listener.tap_io(|connection| {
        let _ = connection.set_nodelay(true);
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(QUESTION);
    let mut connections = JoinSet::new();
    loop {
        // `accept` rests where descriptors are lacking; one more is there once a connection has ended.
        tokio::select! {
            (connection, _) = listener.accept(), if connections.len() < most => {
                let service = TowerToHyperService::new(routes.clone());
                connections.spawn(http.serve_connection(TokioIo::new(connection), service));
            }
            // Whatever ended it, others go on.
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

    const SOON: Duration = Duration::from_millis(300);
    const PATIENCE: Duration = Duration::from_secs(5);

    #[tokio::test]
    async fn who_comes_when_there_are_too_many_waits_for_one_to_end() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let routes = Router::new().route("/", get(async || "here\n"));
        let server = tokio::spawn(serve(listener, routes, 2));
        let [first, _second, third] = [asker(address).await, asker(address).await, asker(address).await];
        timeout(PATIENCE, first.readable()).await.expect("there is room for the first").unwrap();
        assert!(timeout(SOON, third.readable()).await.is_err(), "there is no room for the third");
        drop(first);
        timeout(PATIENCE, third.readable()).await.expect("there is room now").unwrap();
        let mut answer = [0; 15];
        assert_eq!(third.try_read(&mut answer).unwrap(), answer.len());
        assert_eq!(&answer, b"HTTP/1.1 200 OK");
        server.abort();
    }

    /// A connection that asks for the page, and stays.
    async fn asker(address: std::net::SocketAddr) -> TcpStream {
        let asker = TcpStream::connect(address).await.unwrap();
        asker.writable().await.unwrap();
        asker.try_write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        asker
    }
}
