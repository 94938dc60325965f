//! The HTTP client of a program, also where the environment names a proxy.
//!
//! The SDK's default client has two shortcomings there: calls to this machine go through the proxy too unless `NO_PROXY`
//! names it, and errors do not name the proxy.

use std::sync::Arc;

use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::{Builder, Connector};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use hyper_util::client::proxy::matcher::Matcher;
use stentor_aws::ProxyError;
use stentor_aws::error::root_cause;
use stentor_aws::session::TLS;

use crate::loopback::{is_link_local, is_on_this_machine};

const FOR_HTTPS: [&str; 4] = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
const FOR_HTTP: [&str; 4] = ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"];

/// Returns the client for this environment, which may name a proxy.
pub(crate) fn client() -> SharedHttpClient {
    let direct = Builder::new().tls_provider(TLS).build_https();
    if !FOR_HTTPS.into_iter().chain(FOR_HTTP).any(is_set) {
        return direct;
    }
    SharedHttpClient::new(ProxyClient {
        direct,
        proxied: Builder::new().build_with_connector_fn(|settings, components| {
            let mut connector = Connector::builder().proxy_config(ProxyConfig::from_env());
            connector.set_connector_settings(settings.cloned());
            connector.set_sleep_impl(components.and_then(RuntimeComponents::sleep_impl));
            connector.tls_provider(TLS).build()
        }),
        matcher: Arc::new(Matcher::from_env()),
    })
}

fn is_set(variable: &str) -> bool {
    std::env::var_os(variable).is_some_and(|value| !value.is_empty())
}

#[derive(Debug)]
struct ProxyClient {
    direct: SharedHttpClient,
    proxied: SharedHttpClient,
    matcher: Arc<Matcher>,
}

#[derive(Debug)]
struct ProxyConnector {
    direct: SharedHttpConnector,
    proxied: SharedHttpConnector,
    matcher: Arc<Matcher>,
}

/// The proxy that a call goes through.
#[derive(Debug)]
struct Proxy {
    /// Without credentials.
    url: String,
    variable: &'static str,
    /// Where the call goes: `https://HOST` or `http://HOST`.
    origin: String,
}

impl HttpClient for ProxyClient {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(ProxyConnector {
            direct: self.direct.http_connector(settings, components),
            proxied: self.proxied.http_connector(settings, components),
            matcher: Arc::clone(&self.matcher),
        })
    }
}

impl HttpConnector for ProxyConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let Some(proxy) = self.proxy_for(request.uri()) else { return self.direct.call(request) };
        let response = self.proxied.call(request);
        HttpConnectorFuture::new(async move {
            let response = response.await.map_err(|error| proxy.failure(&error))?;
            match proxy.refusal(&response) {
                Some(why) => Err(proxy.error(why)),
                None => Ok(response),
            }
        })
    }
}

impl ProxyConnector {
    fn proxy_for(&self, url: &str) -> Option<Proxy> {
        if is_on_this_machine(url) || is_link_local(url) {
            return None;
        }
        let intercept = self.matcher.intercept(&url.parse().ok()?)?;
        let uri = intercept.uri();
        // A password with an @ in it leaves its rest in the authority.
        let host = uri.authority()?.as_str().rsplit('@').next()?;
        let variables = if url.starts_with("https:") { FOR_HTTPS } else { FOR_HTTP };
        Some(Proxy {
            url: format!("{}://{host}", uri.scheme_str().unwrap_or("http")),
            variable: variables.into_iter().find(|variable| is_set(variable))?,
            origin: url.splitn(4, '/').take(3).collect::<Vec<_>>().join("/"),
        })
    }
}

impl Proxy {
    fn error(&self, why: String) -> ConnectorError {
        let error = ProxyError { url: self.url.clone(), variable: self.variable, why };
        ConnectorError::io(error.into())
    }

    /// Names what the proxy did, from the texts of hyper's errors, whose types are private.
    fn failure(&self, error: &ConnectorError) -> ConnectorError {
        let causes = std::iter::successors(Some(error as &(dyn std::error::Error + 'static)), |e| e.source());
        let texts = causes.map(ToString::to_string).collect::<Vec<_>>().join(": ");
        let has = |words: &[&str]| words.iter().any(|words| texts.contains(words));
        let root = root_cause(error);
        self.error(if !self.url.starts_with("http") {
            "has an unsupported scheme: use http:// or https://".to_owned()
        } else if has(&["proxy authorization required"]) {
            NEEDS_CREDENTIALS.to_owned()
        } else if has(&["tunnel error: unsuccessful"]) {
            format!("refused the connection to {}", self.origin)
        } else if has(&["connect timeout", "connect error", "dns error", "tunnel error"]) {
            format!("does not answer: {root}")
        } else {
            format!("did not deliver a call to {}: {root}", self.origin)
        })
    }

    /// Returns what the proxy did, where an answer to a call in plain HTTP is its own: AWS and the emulators answer
    /// errors in JSON or XML.
    fn refusal(&self, response: &HttpResponse) -> Option<String> {
        let status = response.status().as_u16();
        let kind = response.headers().get("content-type").unwrap_or_default();
        let is_ours = self.origin.starts_with("https:") || kind.contains("json") || kind.contains("xml");
        match status {
            407 => Some(NEEDS_CREDENTIALS.to_owned()),
            400.. if !is_ours => Some(format!("refused a call to {}: HTTP {status}", self.origin)),
            _ => None,
        }
    }
}

const NEEDS_CREDENTIALS: &str = "requires credentials: HTTP 407";
