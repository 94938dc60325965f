//! The check of the `Host` header.

use std::net::SocketAddr;
use std::str::FromStr;

/// The name of a host that a `Host` header may have beside `localhost` and IP addresses: that of a reverse proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostName(String);

impl FromStr for HostName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_label = |label: &str| {
            !label.is_empty()
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c))
        };
        if text.split('.').all(is_label) {
            Ok(Self(text.to_owned()))
        } else {
            Err("expected one host name without scheme, port or wildcard, such as stentor.example.com"
                .to_owned())
        }
    }
}

/// Returns whether a `Host` header is `localhost`, an IP address, or one of `names`, with or without a port.
///
/// Any other name may belong to an attacker whose DNS points it here, so that the attacker's page could read this one in a
/// victim's browser (DNS rebinding).
pub(crate) fn is_allowed_host(host: &str, names: &[HostName]) -> bool {
    let is_socket = |address: &str| address.parse::<SocketAddr>().is_ok();
    let (name, port) = host.split_once(':').unwrap_or((host, "80"));
    let is_name = name.eq_ignore_ascii_case("localhost")
        || names.iter().any(|known| name.eq_ignore_ascii_case(&known.0));
    is_socket(host)
        || is_socket(&format!("{host}:80"))
        || (is_name && is_socket(&format!("127.0.0.1:{port}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn localhost_and_ip_addresses_are_allowed() {
        for host in [
            "localhost",
            "LocalHost:8787",
            "127.0.0.1",
            "127.0.0.1:8787",
            "192.168.1.5:80",
            "[::1]",
            "[::1]:8787",
            "[fe80::1]:1",
        ] {
            assert!(is_allowed_host(host, &[]), "{host}");
        }
    }

    #[test]
    fn other_names_and_malformed_addresses_are_not_allowed() {
        for host in [
            "",
            "evil.example",
            "evil.example:8787",
            "localhost.evil.example",
            "localhost1",
            "localhost:",
            "localhost:+80",
            "localhost:80:80",
            "127.0.0.1.evil.example",
            "localhost:8787.evil.example",
            "127.0.0.1:",
            "127.0.0.1:x",
            "127.0.0.1:+80",
            "127.0.0.1:70000",
            "127.1",
            "0x7f000001",
            "[::1].evil.example",
            "[evil.example]",
            "[::1",
            "::1",
            "user@127.0.0.1",
            "127.0.0.1 ",
        ] {
            assert!(!is_allowed_host(host, &[]), "{host}");
        }
    }
    #[test]
    fn a_name_that_is_given_is_allowed_and_its_neighbours_are_not() {
        let names = ["stentor.example.com".parse().unwrap(), "big-screen".parse().unwrap()];
        for host in
            ["stentor.example.com", "Stentor.Example.com:443", "big-screen:80", "localhost", "[::1]:1"]
        {
            assert!(is_allowed_host(host, &names), "{host}");
        }
        for host in
            ["example.com", "x.stentor.example.com", "stentor.example.com.", "big-screen:x", "big-screen:"]
        {
            assert!(!is_allowed_host(host, &names), "{host}");
        }
    }

    #[test]
    fn a_port_a_wildcard_and_an_empty_name_are_refused() {
        for text in [
            "",
            ".",
            "a.",
            "a..b",
            "*",
            "*.example.com",
            "a:80",
            "[::1]",
            "http://a",
            "a/b",
            "a b",
            "-a",
            "a-.b",
        ] {
            assert!(text.parse::<HostName>().unwrap_err().contains("without scheme, port"), "{text}");
        }
    }
}
