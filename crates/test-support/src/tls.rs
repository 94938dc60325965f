//! TLS before a server without it.

use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
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

/// A server that takes TLS connections and passes their requests on. Dropping it ends it.
#[derive(Debug)]
pub struct TlsServer {
    address: SocketAddr,
    certificate: NamedTempFile,
    /// Host and port that it passes requests to.
    server: Arc<OnceLock<String>>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl TlsServer {
    /// Starts a server on a port of this machine, with a new certificate for these hosts.
    pub fn start(hosts: &[&str]) -> anyhow::Result<Self> {
        let hosts = hosts.iter().map(|host| (*host).to_owned()).collect::<Vec<_>>();
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(hosts)?;
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

    /// Passes requests to the server at this URL. Later ones are ignored.
    pub fn pass_to(&self, url: &str) {
        self.server.get_or_init(|| url.trim_start_matches("http://").to_owned());
    }

    /// Returns where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the file with the certificate to trust.
    pub fn certificate(&self) -> &Path {
        self.certificate.path()
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
