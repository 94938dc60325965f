//! By which names the page may be asked for.

use std::net::{Ipv4Addr, Ipv6Addr};

/// Whether a `Host` header is one that no stranger can have made a browser send: `localhost` or an IP address, with any
/// port. A name could be somebody's who has it point here, so that their page may read ours (DNS rebinding).
pub(crate) fn is_allowed_host(host: &str) -> bool {
    let (name, port) = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, port)) if address.parse::<Ipv6Addr>().is_ok() => ("localhost", port),
        Some(_) => return false,
        None => host.find(':').map_or((host, ""), |colon| host.split_at(colon)),
    };
    let port_is_one = match port.strip_prefix(':') {
        Some(digits) => digits.bytes().all(|byte| byte.is_ascii_digit()) && digits.parse::<u16>().is_ok(),
        None => port.is_empty(),
    };
    port_is_one && (name.eq_ignore_ascii_case("localhost") || name.parse::<Ipv4Addr>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_and_addresses_are_trusted() {
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
    fn names_and_what_looks_like_an_address_are_not() {
        for host in [
            "",
            "evil.example",
            "evil.example:8787",
            "localhost.evil.example",
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
