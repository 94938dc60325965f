//! An HTTP/1.1 server on a loopback port, for fakes of services.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use thiserror::Error;
use tokio::sync::oneshot;

/// A request with its whole body.
pub type HttpRequest = Request<Bytes>;

/// A response with its whole body.
pub type HttpResponse = Response<Full<Bytes>>;

/// Closes the connection without a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the handler closes the connection")]
pub struct CloseConnection;

/// Responds to the requests of a server. All requests run concurrently on one thread, so that a handler must not
/// block it.
pub trait Handler: Send + Sync + 'static {
    /// Runs whenever a client has connected.
    fn on_connect(&self) {}

    /// Responds to a request. The future is dropped when the client closes the connection.
    fn handle(
        &self,
        request: HttpRequest,
    ) -> impl Future<Output = Result<HttpResponse, CloseConnection>> + Send;
}

/// A running server with its own thread. Dropping it closes all connections and ends the thread.
#[derive(Debug)]
pub struct HttpServer {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl HttpServer {
    /// Binds a free loopback port.
    pub fn bind() -> io::Result<TcpListener> {
        TcpListener::bind("127.0.0.1:0")
    }

    /// Serves the connections of `listener`. `name` becomes the name of the thread.
    pub fn serve(name: &str, listener: TcpListener, handler: Arc<impl Handler>) -> io::Result<Self> {
        let address = listener.local_addr()?;
        listener.set_nonblocking(true)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = accept(listener, handler) => {}
                    _ = stopped => {}
                }
            });
        })?;
        Ok(Self { address, stop: Some(stop), thread: Some(thread) })
    }

    /// The address it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its URL, such as `http://127.0.0.1:12345`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for HttpServer {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Accepts connections until the future is dropped.
async fn accept(listener: TcpListener, handler: Arc<impl Handler>) {
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Most likely no file descriptor is free; one may be soon.
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        // A response is two small writes, and the client waits for the second.
        let _ = stream.set_nodelay(true);
        handler.on_connect();
        let handler = Arc::clone(&handler);
        let service = service_fn(move |request| respond(Arc::clone(&handler), request));
        let connection =
            http1::Builder::new().header_read_timeout(None).serve_connection(TokioIo::new(stream), service);
        // An error here means that the client has gone or that the handler closes the connection.
        tokio::spawn(async move { drop(connection.await) });
    }
}

async fn respond(
    handler: Arc<impl Handler>,
    request: Request<Incoming>,
) -> Result<HttpResponse, CloseConnection> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| CloseConnection)?.to_bytes();
    handler.handle(Request::from_parts(head, body)).await
}
