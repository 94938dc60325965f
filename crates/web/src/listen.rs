//! The address that the page is served on: the argument of `monitor serve`.

use std::fmt;
use std::io;
use std::net::Ipv6Addr;
use std::str::FromStr;

use anyhow::anyhow;
use tokio::net::TcpListener;

/// A host and a port to listen on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenAddress {
    /// A host name or an IP address; IPv6 without brackets.
    host: String,
    /// 0 lets the operating system choose a free port.
    port: u16,
}

/// The host where none is given.
const LOOPBACK: &str = "127.0.0.1";

/// Binds the address. An error has the reason and another address to try.
pub async fn bind(address: &ListenAddress) -> anyhow::Result<TcpListener> {
    // An address that is likely to be free.
    let other_port = if address.port == 8_787 { 8_788 } else { 8_787 };
    TcpListener::bind((address.host.as_str(), address.port)).await.map_err(|error| {
        anyhow!(
            "cannot serve the page on {address}: {}\nChoose another address: monitor serve 127.0.0.1:{other_port}",
            reason(&error),
        )
    })
}

fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => "another program uses this address".to_owned(),
        io::ErrorKind::AddrNotAvailable => "this machine does not have this address".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied for this port".to_owned(),
        _ => error.to_string(),
    }
}

impl FromStr for ListenAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // Without a host, only this machine: a page for the whole network takes an explicit 0.0.0.0.
        let (host, port) = match text.rsplit_once(':') {
            None => (LOOPBACK, text),
            Some(("", port)) => (LOOPBACK, port),
            Some(parts) => parts,
        };
        let in_brackets = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let is_host = match in_brackets {
            Some(host) => host.parse::<Ipv6Addr>().is_ok(),
            None => !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || ".-".contains(c)),
        };
        // `parse` also accepts a plus sign.
        let port = if port.starts_with('+') { None } else { port.parse().ok() };
        match port {
            Some(port) if is_host => Ok(Self { host: in_brackets.unwrap_or(host).to_owned(), port }),
            _ => Err("expected HOST:PORT or a port, such as 127.0.0.1:8788, 8788 or :8788".to_owned()),
        }
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_and_port_or_a_port_alone_are_accepted() {
        for (text, address) in [
            ("8788", "127.0.0.1:8788"),
            ("0", "127.0.0.1:0"),
            (":8787", "127.0.0.1:8787"),
            ("0.0.0.0:80", "0.0.0.0:80"),
            ("[::1]:8787", "[::1]:8787"),
            ("big-screen.lan:8787", "big-screen.lan:8787"),
        ] {
            assert_eq!(text.parse::<ListenAddress>().unwrap().to_string(), address);
        }
    }

    #[test]
    fn an_invalid_address_is_answered_with_the_expected_form() {
        for text in [
            "",
            ":",
            ":+80",
            "127.0.0.1",
            "127.0.0.1:",
            "70000",
            "+80",
            "::1:8787",
            "[x]:1",
            "[::1]",
            "http://a:1",
            "a b:1",
        ] {
            assert!(text.parse::<ListenAddress>().unwrap_err().contains("HOST:PORT"), "{text}");
        }
    }
}
