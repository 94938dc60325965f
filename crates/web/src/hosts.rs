//! The check of the `Host` header.

use std::net::SocketAddr;

/// Returns whether a `Host` header is `localhost` or an IP address, with or without a port.
///
/// Any other name may belong to an attacker whose DNS points it here, so that the attacker's page could read this one in a
/// victim's browser (DNS rebinding).
pub(crate) fn is_allowed_host(host: &str) -> bool {
    let is_socket = |address: &str| address.parse::<SocketAddr>().is_ok();
    let (name, port) = host.split_once(':').unwrap_or((host, "80"));
    is_socket(host)
        || is_socket(&format!("{host}:80"))
        || (name.eq_ignore_ascii_case("localhost") && is_socket(&format!("127.0.0.1:{port}")))
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
            assert!(is_allowed_host(host), "{host}");
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
            assert!(!is_allowed_host(host), "{host}");
        }
    }
}
