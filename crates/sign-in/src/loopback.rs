//! Which hosts are this machine, so that no proxy is needed for them and the local emulator may be meant.

use std::net::IpAddr;

/// Returns whether a URL names this machine: `localhost`, a name below it, or a loopback address. Names that only DNS
/// maps to such an address are not looked up.
pub fn is_on_this_machine(url: &str) -> bool {
    let is_name = |host: &str| {
        let host = host.to_ascii_lowercase();
        host == "localhost" || host.ends_with(".localhost")
    };
    let is_address = |address: IpAddr| address.is_loopback() || address.is_unspecified();
    host(url).is_some_and(|host| address(host).map_or_else(|| is_name(host), is_address))
}

/// Returns whether a URL has a link-local IPv4 address, as the metadata services of EC2 and ECS do.
pub(crate) fn is_link_local(url: &str) -> bool {
    host(url).and_then(address).is_some_and(|address| match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(_) => false,
    })
}

fn host(url: &str) -> Option<&str> {
    let authority = url.split_once("://")?.1.split(['/', '?', '#']).next()?;
    let host = authority.rsplit('@').next()?;
    match host.strip_prefix('[') {
        Some(address) => address.split(']').next(),
        None => host.split(':').next(),
    }
}

fn address(host: &str) -> Option<IpAddr> {
    host.parse::<IpAddr>().ok().map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_addresses_and_localhost_are_this_machine() {
        for url in [
            "http://127.0.0.1:4566",
            "https://127.9.9.9/",
            "http://LocalHost:4566/",
            "http://sqs.localhost",
            "http://[::1]:4566",
            "http://[::ffff:127.0.0.1]:1",
            "http://0.0.0.0:4566",
            "http://user:word@localhost:1/path?x",
        ] {
            assert!(is_on_this_machine(url), "{url}");
        }
        for url in [
            "AWS in us-east-1",
            "localhost:4566",
            "http://10.0.0.1:4566",
            "http://localhost.example.com",
            "http://127.0.0.1.example.com",
            "http://localhost@example.com",
            "http://notlocalhost",
            "http://[::2]:1",
        ] {
            assert!(!is_on_this_machine(url), "{url}");
        }
    }

    #[test]
    fn metadata_services_are_link_local() {
        assert!(is_link_local("http://169.254.169.254/latest") && is_link_local("http://169.254.170.2"));
        assert!(!is_link_local("http://127.0.0.1") && !is_link_local("https://sqs.us-east-1.amazonaws.com"));
    }
}
