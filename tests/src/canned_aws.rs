//! AWS's services for signing in, with canned responses, before SQS and DynamoDB of the emulator.
//!
//! Requests and responses have the form of AWS's API references. Every issue of credentials has a new access key ID, and a
//! call to SQS or DynamoDB with an expired one is refused, as AWS does and no emulator.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimePrinter;
use serde_json::{Value, json};

use crate::proxy::http::{Connection, Request, agent};
use crate::{Emulator, Program, TlsServer};

/// A service that [`CannedAws`] plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CannedService {
    /// AWS STS: `AssumeRole` and `AssumeRoleWithWebIdentity`.
    Sts,
    /// IAM Identity Center, which gives credentials for a token: `GetRoleCredentials`.
    IdentityCenter,
    /// IAM Identity Center, which renews tokens: `CreateToken`.
    Tokens,
    /// AWS Sign-In, for `aws login`: `CreateOAuth2Token`.
    SignIn,
    /// The metadata service of an instance.
    Metadata,
    /// The credentials endpoint of a container.
    Container,
    /// SQS and DynamoDB.
    Stack,
    /// An HTTP proxy.
    Proxy,
}

/// A running server. It ends with the tests.
#[derive(Debug, Clone)]
pub struct CannedAws {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    agent: ureq::Agent,
    /// The URL of SQS and DynamoDB.
    upstream: Option<String>,
    /// Serves the hosts of AWS behind the proxy, which refuses connections without it.
    tls: OnceLock<(Vec<String>, TlsServer)>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    requests: Vec<(CannedService, String)>,
    /// Responses to the next requests, before those of success.
    responses: BTreeMap<CannedService, VecDeque<(u16, String)>>,
    delay: Duration,
    lifetime: Duration,
    /// When each access key ID was issued.
    issued: BTreeMap<String, Instant>,
    expired_calls: u32,
    /// The error for signatures with a wrong time.
    signature_error: &'static str,
}

impl CannedAws {
    /// Starts the server before the tests' emulator. Credentials are valid for an hour.
    pub fn start() -> Self {
        Self::listen(Some(Emulator::shared().url()))
    }

    /// Starts the server without SQS and DynamoDB, except for canned responses.
    pub fn without_stack() -> Self {
        Self::listen(None)
    }

    fn listen(upstream: Option<String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port");
        let address = listener.local_addr().expect("it is bound");
        let state = State {
            requests: Vec::new(),
            responses: BTreeMap::new(),
            delay: Duration::ZERO,
            lifetime: Duration::from_secs(3_600),
            issued: BTreeMap::new(),
            expired_calls: 0,
            signature_error: "InvalidSignatureException",
        };
        let shared =
            Arc::new(Shared { agent: agent(), upstream, tls: OnceLock::new(), state: Mutex::new(state) });
        let served = Arc::clone(&shared);
        std::thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let shared = Arc::clone(&served);
                std::thread::spawn(move || shared.converse(connection));
            }
        });
        Self { address, shared }
    }

    /// Returns the URL of all services.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Lets a program call these services as AWS, in the region us-east-1, without any credentials.
    #[must_use]
    pub fn before(&self, program: Program) -> Program {
        let url = self.url();
        let services = ["STS", "SSO", "SSO_OIDC", "SIGNIN", "SQS", "DYNAMODB"];
        let program = services
            .iter()
            .fold(program, |program, service| program.env(&format!("AWS_ENDPOINT_URL_{service}"), &url));
        program.env("AWS_REGION", "us-east-1").env("AWS_EC2_METADATA_SERVICE_ENDPOINT", &url)
    }

    /// Lets a program call these services at these hosts, over TLS and through this server as a proxy, in the region us-east-1.
    /// Every call must name the same hosts, which the certificate is for.
    #[must_use]
    pub fn at_hosts(&self, program: Program, hosts: &[&str]) -> Program {
        let (certified, tls) = self.shared.tls.get_or_init(|| {
            let certified = hosts.iter().map(|host| (*host).to_owned()).collect();
            (certified, TlsServer::start(hosts).expect("a loopback port"))
        });
        assert_eq!(certified, hosts);
        tls.pass_to(&self.url());
        program
            .env("AWS_REGION", "us-east-1")
            .env("HTTPS_PROXY", &self.url())
            .env("NO_PROXY", "")
            .env("no_proxy", "")
            .env("SSL_CERT_FILE", &tls.certificate().to_string_lossy())
    }

    /// Answers the next requests to a service in this way.
    pub fn respond(&self, service: CannedService, status: u16, body: &str, times: usize) {
        let mut state = self.shared.state();
        let responses = state.responses.entry(service).or_default();
        responses.extend(std::iter::repeat_n((status, body.to_owned()), times));
    }

    /// Ends the canned responses of a service.
    pub fn recover(&self, service: CannedService) {
        self.shared.state().responses.remove(&service);
    }

    /// Answers every request after that time.
    pub fn delay(&self, delay: Duration) {
        self.shared.state().delay = delay;
    }

    /// Issues credentials that are valid for that time.
    pub fn expire_after(&self, lifetime: Duration) {
        self.shared.state().lifetime = lifetime;
    }

    /// Refuses signatures with a wrong time with this error.
    pub fn refuse_wrong_times_with(&self, code: &'static str) {
        self.shared.state().signature_error = code;
    }

    /// Returns the requests to a service so far: each with the first line and the body, or to SQS and DynamoDB with the
    /// access key ID alone.
    pub fn requests(&self, service: CannedService) -> Vec<String> {
        let state = self.shared.state();
        state.requests.iter().filter(|(called, _)| *called == service).map(|(_, text)| text.clone()).collect()
    }

    /// Counts the calls to SQS and DynamoDB with expired credentials.
    pub fn expired_calls(&self) -> u32 {
        self.shared.state().expired_calls
    }

    /// Returns the distinct access key IDs of calls to SQS and DynamoDB, in order.
    pub fn access_keys(&self) -> Vec<String> {
        let mut keys = self.requests(CannedService::Stack);
        keys.dedup();
        keys
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn converse(&self, connection: TcpStream) {
        let mut connection = Connection::of(connection);
        while let Some(request) = connection.request() {
            let service = service_of(&request);
            let (delay, canned) = {
                let mut state = self.state();
                let text = match access_key(&request).filter(|_| service == CannedService::Stack) {
                    Some(key) => key,
                    None => format!("{} {}", request.line, String::from_utf8_lossy(&request.body)),
                };
                state.requests.push((service, text));
                (state.delay, state.responses.get_mut(&service).and_then(VecDeque::pop_front))
            };
            std::thread::sleep(delay);
            let connects = service == CannedService::Proxy && canned.is_none();
            if let Some((_, tls)) = self.tls.get().filter(|_| connects) {
                if connection.respond(200, &[], "").is_some() {
                    // An error means that a side has closed the connection.
                    let _ = tunnel(&connection.into_stream(), tls.address());
                }
                return;
            }
            let response = canned.or_else(|| self.response(service, &request));
            let Some((status, body)) = response else { return };
            let kind = match service {
                CannedService::Sts => "text/xml",
                CannedService::Metadata => "text/plain",
                _ => "application/json",
            };
            let date = DateTimePrinter::new().timestamp_to_rfc9110_string(&Timestamp::now());
            let headers = [
                ("Content-Type", kind),
                ("Date", date.as_deref().unwrap_or_default()),
                ("x-aws-ec2-metadata-token-ttl-seconds", "21600"),
            ];
            if connection.respond(status, &headers, &body).is_none() {
                return;
            }
        }
    }

    fn response(&self, service: CannedService, request: &Request) -> Option<(u16, String)> {
        if !request.is_signed_recently() {
            return Some(error(service, 403, self.state().signature_error));
        }
        Some(match service {
            CannedService::Sts => (200, self.sts(request)),
            CannedService::IdentityCenter => {
                let keys = self.issue("SSO");
                let role = json!({
                    "accessKeyId": keys.id, "secretAccessKey": "secret", "sessionToken": "token",
                    "expiration": keys.expires.as_millisecond(),
                });
                (200, json!({"roleCredentials": role}).to_string())
            }
            CannedService::Tokens => {
                let token = json!({"accessToken": "renewed", "expiresIn": 3_600, "tokenType": "Bearer"});
                (200, token.to_string())
            }
            CannedService::SignIn => {
                let keys = self.issue("LOGIN");
                let keys =
                    json!({"accessKeyId": keys.id, "secretAccessKey": "secret", "sessionToken": "token"});
                let lifetime = self.state().lifetime.as_secs();
                let token = json!({
                    "accessToken": keys, "tokenType": "aws_sigv4", "expiresIn": lifetime, "refreshToken": "next",
                });
                (200, token.to_string())
            }
            CannedService::Metadata if request.line.contains("/api/token") => (200, "token".to_owned()),
            CannedService::Metadata if request.line.contains("security-credentials/ ") => {
                (200, "role".to_owned())
            }
            CannedService::Metadata if request.line.contains("security-credentials/role") => {
                (200, self.json("INSTANCE").to_string())
            }
            CannedService::Metadata => (404, String::new()),
            CannedService::Container => (200, self.json("CONTAINER").to_string()),
            CannedService::Proxy => (403, String::new()),
            CannedService::Stack if access_key(request).is_some_and(|key| self.is_expired(&key)) => {
                error(service, 400, "ExpiredTokenException")
            }
            CannedService::Stack => {
                return request.forward(&self.agent, self.upstream.as_deref()?, &request.body);
            }
        })
    }

    fn sts(&self, request: &Request) -> String {
        let action = if request.body.windows(15).any(|part| part == b"WebIdentityToke") {
            "AssumeRoleWithWebIdentity"
        } else {
            "AssumeRole"
        };
        let IssuedKeys { id, expires } = self.issue("STS");
        format!(
            "<{action}Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><{action}Result><Credentials>\
             <AccessKeyId>{id}</AccessKeyId><SecretAccessKey>secret</SecretAccessKey>\
             <SessionToken>token</SessionToken><Expiration>{expires}</Expiration></Credentials><AssumedRoleUser>\
             <Arn>arn:aws:sts::123456789012:assumed-role/r/s</Arn><AssumedRoleId>AROA:s</AssumedRoleId>\
             </AssumedRoleUser></{action}Result></{action}Response>"
        )
    }

    /// The form of the metadata service and of a container's endpoint.
    fn json(&self, of: &str) -> Value {
        let IssuedKeys { id, expires } = self.issue(of);
        json!({
            "Code": "Success", "Type": "AWS-HMAC", "LastUpdated": "2026-01-01T00:00:00Z",
            "AccessKeyId": id, "SecretAccessKey": "secret", "Token": "token", "Expiration": expires.to_string(),
        })
    }

    fn issue(&self, of: &str) -> IssuedKeys {
        let mut state = self.state();
        let id = format!("ASIA{of}{}", state.issued.len() + 1);
        state.issued.insert(id.clone(), Instant::now());
        IssuedKeys { id, expires: whole_seconds(Timestamp::now() + state.lifetime) }
    }

    fn is_expired(&self, key: &str) -> bool {
        let mut state = self.state();
        let is_expired = state.issued.get(key).is_some_and(|issued| issued.elapsed() > state.lifetime);
        state.expired_calls += u32::from(is_expired);
        is_expired
    }
}

/// Passes the bytes of a client to a server and back, until both have closed the connection.
fn tunnel(client: &TcpStream, server: SocketAddr) -> io::Result<()> {
    let server = TcpStream::connect(server)?;
    let (mut from_client, mut to_server) = (client.try_clone()?, server.try_clone()?);
    std::thread::spawn(move || {
        let _ = io::copy(&mut from_client, &mut to_server);
        let _ = to_server.shutdown(Shutdown::Write);
    });
    io::copy(&mut &server, &mut &*client)?;
    client.shutdown(Shutdown::Write)
}

struct IssuedKeys {
    id: String,
    expires: Timestamp,
}

fn whole_seconds(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).expect("it was in range")
}

fn service_of(request: &Request) -> CannedService {
    let line = &request.line;
    if line.starts_with("CONNECT ") {
        CannedService::Proxy
    } else if request.headers.contains_key("x-amz-target") {
        CannedService::Stack
    } else if line.contains(" /federation/credentials") {
        CannedService::IdentityCenter
    } else if line.contains(" /v1/token") {
        CannedService::SignIn
    } else if line.contains(" /token") {
        CannedService::Tokens
    } else if line.contains(" /latest/") {
        CannedService::Metadata
    } else if line.contains(" /container") {
        CannedService::Container
    } else {
        CannedService::Sts
    }
}

/// Returns the access key ID of a signature.
fn access_key(request: &Request) -> Option<String> {
    let key = request.headers.get("authorization")?.split("Credential=").nth(1)?.split('/').next()?;
    Some(key.to_owned())
}

/// Returns an error of a service in its protocol.
fn error(service: CannedService, status: u16, code: &str) -> (u16, String) {
    let message = "canned";
    let body = match service {
        CannedService::Sts => {
            format!(
                "<ErrorResponse><Error><Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>"
            )
        }
        _ => json!({"__type": code, "message": message}).to_string(),
    };
    (status, body)
}
