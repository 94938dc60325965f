//! Where the page is served: the address of `monitor serve`.

use std::fmt;
use std::io;
use std::net::Ipv6Addr;
use std::str::FromStr;

use anyhow::anyhow;
use tokio::net::TcpListener;

/// A host and a port to listen on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenAddress {
    /// A name or an IP address; one of version 6 without its brackets.
    host: String,
    /// 0 for any that is free.
    port: u16,
}

/// Listens there; an error says why that cannot be, and what to do.
pub async fn bind(address: &ListenAddress) -> anyhow::Result<TcpListener> {
    TcpListener::bind((address.host.as_str(), address.port)).await.map_err(|error| {
        anyhow!(
            "the page cannot be served on {address}: {}\nTake another address: monitor serve {}",
            why(&error),
            address.other()
        )
    })
}

fn why(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => "another program listens there".to_owned(),
        io::ErrorKind::AddrNotAvailable => "it is no address of this machine".to_owned(),
        io::ErrorKind::PermissionDenied => "you may not listen on that port".to_owned(),
        _ => error.to_string(),
    }
}

impl ListenAddress {
    /// One that is likely to be free.
    fn other(&self) -> Self {
        let port = if self.port == 8_787 { 8_788 } else { 8_787 };
        Self { host: "127.0.0.1".to_owned(), port }
    }
}

impl FromStr for ListenAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wanted = || "give HOST:PORT or a port alone, such as 127.0.0.1:8788 or 8788".to_owned();
        let (host, port) = text.rsplit_once(':').unwrap_or(("127.0.0.1", text));
        let in_brackets = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let is_host = match in_brackets {
            Some(host) => host.parse::<Ipv6Addr>().is_ok(),
            None => !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || ".-".contains(c)),
        };
        // `parse` takes a sign before a number.
        let port = if port.starts_with('+') { None } else { port.parse().ok() };
        match port {
            Some(port) if is_host => Ok(Self { host: in_brackets.unwrap_or(host).to_owned(), port }),
            _ => Err(wanted()),
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
    fn a_host_and_a_port_or_a_port_alone_are_an_address() {
        for (text, address) in [
            ("8788", "127.0.0.1:8788"),
            ("0", "127.0.0.1:0"),
            ("0.0.0.0:80", "0.0.0.0:80"),
            ("[::1]:8787", "[::1]:8787"),
            ("big-screen.lan:8787", "big-screen.lan:8787"),
        ] {
            assert_eq!(text.parse::<ListenAddress>().unwrap().to_string(), address);
        }
    }

    #[test]
    fn what_is_no_address_says_what_is_one() {
        for text in [
            "",
            ":",
            ":8787",
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
