//! TLS before the fake, as before AWS.

use std::io::Write;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use rcgen::{CertifiedKey, generate_simple_self_signed};
use tempfile::NamedTempFile;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::programs::Target;

/// A server that takes TLS connections and passes their requests on. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct TlsServer {
    address: SocketAddr,
    certificate: NamedTempFile,
    /// Host and port that it passes requests to.
    server: Arc<OnceLock<String>>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl TlsServer {
    /// Starts a server with a new certificate.
    pub(crate) fn start() -> anyhow::Result<Self> {
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["127.0.0.1".to_owned()])?;
        let mut certificate = NamedTempFile::new()?;
        certificate.write_all(cert.pem().as_bytes())?;
        let acceptor = acceptor(cert.der().clone(), signing_key.serialize_der())?;
        let server = Arc::new(OnceLock::new());
        let passes_to = Arc::clone(&server);
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new().name("tls".to_owned()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = accept(listener, &acceptor, &passes_to) => {}
                    _ = stopped => {}
                }
            });
        })?;
        Ok(Self { address, certificate, server, stop: Some(stop), thread: Some(thread) })
    }

    /// Passes requests to the target, and returns the target with TLS. Later targets are ignored.
    pub(crate) fn before(&self, target: &Target) -> Target {
        self.server.get_or_init(|| target.endpoint.trim_start_matches("http://").to_owned());
        Target {
            endpoint: format!("https://{}", self.address),
            certificate: Some(self.certificate.path().to_owned()),
            ..target.clone()
        }
    }
}

impl Drop for TlsServer {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn acceptor(certificate: CertificateDer<'static>, key: Vec<u8>) -> anyhow::Result<TlsAcceptor> {
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certificate], PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key)))?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// Accepts connections until the future is dropped.
async fn accept(listener: std::net::TcpListener, acceptor: &TlsAcceptor, server: &OnceLock<String>) {
    let Ok(listener) = TcpListener::from_std(listener) else { return };
    while let Ok((stream, _)) = listener.accept().await {
        let Some(server) = server.get().cloned() else { continue };
        let acceptor = acceptor.clone();
        // An error means that a side has closed the connection.
        tokio::spawn(async move { drop(pass_on(stream, acceptor, &server).await) });
    }
}

async fn pass_on(stream: TcpStream, acceptor: TlsAcceptor, address: &str) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut client = acceptor.accept(stream).await?;
    let mut server = TcpStream::connect(address).await?;
    server.set_nodelay(true)?;
    copy_bidirectional(&mut client, &mut server).await.map(drop)
}
