//! Errors of what the environment configures: the proxy.

use thiserror::Error;

/// What the proxy of the environment did with a call.
#[derive(Debug, Clone, Error)]
#[error("the proxy {url} (from {variable}) {why}")]
pub struct ProxyError {
    /// The proxy, without credentials.
    pub url: String,
    /// The variable that names it.
    pub variable: &'static str,
    /// What it did, such as `refused the connection to HOST:443`.
    pub why: String,
}
