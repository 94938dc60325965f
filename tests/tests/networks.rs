//! Proxies, and endpoints without TLS or with an invalid URL.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use stentor_tests::build::ProgramPaths;
use stentor_tests::{Emulator, Program, Proxy, Setup, Stack};

use crate::bad_input::{assert_clear, programs};

/// Every variable that names a proxy.
const VARIABLES: [&str; 6] =
    ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];

/// A server that answers each request with a status alone, and counts connections.
struct Refusal {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
}

impl Refusal {
    fn start(status: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port");
        let address = listener.local_addr().expect("it is bound");
        let connections = Arc::<AtomicUsize>::default();
        let counted = Arc::clone(&connections);
        std::thread::spawn(move || {
            for mut connection in listener.incoming().flatten() {
                counted.fetch_add(1, Ordering::Relaxed);
                let mut line = Vec::new();
                // The first line is enough, and a TLS handshake may lack an empty one.
                let _ = BufReader::new(&connection).read_until(b'\n', &mut line);
                let head = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
                let _ = connection.write_all(head.as_bytes());
                let _ = connection.shutdown(std::net::Shutdown::Write);
            }
        });
        Self { address, connections }
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

/// Sets the proxy in these variables, and in no other.
fn through(program: Program, url: &str, variables: &[&str]) -> Program {
    // An empty variable in capitals would override that in small letters.
    let is_relevant = |name: &&&str| variables.contains(name) || std::env::var_os(name).is_some();
    let program = VARIABLES
        .iter()
        .filter(is_relevant)
        .fold(program, |program, name| program.env(name, if variables.contains(name) { url } else { "" }));
    program.env("NO_PROXY", "").env("no_proxy", "")
}

/// Adds credentials and a region.
fn signed_in(program: Program) -> Program {
    program
        .env("AWS_ACCESS_KEY_ID", "key")
        .env("AWS_SECRET_ACCESS_KEY", "secret")
        .env("AWS_REGION", "us-east-1")
}

#[test]
fn a_loopback_endpoint_is_called_without_a_proxy() {
    let stack = Stack::deploy();
    let refusal = Refusal::start("403 Forbidden");
    let proxy = format!("http://{}", refusal.address);
    let proxied = |program| through(program, &proxy, &VARIABLES);
    proxied(stack.producer("-m 5")).run().exits(0);
    proxied(stack.sender("-w 0 --idle-timeout 1")).run().exits(0);
    let url = Emulator::shared().url();
    for url in [url.clone(), url.replace("127.0.0.1", "localhost"), url.replace("127.0.0.1", "0.0.0.0")] {
        let monitor = Program::new(
            &ProgramPaths::get().monitor,
            &format!("runs --stack {} --endpoint-url {url}", stack.name()),
        );
        proxied(signed_in(monitor)).run().exits(0);
    }
    assert_eq!(refusal.connections(), 0);
}

#[test]
fn the_setup_script_calls_a_loopback_endpoint_without_a_proxy() {
    let setup = Setup::default();
    setup.with_small_function();
    let refusal = Refusal::start("403 Forbidden");
    let proxy = format!("http://{}", refusal.address);
    for line in ["deploy --stack behind --no-wait", "destroy --stack behind --yes"] {
        let program = setup.run(line).toward(&Emulator::shared().url());
        through(program, &proxy, &VARIABLES).run().exits(0);
    }
    assert_eq!(refusal.connections(), 0);
}

#[test]
fn other_hosts_are_called_through_the_proxy() {
    let stack = Stack::deploy();
    let proxy = Proxy::start(5);
    let url = format!("http://127.0.0.1:{}", proxy.port());
    let built = ProgramPaths::get();
    for (program, line, variable) in [
        (&built.producer, "-m 5", "HTTP_PROXY"),
        (&built.sender, "-w 0 --idle-timeout 1", "http_proxy"),
        (&built.monitor, "runs", "ALL_PROXY"),
    ] {
        let before = proxy.requests();
        let line = format!("{line} --endpoint-url http://aws.invalid --stack {}", stack.name());
        through(signed_in(Program::new(program, &line)), &url, &[variable]).run().exits(0);
        assert!(proxy.requests() > before, "{line}");
    }
    // An error at another host does not advise to start the emulator.
    let missing = "--once --stack nowhere --endpoint-url http://aws.invalid";
    let missing = signed_in(Program::new(&ProgramPaths::get().monitor, missing));
    let missing = through(missing, &url, &["HTTP_PROXY"]).run();
    assert_clear(&missing, 1, &["'nowhere'", "not deployed", "http://aws.invalid"]);
    assert!(
        missing.stderr.contains("setup.sh deploy --stack nowhere --region us-east-1"),
        "{}",
        missing.stderr
    );
    assert!(!missing.stderr.contains("setup.sh local"), "{}", missing.stderr);
}

#[test]
fn an_error_of_the_proxy_names_it_without_its_password() {
    let closed = TcpListener::bind("127.0.0.1:0").expect("a loopback port");
    let closed = closed.local_addr().expect("it is bound");
    let refusing = Refusal::start("403 Forbidden");
    let demanding = Refusal::start("407 Proxy Authentication Required");
    for program in programs() {
        for (proxy, variable, reason) in [
            (refusing.address, "HTTPS_PROXY", "refused the connection to https://"),
            (refusing.address, "all_proxy", "refused the connection to https://"),
            (demanding.address, "https_proxy", "requires credentials: HTTP 407"),
            (closed, "ALL_PROXY", "does not answer"),
        ] {
            let url = format!("http://zoe:s3cr@et@{proxy}");
            let ended = through(signed_in(Program::new(program, "")), &url, &[variable]).run();
            let start = format!("error: the proxy http://{proxy} (from {variable}) {reason}");
            assert_clear(&ended, 1, &[&start]);
            assert!(ended.stderr.contains(variable), "{}", ended.stderr);
            for hidden in ["zoe", "s3cr", "et@", "setup.sh"] {
                assert!(!ended.stderr.contains(hidden), "{hidden}: {}", ended.stderr);
            }
        }
        let plain = signed_in(Program::new(program, "--endpoint-url http://aws.invalid"));
        let plain = through(plain, &format!("http://{}", refusing.address), &["HTTP_PROXY"]).run();
        let reason = "(from HTTP_PROXY) refused a call to http://aws.invalid: HTTP 403";
        assert_clear(&plain, 1, &[reason]);
    }
    let verbose = signed_in(Program::new(&ProgramPaths::get().sender, "-vv"));
    let verbose =
        through(verbose, &format!("http://zoe:s3cret@{}", refusing.address), &["HTTPS_PROXY"]).run();
    assert!(!verbose.stderr.contains("s3cret") && !verbose.stderr.contains("zoe"), "{}", verbose.stderr);
    let socks = signed_in(Program::new(&ProgramPaths::get().sender, ""));
    let socks = through(socks, &format!("socks5://{}", refusing.address), &["ALL_PROXY"]).run();
    assert_clear(&socks, 1, &["the proxy socks5://", "(from ALL_PROXY) has an unsupported scheme"]);
    assert!(refusing.connections() > 0 && demanding.connections() > 0);
}

#[test]
fn https_on_a_port_without_tls_is_answered_with_the_right_url() {
    let plain = Refusal::start("400 Bad Request");
    let emulator = Emulator::shared().url();
    for program in programs() {
        for address in [plain.address.to_string(), emulator.replace("http://", "")] {
            let line = format!("--endpoint-url https://{address}");
            let ended = signed_in(Program::new(program, &line)).run();
            let remedy = format!("the endpoint does not speak TLS, use http://{address}");
            assert_clear(&ended, 1, &[&remedy]);
            assert!(ended.stderr.contains("./infra/setup.sh local"), "{}", ended.stderr);
        }
    }
}

#[test]
fn an_endpoint_with_a_path_or_without_a_scheme_is_a_usage_error() {
    const FORM: &str = "give a URL such as http://127.0.0.1:4566";
    const NO_PATH: &str = "give it without a path: http://127.0.0.1:4566";
    for program in programs() {
        for (url, reason) in [
            ("127.0.0.1:4566", FORM),
            ("localhost", FORM),
            ("ftp://127.0.0.1", FORM),
            ("http://127.0.0.1:99999", FORM),
            ("http://127.0.0.1:4566/aws", NO_PATH),
        ] {
            let flag = Program::new(program, &format!("--endpoint-url {url}")).run();
            assert_clear(&flag, 2, &[&format!("'{url}'"), "--endpoint-url", reason]);
            for variable in ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_SQS", "AWS_ENDPOINT_URL_DYNAMODB"] {
                let of_variable = signed_in(Program::new(program, "")).env(variable, url).run();
                assert_clear(&of_variable, 2, &[&format!("'{url}' for {variable}: {reason}")]);
            }
        }
    }
}
